"""The training loss: as the exercise writes it, the fast equivalent, and both for a whole model.

It is the sparse softmax cross-entropy, averaged over each poem's own length and
then over the batch. `compute_loss` takes the logits of every position.
`fused_loss` takes the states of real positions and the output layer's weights,
see `cross_entropy`.
"""

import functools
import numbers

import numpy as np

from tangshi_tf.errors import UserError
from tangshi_tf.model.cross_entropy import LEAST_REST, linear_cross_entropy, linear_nll
from tangshi_tf.model.shapes import checked, checked_ids
from tangshi_tf.quiet import tf
from tangshi_tf.settings import TrainingSettings, require
from tangshi_tf.short import shown


def mkMask(lengths, max_len):  # noqa: N802 (the exercise's name)
  """Returns a bool mask `lengths.shape + [max_len]`, true before each length.

  Raises:
    UserError: lengths or max_len are no whole numbers.
  """
  if not tf.is_tensor(max_len) and not (_is_whole(max_len) and 0 <= max_len < 2**31):
    raise UserError(f'max_len {shown(max_len)}: expected a whole number from 0 to {2**31 - 1}')
  return tf.sequence_mask(checked_ids('lengths', lengths), max_len)


def _is_whole(value) -> bool:
  return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def reduce_avg(reduce_target, lengths, dim: int):
  """Averages along `dim` over the first `lengths` entries only.

  Args:
    reduce_target: float tensor; its first `dim` dimensions are those of `lengths`.
    lengths: int tensor of rank `dim`.
    dim: the dimension that is averaged away.

  Returns:
    The averages; 0 where the length is 0.

  Raises:
    UserError: the tensors have other types or numbers of dimensions.
  """
  reduce_target, lengths = checked('reduce_target', reduce_target), checked_ids('lengths', lengths)
  if not reduce_target.dtype.is_floating:
    raise UserError(f'reduce_target has the type {reduce_target.dtype.name}; expected a float type')
  if not _is_whole(dim) or not 0 <= dim < reduce_target.shape.rank:
    raise UserError(f'dim {shown(dim)}: expected a dimension of reduce_target, of which there are '
                    f'{reduce_target.shape.rank}')
  if not lengths.shape.is_compatible_with(reduce_target.shape[:dim]):
    raise UserError(f'lengths has the shape {lengths.shape}; expected the first {dim} dimensions of '
                    f'reduce_target, {reduce_target.shape[:dim]}')
  mask = mkMask(lengths, tf.shape(reduce_target)[dim])
  extra = reduce_target.shape.rank - dim - 1
  for _ in range(extra):
    mask = mask[..., None]
  count = tf.cast(tf.reshape(lengths, tf.concat([tf.shape(lengths), [1] * extra], 0)), reduce_target.dtype)
  total = tf.reduce_sum(tf.where(mask, reduce_target, tf.zeros_like(reduce_target)), axis=dim)
  return tf.math.divide_no_nan(total, count)


def compute_loss(logits, labels, seqlen, *, reduction: str = 'poem', label_smoothing: float = 0.0,
                 unlikelihood: float = 0.0, unwanted=None):
  """The exercise's loss.

  Args:
    logits: float `[batch, time, V]`.
    labels: int `[batch, time]`.
    seqlen: int `[batch]`, how many positions of each row are real.
    reduction: 'poem', the mean over the batch of each poem's mean; 'token',
      the mean over all real positions; 'sum', the sum over each row, averaged
      over the batch (Zaremba et al. 2014).
    label_smoothing: how much of each label's mass is spread evenly over all
      classes (Szegedy et al. 2016, arXiv:1512.00567).
    unlikelihood: a, how much -log(1 - p) of each unwanted class counts
      (unlikelihood training, Welleck et al. 2020, arXiv:1908.04319, equation 4).
    unwanted: int `[batch, time, k]`, the unwanted classes at each position, -1
      where there is none, as of `earlier_characters`: at all positions of a row
      place j holds the same class or -1.

  Returns:
    The loss, a scalar: cross-entropy in nats.

  Raises:
    UserError: the tensors have other shapes, or the reduction is unknown.
  """
  require(TrainingSettings, reduction=reduction, label_smoothing=label_smoothing, unlikelihood=unlikelihood)
  logits = checked('logits', logits, batch=None, time=None, V=None)
  batch, time, _ = logits.shape
  labels = checked_ids('labels', labels, batch=batch, time=time)
  seqlen = checked_ids('seqlen', seqlen, batch=batch)
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
  if label_smoothing:
    even = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
    losses = (1 - label_smoothing) * losses + label_smoothing * even
  if unlikelihood:
    shares = tf.gather(tf.nn.softmax(logits), tf.maximum(unwanted, 0), batch_dims=2)
    rest = tf.where(unwanted >= 0, tf.maximum(1 - shares, LEAST_REST), 1.0)
    losses -= unlikelihood * tf.reduce_sum(tf.math.log(rest), axis=-1)
  sums = reduce_avg(losses, seqlen, dim=1) * tf.cast(seqlen, losses.dtype)
  return tf.reduce_sum(sums * _row_weights(seqlen, reduction))


