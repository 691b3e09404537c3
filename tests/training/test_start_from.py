"""Runs that start from a trained model: its vocabulary and sizes, what is refused, and how they are resumed."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tangshi_tf import corpus, recipes, run_dir, training
from tangshi_tf.corpus import sharding
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir.weights import _variables
from tangshi_tf.settings import ModelSettings, Settings
from tangshi_tf.training.start_model import StartModel, _alike

from ..checks import assert_one_line
from .test_runs import Notes

KINDS = {'rnn': {'cell': 'rnn', 'tied': True}, 'lstm': {'cell': 'lstm', 'layers': 2, 'layer_norm': True},
         'gru': {'cell': 'gru', 'reset_after': False, 'projection': 5, 'input_dropout': 0.1}}


@pytest.fixture(scope='module', params=KINDS)
def start(request, folder, poems_file):
  """A run of each cell on 100 poems."""
  few = folder / 'few.txt'
  few.write_text(''.join(poems_file.read_text(encoding='utf-8').splitlines(keepends=True)[:100]), encoding='utf-8')
  settings = Settings.of(corpus=[str(few)], epochs=2, units=12, embedding_size=6, batch_size=20, learning_rate=0.02,
                         samples=0, **KINDS[request.param])
  return training.run(settings, folder / request.param).path


@pytest.fixture(scope='module')
def own(folder, poems_file):
  """Poems of one's own: others than those that the model has seen, with characters that it does not know."""
  path = folder / 'own.txt'
  path.write_text(''.join(poems_file.read_text(encoding='utf-8').splitlines(keepends=True)[300:400]), encoding='utf-8')
  return path


def settings_for(start, own, **changes):
  return recipes.settings_of('finetune', **{'start_from': str(start), 'corpus': [str(own)], 'epochs': 2, 'samples': 0,
                                             **changes})


def test_known_characters_keep_their_rows_and_new_ones_join(start, own, tmp_path):
  before, notes = run_dir.load(start), Notes()
  result = training.run(settings_for(start, own), tmp_path / 'a', callbacks=[notes])
  after = run_dir.load(result.path, 'epoch-00')
  kept, words = list(before.word2id), list(after.word2id)
  parts = corpus.training_parts(corpus.read_poems(own), own)
  counts = corpus.count_words(parts['train'])
  new = [word for word, _ in counts.most_common() if word not in before.word2id]
  assert words == kept + new and len(new) > 20
  assert any(f'vocabulary of {len(words):,}, {len(new)} of them new' in note for note in notes.notes)

  # Words that occur as often as others begin from the same place, among the known ones that occur about as often.
  one, other = (next(word for word in reversed(new) if counts[word] == 1), new[-1])
  alike = [before.word2id[word] for word in kept if len(word) == 1 and counts[word] == 1]
  for key, variable in _variables(after.model).items():
    value, old = np.asarray(variable), np.asarray(_variables(before.model)[key])
    if key in ('embedding', 'dense_bias', 'dense_kernel'):
      axis = key == 'dense_kernel'
      value, old = np.moveaxis(value, axis, 0), np.moveaxis(old, axis, 0)
      np.testing.assert_array_equal(value[after.word2id[one]], value[after.word2id[other]])
      rows = old[alike]
      assert np.all(value[after.word2id[one]] >= rows.min(axis=0) - 1e-6)
      assert np.all(value[after.word2id[one]] <= rows.max(axis=0) + 1e-6)
      value = value[:len(kept)]
    np.testing.assert_array_equal(value, old)

  # It trains, and everything else takes it for a run like any other.
  trained = run_dir.load(result.path, 'epoch-02')
  assert not np.array_equal(trained.model.embed_layer.embeddings, after.model.embed_layer.embeddings)
  config = trained.config
  assert config['training']['start'] == {
      'model': start.name, 'weights': run_dir.RunDir(start).best,
      'sha256': run_dir.RunDir(start).digest(f'weights/{run_dir.RunDir(start).best}.npz')}
  assert config['training']['flags']['start_from'] == str(start) and config['training']['flags']['recipe'] == 'finetune'
  assert config['model']['cell'] == start.name and config['model']['units'] == 12
  assert config['model']['input_dropout'] == recipes.settings_of('finetune').model.input_dropout
  begin = next(word for word in new if word not in corpus.PUNCTUATION)
  assert training.run(settings_for(result.path, own, epochs=1), tmp_path / 'b').history  # and one can start from it
  import tangshi_tf
  assert tangshi_tf.load(result.path).write(begin=begin, seed=1).text.startswith(begin)


