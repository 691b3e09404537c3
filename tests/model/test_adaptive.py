"""The adaptive softmax against its plain definition."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf.errors import UserError
from tangshi_tf.model import cross_entropy, loss, myRNNModel
from tangshi_tf.settings import ModelSettings

FORMS = [{}, {'tied': True}, {'projection': 5}, {'tied': True, 'units': 6}, {'cutoffs': [39]}, {'cutoffs': [1, 2, 3]}]


def make(word2id, **options):
  """Returns a small model with an adaptive softmax and weights of some size."""
  model = myRNNModel(word2id, **{'cell': 'gru', 'embedding_size': 6, 'units': 9, 'softmax': 'adaptive',
                                 'cutoffs': [8, 21], **options})
  for i, variable in enumerate(model.trainable_variables):
    variable.assign(tf.random.stateless_normal(variable.shape, (1, i), stddev=0.6))
  return model


@pytest.fixture
def batch():
  rng = np.random.default_rng(0)
  return (rng.integers(0, 40, (7, 13)), rng.integers(0, 40, (7, 13)), np.array([13, 1, 5, 13, 2, 9, 7], np.int32))


def plain(model, hidden):
  """Returns the probabilities, float64 `[n, V]`, by the definition, and the softmaxes that they are made of."""
  def softmax(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)

  hidden, kernel, bias, inner, own, own_bias = (np.asarray(tensor, np.float64) for tensor in (
      hidden, model.dense.kernel, model.dense.bias, *model.clusters.trainable_variables))
  bounds = [*model.hyperparameters['cutoffs'], len(bias)]
  first, logits = bounds[0], hidden @ kernel + bias
  classes = np.concatenate([hidden, np.tanh(hidden @ inner)], 1) @ own + own_bias
  head = softmax(np.concatenate([logits[:, :first], classes], 1))
  tails = [softmax(logits[:, low:high]) for low, high in zip(bounds, bounds[1:])]
  shares = [head[:, :first], *(head[:, first + i, None] * tail for i, tail in enumerate(tails))]
  return np.concatenate(shares, 1), head, tails


def real(model, batch):
  """Returns the states under the output layer and the labels of the real positions of a batch."""
  x, y, seqlen = batch
  places = loss.real_positions(seqlen, 13)
  return tf.gather_nd(model.hidden_sequence(x), places), tf.gather_nd(y, places)


@pytest.mark.parametrize('options', FORMS, ids=str)
def test_probabilities_are_those_of_the_definition_and_sum_to_one(word2id, batch, options):
  model = make(word2id, **options)
  hidden, labels = real(model, batch)
  shares, _, _ = plain(model, hidden)
  np.testing.assert_allclose(shares.sum(1), 1, atol=1e-12)
  found = np.exp(np.asarray(model.logits(hidden), np.float64))
  # The logits of the head are as they are, so that all of them need a common factor.
  np.testing.assert_allclose(found / found.sum(1, keepdims=True), shares, atol=1e-6)
  nll = model.clusters.nll(hidden, model.dense.kernel, model.dense.bias, labels)
  expected = -np.log(shares[np.arange(len(shares)), labels])
  np.testing.assert_allclose(nll, expected, rtol=1e-5, atol=1e-6)
  every = tf.tile(hidden[:1], (40, 1))  # each word once
  nll = model.clusters.nll(every, model.dense.kernel, model.dense.bias, tf.range(40))
  likely = np.exp(-np.asarray(nll, np.float64))
  assert likely.sum() == pytest.approx(1, abs=1e-6)
  np.testing.assert_allclose(likely, shares[0], atol=1e-6)


def gradients_by_hand(model, hidden, labels, weights):
  """Returns the gradients of sum(weights * nll), float64, for hidden, the output layer, and the tails' classes."""
  _, head, tails = plain(model, hidden)
  bounds = [*model.hyperparameters['cutoffs'], len(word_bias := np.asarray(model.dense.bias))]
  first, hidden = bounds[0], np.asarray(hidden, np.float64)
  kernel, inner, own = (np.asarray(tensor, np.float64) for tensor in (
      model.dense.kernel, model.clusters.inner, model.clusters.kernel))
  d_head, d_logits = head * weights[:, None], np.zeros((len(hidden), len(word_bias)))
  for n, label in enumerate(labels.numpy()):
    tail = sum(label >= low for low in bounds) - 1
    d_head[n, first + tail if tail >= 0 else label] -= weights[n]
    if tail >= 0:
      low, high = bounds[tail:tail + 2]
      d_logits[n, low:high] = weights[n] * tails[tail][n]
      d_logits[n, label] -= weights[n]
  d_logits[:, :first], d_own = d_head[:, :first], d_head[:, first:]
  curved = np.tanh(hidden @ inner)
  d_straight, d_curved = np.split(d_own @ own.T, [hidden.shape[1]], axis=1)
  d_curved *= 1 - curved**2
  return {'hidden': d_logits @ kernel.T + d_straight + d_curved @ inner.T, 'kernel': hidden.T @ d_logits,
          'bias': d_logits.sum(0), 'inner': hidden.T @ d_curved,
          "classes' kernel": np.concatenate([hidden, curved], 1).T @ d_own, "classes' bias": d_own.sum(0)}