def _row_weights(seqlen, reduction: str):
  """Returns the weight in the loss of each real position of a row, float32 `[batch]`; 0 for empty rows."""
  require(TrainingSettings, reduction=reduction)
  counts = tf.cast(seqlen, tf.float32)
  divisor = {'poem': counts * tf.cast(tf.size(counts), tf.float32),
             'token': tf.fill(tf.shape(counts), tf.reduce_sum(counts)),
             'sum': tf.fill(tf.shape(counts), tf.cast(tf.size(counts), tf.float32))}[reduction]
  return tf.math.divide_no_nan(tf.ones_like(counts), divisor)


def fused_loss(hidden, kernel, bias, labels, seqlen, *, first=None, reduction: str = 'poem',
               label_smoothing: float = 0.0, unlikelihood: float = 0.0, unwanted=None, precision: str = 'float32',
               clusters=None):
  """`compute_loss` without the logits of padded positions.

  Args:
    hidden: float `[batch, time, units]`, the states under the output layer.
    kernel: float `[units, V]`, the output layer's weights.
    bias: float `[V]`.
    labels: int `[batch, time]`.
    seqlen: int `[batch]`.
    first: int `[batch]`, the first position of each row that counts; 0 by
      default.
    reduction, label_smoothing, unlikelihood, unwanted: see `compute_loss`.
    precision: 'float32', 'bfloat16' or 'float16': of the products' operands.
    clusters: those of a model with an adaptive softmax. There is no label
      smoothing with them, and unwanted classes of their tails do not count.

  Returns:
    `(loss, nll)`: the scalar that `compute_loss` gives, with gradients for
    `hidden`, `kernel` and `bias`, and the negative log-likelihoods in nats of
    the positions that count `[n]`, row by row, without.

  Raises:
    UserError: the precision or the reduction is unknown, or labels of clusters
      are to be smoothed.
  """
  if clusters is not None and label_smoothing:
    raise UserError(f'label_smoothing={label_smoothing} with an adaptive softmax; expected label_smoothing=0')
  positions = real_positions(seqlen, tf.shape(labels)[1], first)
  counted = seqlen if first is None else seqlen - first
  weights = tf.gather(_row_weights(counted, reduction), positions[:, 0])
  unwanted_logits = None
  if unlikelihood:
    if clusters is not None:
      unwanted = tf.where(unwanted < clusters.bounds[0], unwanted, -1)
    unwanted_logits = tf.gather_nd(_logits_of_unwanted(hidden, kernel, bias, unwanted), positions)
  measure = functools.partial(linear_cross_entropy, label_smoothing=label_smoothing) if clusters is None else (
      clusters.cross_entropy)
  return measure(tf.gather_nd(hidden, positions), kernel, bias, tf.gather_nd(labels, positions), weights,
                 unlikelihood=unlikelihood, unwanted_logits=unwanted_logits, precision=precision)


def _logits_of_unwanted(hidden, kernel, bias, unwanted):
  """Returns the logits of unwanted classes `[batch, time, k]`, minus infinity where there is none."""
  classes = tf.maximum(tf.reduce_max(unwanted, axis=1), 0)
  logits = tf.matmul(hidden, tf.gather(tf.transpose(kernel), classes), transpose_b=True)
  return tf.where(unwanted >= 0, logits + tf.gather(bias, classes)[:, None, :], -np.inf)


