import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf.errors import UserError
from tangshi_tf.model import CELLS, cross_entropy, loss, myRNNModel, products
from tangshi_tf.settings import TrainingSettings, known


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
  monkeypatch.setattr(cross_entropy, 'ROWS', rows)
  monkeypatch.setattr(cross_entropy, 'LOGITS', 1)
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
  plain_nll = cross_entropy.linear_nll(hidden, model.dense.kernel, model.dense.bias, labels)
  np.testing.assert_allclose(plain_nll, nll, rtol=1e-5)


def _value_and_gradients(precision, rows=40, classes=90, units=12, seed=0, scale=1.0, unlikelihood=0.0):
  """Returns loss, nll and gradients of a random output layer."""
  rng = np.random.default_rng(seed)
  hidden = tf.constant(np.tanh(rng.normal(size=(rows, units))), tf.float32)
  kernel = tf.constant(scale * rng.normal(size=(units, classes)), tf.float32)
  bias = tf.constant(rng.normal(size=classes), tf.float32)
  labels, weights = rng.integers(0, classes, rows), tf.constant(rng.random(rows) * 1e-6, tf.float32)
  unwanted = tf.constant(rng.normal(size=(rows, 2)), tf.float32)
  with tf.GradientTape() as tape:
    tape.watch([hidden, kernel, bias])
    value, nll = cross_entropy.linear_cross_entropy(
        hidden, kernel, bias, labels, weights, precision=precision, unlikelihood=unlikelihood, unwanted_logits=unwanted)
  return value.numpy(), nll.numpy(), [gradient.numpy() for gradient in tape.gradient(value, [hidden, kernel, bias])]


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_products_of_16_bits_have_few_numbers_of_rows(precision, monkeypatch):
  seen = set()

  class Chunks(cross_entropy._Chunks):
    def rows(self, tensor, i):
      part = super().rows(tensor, i)
      seen.add(part.shape[0])
      return part

  monkeypatch.setattr(cross_entropy, '_Chunks', Chunks)
  monkeypatch.setattr(cross_entropy, 'LOGITS', 5 * 1024)
  for rows in range(1, 2400, 13):
    _value_and_gradients(precision, rows, classes=5, units=2)
  assert seen <= set(range(64, 1025, 64))


@pytest.mark.parametrize('extra', [{}, {'label_smoothing': 0.3}, {'unlikelihood': 0.7},
                                   {'label_smoothing': 0.3, 'unlikelihood': 2.0}], ids=str)
@pytest.mark.parametrize('reduction', known(TrainingSettings)['reduction'].choices)
@pytest.mark.parametrize('options', [{}, {'tied': True}, {'projection': 5}], ids=str)
def test_every_form_of_the_loss_equals_the_plain_one(word2id, batch, options, reduction, extra, monkeypatch):
  monkeypatch.setattr(cross_entropy, 'ROWS', 16)
  monkeypatch.setattr(cross_entropy, 'LOGITS', 1)
  keras.utils.set_random_seed(0)
  model = myRNNModel(word2id, cell='gru', layers=2, embedding_size=6, units=16, **options)
  for variable in model.trainable_variables:
    variable.assign(variable + tf.random.normal(variable.shape, stddev=0.3))
  x, y, seqlen = batch
  form = {'reduction': reduction, **extra}
  if 'unlikelihood' in extra:
    form['unwanted'] = loss.earlier_characters(tf.constant(x, tf.int32), tf.constant(y, tf.int32), model.is_character)
  with tf.GradientTape(persistent=True) as tape:
    plain = loss.compute_loss(model(x), y, seqlen, **form)
    fused, nll = loss.fused_loss(model.hidden_sequence(x), model.dense.kernel, model.dense.bias, y, seqlen, **form)
  np.testing.assert_allclose(fused, plain, rtol=1e-5)
  np.testing.assert_allclose(tf.reduce_sum(nll), 7 * loss.compute_loss(model(x), y, seqlen, reduction='sum'), rtol=1e-5)
  for variable in model.trainable_variables:
    got, want = (tf.convert_to_tensor(tape.gradient(value, variable)).numpy() for value in (fused, plain))
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want), variable.path


def test_earlier_characters_by_hand():
  comma, sun, moon, hill = 0, 1, 2, 3
  found = loss.earlier_characters(tf.constant([[sun, sun, comma, moon]]), tf.constant([[sun, comma, moon, sun]]),
                                  tf.constant([False, True, True, True]))
  # Not the label, no mark, each once, and nothing that comes later.
  assert [sorted(row[row >= 0].tolist()) for row in found[0].numpy()] == [[], [sun], [sun], [moon]]
  assert hill not in found.numpy()