def test_which_known_characters_a_new_one_is_like():
  counts = np.array([0, 0, 9, 1, 1, 1, 5, 5, 40, 0])
  for found in _alike(counts, np.array([1, 1000])):
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 8]  # fewer than it would take
  many = np.repeat([0, 1, 5, 900], [10, 100, 100, 100])
  ones, fives, most = _alike(many, np.array([1, 5, 901]))
  assert set(many[ones]) <= {1, 5} and np.mean(many[ones] == 1) >= 0.5 and set(many[most]) == {900}
  assert np.mean(many[fives] == 5) >= 0.5
  assert _alike(np.zeros(3, int), np.array([2])).tolist() == [[0, 1, 2]]  # a corpus of which it knows nothing


@pytest.mark.parametrize('start', ['lstm'], indirect=True)
def test_the_start_counts_as_epoch_0(start, own, tmp_path):
  notes = Notes()
  result = training.run(settings_for(start, own, learning_rate=0.1, label_smoothing=0.99, epochs=9, patience=2),
                        tmp_path / 'a', callbacks=[notes])
  metrics = json.loads((result.path / 'metrics.json').read_text(encoding='utf-8'))
  perplexity = metrics['start']['validation_perplexity']
  assert metrics['best_epoch'] == 0 and metrics['start']['epoch'] == 0 and len(metrics['epochs']) == 2
  assert f'Start: {start}, validation perplexity {perplexity:.1f}' in notes.notes
  assert f'No epoch was better than the start; the best weights are those of {start}.' in notes.notes
  assert run_dir.RunDir(result.path).best == 'epoch-00'
  points = [(event.step, float(tf.make_ndarray(value.tensor))) for file in result.path.glob('events*')
            for event in EventFileLoader(str(file)).Load() for value in event.summary.value
            if value.tag == 'epoch/validation_perplexity']
  assert sorted(points)[0] == (0, pytest.approx(perplexity)) and len(points) == 3


@pytest.mark.parametrize('start', ['gru'], indirect=True)
def test_a_resumed_run_needs_its_start_no_more(start, own, tmp_path):
  shutil.copytree(start, tmp_path / 'start')
  settings = settings_for(tmp_path / 'start', own, epochs=2, average=0.9, patience=0, checkpoint_every=2)
  whole = training.run(settings, tmp_path / 'whole')

  class Killed(Exception):  # noqa: N818 (nothing has gone wrong)
    pass

  class Kill(training.Callback):
    def __init__(self, after):
      self._after = after

    def on_epoch_begin(self, epoch, steps):
      if not self._after:
        raise Killed

    def on_step(self, step, result):
      if step == self._after:
        raise Killed

  for after in (0, 3):
    with pytest.raises(Killed):
      training.run(settings, tmp_path / f'killed-{after}', callbacks=[Kill(after)])
  shutil.rmtree(tmp_path / 'start')
  for after in (0, 3):
    resumed = training.resume(tmp_path / f'killed-{after}')
    for file in (whole.path / 'weights').iterdir():
      assert (resumed.path / 'weights' / file.name).read_bytes() == file.read_bytes()
    points = [event.step for path in resumed.path.glob('events*') for event in EventFileLoader(str(path)).Load()
              for value in event.summary.value if value.tag == 'epoch/validation_loss']
    assert sorted(points) == [0, 1, 2]
    assert json.loads((resumed.path / 'metrics.json').read_text())['start'] == json.loads(
        (whole.path / 'metrics.json').read_text())['start']
  with pytest.raises(UserError, match='^start_from=rnn: the run in .* has '):
    training.resume(resumed.path, start_from='rnn')


@pytest.mark.parametrize('start', ['gru'], indirect=True)
def test_shards_as_a_stream_give_the_same_vocabulary(start, own, tmp_path):
  sharding.write([str(own)], tmp_path / 'shards', count=2)
  made = [settings_for(start, f'{tmp_path}/shards/*', epochs=1, stream=stream) for stream in (True, False)]
  paths = [training.run(settings, tmp_path / str(settings.corpus.stream)).path for settings in made]
  one, other = (run_dir.load(path, 'epoch-00') for path in paths)
  assert one.word2id == other.word2id
  np.testing.assert_array_equal(one.model.embed_layer.embeddings, other.model.embed_layer.embeddings)
  assert training.resume(paths[0], epochs=2).history[1]['epoch'] == 2


@pytest.mark.parametrize(('changes', 'message'), [
    ({'units': 64}, 'units=64: the model to start from, rnn, has 128; leave it out, or start_from'),
    ({'cell': 'gru'}, 'cell=gru: the model to start from, rnn, has rnn'),
    ({'tied': True}, 'tied=True: the model to start from, rnn, has False'),
    ({'vocabulary_size': 300}, 'vocabulary_size=300: the model to start from, rnn, has 7835 words, which stay; '
                               'expected as many or more'),
    ({'start_from': 'rmn'}, "model 'rmn': no such directory; expected a run directory or one of the shipped"),
])
def test_what_contradicts_the_model_is_refused(own, tmp_path, changes, message):
  with pytest.raises(UserError, match='^' + message):
    training.run(settings_for('rnn', own, **changes), tmp_path / 'a')
  assert not (tmp_path / 'a').exists()


