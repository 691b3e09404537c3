"""TensorBoard's pages, read back: hyperparameters, layout, poems, soundness, perplexity by form, projector."""

import collections
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from tangshi_tf import corpus, decoding, evaluation, prosody, recipes, run_dir, training
from tangshi_tf.prosody import soundness
from tangshi_tf.settings import EXERCISE
from tangshi_tf.training import board, projector
from tangshi_tf.training.samples import Samples
from tangshi_tf.training.weights_keeper import WeightsKeeper

from ..checks import model_with_a_will
from .test_runs import Notes

EPOCHS = 2
OPTIONS = {'cell': 'gru', 'units': 24, 'embedding_size': 12, 'batch_size': 20, 'learning_rate': 0.03, 'epochs': EPOCHS,
           'average': 0.5, 'output_dropout': 0.1, 'random_states': 0.3, 'checkpoint_every': 4}


@pytest.fixture(scope='module')
def poems(tmp_path_factory):
  """250 poems whose validation part has several forms."""
  path = tmp_path_factory.mktemp('poems') / 'poems.txt'
  every = corpus.read_poems(corpus.default_corpus_path())[:3000:12]
  path.write_text(''.join(f'{poem.title}:{poem.content}\n' for poem in every), encoding='utf-8')
  return path


def settings_for(poems, **changes):
  return recipes.settings_of('none', corpus=[str(poems)], **{**OPTIONS, **changes})


@pytest.fixture(scope='module')
def path(poems, tmp_path_factory):
  """A run with all pages."""
  where = tmp_path_factory.mktemp('runs') / 'all'
  return training.run(settings_for(poems, samples=12, histograms=True), where).path


@pytest.fixture(scope='module')
def events(path):
  found = EventAccumulator(str(path), size_guidance={'tensors': 0})
  found.Reload()
  return found


@pytest.fixture(scope='module')
def last(path):
  """The model after the last epoch, and its vocabulary."""
  return run_dir.load(path, f'epoch-{EPOCHS:02}')


def points(path) -> list[tuple[str, int, bytes]]:
  """Returns tag, step and value of everything in the files of events of a run; what is a time has no value."""
  return sorted((value.tag, event.step, b'' if 'second' in value.tag else value.tensor.SerializeToString())
                for file in path.glob('events*') for event in EventFileLoader(str(file)).Load()
                for value in event.summary.value)


def values(events, tag) -> dict[int, np.ndarray]:
  """Returns the values of a tag by step."""
  return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


def texts(events, tag) -> dict[int, str]:
  return {step: value.item().decode() for step, value in values(events, tag).items()}


def columns(text: str) -> list[tuple[str, ...]]:
  """Returns the columns of a table in Markdown, without what is above it."""
  rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines() if line.startswith('|')]
  return list(zip(*rows[2:]))


def test_hyperparameters_and_their_metrics(path, events):
  start = hparams.parse_session_start_info_plugin_data(
      events.SummaryMetadata(hparams.SESSION_START_INFO_TAG).plugin_data.content)
  found = {name: getattr(value, value.WhichOneof('kind')) for name, value in start.hparams.items()}
  flags = run_dir.RunDir(path).config()['training']['flags']
  later = {'samples', 'projector', 'histograms', 'log_every', 'checkpoint_every'}
  expected = {name: value for name, value in flags.items() if value is not None and name not in later}
  assert found == {**expected, 'parameters': run_dir.load(path).model.count_params()}
  assert start.group_name.endswith('/all')

  experiment = hparams.parse_experiment_plugin_data(events.SummaryMetadata(hparams.EXPERIMENT_TAG).plugin_data.content)
  assert {info.name for info in experiment.hparam_infos} == set(found)
  assert {info.name for info in experiment.hparam_infos if info.differs} == {
      'cell', 'units', 'parameters', 'learning_rate', 'epochs'}
  for info in experiment.hparam_infos:  # a run with a value that is none of a domain would not be shown
    domain = list(info.domain_discrete)
    assert not domain or found[info.name] in domain and len(domain) > 1
  assert [metric.name.tag for metric in experiment.metric_infos] == list(board.METRICS)
  history = run_dir.RunDir(path).epochs()
  final = {tag: float(values(events, tag)[EPOCHS]) for tag in board.METRICS}
  assert final['epoch/validation_loss'] == pytest.approx(history[-1]['validation_loss'], rel=1e-6)
  assert final['epoch/best_validation_perplexity'] == pytest.approx(
      min(epoch['validation_perplexity'] for epoch in history), rel=1e-6)


