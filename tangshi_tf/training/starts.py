"""How a poem begins in training: what it is told, with or without bos, from the zero state or from a random one.

The exercise's decoder begins at the begin word, without bos, and from zeros or
from a random-normal state; a model that has seen neither in training cannot go
on from them. So a share of the poems of each batch begins in these ways, too.

Where the vocabulary has controls, poems come with all that there is to tell of
them (see `controls`), of which a random part is left out here. So the model
learns to write after any of it, and after nothing.
"""

from tangshi_tf import controls, corpus
from tangshi_tf.quiet import tf
from tangshi_tf.training.distribution import ONE, Replicas

# Tell the streams of random numbers for the choices and the states apart, and all from those of dropout.
_CHOICE, _STATES, _CONTROLS = -1, -2, -3


def vary(x, y, seqlen, *, options, step_seed, model, replicas: Replicas = ONE):
  """Leaves out what some poems of a batch are told, takes bos from some, and gives some a random state.

  A poem without bos is told nothing, as the exercise writes; all else is
  independent of each other. What happens to row i of the batch of
  all replicas depends on the seed and i alone, so it is the same however many
  replicas divide the batch.

  Args:
    x, y: ids, int32 `[batch, time]`, that begin with what a poem is told, bos
      and its successor.
    seqlen: real length of each row, int32 `[batch]`.
    options: `training.StepOptions`; here `bos_dropout`, `random_states`,
      `state_stddev`, `control_dropout` and `uncontrolled` count.
    step_seed: int32 `[2]`, another one at each step.
    model: for whose state the random ones are drawn.
    replicas: among which the rows are divided, see `data.batches`.

  Returns:
    x, y and seqlen, rows moved to the left by what is left out; the first
    position of each row that counts, int32 `[batch]`, or None if all do; and the
    state, a list of float32 `[batch, units]`, zeros where it is not random, or
    None if all are zeros.
  """
  rows = tf.shape(x)[0]
  replica = tf.distribute.get_replica_context().replica_id_in_sync_group if replicas.count > 1 else 0
  kinds = controls.kinds_of(model.word2id)

  def drawn(distribution, stream, *shape):
    every = distribution((rows * replicas.count, *shape), tf.random.experimental.stateless_fold_in(step_seed, stream))
    return every[replica::replicas.count]

  first, state = None, None
  without_bos, random = tf.unstack(
      drawn(tf.random.stateless_uniform, _CHOICE, 2) < (options.bos_dropout, options.random_states), axis=1)
  if kinds or options.bos_dropout:
    is_bos = x == model.word2id[corpus.start_token]
    left_out = is_bos & without_bos[:, None]
    if kinds:
      shares = drawn(tf.random.stateless_uniform, _CONTROLS, 1 + len(kinds))
      nothing = (shares[:, :1] < options.uncontrolled) | without_bos[:, None]
      untold = (shares[:, 1:] < options.control_dropout) | nothing
      before = tf.cumsum(tf.cast(is_bos, tf.int32), axis=1) == 0
      dropped = before & tf.gather(untold, _kind_of(model, kinds)(x), batch_dims=1)
      first = tf.math.count_nonzero(before & ~dropped, axis=1, dtype=tf.int32)
      left_out |= dropped
    # With a word goes its label: that before it would be another now, but no label counts that is before bos.
    x, y = (_without(tensor, left_out) for tensor in (x, y))
    seqlen -= tf.math.count_nonzero(left_out, axis=1, dtype=tf.int32)
  if options.random_states:
    normal = drawn(tf.random.stateless_normal, _STATES, model.state_tensors, model.rnncell.units)
    state = tf.unstack(tf.where(random[:, None, None], options.state_stddev * normal, 0.0), axis=1)
  return x, y, seqlen, first, state


def _kind_of(model, kinds: list[str]):
  """Returns a function from words before bos, `[batch, time]`, to the index in `kinds` of what each of them tells."""
  names = {kind: i for i, kind in enumerate(kinds)}
  table = tf.constant([names.get(word.partition('=')[0], 0) if corpus.is_control(word) else 0
                       for word in model.word2id])
  title = [id for word, id in model.word2id.items() if word == controls.TITLE]

  def kind_of(words):
    kind = tf.gather(table, words)
    if not title:
      return kind
    titled = tf.cumsum(tf.cast(words == title[0], tf.int32), axis=1) > 0  # the title is the last
    return tf.where(titled, names['title'], kind)

  return kind_of


def _without(tensor, left_out):
  """Returns rows `[batch, time]` without what is left out, padded."""
  rest = tf.ragged.boolean_mask(tensor, ~left_out).to_tensor(corpus.PAD_ID)
  return tf.pad(rest, [[0, 0], [0, tf.maximum(1 - tf.shape(rest)[1], 0)]])  # of no rows