def test_unlikelihood_by_hand(batch):
  _, labels, seqlen = batch
  logits = tf.random.stateless_normal((7, 13, 40), (0, 1))
  shares = tf.nn.softmax(logits).numpy()
  unwanted = np.full((7, 13, 2), -1)
  unwanted[0, 3] = 5, 8
  unwanted[1, 2] = 9, -1  # after the end of its poem
  # So much of it that the difference of the two losses is not one of rounding.
  more = loss.compute_loss(logits, labels, seqlen, reduction='token', unlikelihood=50.0, unwanted=unwanted)
  less = loss.compute_loss(logits, labels, seqlen, reduction='token')
  np.testing.assert_allclose(more - less, -50 * np.log((1 - shares[0, 3, 5]) * (1 - shares[0, 3, 8])) / seqlen.sum(),
                             rtol=1e-3)


def test_unlikelihood_of_what_is_nearly_certain_has_finite_gradients():
  hidden, kernel = tf.constant([[[30.0]]]), tf.Variable([[-1.0, 1.0, 0.0]])  # 1 - p is 0 in float32
  with tf.GradientTape() as tape:
    value, _ = loss.fused_loss(hidden, kernel, tf.zeros(3), tf.constant([[2]]), tf.constant([1]), unlikelihood=1.0,
                               unwanted=tf.constant([[[1]]]))
  gradient = tape.gradient(value, kernel)
  assert np.isfinite(value) and np.all(np.isfinite(gradient))
  assert gradient[0, 1] > 0 > gradient[0, 2]  # away from what is unwanted, towards the label


def test_reductions_by_hand(batch):
  _, labels, seqlen = batch
  logits = tf.random.stateless_normal((7, 13, 40), (0, 1))
  nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits).numpy()
  rows = [row[:n] for row, n in zip(nll, seqlen)]
  for reduction, value in (('poem', np.mean([row.mean() for row in rows])), ('token', np.concatenate(rows).mean()),
                           ('sum', np.mean([row.sum() for row in rows]))):
    np.testing.assert_allclose(loss.compute_loss(logits, labels, seqlen, reduction=reduction), value, rtol=1e-5)
  even = -np.mean(tf.nn.log_softmax(logits), -1)
  smoothed = np.mean([(0.9 * a + 0.1 * b)[:n].mean() for a, b, n in zip(nll, even, seqlen)])
  np.testing.assert_allclose(loss.compute_loss(logits, labels, seqlen, label_smoothing=0.1), smoothed, rtol=1e-5)
  with pytest.raises(UserError, match='poem, token, sum'):
    loss.compute_loss(logits, labels, seqlen, reduction='mean')


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('rows', [1, 40, 530])
@pytest.mark.parametrize('unlikelihood', [0.0, 0.7])
@pytest.mark.parametrize(('precision', 'tolerance'), [('bfloat16', 2e-2), ('float16', 3e-3)])
def test_mixed_precision_stays_close_to_float32(precision, tolerance, unlikelihood, rows, native, monkeypatch):
  monkeypatch.setattr(products.devices, 'gains', lambda _: native)
  value, nll, gradients = _value_and_gradients('float32', rows, unlikelihood=unlikelihood)
  mixed_value, mixed_nll, mixed_gradients = _value_and_gradients(precision, rows, unlikelihood=unlikelihood)
  assert mixed_value == pytest.approx(value, rel=tolerance)
  np.testing.assert_allclose(mixed_nll, nll, rtol=4 * tolerance, atol=4 * tolerance)
  assert not np.array_equal(mixed_nll, nll)
  for got, want in zip(mixed_gradients, gradients):
    assert got.dtype == np.float32
    assert np.linalg.norm(got - want) <= 2 * tolerance * np.linalg.norm(want)


@pytest.mark.parametrize('native', [True, False])  # both ways on every machine, whichever units it has
@pytest.mark.parametrize('precision', known(TrainingSettings)['precision'].choices)
def test_small_and_extreme_gradients_survive(precision, native, monkeypatch):
  monkeypatch.setattr(products.devices, 'gains', lambda _: native)
  # Weights of 1e-6 would leave float16 nothing but zeros without scaling.
  _, _, gradients = _value_and_gradients(precision)
  assert all(np.count_nonzero(gradient) > 0.95 * gradient.size for gradient in gradients)
  # Logits of several hundred take the path that subtracts the greatest first.
  value, _, gradients = _value_and_gradients(precision, scale=100.0)
  assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize('scale', [10.0, 30.0, 100.0])
def test_both_ways_of_the_softmax_agree(scale, monkeypatch):
  expected = _value_and_gradients('float32', scale=scale)
  monkeypatch.setattr(cross_entropy, 'safe_sums', lambda _: tf.constant(False))
  value, nll, gradients = _value_and_gradients('float32', scale=scale)
  assert value == pytest.approx(expected[0], rel=1e-6)
  np.testing.assert_allclose(nll, expected[1], rtol=1e-5, atol=1e-5)
  for got, want in zip(gradients, expected[2]):
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want)


def test_unknown_precision():
  with pytest.raises(UserError, match="precision 'int8' is unknown; expected one of float32, bfloat16, float16"):
    _value_and_gradients('int8')


