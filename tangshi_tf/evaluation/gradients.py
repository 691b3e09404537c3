"""How far back in time the gradient of a loss reaches, which is what tells recurrent cells apart."""

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.model import require_model
from tangshi_tf.quiet import tf

DISTANCE = 50  # characters
POEMS = 200


def gradient_norms(model, word2id: dict[str, int], poems: list[corpus.Poem], *, distance: int = DISTANCE,
                   most: int = POEMS) -> np.ndarray:
  """Measures by how much the loss of a late token would change with the states long before it.

  Of each poem L = -log p is the loss of the token after `distance` characters, and t the step that predicts it. The
  norm at k is that of dL/ds_{t-k}, where the state s is all that step t-k hands on to the next one: h of each layer,
  and for 'lstm' c, too. At k = 0 it is that of dL/dh_t of the last layer, which the output layer sees. The norms are
  averaged over poems and divided by that mean at k = 0 (Pascanu et al. 2013, arXiv:1211.5063).

  Args:
    model: a `myRNNModel`.
    word2id: its vocabulary.
    poems: those with more than `distance` characters count, the first `most` of them.
    distance: the greatest k, in tokens.
    most: how many poems at most.

  Returns:
    The mean norm for each k, float64 `[distance + 1]`, as a share of the first.

  Raises:
    UserError: no poem is long enough.
  """
  require_model(model)
  chosen = [poem for poem in corpus.require_poems(poems) if len(poem.content) > distance][:most]
  if not chosen:
    raise UserError(f'none of {len(poems):,} poems has more than {distance} characters; expected at least one')
  ids = tf.constant([corpus.encode(poem.content, word2id)[:distance + 2] for poem in chosen])
  state, states = model.zero_state(len(chosen)), []
  with tf.GradientTape() as tape:
    for t in range(distance + 1):
      hidden, last = model.step(ids[:, t], state)
      state = [tf.identity(part) for part in last]  # so that a layer's part does not reach the layer above it at once
      states.append(state)
    loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, -1], model.logits(hidden)))
  top = last[-2 if model.cell == 'lstm' else -1]
  *by_time, now = tape.gradient(loss, [*states[:-1], [top]])
  norms = np.array([_mean_norm(gradients) for gradients in (now, *reversed(by_time))])
  return norms / norms[0]


def _mean_norm(gradients) -> float:
  """Returns the mean over rows of the norm of all tensors `[rows, units]` of a state."""
  return float(tf.reduce_mean(tf.norm(tf.concat([tf.convert_to_tensor(part) for part in gradients], 1), axis=1)))