@pytest.mark.parametrize('rows', [4, 512])
@pytest.mark.parametrize('options', FORMS, ids=str)
def test_loss_and_gradients_equal_the_definition(word2id, batch, options, rows, monkeypatch):
  monkeypatch.setattr(cross_entropy, 'ROWS', rows)
  monkeypatch.setattr(cross_entropy, 'LOGITS', 1)
  model = make(word2id, **options)
  hidden, labels = real(model, batch)
  weights = np.random.default_rng(1).random(len(labels))

  @tf.function
  def measure(hidden, kernel, bias):
    with tf.GradientTape() as tape:
      tape.watch([hidden, kernel, bias])
      value, nll = model.clusters.cross_entropy(hidden, kernel, bias, labels, tf.constant(weights, tf.float32))
    return value, nll, tape.gradient(value, [hidden, kernel, bias, *model.clusters.trainable_variables])

  value, nll, found = measure(hidden, tf.convert_to_tensor(model.dense.kernel), tf.convert_to_tensor(model.dense.bias))
  shares, _, _ = plain(model, hidden)
  expected = -np.log(shares[np.arange(len(shares)), labels])
  np.testing.assert_allclose(nll, expected, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(value, weights @ expected, rtol=1e-5)
  for got, (name, want) in zip(found, gradients_by_hand(model, hidden, labels, weights).items()):
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want), name


@pytest.mark.parametrize('unlikelihood', [0.0, 0.7])
@pytest.mark.parametrize('reduction', ['poem', 'token', 'sum'])
@pytest.mark.parametrize('options', FORMS, ids=str)
def test_a_whole_model_has_the_loss_and_gradients_of_its_logits(word2id, batch, options, reduction, unlikelihood):
  model = make(word2id, layers=2, **options)
  x, y, seqlen = (tf.constant(part, tf.int32) for part in batch)
  unwanted = loss.earlier_characters(x, y, model.is_character)
  form = {'reduction': reduction, 'unlikelihood': unlikelihood}
  with tf.GradientTape() as tape:
    expected = loss.compute_loss(model(x), y, seqlen, **form,
                                 unwanted=tf.where(unwanted < model.clusters.bounds[0], unwanted, -1))
  wanted = tape.gradient(expected, model.trainable_variables)
  value, nll, gradients, _ = loss.loss_and_gradients(model, x, y, seqlen, **form)
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  np.testing.assert_allclose(loss.batch_nll(model, x, y, seqlen)[0], nll, rtol=1e-5, atol=1e-6)
  assert len(gradients) == len(model.trainable_variables)
  for variable, got, want in zip(model.trainable_variables, gradients, map(tf.convert_to_tensor, wanted)):
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want), variable.path