def _largest_tensor(profile_of, *arguments):
  """Returns the elements of the largest tensor that a run of a graph makes, by its own statistics."""
  options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
  config = tf.compat.v1.ConfigProto()  # without optimizers: all of this graph could be computed beforehand
  config.graph_options.rewrite_options.disable_meta_optimizer = True
  config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
  graph = tf.Graph()
  with graph.as_default():
    fetched = profile_of(*arguments)
    with tf.compat.v1.Session(graph=graph, config=config) as session:
      metadata = tf.compat.v1.RunMetadata()
      session.run(fetched, options=options, run_metadata=metadata)
  sizes = [0]
  for device in metadata.step_stats.dev_stats:
    for node in device.node_stats:
      for output in node.output:
        sizes.append(math.prod(dim.size for dim in output.tensor_description.shape.dim))
  return max(sizes)


@pytest.mark.parametrize(('rows', 'classes', 'logits', 'count'), [
    (0, 7835, 2**19, 1), (512, 7835, 2**19, 1), (513, 7835, 2**19, 2), (1024, 452, 2**19, 1), (1025, 452, 2**19, 2),
    (5000, 2, 2**11, 5)])
def test_chunks_have_many_logits(rows, classes, logits, count, monkeypatch):
  monkeypatch.setattr(cross_entropy, 'LOGITS', logits)
  found, size = cross_entropy.chunks_of(rows, classes)
  assert found == count and size * count >= rows > size * count - count


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('precision', known(TrainingSettings)['precision'].choices)
def test_logits_never_exist_for_more_rows_than_the_bound(precision, native, monkeypatch):
  monkeypatch.setattr(products.devices, 'gains', lambda _: native)
  monkeypatch.setattr(cross_entropy, 'ROWS', 16)
  monkeypatch.setattr(cross_entropy, 'LOGITS', 1)
  units, classes = 4, 500

  def fused(batch, time):
    hidden, kernel, bias = tf.ones((batch, time, units)), tf.ones((units, classes)), tf.zeros(classes)
    seqlen = tf.fill((batch,), time)
    labels = tf.zeros((batch, time), tf.int32)
    value, _ = loss.fused_loss(hidden, kernel, bias, labels, seqlen, precision=precision)
    return [value, *tf.gradients(value, [hidden, kernel, bias])]

  assert _largest_tensor(fused, 2, 10) <= 16 * classes
  assert _largest_tensor(fused, 10, 40) <= 16 * classes

  def plain(batch, time):
    logits = tf.ones((batch, time, units)) @ tf.ones((units, classes))
    return loss.compute_loss(logits, tf.zeros((batch, time), tf.int32), tf.fill((batch,), time))

  assert _largest_tensor(plain, 10, 40) >= 10 * 40 * classes  # so the counting sees what it should


def test_upstream_gradient_scales():
  rng = np.random.default_rng(0)
  hidden, kernel = tf.constant(rng.normal(size=(6, 3)), tf.float32), tf.constant(rng.normal(size=(3, 9)), tf.float32)
  gradients = []
  for factor in (1.0, -2.5):
    with tf.GradientTape() as tape:
      tape.watch(kernel)
      value, _ = cross_entropy.linear_cross_entropy(hidden, kernel, tf.zeros(9), [0, 1, 2, 3, 4, 5], tf.ones(6))
      value *= factor
    gradients.append(tape.gradient(value, kernel).numpy())
  np.testing.assert_allclose(gradients[1], -2.5 * gradients[0], rtol=1e-6)


def test_extreme_logits_stay_finite():
  hidden, kernel = tf.constant([[1.0], [-1.0]]), tf.constant([[3e4, -3e4, 0.0]])
  with tf.GradientTape() as tape:
    tape.watch(kernel)
    value, nll = cross_entropy.linear_cross_entropy(hidden, kernel, tf.zeros(3), [0, 0], tf.ones(2))
  np.testing.assert_allclose(nll, [0, 6e4])
  assert np.isfinite(tape.gradient(value, kernel).numpy()).all()


@pytest.mark.parametrize('unlikelihood', [0.0, 1.0])
def test_a_replica_may_have_no_rows(unlikelihood):
  empty = tf.zeros((0, 3), tf.int32)

  @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None, 5))])
  def measure(ids, hidden):
    seqlen = tf.fill((tf.shape(ids)[0],), 2)
    unwanted = loss.earlier_characters(ids, ids, tf.ones(40, tf.bool))
    return loss.fused_loss(hidden, tf.ones((5, 40)), tf.zeros(40), ids, seqlen, unlikelihood=unlikelihood,
                           unwanted=unwanted)

  value, nll = measure(empty, tf.zeros((0, 3, 5)))
  assert float(value) == 0 and nll.shape == (0,)
  assert float(measure(tf.ones((2, 3), tf.int32), tf.ones((2, 3, 5)))[0]) == pytest.approx(math.log(40), rel=1e-5)
