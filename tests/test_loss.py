import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import loss
from tangshi_tf.model import CELLS, myRNNModel


@pytest.fixture
def batch():
  rng = np.random.default_rng(0)
  return (rng.integers(0, 40, (7, 13)), rng.integers(0, 40, (7, 13)), np.array([13, 1, 5, 13, 2, 9, 7], np.int32))


def test_compute_loss_against_numpy(batch):
  _, labels, seqlen = batch
  logits = np.random.default_rng(1).normal(size=(7, 13, 40)) * 3
  poems = []
  for row, label, n in zip(logits, labels, seqlen):
    log_probability = row - np.log(np.exp(row).sum(-1, keepdims=True))
    poems.append(np.mean([-log_probability[t, label[t]] for t in range(n)]))
  result = loss.compute_loss(tf.constant(logits, tf.float32), labels, seqlen)
  np.testing.assert_allclose(result, np.mean(poems), rtol=1e-5)


def test_mask_and_average():
  np.testing.assert_array_equal(loss.mkMask([1, 0, 3], 3), [[1, 0, 0], [0, 0, 0], [1, 1, 1]])
  values = tf.constant([[1.0, 9.0], [2.0, 4.0], [np.nan, np.nan]])
  np.testing.assert_array_equal(loss.reduce_avg(values, tf.constant([1, 2, 0]), 1), [1, 3, 0])
  np.testing.assert_array_equal(loss.reduce_avg(values[..., None], tf.constant([1, 2, 0]), 1), [[1], [3], [0]])


@pytest.mark.parametrize('rows', [4, 1024])
@pytest.mark.parametrize('cell', CELLS)
def test_fused_loss_and_gradients_equal_the_plain_ones(word2id, batch, cell, rows, monkeypatch):
  monkeypatch.setattr(loss, 'ROWS', rows)
  keras.utils.set_random_seed(0)
  model = myRNNModel(word2id, cell=cell, embedding_size=6, units=16)
  for variable in model.trainable_variables:
    variable.assign(variable + tf.random.normal(variable.shape, stddev=0.3))
  x, y, seqlen = batch
  with tf.GradientTape() as tape:
    plain = loss.compute_loss(model(x), y, seqlen)
  expected = tape.gradient(plain, model.trainable_variables)

  @tf.function
  def fused():
    with tf.GradientTape() as tape:
      value, nll = loss.fused_loss(model.hidden_sequence(x), model.dense.kernel, model.dense.bias, y, seqlen)
    return value, nll, tape.gradient(value, model.trainable_variables)

  value, nll, gradients = fused()
  np.testing.assert_allclose(value, plain, rtol=1e-5)
  assert nll.shape == (seqlen.sum(),)
  for name, got, want in zip(('embedding', 'kernel', 'recurrent', 'bias', 'dense', 'dense bias'), gradients, expected):
    got, want = tf.convert_to_tensor(got).numpy(), tf.convert_to_tensor(want).numpy()
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want), name

  hidden = tf.gather_nd(model.hidden_sequence(x), loss.real_positions(seqlen, 13))
  labels = tf.gather_nd(y, loss.real_positions(seqlen, 13))
  np.testing.assert_allclose(loss.linear_nll(hidden, model.dense.kernel, model.dense.bias, labels), nll, rtol=1e-5)


def test_upstream_gradient_scales():
  rng = np.random.default_rng(0)
  hidden, kernel = tf.constant(rng.normal(size=(6, 3)), tf.float32), tf.constant(rng.normal(size=(3, 9)), tf.float32)
  gradients = []
  for factor in (1.0, -2.5):
    with tf.GradientTape() as tape:
      tape.watch(kernel)
      value = factor * loss.linear_cross_entropy(hidden, kernel, tf.zeros(9), [0, 1, 2, 3, 4, 5], tf.ones(6))[0]
    gradients.append(tape.gradient(value, kernel).numpy())
  np.testing.assert_allclose(gradients[1], -2.5 * gradients[0], rtol=1e-6)


def test_extreme_logits_stay_finite():
  hidden, kernel = tf.constant([[1.0], [-1.0]]), tf.constant([[3e4, -3e4, 0.0]])
  with tf.GradientTape() as tape:
    tape.watch(kernel)
    value, nll = loss.linear_cross_entropy(hidden, kernel, tf.zeros(3), [0, 0], tf.ones(2))
  np.testing.assert_allclose(nll, [0, 6e4])
  assert np.isfinite(tape.gradient(value, kernel).numpy()).all()
