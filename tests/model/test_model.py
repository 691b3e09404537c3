import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf.errors import UserError
from tangshi_tf.model import CELLS, get_next_token, myRNNModel, products, recurrence

VARIANTS = [('rnn', True), ('lstm', True), ('gru', True), ('gru', False)]


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def numpy_sequence(model, ids, state, *, other_convention=False):
  """The equations of the model's documentation; returns h `[batch, time, units]`."""
  x = model.embed_layer.embeddings.numpy()[ids].astype(np.float64)
  kernel, recurrent, bias = (np.asarray(v, np.float64) for v in model.rnncell.trainable_variables)
  h, outputs = state[0], []
  c = state[-1]

  def gates(n):
    return [slice(i * model.rnncell.units, (i + 1) * model.rnncell.units) for i in range(n)]

  for t in range(ids.shape[1]):
    if model.cell == 'rnn':
      h = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
    elif model.cell == 'lstm':
      i, f, g, o = (x[:, t] @ kernel[:, s] + h @ recurrent[:, s] + bias[s] for s in gates(4))
      c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
      h = sigmoid(o) * np.tanh(c)
    else:
      sz, sr, sh = gates(3)
      if model.rnncell.reset_after:
        outer, inner = bias
        update = x[:, t] @ kernel[:, sz] + outer[sz] + h @ recurrent[:, sz] + inner[sz]
        r = sigmoid(x[:, t] @ kernel[:, sr] + outer[sr] + h @ recurrent[:, sr] + inner[sr])
        new = np.tanh(x[:, t] @ kernel[:, sh] + outer[sh] + r * (h @ recurrent[:, sh] + inner[sh]))
      else:
        update = x[:, t] @ kernel[:, sz] + h @ recurrent[:, sz] + bias[sz]
        r = sigmoid(x[:, t] @ kernel[:, sr] + h @ recurrent[:, sr] + bias[sr])
        new = np.tanh(x[:, t] @ kernel[:, sh] + (r * h) @ recurrent[:, sh] + bias[sh])
      if other_convention:
        z = sigmoid(-update)  # the weights of the gate negated
        h = (1 - z) * h + z * new
      else:
        z = sigmoid(update)
        h = z * h + (1 - z) * new
    outputs.append(h)
  return np.stack(outputs, 1)


@pytest.fixture(params=VARIANTS, ids=lambda v: f'{v[0]}{"" if v[1] else "-reset_before"}')
def model(request, word2id):
  keras.utils.set_random_seed(3)
  cell, reset_after = request.param
  model = myRNNModel(word2id, cell=cell, embedding_size=6, units=5, reset_after=reset_after)
  for variable in model.trainable_variables:  # biases too
    variable.assign(variable + tf.random.normal(variable.shape, stddev=0.5))
  return model


@pytest.fixture
def ids():
  return np.random.default_rng(0).integers(0, 40, (3, 11))


def test_sequence_path_follows_the_equations(model, ids):
  state = model.random_state(3, seed=1)
  expected = numpy_sequence(model, ids, [s.numpy().astype(np.float64) for s in state])
  np.testing.assert_allclose(model.hidden_sequence(ids, state), expected, atol=2e-6)
  if model.cell == 'gru':
    other = numpy_sequence(model, ids, [s.numpy() for s in state], other_convention=True)
    np.testing.assert_allclose(other, expected, atol=1e-6)


def test_step_path_equals_sequence_path(model, ids):
  logits = model(ids, model.zero_state(3)).numpy()
  state = model.zero_state(3)
  for t in range(ids.shape[1]):
    step, state = model.next_logits(ids[:, t], state)
    np.testing.assert_allclose(step[:, 3:], logits[:, t, 3:], atol=2e-5)


def test_default_state_is_zero(model, ids):
  np.testing.assert_array_equal(model(ids), model(ids, model.zero_state(3)))


def test_members_and_variables(model):
  assert model.rnncell is model.rnn_layer.cell
  assert isinstance(model, keras.Model)
  assert len(model.trainable_variables) == 6
  assert len({id(v) for v in model.weights}) == 6


def test_states(model):
  zero, drawn = model.zero_state(7), model.random_state(4000, stddev=0.5, seed=0)
  assert len(zero) == len(drawn) == (2 if model.cell == 'lstm' else 1)
  assert all(s.shape == (7, 5) and not s.numpy().any() for s in zero)
  for s in drawn:
    assert s.numpy().std() == pytest.approx(0.5, rel=0.03)
  if len(drawn) == 2:
    assert (drawn[0].numpy() != drawn[1].numpy()).any()


