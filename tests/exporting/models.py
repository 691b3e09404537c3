"""Small models of all kinds, and what their steps must give."""

import numpy as np

from ..checks import model_with_a_will

KINDS = {
    'rnn': {'cell': 'rnn'},
    'lstm': {'cell': 'lstm', 'layers': 2, 'layer_norm': True, 'projection': 5},
    'gru': {'cell': 'gru', 'tied': True, 'softmax': 'adaptive', 'cutoffs': [12, 30]},
    'gru-before': {'cell': 'gru', 'reset_after': False, 'softmax': 'adaptive', 'cutoffs': [20]},
}


def make(kind, word2id):
  return model_with_a_will(word2id, **KINDS[kind])


def steps(model, rows):
  """Returns ids, states and what the package makes of them: logits and the new state, as arrays."""
  random = np.random.default_rng(0)
  state = [np.zeros((rows, model.rnncell.units), np.float32)] * model.state_tensors
  found = []
  for _ in range(6):
    ids = random.integers(len(model.word2id), size=rows, dtype=np.int32)
    logits, after = model.next_logits(ids, state)
    found.append((ids, state, logits.numpy(), [tensor.numpy() for tensor in after]))
    state = found[-1][-1]
  return found


def assert_same(logits, state, expected_logits, expected_state, error):
  """Asserts that logits are off by at most `error` times the largest, the state by `error`, and that words are never
  next for both or for none."""
  never = np.isinf(expected_logits)
  assert never.any() and not never.all()
  assert (np.exp(logits[never]) == 0).all()
  np.testing.assert_allclose(logits[~never], expected_logits[~never], rtol=0,
                             atol=error * np.abs(expected_logits[~never]).max())
  np.testing.assert_allclose(np.stack(state), np.stack(expected_state), rtol=0, atol=error)
