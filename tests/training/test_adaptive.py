"""Runs with an adaptive softmax: what their files say, resuming them, starting from them, measuring them."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import corpus, evaluation, recipes, run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import weights
from tangshi_tf.settings import Settings

CUTOFFS = [60, 200]
SMALL = {'epochs': 2, 'units': 12, 'embedding_size': 6, 'tied': True, 'batch_size': 20, 'learning_rate': 0.02,
         'checkpoint_every': 2, 'unlikelihood': 0.5, 'softmax': 'adaptive', 'cutoffs': CUTOFFS, 'samples': 0}


@pytest.fixture(scope='module')
def few(folder, poems_file):
  path = folder / 'few.txt'
  path.write_text(''.join(poems_file.read_text(encoding='utf-8').splitlines(keepends=True)[:100]), encoding='utf-8')
  return path


@pytest.fixture(scope='module')
def run(folder, few):
  """A run directory."""
  return training.run(Settings.of(corpus=[str(few)], **SMALL), folder / 'run').path


@pytest.fixture(scope='module')
def full_run(folder, few):
  """A run directory of a model with the full softmax."""
  full = {name: value for name, value in SMALL.items() if name != 'cutoffs'}
  return training.run(Settings.of(corpus=[str(few)], **{**full, 'softmax': 'full', 'epochs': 1}), folder / 'full').path


def test_files_say_what_they_hold(run):
  config = run_dir.RunDir(run).config()
  assert (config['model']['softmax'], config['model']['cutoffs']) == ('adaptive', CUTOFFS)
  assert config['training']['flags']['cutoffs'] == CUTOFFS
  loaded = run_dir.load(run)
  words = len(loaded.word2id)
  assert loaded.model.clusters.bounds == [*CUTOFFS, words]
  arrays = {name: array.shape for name, array in np.load(run / 'weights/epoch-02.npz').items()}
  assert (arrays['clusters_inner'], arrays['clusters_kernel'], arrays['clusters_bias']) == ((6, 64), (70, 2), (2,))
  assert arrays['dense_bias'] == (words,)
  poem, again = (tangshi_tf.load(run).write('五绝', seed=1, tones='off', rhyme='off') for _ in range(2))
  assert len(poem.lines) == 4 and poem.text == again.text


@pytest.mark.parametrize(('changes', 'message'), [
    ({'cutoffs': [60, 60]}, '"model" is .*expected cell'), ({'cutoffs': '60'}, '"model" is .*expected cell'),
    ({'cutoffs': [60, 10**6]}, 'cutoffs=60,1000000: the vocabulary has .* words; expected cut-offs below that$'),
    ({'softmax': 'full'}, 'cutoffs=60,200 with softmax=full; expected softmax=adaptive$'),
    ({'softmax': 'soft'}, "softmax 'soft' is unknown; expected one of full, adaptive$"),
    ({'cutoffs': [60]}, r'clusters_kernel is .float\d\d. \[70, 2\]; expected floats \[70, 1\] '),
    ({'cutoffs': []}, 'holds the arrays .*clusters_bias, clusters_inner, clusters_kernel')])
def test_a_configuration_that_does_not_fit_is_one_line(run, tmp_path, changes, message):
  shutil.copytree(run, tmp_path / 'a')
  with run_dir.claim(tmp_path / 'a', resume=True) as claimed:
    config = claimed.config()
    claimed.write_json(run_dir.CONFIG, {**config, 'model': {**config['model'], **changes}})
  with pytest.raises(UserError, match=message) as caught:
    run_dir.load(tmp_path / 'a')
  assert '\n' not in str(caught.value)


def test_models_from_before_there_was_a_choice_have_the_full_softmax(full_run, tmp_path):
  old = tmp_path / 'old'
  shutil.copytree(full_run, old)
  with run_dir.claim(old, resume=True) as claimed:
    config = claimed.config()
    del config['model']['softmax']
    claimed.write_json(run_dir.CONFIG, config)
  loaded = run_dir.load(old)
  assert loaded.model.hyperparameters['softmax'] == 'full' and loaded.model.clusters is None
  x = tf.constant([[2, 9, 5]])
  np.testing.assert_array_equal(loaded.model(x), run_dir.load(full_run).model(x))


@pytest.mark.parametrize(('changes', 'message'), [
    ({'softmax': 'full'}, '^softmax=full: the run in .* has adaptive; leave it out to resume that run'),
    ({'cutoffs': [60, 201]}, r'^cutoffs=\[60, 201\]: the run in .* has \[60, 200\]; leave it out')])
def test_a_run_keeps_its_softmax(run, changes, message):
  with pytest.raises(UserError, match=message):
    training.resume(run, epochs=3, **changes)


def test_a_resumed_run_ends_as_if_it_had_never_stopped(run, few, tmp_path):
  class Killed(Exception):  # noqa: N818 (nothing has gone wrong)
    pass

  class Kill(training.Callback):
    def on_step(self, step, result):
      if step == 3:
        raise Killed

  with pytest.raises(Killed):
    training.run(Settings.of(corpus=[str(few)], **SMALL), tmp_path / 'killed',
                 callbacks=[Kill()])
  resumed = training.resume(tmp_path / 'killed', cutoffs=CUTOFFS)
  names = {file.name for file in (run / 'weights').iterdir()}
  assert names == {file.name for file in (resumed.path / 'weights').iterdir()} and 'epoch-02.npz' in names
  for name in names:
    assert (resumed.path / 'weights' / name).read_bytes() == (run / 'weights' / name).read_bytes()


def test_new_characters_join_the_last_tail(run, full_run, poems_file, tmp_path):
  own = tmp_path / 'own.txt'
  own.write_text(''.join(poems_file.read_text(encoding='utf-8').splitlines(keepends=True)[300:400]), encoding='utf-8')
  asked = {'start_from': str(run), 'corpus': [str(own)], 'epochs': 1}
  result = training.run(recipes.settings_of('finetune', **asked), tmp_path / 'a')
  before, start, after = run_dir.load(run), run_dir.load(result.path, 'epoch-00'), run_dir.load(result.path, 'epoch-01')
  words, more = len(before.word2id), len(start.word2id)
  assert more > words + 20 and start.model.clusters.bounds == [*CUTOFFS, more]
  assert start.config['model']['cutoffs'] == CUTOFFS
  old, new = (weights.arrays(found.model, np.float32) for found in (before, start))
  for name in old:
    np.testing.assert_array_equal(new[name][:len(old[name])], old[name])
  x = tf.constant([[2, 9, 5, words + 3]])
  likely, known = tf.nn.softmax(start.model(x)).numpy(), tf.nn.softmax(before.model(x[:, :3])).numpy()
  # The head and the tails before the last one are as likely as they were, so all of the last tail is, too.
  np.testing.assert_allclose(likely[:, :3, :CUTOFFS[1]], known[:, :, :CUTOFFS[1]], rtol=1e-4)
  assert likely[..., words:].min() > 0 and not np.array_equal(tf.nn.softmax(after.model(x)), likely)
  for changes, message in (({'softmax': 'full'}, 'softmax=full: the model to start from, .*, has adaptive'),
                           ({'label_smoothing': 0.1}, 'label_smoothing=0.1 with softmax=adaptive')):
    with pytest.raises(UserError, match=message):
      training.run(recipes.settings_of('finetune', **asked, **changes), tmp_path / 'b')
  with pytest.raises(UserError, match='^softmax=adaptive: the model to start from, .*, has full'):
    training.run(recipes.settings_of('finetune', **{**asked, 'start_from': str(full_run), 'softmax': 'adaptive'}),
                 tmp_path / 'b')


def test_cut_offs_beyond_the_vocabulary_make_no_directory(few, tmp_path):
  with pytest.raises(UserError, match='^cutoffs=60,5000: the vocabulary has .* words; expected cut-offs below that$'):
    training.run(Settings.of(corpus=[str(few)], **{**SMALL, 'cutoffs': [60, 5000]}), tmp_path / 'a')
  assert not (tmp_path / 'a').exists()


def test_measures_are_those_of_the_probabilities(run, few):
  loaded = run_dir.load(run)
  poems = corpus.training_parts(corpus.read_poems(few), few)['validation']
  ids, splits = corpus.encode_all(poems, loaded.word2id)
  expected, losses = [], []
  for first, end in zip(splits, splits[1:]):
    text = tf.constant(ids[None, first:end])
    likely = tf.nn.log_softmax(tf.cast(loaded.model(text[:, :-1]), tf.float64))
    nll = -tf.gather(likely, text[:, 1:], batch_dims=2).numpy()[0]
    expected += [0, *nll]
    losses.append(nll.mean())
  np.testing.assert_allclose(evaluation.token_nll(loaded.model, ids, splits), expected, rtol=1e-4, atol=1e-5)
  metrics = json.loads((run / 'metrics.json').read_text(encoding='utf-8'))['epochs'][-1]
  if run_dir.RunDir(run).best == f'epoch-{metrics["epoch"]:02}':
    assert metrics['validation_loss'] == pytest.approx(np.mean(losses), rel=1e-3)
  assert tangshi_tf.load(run).score(poems[0].content)
