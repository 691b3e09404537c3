"""Training of poems that are told something before they begin."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import controls, corpus, evaluation, run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.model import loss, myRNNModel
from tangshi_tf.settings import Settings

SMALL = {'units': 12, 'embedding_size': 6, 'batch_size': 20, 'learning_rate': 0.02, 'controls': True, 'poets': 2,
         'epochs': 2, 'samples': 0}


@pytest.fixture(scope='module')
def few(folder, poems_file):
  """Some poems with their poets."""
  path = folder / 'few.txt'
  poems = corpus.with_poets(corpus.read_poems(corpus.default_corpus_path()), corpus.default_corpus_path())[::500]
  path.write_bytes(b''.join(map(corpus.to_line, poems)))
  (folder / 'few.poets.txt').write_text(corpus.poets_text('few.txt', poems), encoding='utf-8')
  return path


@pytest.fixture(scope='module')
def run(few, folder):
  return training.run(Settings.of(corpus=[str(few)], checkpoint_every=2, **SMALL), folder / 'run').path


@pytest.mark.parametrize('unlikelihood', [0.0, 0.7])
@pytest.mark.parametrize('reduction', ['poem', 'token', 'sum'])
@pytest.mark.parametrize('options', [{}, {'softmax': 'adaptive', 'cutoffs': [8, 21], 'tied': True}], ids=str)
def test_the_loss_is_that_of_the_poem_after_what_it_is_told(word2id, options, reduction, unlikelihood):
  """Against the loss of the poems alone, from the state after what they are told."""
  model = myRNNModel(word2id, cell='gru', units=9, embedding_size=6, **options)
  rng = np.random.default_rng(0)
  told, x, y = rng.integers(4, 40, (5, 3)), rng.integers(4, 40, (5, 7)), rng.integers(4, 40, (5, 7))
  seqlen = np.array([7, 1, 4, 7, 3], np.int32)
  form = {'reduction': reduction, 'unlikelihood': unlikelihood}
  state = model.unroll(tf.constant(told, tf.int32))[1]
  expected = loss.loss_and_gradients(model, *map(tf.constant, (x.astype(np.int32), y.astype(np.int32), seqlen)),
                                     state, **form)
  whole = np.concatenate([told, x], 1), np.concatenate([told[:, 1:], x[:, :1], y], 1)
  found = loss.loss_and_gradients(model, *(tf.constant(part, tf.int32) for part in (*whole, seqlen + 3)),
                                  first=tf.fill((5,), 3), **form)
  np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
  np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)


def test_a_run_has_the_words_and_learns_to_use_them(run, few):
  loaded = run_dir.load(run)
  assert controls.kinds_of(loaded.word2id) == list(controls.KINDS)
  assert len(controls.names_of(loaded.word2id, 'poet')) == 2
  config = loaded.config['training']['flags']
  assert (config['controls'], config['poets'], config['control_dropout'], config['uncontrolled']) == (True, 2, 0.5, 0.2)
  poems = corpus.with_poets(corpus.read_poems(few), few)
  plain = evaluation.evaluate(loaded.model, poems, loaded.word2id)
  told = evaluation.evaluate(loaded.model, poems, loaded.word2id, ['title', 'poet'])
  assert plain['tokens'] == told['tokens'] and plain['chars'] == told['chars']
  assert plain['perplexity'] != told['perplexity'] and np.isfinite(told['perplexity'])
  # By hand, token by token.
  total = 0.0
  for poem in poems[:3]:
    ids = [*controls.Direction.of_poem(poem, ['title', 'poet']).ids(loaded.word2id),
           *corpus.encode(poem.content, loaded.word2id)]
    log = tf.nn.log_softmax(loaded.model(tf.constant([ids[:-1]])))[0].numpy()
    begins = ids.index(loaded.word2id['bos'])
    total -= sum(log[t, ids[t + 1]] for t in range(begins, len(ids) - 1))
  three = evaluation.evaluate(loaded.model, poems[:3], loaded.word2id, ['title', 'poet'])
  assert three['nll'] * three['tokens'] == pytest.approx(total, rel=1e-5)


def test_a_stopped_run_ends_as_if_it_had_never_stopped(run, few, tmp_path):
  steps = []
  with pytest.raises(KeyboardInterrupt):
    training.run(Settings.of(corpus=[str(few)], checkpoint_every=2, **SMALL), tmp_path / 'a',
                 callbacks=[_Stop(steps)])
  training.resume(tmp_path / 'a')
  one, other = run_dir.load(run), run_dir.load(tmp_path / 'a')
  for ours, theirs in zip(one.model.trainable_variables, other.model.trainable_variables):
    np.testing.assert_array_equal(ours, theirs)


class _Stop(training.Callback):
  """Ends a run in its third step."""

  def __init__(self, steps):
    self._steps = steps

  def on_step(self, step, result):
    self._steps.append(step)
    if len(self._steps) == 7:
      raise KeyboardInterrupt


def test_a_run_that_starts_from_a_model_tells_what_the_model_knows(run, few, tmp_path):
  settings = Settings.of(corpus=[str(few)], start_from=str(run), epochs=1, batch_size=20)
  result = training.run(settings, tmp_path / 'b')
  assert list(run_dir.load(result.path).word2id) == list(run_dir.load(run).word2id)


def test_the_vocabulary_of_a_model(run, few, poems_file, tmp_path):
  """Another corpus has that of a run and no other characters; where the run is gone, it still can be resumed."""
  source = tmp_path / 'source'
  shutil.copytree(run, source)
  settings = Settings.of(corpus=[str(poems_file)], vocabulary_from=str(source), epochs=2, units=4, embedding_size=3)
  path = training.run(settings, tmp_path / 'd').path
  plain = [word for word in run_dir.load(run).word2id if not corpus.is_control(word)]
  assert list(run_dir.load(path).word2id) == plain
  with_controls = training.run(Settings.of(**{**SMALL, 'corpus': [str(few)], 'vocabulary_from': str(source),
                                              'epochs': 1}), tmp_path / 'e').path
  assert list(run_dir.load(with_controls).word2id) == list(run_dir.load(run).word2id)
  shutil.rmtree(source)
  training.resume(with_controls, epochs=2)
  with pytest.raises(UserError, match='^both vocabulary_from=.* and vocabulary_size=100; expected one of them'):
    Settings.of(vocabulary_from='gru', vocabulary_size=100)
  with pytest.raises(UserError, match='^vocabulary_from=.* with start_from, which has a vocabulary'):
    Settings.of(vocabulary_from='gru', start_from='gru')
  with pytest.raises(UserError, match='source'):
    training.run(settings, tmp_path / 'f')


def test_what_does_not_go_together_is_one_line(run, few, tmp_path, poems_file):
  with pytest.raises(UserError, match='^bptt=10 trains on all poems as one text, which is told nothing'):
    Settings.of(controls=True, bptt=10)
  plain = training.run(Settings.of(corpus=[str(poems_file)], epochs=1, units=4, embedding_size=3), tmp_path / 'p').path
  with pytest.raises(UserError, match='^controls: the model to start from has none; expected controls=False'):
    training.run(Settings.of(corpus=[str(few)], start_from=str(plain), controls=True), tmp_path / 'c')
  with pytest.raises(UserError, match="^told 'title': the model is not told one; expected a model with controls"):
    evaluation.evaluate(run_dir.load(plain).model, corpus.read_poems(few), run_dir.load(plain).word2id, ['title'])