def test_the_layout_names_curves_that_there_are(events):
  layout = layout_pb2.Layout.FromString(values(events, 'custom_scalars__config__')[0].item())
  tags = events.Tags()['tensors']
  charts = [chart for category in layout.category for chart in category.chart]
  assert [chart.title for chart in charts][:2] == ['validation perplexity', 'sound poems, zero state']
  shown = [[tag for tag in tags if any(re.match(regex, tag) for regex in chart.multiline.tag)] for chart in charts]
  assert all(shown) and shown[0] == ['epoch/validation_perplexity'] and len(shown[3]) > 2


def test_perplexity_by_form_is_that_of_evaluation(poems, path, events, last):
  held_out = evaluation.read_held_out('validation', [str(poems)]).poems
  by_form = collections.defaultdict(list)
  for poem in held_out:
    by_form[prosody.form_of(poem.content)].append(poem)
  assert len(by_form) > 2
  name = 'validation_perplexity_'
  found = {tag.partition(name)[2] for tag in events.Tags()['tensors'] if tag.startswith(f'epoch/{name}')}
  assert found == set(by_form)
  for form, members in by_form.items():
    expected = evaluation.evaluate(last.model, members, last.word2id)['perplexity']
    assert float(values(events, f'epoch/{name}{form}')[EPOCHS]) == pytest.approx(expected, rel=1e-4)
    assert run_dir.RunDir(path).epochs()[-1][name + form] == pytest.approx(expected, rel=1e-4)


def test_poems_and_soundness_are_those_of_the_bare_loop(events, last):
  known = [begin for begin in corpus.SAMPLE_BEGINS if begin in last.word2id]
  usual = [word for word in last.word2id if len(word) == 1 and '\u4e00' <= word <= '\u9fff' and word not in known]
  begins = [*known, *usual][:12]
  assert len(begins) == 12
  shown = texts(events, 'poems/free')
  assert list(shown) == list(range(1, EPOCHS + 1))
  first, *written = columns(shown[EPOCHS])
  assert list(first) == begins[:7]
  for init, column in zip(('zero', 'random'), written):
    poems = [''.join(poem) for poem in decoding.generate(
        list(zip(begins, range(12))), model=last.model, word2id=last.word2id, id2word=last.id2word, init=init,
        **EXERCISE)]
    assert list(column) == poems[:7]
    share = sum(map(soundness.is_sound, poems)) / 12
    assert float(values(events, f'epoch/soundness_{init}_state')[EPOCHS]) == pytest.approx(share)
    assert f'{share:.0%} from ' in shown[EPOCHS].splitlines()[0]
  assert written[0] != written[1]


def test_soundness_is_the_share_of_sound_poems(word2id, monkeypatch):
  model = model_with_a_will(word2id)
  samples = Samples(model, model.word2id, model.id2word, 4)
  assert len(samples.begins) == 4
  poems = {'zero': ['日暮苍山远，天寒白屋贫。', '日日日。', '山。', '风雪夜归人，柴门闻犬吠。'],
           'random': ['月', '月', '月', '月，']}
  monkeypatch.setattr(samples, 'free', poems.get)
  sound, shown = samples.write()
  assert sound == {'soundness_zero_state': 0.5, 'soundness_random_state': 0.0}
  assert shown['poems/free'].startswith('sound: 50% from the zero state, 0% from random states\n\n| 字 |')
  assert shown['poems/七绝'].startswith('(none: ')  # forty words are too few for it


def test_the_form_is_kept(events):
  shown = texts(events, 'poems/七绝')
  assert list(shown) == list(range(1, EPOCHS + 1))
  begins, zero, random = columns(shown[EPOCHS])
  assert len(begins) == 7 and zero != random
  for begin, *pair in zip(begins, zero, random):
    for poem in pair:
      assert poem.startswith(begin) and prosody.check(poem, prosody.FORMS['七绝'], 'strict').keeps()


def test_the_projector_fits_the_vocabulary(poems, path, last):
  config = text_format.Parse((path / 'projector_config.pbtxt').read_text(encoding='utf-8'), ProjectorConfig())
  embedding, = config.embeddings
  vectors = np.loadtxt(path / embedding.tensor_path, delimiter='\t', ndmin=2)
  head, *rows = [line.split('\t') for line in (path / embedding.metadata_path).read_text(encoding='utf-8').splitlines()]
  assert head == ['character', 'tone', 'frequency', 'log2 frequency', 'rank']
  characters = [row[0] for row in rows]
  assert set(characters) == {word for word in last.word2id if len(word) == 1} and len(characters) == len(vectors)
  expected = last.model.embed_layer.embeddings.numpy()[[last.word2id[character] for character in characters]]
  np.testing.assert_allclose(vectors, expected, rtol=0.01, atol=1e-6)
  parts = corpus.training_parts(corpus.read_poems(poems), poems)
  counts = collections.Counter(character for poem in parts['train'] for character in poem.content)
  assert [int(row[2]) for row in rows] == [counts[character] for character in characters]
  assert [int(row[2]) for row in rows] == sorted(counts.values(), reverse=True)
  tones = {row[0]: row[1] for row in rows}
  assert tones['，'] == 'mark' and tones['不'] == projector.TONES[prosody.tone('不')]
  assert {'平 level', '仄 oblique', '平/仄 either', 'mark'} <= set(tones.values())


