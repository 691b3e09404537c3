"""How a poem begins in training: with or without bos, from the zero state or from a random one.

The exercise's decoder begins at the begin word, without bos, and from zeros or
from a random-normal state; a model that has seen neither in training cannot go
on from them. So a share of the poems of each batch begins in these ways, too.
"""

from tangshi_tf import corpus
from tangshi_tf.quiet import tf
from tangshi_tf.training.distribution import ONE, Replicas

# Tell the stream of random numbers for the choice from the one for the states, and both from those of dropout.
_CHOICE, _STATES = -1, -2


def vary(x, y, seqlen, *, options, step_seed, model, replicas: Replicas = ONE):
  """Takes bos from some poems of a batch and gives some a random state, each independently of the other.

  What happens to row i of the batch of all replicas depends on the seed and i
  alone, so it is the same however many replicas divide the batch.

  Args:
    x, y: ids, int32 `[batch, time]`, that begin with bos and its successor.
    seqlen: real length of each row, int32 `[batch]`.
    options: `training.StepOptions`; here `bos_dropout`, `random_states` and
      `state_stddev` count.
    step_seed: int32 `[2]`, another one at each step.
    model: for whose state the random ones are drawn.
    replicas: among which the rows are divided, see `data.batches`.

  Returns:
    x, y and seqlen, a row without bos moved one position to the left and one
    shorter; and the state, a list of float32 `[batch, units]`, zeros where it is
    not random, or None if all are zeros.
  """
  rows = tf.shape(x)[0]
  replica = tf.distribute.get_replica_context().replica_id_in_sync_group if replicas.count > 1 else 0

  def drawn(distribution, stream, *shape):
    every = distribution((rows * replicas.count, *shape), tf.random.experimental.stateless_fold_in(step_seed, stream))
    return every[replica::replicas.count]

  without_bos, random = tf.unstack(
      drawn(tf.random.stateless_uniform, _CHOICE, 2) < (options.bos_dropout, options.random_states), axis=1)
  if options.bos_dropout:
    x, y = (tf.where(without_bos[:, None], tf.pad(tensor[:, 1:], ((0, 0), (0, 1)), constant_values=corpus.PAD_ID),
                     tensor) for tensor in (x, y))
    seqlen -= tf.cast(without_bos, tf.int32)
  state = None
  if options.random_states:
    normal = drawn(tf.random.stateless_normal, _STATES, model.state_tensors, model.rnncell.units)
    state = tf.unstack(tf.where(random[:, None, None], options.state_stddev * normal, 0.0), axis=1)
  return x, y, seqlen, state