def test_settings_that_a_model_leaves_open():
  start = StartModel.open('best')
  decided = start.decide(Settings.of(start_from='best', units=640, output_dropout=0.5), 'a').model
  assert decided == ModelSettings(cell='gru', units=640, embedding_size=256, tied=True, softmax='adaptive',
                                  cutoffs=[450, 2050], input_dropout=0.15, output_dropout=0.5)
  assert start.decide(Settings.of(start_from='best', output_dropout=0.0), 'a').model.output_dropout == 0
  size = len(run_dir.RunDir.open('best').vocabulary())
  assert start.decide(Settings.of(start_from='best', vocabulary_size=size), 'a').corpus.vocabulary_size == size
  with pytest.raises(UserError, match='^units=128: the model to start from, best, has 640'):
    start.decide(Settings.of(start_from='best', units=128), 'a')  # the default, but asked for
  assert recipes.settings_of('lstm', start_from='best').model == ModelSettings(output_dropout=0.05)  # no sizes


@pytest.mark.parametrize('start', ['rnn'], indirect=True)
def test_a_vocabulary_of_limited_size(start, own, tmp_path):
  size = len(run_dir.RunDir(start).vocabulary())
  for more in (0, 3):
    result = training.run(settings_for(start, own, vocabulary_size=size + more, epochs=1), tmp_path / str(more))
    assert len(run_dir.RunDir(result.path).vocabulary()) == size + more
    assert len(training.resume(result.path, epochs=2).history) == 2


@pytest.mark.parametrize('start', ['rnn'], indirect=True)
def test_the_model_stays_where_it_is(start, own, tmp_path):
  before = {path.name: path.read_bytes() for path in start.iterdir() if path.is_file()}
  (tmp_path / 'link').symlink_to(start)
  for where in (start, tmp_path / 'link'):
    with pytest.raises(UserError, match='is the model to start from; expected another run_dir, so that it stays'):
      training.run(settings_for(start, own), where, overwrite=True)
  assert before == {path.name: path.read_bytes() for path in start.iterdir() if path.is_file()}


@pytest.mark.parametrize(('file', 'data', 'message'), [
    ('manifest.json', b'{}', 'manifest.json: is damaged'), ('config.json', b'{}', 'config.json: is damaged'),
    ('vocabulary.json', b'[]', 'vocabulary.json: is damaged'),
    ('weights/best.npz', b'PK', 'best.npz: is damaged: it holds 2 bytes'),
])
def test_a_damaged_model_is_one_line(tmp_path, own, file, data, message):
  shutil.copytree(run_dir.PRETRAINED / 'rnn', tmp_path / 'start')
  (tmp_path / 'start' / file).write_bytes(data)
  with pytest.raises(UserError, match=message) as caught:
    training.run(settings_for(tmp_path / 'start', own), tmp_path / 'a')
  assert '\n' not in str(caught.value) and not (tmp_path / 'a').exists()


def test_a_model_that_says_nonsense_is_one_line(tmp_path, own, one):
  path, _ = one
  with run_dir.claim(path, resume=True) as claimed:
    claimed.write_json(run_dir.CONFIG, {'model': {'cell': 'gru', 'wings': 2}})
  with pytest.raises(UserError, match="config.json: says no model .*wings.*; expected the settings of one"):
    training.run(settings_for(path, own), tmp_path / 'a')


def test_start_from_a_shipped_model(command, own, tmp_path):
  done = command('tangshi_tf.train', '--start_from=rnn', f'--corpus={own}', '--epochs=1')
  assert done.returncode == 0, done.stderr
  assert 'Recipe: finetune' in done.stdout and 'run directory runs/finetune' in done.stdout.replace('\\', '/')
  assert 'Start: rnn, validation perplexity ' in done.stdout
  assert_one_line(command('tangshi_tf.train', '--start_from=rnn', f'--corpus={own}', '--units=64'),
                  '--units=64: the model to start from, rnn, has 128')
  assert_one_line(command('tangshi_tf.train', '--start_from=rnn', f'--corpus={own}'), 'holds a run already')
  (tmp_path / 'mine.flags').write_text('--start_from=rnn\n--learning_rate=0.02\n', encoding='utf-8')
  done = command('tangshi_tf.train', '--flagfile=mine.flags', f'--corpus={own}', '--recipe=gru', '--run_dir=b',
                 '--epochs=1')
  assert done.returncode == 0, done.stderr
  flags = run_dir.RunDir(tmp_path / 'b').config()['training']['flags']
  assert (flags['cell'], flags['learning_rate'], flags['unlikelihood']) == ('rnn', 0.02, 1)
  assert command('tangshi_tf.evaluate', '--model=b', f'--corpus={own}', '--split=validation').returncode == 0
  assert command('tangshi_tf.generate', '--form=五绝', '--rhyme=off', '--tones=off').returncode == 0