def test_the_projector_shows_the_most_frequent_characters_of_a_large_vocabulary(tmp_path, word2id, monkeypatch):
  model = model_with_a_will(word2id, embedding_size=8)
  monkeypatch.setattr(projector, 'NUMBERS', 8 * 5)
  counts = collections.Counter({word: i for word, i in word2id.items()})
  projector.Projector(tmp_path, model, list(word2id), counts).write()
  rows = (tmp_path / 'projector/characters.tsv').read_text(encoding='utf-8').splitlines()
  assert [row[0] for row in rows[1:]] == list(word2id)[:-6:-1]
  assert len((tmp_path / 'projector/embedding.tsv').read_text().splitlines()) == 5


def test_histograms_of_all_weights(events, last):
  tags = {tag.removeprefix('weights/') for tag in events.Tags()['tensors'] if tag.startswith('weights/')}
  assert len(tags) == len(last.model.trainable_variables) and {'embedding', 'dense_kernel'} <= tags
  buckets = values(events, 'weights/embedding')[EPOCHS]  # left edge, right edge, count
  assert buckets[:, 2].sum() == last.model.embed_layer.embeddings.numpy().size


def test_without_all_that_the_weights_are_the_same(poems, path, tmp_path):
  plain = training.run(settings_for(poems, samples=0, projector=False), tmp_path / 'plain').path
  assert not list(plain.glob('projector*'))
  tags = {tag for tag, _, _ in points(plain)}
  assert not any(re.match('poems|weights|epoch/soundness', tag) for tag in tags) and 'prediction' in tags
  for file in (path / 'weights').iterdir():
    assert (plain / 'weights' / file.name).read_bytes() == file.read_bytes()


def test_a_resumed_run_has_each_point_once(poems, path, tmp_path, monkeypatch):
  class Killed(Exception):  # noqa: N818 (nothing has gone wrong)
    pass

  keep, where = WeightsKeeper.on_epoch_end, tmp_path / 'all'

  def killed(keeper, epoch, metrics):
    if epoch == EPOCHS:
      raise Killed
    keep(keeper, epoch, metrics)

  with monkeypatch.context() as patched:  # after the points of an epoch, before the next checkpoint
    patched.setattr(WeightsKeeper, 'on_epoch_end', killed)
    with pytest.raises(Killed):
      training.run(settings_for(poems, samples=12, histograms=True), where)
  assert [step for tag, step, _ in points(where) if tag == 'poems/free'] == [1, 2]
  training.resume(where)
  found = points(where)
  assert collections.Counter((tag, step) for tag, step, _ in found).most_common(1)[0][1] == 1
  assert found == points(path)
  weights = [f'weights/epoch-{epoch:02}.npz' for epoch in range(1, EPOCHS + 1)]
  for name in ('projector_config.pbtxt', 'projector/embedding.tsv', 'projector/characters.tsv', *weights):
    assert (where / name).read_bytes() == (path / name).read_bytes()


def test_a_run_that_replaces_another_leaves_none_of_its_pages(path, tmp_path):
  (tmp_path / 'a/projector').mkdir(parents=True)
  for name in ('config.json', 'manifest.json', 'projector_config.pbtxt', 'projector/embedding.tsv'):
    (tmp_path / 'a' / name).write_bytes((path / name).read_bytes())
  with run_dir.claim(tmp_path / 'a', overwrite=True) as claimed:
    claimed.create(['PAD', 'UNK', 'bos', 'eos'], {'model': {}})
  assert not (tmp_path / 'a/projector_config.pbtxt').exists() and not list((tmp_path / 'a/projector').iterdir())


def test_a_projector_that_cannot_be_written_ends_no_training(poems, tmp_path):
  class InTheWay(training.Callback):
    def on_begin(self, position, epochs):
      (tmp_path / 'a/projector').write_text('a file')

  notes = Notes()
  done = training.run(settings_for(poems, epochs=1, samples=0), tmp_path / 'a', callbacks=[notes, InTheWay()])
  assert len(done.history) == 1
  said, = [note for note in notes.notes if 'TensorBoard' in note]
  assert said.startswith(f"{tmp_path / 'a'}: TensorBoard's points cannot be written (") and '\n' not in said


def test_figures_by_form_are_json(path):
  metrics = json.loads((path / 'metrics.json').read_text(encoding='utf-8'), parse_constant=pytest.fail)
  assert all('validation_perplexity_other' in epoch for epoch in metrics['epochs'])