@pytest.mark.parametrize('labels', [[0, 7], [8, 20], [21, 39], []], ids=['head', 'first tail', 'last tail', 'none'])
def test_clusters_without_rows(word2id, labels):
  model = make(word2id)
  hidden = tf.random.stateless_normal((len(labels), 9), (0, 1))
  dense = [model.dense.kernel, model.dense.bias]
  with tf.GradientTape() as tape:
    tape.watch(hidden)
    value, nll = model.clusters.cross_entropy(hidden, *dense, labels, tf.ones(len(labels)))
  gradients = tape.gradient(value, [hidden, *dense, *model.clusters.trainable_variables])
  for tensor in (value, *gradients):
    assert np.isfinite(tf.convert_to_tensor(tensor)).all()
  assert nll.shape == model.clusters.nll(hidden, *dense, labels).shape == (len(labels),)
  places = [sum(label >= bound for bound in (8, 21)) for label in labels]
  changed = [bool(np.abs(part).max()) for part in np.split(gradients[1].numpy(), [8, 21], axis=1)]
  assert changed[1:] == [1 in places, 2 in places] and changed[0] == bool(labels)
  if not labels:
    assert value == 0


def test_call_and_single_steps_agree(word2id, batch):
  model = make(word2id, cell='lstm')
  x = tf.constant(batch[0], tf.int32)
  likely, state = tf.nn.log_softmax(model(x)), model.zero_state(7)
  never = [word2id[word] for word in ('PAD', 'UNK', 'bos')]
  for t in range(13):
    hidden, _ = model.step(x[:, t], state)
    np.testing.assert_allclose(tf.nn.log_softmax(model.logits(hidden)), likely[:, t], atol=1e-5)
    logits, state = model.next_logits(x[:, t], state)
    assert np.isneginf(tf.gather(logits, never, axis=1)).all()
    allowed = [i for i in range(40) if i not in never]
    # What is left keeps the ratios of its probabilities.
    np.testing.assert_allclose(tf.nn.log_softmax(tf.gather(logits, allowed, axis=1)),
                               tf.nn.log_softmax(tf.gather(likely[:, t], allowed, axis=1)), atol=1e-5)
  np.testing.assert_array_equal(model.get_next_token(x[:, 0], model.zero_state(7))[0],
                                tf.argmax(model.next_logits(x[:, 0], model.zero_state(7))[0], axis=1))


@pytest.mark.parametrize('cutoffs', [None, []])
def test_a_vocabulary_smaller_than_the_head_has_the_full_softmax(word2id, batch, cutoffs):
  keras.utils.set_random_seed(3)
  adaptive = myRNNModel(word2id, cell='gru', units=9, softmax='adaptive', cutoffs=cutoffs)
  keras.utils.set_random_seed(3)
  full = myRNNModel(word2id, cell='gru', units=9)
  assert adaptive.clusters is None and adaptive.hyperparameters['cutoffs'] == []
  assert 'cutoffs' not in full.hyperparameters
  np.testing.assert_array_equal(adaptive(batch[0]), full(batch[0]))
  for got, want in zip(loss.loss_and_gradients(adaptive, *batch)[2], loss.loss_and_gradients(full, *batch)[2]):
    np.testing.assert_array_equal(got, want)


def test_default_cut_offs():
  sizes = (5, 899, 900, 2499, 2500, 7835, 10324, 10**6)
  found = {words: ModelSettings(softmax='adaptive').tails(words) for words in sizes}
  assert found == {5: [], 899: [], 900: [450], 2499: [450], 2500: [450, 2050], 7835: [450, 2050],
                   10324: [450, 2050, 9350], 10**6: [450, 2050, 9350, 42600]}
  assert ModelSettings().tails(10**6) == []


def test_what_does_not_go_with_it_is_one_line(word2id, batch):
  with pytest.raises(UserError, match='^cutoffs=8,40: the vocabulary has 40 words; expected cut-offs below that$'):
    make(word2id, cutoffs=[8, 40])
  with pytest.raises(UserError, match=r'^cutoffs \[8, 8\]: expected whole numbers from 1, each greater than'):
    make(word2id, cutoffs=[8, 8])
  with pytest.raises(UserError, match='^label_smoothing=0.1 with an adaptive softmax; expected label_smoothing=0$'):
    loss.loss_and_gradients(make(word2id), *batch, label_smoothing=0.1)
