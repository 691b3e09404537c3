"""The training loss: as the exercise writes it, and the fast equivalent.

Both are the sparse softmax cross-entropy, averaged over each poem's own length
and then over the batch. `compute_loss` takes the logits of every position.
`linear_cross_entropy` takes the states of real positions and the output layer's
weights, and never holds more than `ROWS` rows of logits.

With `precision` 'bfloat16' or 'float16' the operands of the output layer's
products are rounded to 16 bits; sums, softmax, loss and gradients stay float32
(mixed precision, Micikevicius et al. 2018, arXiv:1710.03740).
"""

import numpy as np
import tensorflow as tf

from tangshi_tf.errors import UserError
from tangshi_tf.model import devices

ROWS = 512  # rows of logits at once: as fast as 1,024 on 2 CPU cores, with less memory
REDUCTIONS = ('poem', 'token', 'sum')
PRECISIONS = ('float32', 'bfloat16', 'float16')
_LEAST_REST = 1e-4  # of 1 - p of an unwanted class, for which its gradient still has four digits in float32


def mkMask(lengths, max_len):  # noqa: N802 (the exercise's name)
  """Returns a bool mask `lengths.shape + [max_len]`, true before each length."""
  return tf.sequence_mask(lengths, max_len)


def reduce_avg(reduce_target, lengths, dim: int):
  """Averages along `dim` over the first `lengths` entries only.

  Args:
    reduce_target: float tensor; its first `dim` dimensions are those of `lengths`.
    lengths: int tensor of rank `dim`.
    dim: the dimension that is averaged away.

  Returns:
    The averages; 0 where the length is 0.
  """
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
  """
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
  if label_smoothing:
    even = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
    losses = (1 - label_smoothing) * losses + label_smoothing * even
  if unlikelihood:
    shares = tf.gather(tf.nn.softmax(logits), tf.maximum(unwanted, 0), batch_dims=2)
    rest = tf.where(unwanted >= 0, tf.maximum(1 - shares, _LEAST_REST), 1.0)
    losses -= unlikelihood * tf.reduce_sum(tf.math.log(rest), axis=-1)
  sums = reduce_avg(losses, seqlen, dim=1) * tf.cast(seqlen, losses.dtype)
  return tf.reduce_sum(sums * _row_weights(seqlen, reduction))


def _row_weights(seqlen, reduction: str):
  """Returns the weight in the loss of each real position of a row, float32 `[batch]`; 0 for empty rows."""
  if reduction not in REDUCTIONS:
    raise UserError(f'reduction {reduction!r} is unknown; expected one of {", ".join(REDUCTIONS)}')
  counts = tf.cast(seqlen, tf.float32)
  divisor = {'poem': counts * tf.cast(tf.size(counts), tf.float32),
             'token': tf.fill(tf.shape(counts), tf.reduce_sum(counts)),
             'sum': tf.fill(tf.shape(counts), tf.cast(tf.size(counts), tf.float32))}[reduction]
  return tf.math.divide_no_nan(tf.ones_like(counts), divisor)


def fused_loss(hidden, kernel, bias, labels, seqlen, *, reduction: str = 'poem', label_smoothing: float = 0.0,
               unlikelihood: float = 0.0, unwanted=None, precision: str = 'float32'):
  """`compute_loss` without the logits of padded positions.

  Args:
    hidden: float `[batch, time, units]`, the states under the output layer.
    kernel: float `[units, V]`, the output layer's weights.
    bias: float `[V]`.
    labels: int `[batch, time]`.
    seqlen: int `[batch]`.
    reduction, label_smoothing, unlikelihood, unwanted: see `compute_loss`.
    precision: 'float32', 'bfloat16' or 'float16': of the products' operands.

  Returns:
    `(loss, nll)`: the scalar that `compute_loss` gives, with gradients for
    `hidden`, `kernel` and `bias`, and the negative log-likelihoods in nats of
    the real positions `[n]`, row by row, without.

  Raises:
    UserError: the precision or the reduction is unknown.
  """
  positions = real_positions(seqlen, tf.shape(labels)[1])
  weights = tf.gather(_row_weights(seqlen, reduction), positions[:, 0])
  unwanted_logits = None
  if unlikelihood:
    unwanted_logits = tf.gather_nd(_logits_of_unwanted(hidden, kernel, bias, unwanted), positions)
  return linear_cross_entropy(tf.gather_nd(hidden, positions), kernel, bias, tf.gather_nd(labels, positions), weights,
                              label_smoothing=label_smoothing, unlikelihood=unlikelihood,
                              unwanted_logits=unwanted_logits, precision=precision)


def _logits_of_unwanted(hidden, kernel, bias, unwanted):
  """Returns the logits of unwanted classes `[batch, time, k]`, minus infinity where there is none."""
  classes = tf.maximum(tf.reduce_max(unwanted, axis=1), 0)
  logits = tf.matmul(hidden, tf.gather(tf.transpose(kernel), classes), transpose_b=True)
  return tf.where(unwanted >= 0, logits + tf.gather(bias, classes)[:, None, :], -np.inf)


def earlier_characters(x, y, is_character):
  """Returns the characters that a repetition at each position would repeat.

  Args:
    x: ids, int32 `[batch, time]`.
    y: the ids that follow, int32 `[batch, time]`.
    is_character: bool `[V]`; the others, marks above all, may repeat.

  Returns:
    int32 `[batch, time, time]`: for each position the characters in x up to it,
    each once, without y's at that position; -1 in the other places.
  """
  same = x[:, :, None] == x[:, None, :]
  time = tf.range(tf.shape(x)[1])
  first = ~tf.reduce_any(same & (time[None, None, :] < time[None, :, None]), axis=2)
  counted = first & tf.gather(is_character, x)
  kept = counted[:, None, :] & (time[None, None, :] <= time[None, :, None]) & (x[:, None, :] != y[:, :, None])
  return tf.where(kept, x[:, None, :], -1)


def real_positions(seqlen, max_len):
  """Returns the indices int32 `[n, 2]` (row, time) of the real positions of a batch."""
  return tf.cast(tf.where(mkMask(seqlen, max_len)), tf.int32)


def linear_cross_entropy(hidden, kernel, bias, labels, weights, *, label_smoothing: float = 0.0,
                         unlikelihood: float = 0.0, unwanted_logits=None, precision: str = 'float32'):
  """Weighted cross-entropy of `softmax(hidden @ kernel + bias)`.

  The gradient is taken in the forward pass, at most `ROWS` rows at a time, so
  logits are made once and at most `ROWS * V` of them exist. The softmax is
  kept unnormalised: with e = exp(logits) and s = sum(e),

      d loss / d logits = w (e / s - onehot)

  and the factor w / s moves onto the rows of the small matrices, which leaves
  two passes over the large one besides the products; the onehot part is a
  gather and a scatter of rows. Label smoothing by a share a takes (1 - a) of
  that part and adds -w a / V to the gradient of every logit, which is a mean of
  the kernel's columns for `hidden` and one vector, repeated, for the kernel.
  For the narrow range of float16 the operand is e / s instead, and weights are
  divided by the greatest of them until the products are done, so that small
  gradients are not lost (loss scaling).

  Unlikelihood adds -a log(1 - p_c) for each unwanted class c of a row, where
  p_c = exp(logit_c) / s. With r_c = a p_c / (1 - p_c) its derivative is r_c for
  logit_c and -sum(r) for log(s): the factor of e / s becomes w (1 - sum(r)), and
  the rest is the caller's, who made logit_c.

  Args:
    hidden: float32 `[n, units]`.
    kernel: float32 `[units, V]`.
    bias: float32 `[V]`.
    labels: int `[n]`.
    weights: float32 `[n]`, not negative; no gradient flows to them.
    label_smoothing: see `compute_loss`.
    unlikelihood: a, not negative; 0 for none.
    unwanted_logits: float32 `[n, k]`, those of the unwanted classes of each row,
      no class twice, minus infinity where there is none.
    precision: of the products' operands.

  Returns:
    `(loss, nll)`: the scalar `sum(weights * (smoothed nll + unlikelihood))`,
    which has gradients for `hidden`, `kernel`, `bias` and `unwanted_logits`, and
    the negative log-likelihoods in nats `[n]`, not smoothed, which have none.

  Raises:
    UserError: the precision is unknown.
  """
  labels = tf.cast(labels, tf.int32)
  weights = tf.cast(weights, tf.float32)

  @tf.custom_gradient
  def forward(hidden, kernel, bias, *unwanted_logits):
    scale = tf.reduce_max(weights)
    shares = tf.math.divide_no_nan(weights, scale)
    nll, gradients, evenly, unlike = _chunked_softmax(
        hidden, kernel, bias, labels, shares, label_smoothing, precision, unlikelihood, *unwanted_logits)
    losses = nll
    if evenly is not None:
      losses += label_smoothing * evenly
    if unlike is not None:
      losses += unlike

    def grad(upstream, _):
      return tuple(upstream * scale * gradient for gradient in gradients)

    return (tf.reduce_sum(weights * losses), nll), grad

  operands = [hidden, kernel, bias, *([unwanted_logits] if unlikelihood else [])]
  return forward(*map(tf.convert_to_tensor, operands))


def linear_nll(hidden, kernel, bias, labels):
  """The negative log-likelihoods `[n]` of `linear_cross_entropy`, without gradients."""
  return _chunked_softmax(tf.convert_to_tensor(hidden), tf.convert_to_tensor(kernel),
                          tf.convert_to_tensor(bias), tf.cast(labels, tf.int32), None, 0.0, 'float32')[0]


def _chunked_softmax(hidden, kernel, bias, labels, weights, label_smoothing, precision, unlikelihood=0.0,
                     unwanted_logits=None):
  """Returns the nll, the gradients of the weighted sum, each label's logit less the mean logit, and the unlikelihood.

  All but the gradients are `[n]`. The gradients are None without weights, the
  third is None without smoothing, the last without unlikelihood.
  """
  operand, product = _products(precision)
  n, classes = tf.shape(hidden)[0], tf.shape(bias)[0]
  units = hidden.shape[-1]
  # The bias is one more row of the kernel, met by a column of ones.
  extended_hidden = tf.concat([hidden, tf.ones((n, 1))], 1)
  extended_kernel = operand(tf.concat([kernel, bias[None]], 0))
  # Transposed once: products with it are a tenth faster than with transpose_b, and its rows are gathered.
  class_rows = operand(tf.transpose(kernel))
  chosen = tf.cast(tf.gather(class_rows, labels), tf.float32)
  label_logits = (tf.reduce_sum(chosen * tf.cast(operand(hidden), tf.float32), -1)
                  + tf.cast(tf.gather(extended_kernel[-1], labels), tf.float32))
  chunks = -(-n // ROWS)
  chunk = -(-n // tf.maximum(chunks, 1))

  def rows(tensor, i):
    return tensor[i * chunk:(i + 1) * chunk]

  def array(shape):
    return tf.TensorArray(tf.float32, chunks, infer_shape=False, element_shape=shape)

  def exponentials(i):
    """Returns exp(logits - shift), its sum by row, and the shift of each row."""
    x = operand(rows(extended_hidden, i))
    e = tf.exp(product(x, extended_kernel))
    s = tf.reduce_sum(e, axis=-1)

    def shifted():
      logits = product(x, extended_kernel)
      highest = tf.reduce_max(logits, axis=-1)
      e = tf.exp(logits - highest[:, None])
      return e, tf.reduce_sum(e, axis=-1), highest

    return tf.cond(safe_sums(s), lambda: (e, s, tf.zeros_like(s)), shifted)

  def loss_only(i, normalizers):
    _, s, shift = exponentials(i)
    return i + 1, normalizers.write(i, tf.math.log(s) + shift)

  def unlike(i, normalizer):
    """Returns for some rows the ratios r of unwanted classes, and their unlikelihood."""
    p = tf.exp(rows(unwanted_logits, i) - normalizer[:, None])
    rest = tf.maximum(1 - p, _LEAST_REST)
    return unlikelihood * p / rest, -unlikelihood * tf.reduce_sum(tf.math.log(rest), axis=-1)

  def loss_and_gradients(i, normalizers, ratios, penalties, d_hidden, d_kernel):
    e, s, shift = exponentials(i)
    normalizer = tf.math.log(s) + shift
    normalizers = normalizers.write(i, normalizer)
    weight = rows(weights, i)
    if unlikelihood:
      ratio, penalty = unlike(i, normalizer)
      ratios, penalties = ratios.write(i, ratio * weight[:, None]), penalties.write(i, penalty)
      weight *= 1 - tf.reduce_sum(ratio, axis=-1)
    if precision == 'float16':
      p, scale = operand(e / s[:, None]), weight
    else:
      p, scale = operand(e), weight / s
    d_hidden = d_hidden.write(i, product(p, class_rows) * scale[:, None])
    d_kernel += product(operand(rows(extended_hidden, i) * scale[:, None]), p, transpose_a=True)
    return i + 1, normalizers, ratios, penalties, d_hidden, d_kernel

  if weights is None:
    _, normalizers = tf.while_loop(lambda i, *_: i < chunks, loss_only, (0, array([None])), parallel_iterations=1)
    return normalizers.concat() - label_logits, None, None, None
  _, normalizers, ratios, penalties, d_hidden, d_kernel = tf.while_loop(
      lambda i, *_: i < chunks, loss_and_gradients,
      (0, array([None]), array([None, None]), array([None]), array([None, units]), tf.zeros((units + 1, classes))),
      parallel_iterations=1)
  weighted = extended_hidden * weights[:, None]
  onehot_part = tf.transpose(tf.math.unsorted_segment_sum(weighted, labels, classes))
  evenly = None
  if label_smoothing:
    mean_class = tf.reduce_mean(kernel, axis=1)
    chosen = (1 - label_smoothing) * chosen + label_smoothing * mean_class
    even_part = tf.reduce_sum(weighted, axis=0)[:, None] / tf.cast(classes, tf.float32)
    onehot_part = (1 - label_smoothing) * onehot_part + label_smoothing * even_part
    evenly = label_logits - tf.linalg.matvec(hidden, mean_class) - tf.reduce_mean(bias)
  d_hidden = d_hidden.concat() - chosen * weights[:, None]
  d_kernel -= onehot_part
  gradients = [d_hidden, d_kernel[:-1], d_kernel[-1], *([ratios.concat()] if unlikelihood else [])]
  return normalizers.concat() - label_logits, gradients, evenly, penalties.concat() if unlikelihood else None


def safe_sums(sums):
  """Returns whether sums of exponentials are exact enough without the greatest logit subtracted first.

  What underflows in a sum above 1e-20 is less than exp(-87) / 1e-20 < 1e-17 of it.
  """
  return tf.reduce_all((sums > 1e-20) & (sums < 1e20))


def _products(precision: str):
  """Returns what makes a float32 tensor an operand, and the product of two operands in float32."""
  if precision not in PRECISIONS:
    raise UserError(f'precision {precision!r} is unknown; expected one of {", ".join(PRECISIONS)}')
  if precision == 'float32':
    return tf.identity, tf.matmul
  if devices.gains(precision):
    return (lambda tensor: tf.cast(tensor, precision),
            lambda a, b, **kwargs: tf.cast(tf.matmul(a, b, **kwargs), tf.float32))
  # The same numbers on a processor without such units: a product of two 16-bit floats is exact in float32.
  return lambda tensor: tf.cast(tf.cast(tensor, precision), tf.float32), tf.matmul
