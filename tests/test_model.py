import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf.errors import UserError
from tangshi_tf.model import CELLS, get_next_token, myRNNModel

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