def earlier_characters(x, y, is_character, first=None):
  """Returns the characters that a repetition at each position would repeat.

  Args:
    x: ids, int32 `[batch, time]`.
    y: the ids that follow, int32 `[batch, time]`.
    is_character: bool `[V]`; the others, marks above all, may repeat.
    first: int `[batch]`, the first position of each row that counts; 0 by
      default.

  Returns:
    int32 `[batch, time, time]`: for each position the characters in x up to it,
    each once, without y's at that position; -1 in the other places.
  """
  same = x[:, :, None] == x[:, None, :]
  time = tf.range(tf.shape(x)[1])
  begun = True if first is None else time >= first[:, None]
  same &= begun if first is None else begun[:, None, :]
  new = ~tf.reduce_any(same & (time[None, None, :] < time[None, :, None]), axis=2)
  counted = new & begun & tf.gather(is_character, x)
  kept = counted[:, None, :] & (time[None, None, :] <= time[None, :, None]) & (x[:, None, :] != y[:, :, None])
  return tf.where(kept, x[:, None, :], -1)


def real_positions(seqlen, max_len, first=None):
  """Returns the indices int32 `[n, 2]` (row, time) of the real positions of a batch, from the first of each row on."""
  mask = mkMask(seqlen, max_len)
  return tf.cast(tf.where(mask if first is None else mask & ~mkMask(first, max_len)), tf.int32)


def loss_and_gradients(model, x, y, seqlen, state=None, *, first=None, seed=None, reduction: str = 'poem',
                       label_smoothing: float = 0.0, unlikelihood: float = 0.0, precision: str = 'float32'):
  """The loss of a batch and its gradients, for every way to train a model.

  Args:
    model: a `myRNNModel`.
    x: ids, int32 `[batch, time]`.
    y: the ids that follow, int32 `[batch, time]`.
    seqlen: real length of each row, int32 `[batch]`.
    state: what the rows begin from; zeros by default.
    first: the first position of each row that counts, int32 `[batch]`, after
      what it is told; 0 by default.
    seed: of the dropout masks, int32 `[2]`; by default nothing is dropped.
    reduction, label_smoothing, unlikelihood: see `compute_loss`.
    precision: of the operands of all products, see `products`; float16 is for
      the output layer alone.

  Returns:
    The loss, a scalar; the negative log-likelihoods in nats of the positions
    that count `[n]`, row by row; the gradients of the trainable variables, in
    their order; and the state after the last position.
  """
  with tf.GradientTape() as tape:
    hidden, state = model.unroll(x, state, seed=seed, precision=precision)
    unwanted = earlier_characters(x, y, model.is_character, first) if unlikelihood else None
    loss, nll = fused_loss(hidden, model.dense.kernel, model.dense.bias, y, seqlen, first=first, reduction=reduction,
                           label_smoothing=label_smoothing, unlikelihood=unlikelihood, unwanted=unwanted,
                           precision=precision, clusters=model.clusters)
  # Dense: of an embedding's row that occurs more than once Keras 3's optimizers (and the norm) square each occurrence
  # instead of their sum.
  gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, model.trainable_variables)]
  return loss, nll, gradients, state


def batch_nll(model, x, y, seqlen, state=None):
  """Measures a batch.

  Args:
    model, x, y, seqlen, state: see `loss_and_gradients`.

  Returns:
    The negative log-likelihoods in nats of the real positions, row by row,
    float32 `[n]`, without gradients, and the state after the last position.
  """
  hidden, state = model.unroll(x, state)
  positions = real_positions(seqlen, tf.shape(y)[1])
  measure = linear_nll if model.clusters is None else model.clusters.nll
  nll = measure(tf.gather_nd(hidden, positions), model.dense.kernel, model.dense.bias, tf.gather_nd(y, positions))
  return nll, state


def average_nll(nll, seqlen, reduction: str = 'poem'):
  """Returns the loss, a scalar, of likelihoods as `batch_nll` returns them."""
  return tf.reduce_sum(nll * tf.repeat(_row_weights(seqlen, reduction), seqlen))