def test_get_next_token_never_returns_special_tokens(model, word2id):
  x = tf.range(40)
  bias = np.zeros(40, np.float32)
  bias[:3] = 1000  # PAD, UNK and bos would win by far
  model.dense.bias.assign(bias)
  following, state = get_next_token(model, x, model.zero_state(40))
  assert following.shape == (40,) and following.dtype == tf.int32
  assert following.numpy().min() >= 3
  assert [s.shape for s in state] == [s.shape for s in model.zero_state(40)]


def test_a_bare_state_works_for_any_batch(word2id):
  model = myRNNModel(word2id)
  x = tf.constant([5, 6])
  state = model.random_state(2, seed=0)
  bare, _ = model.get_next_token(x, state[0])
  np.testing.assert_array_equal(bare, model.get_next_token(x, state)[0])


def test_exercise_defaults(word2id):
  model = myRNNModel(word2id)
  assert isinstance(model.rnncell, keras.layers.SimpleRNNCell)
  assert model.embed_layer.output_dim == 64
  assert model.rnncell.units == 128


def test_unknown_cell(word2id):
  with pytest.raises(UserError, match=', '.join(CELLS)):
    myRNNModel(word2id, cell='transformer')


DEEP = {'layers': 2, 'embedding_size': 6, 'units': 5}
OPTIONS = [{'cell': 'lstm', **DEEP}, {'cell': 'gru', 'layer_norm': True, **DEEP}, {'tied': True, **DEEP},
           {'cell': 'lstm', 'tied': True, 'embedding_size': 5, 'units': 5}, {'projection': 3, **DEEP}]


@pytest.fixture(params=OPTIONS, ids=str)
def deep(request, word2id):
  keras.utils.set_random_seed(3)
  model = myRNNModel(word2id, **request.param)
  for variable in model.trainable_variables:
    variable.assign(variable + tf.random.normal(variable.shape, stddev=0.5))
  return model


def test_options_step_path_equals_sequence_path(deep, ids):
  first = deep.random_state(3, seed=1)
  logits = deep(ids, first).numpy()
  hidden, last = deep.unroll(ids, first)
  state = first
  for t in range(ids.shape[1]):
    step, state = deep.next_logits(ids[:, t], state)
    np.testing.assert_allclose(step[:, 3:], logits[:, t, 3:], atol=2e-5)
  assert len(state) == len(last) == deep.state_tensors
  for got, want in zip(last, state):
    np.testing.assert_allclose(got, want, atol=1e-5)
  # In two parts with the state carried over it is the same.
  head, middle = deep.unroll(ids[:, :4], first)
  tail, _ = deep.unroll(ids[:, 4:], middle)
  np.testing.assert_allclose(tf.concat([head, tail], 1), hidden, atol=1e-5)


def test_options_all_variables_get_gradients(deep, ids):
  with tf.GradientTape() as tape:
    value = tf.reduce_sum(deep(ids)[..., :7] ** 2)
  gradients = tape.gradient(value, deep.trainable_variables)
  assert all(gradient is not None for gradient in gradients)
  assert len({variable.path for variable in deep.trainable_variables}) == len(gradients)


def test_a_tied_output_layer_is_the_embedding(word2id):
  model = myRNNModel(word2id, tied=True, embedding_size=8, units=16)
  np.testing.assert_array_equal(model.dense.kernel, tf.transpose(model.embed_layer.embeddings))
  assert model.projection.kernel.shape == (16, 8)
  untied = myRNNModel(word2id, projection=8, embedding_size=8, units=16)
  assert untied.count_params() - model.count_params() == 40 * 8


@pytest.mark.parametrize('batch', [1, 2, 3])  # some of the loops have no row, or fewer than others
@pytest.mark.parametrize('make, own, state_tensors', [(keras.layers.LSTM, recurrence.lstm, 2),
                                                      (keras.layers.GRU, recurrence.gru, 1),
                                                      (keras.layers.SimpleRNN, recurrence.rnn, 1)])
def test_the_loops_for_processors_have_the_gradients_of_keras(make, own, state_tensors, batch):
  rng = np.random.default_rng(0)
  layer = make(5, return_sequences=True, return_state=True)
  layer.build((None, None, 6))
  inputs, *state = (tf.constant(rng.normal(size=shape), tf.float32)
                    for shape in ((batch, 11, 6), *[(batch, 5)] * state_tensors))
  weights = [tf.constant(rng.normal(size=shape), tf.float32)
             for shape in ((batch, 11, 5), *[(batch, 5)] * state_tensors)]
  variables = layer.trainable_variables
  for variable in variables:
    variable.assign(rng.normal(size=variable.shape))
  results = []
  for run in (lambda: layer(inputs, initial_state=state), lambda: own(inputs, *state, *variables)):
    with tf.GradientTape() as tape:
      tape.watch([inputs, *state])
      outputs = run()
      total = sum(tf.reduce_sum(weight * output) for weight, output in zip(weights, outputs))
    results.append([*outputs, *tape.gradient(total, [inputs, *state, *variables])])
  for ours, keras_own in zip(*results):
    np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('native', [True, False])  # both ways on every machine, whichever units it has
@pytest.mark.parametrize('cell', CELLS)
def test_16_bits_stay_close_to_float32(word2id, ids, cell, native, monkeypatch):
  monkeypatch.setattr(products.devices, 'gains', lambda _: native)
  model = myRNNModel(word2id, cell=cell, layers=2, units=24, embedding_size=16, projection=12)

  def run(precision):
    with tf.GradientTape() as tape:
      hidden, state = model.unroll(ids, precision=precision)
      value = sum(tf.reduce_sum(tensor * tensor) for tensor in (hidden, *state))
    weights = [*model.rnn_layers[0].trainable_variables, *model.rnn_layers[1].trainable_variables,
               model.projection.kernel]
    return [hidden, *state, *tape.gradient(value, weights)]

  plain = run('float32')
  for got, want in zip(run('bfloat16'), plain):
    assert got.dtype == tf.float32
    assert 0 < np.linalg.norm(got - want) <= 0.05 * np.linalg.norm(want)
  for got, want in zip(run('float16'), plain):  # for the output layer alone
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('where', ['input_dropout', 'layer_dropout', 'output_dropout', 'weight_dropout'])
def test_dropout_follows_the_seed_and_is_for_training_only(word2id, where, ids):
  model = myRNNModel(word2id, cell='lstm', layers=2, embedding_size=16, units=32, **{where: 0.5})
  plain, _ = model.unroll(ids)
  np.testing.assert_array_equal(plain, model.hidden_sequence(ids))
  first, _ = model.unroll(ids, seed=tf.constant([0, 1]))
  again, _ = model.unroll(ids, seed=tf.constant([0, 1]))
  other, _ = model.unroll(ids, seed=tf.constant([0, 2]))
  np.testing.assert_array_equal(first, again)
  assert np.abs(first - other).max() > 1e-3 and np.abs(first - plain).max() > 1e-3
  np.testing.assert_array_equal(model.hidden_sequence(ids), plain)  # the weights are as they were


@pytest.mark.parametrize('locked', [True, False])
def test_locked_dropout_has_one_mask_a_sequence(word2id, locked, ids):
  model = myRNNModel(word2id, embedding_size=16, units=400, output_dropout=0.25, locked_dropout=locked)
  dropped = model.unroll(ids, seed=tf.constant([0, 1]))[0].numpy() == 0
  assert dropped.mean() == pytest.approx(0.25, abs=0.03)
  assert (dropped == dropped[:, :1]).all() == locked
  assert (dropped[0] != dropped[1]).any()


@pytest.mark.parametrize(('cell', 'reset_after'), VARIANTS)
def test_weight_dropout_gives_gradients_to_what_stays(word2id, ids, cell, reset_after):
  model = myRNNModel(word2id, cell=cell, reset_after=reset_after, units=8, embedding_size=4, weight_dropout=0.5)

  @tf.function
  def gradient():
    with tf.GradientTape() as tape:
      value = tf.reduce_sum(model.unroll(ids, seed=tf.constant([0, 1]))[0])
    return tape.gradient(value, model.rnncell.recurrent_kernel)

  assert (gradient().numpy() == 0).mean() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize('options', [{'input_dropout': 1.0}, {'weight_dropout': -0.1},
                                     {'layers': 0}, {'units': 2.5}, {'projection': -3}, {'embedding_range': np.nan},
                                     {'tied': True, 'projection': 7}])
def test_options_out_of_range(word2id, options):
  with pytest.raises(UserError, match='expected|width of the embedding'):
    myRNNModel(word2id, **options)
