"""Cross-entropy of a large output layer from the states under it, a few hundred rows of logits at a time.

With `precision` 'bfloat16' or 'float16' the operands of the output layer's
products are rounded to 16 bits, see `products`.
"""

from tangshi_tf.model.products import products
from tangshi_tf.quiet import tf

ROWS = 512  # rows of logits at once: as fast as 1,024 on 2 CPU cores, with less memory
LOGITS = 2**19  # of few classes there are so many logits at once, in more rows: a smaller product is left to one core
LEAST_REST = 1e-4  # of 1 - p of an unwanted class, for which its gradient still has four digits in float32


def linear_cross_entropy(hidden, kernel, bias, labels, weights, *, label_smoothing: float = 0.0,
                         unlikelihood: float = 0.0, unwanted_logits=None, precision: str = 'float32'):
  """Weighted cross-entropy of `softmax(hidden @ kernel + bias)`.

  The gradient is taken in the forward pass, some rows at a time, so logits are
  made once and at most `ROWS * V` or `LOGITS` of them exist. The softmax is
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
  rows = tf.shape(labels)[0]
  if precision != 'float32':
    hidden, labels, weights, unwanted_logits = _filled_up(kernel.shape[1], hidden, labels, weights, unwanted_logits)

  @tf.custom_gradient
  def forward(hidden, kernel, bias, *unwanted_logits):
    scale = tf.maximum(tf.reduce_max(weights), 0)  # of no rows, too
    shares = tf.math.divide_no_nan(weights, scale)
    nll, gradients, evenly, unlike = _losses_and_gradients(
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
  loss, nll = forward(*map(tf.convert_to_tensor, operands))
  return loss, nll[:rows]


def _filled_up(classes: int, *tensors):
  """Adds rows of zeros to tensors (or None), until all chunks have the same one of 16 numbers of rows.

  For 16-bit products a processor's library makes a kernel for each new number, which takes milliseconds and memory.
  """
  rows = tf.shape(tensors[0])[0]
  (count, size), unit = chunks_of(rows, classes), max(_most_rows(classes) // 16, 1)
  more = -(-size // unit) * unit * count - rows
  return [None if tensor is None else tf.pad(tensor, [[0, more], *[[0, 0]] * (len(tensor.shape) - 1)])
          for tensor in tensors]


def chunks_of(rows, classes: int):
  """Returns how many chunks there are of so many rows, and how many rows each has, the last perhaps fewer."""
  count = tf.maximum(-(-rows // _most_rows(classes)), 1)  # one without rows, too, as a replica may have
  return count, -(-rows // count)


def _most_rows(classes: int) -> int:
  return ROWS * max(LOGITS // (ROWS * classes), 1)


def linear_nll(hidden, kernel, bias, labels):
  """The negative log-likelihoods `[n]` of `linear_cross_entropy`, without gradients."""
  operands = (tf.convert_to_tensor(tensor) for tensor in (hidden, kernel, bias))
  chunks = _Chunks(*operands, tf.cast(labels, tf.int32), 'float32')

  def step(i, normalizers):
    _, s, shift = chunks.exponentials(i)
    return i + 1, normalizers.write(i, tf.math.log(s) + shift)

  normalizers, = chunks.loop(step, chunks.array(None))
  return normalizers.concat() - chunks.label_logits


class _Chunks:
  """An output layer and what it sees, some rows at a time.

  Attributes:
    operand, product: see `products`.
    count, classes: how many chunks and classes there are.
    extended_hidden: `[n, units + 1]`, with a column of ones, which meets the
      bias as one more row of the kernel.
    class_rows: the kernel, transposed, `[V, units]`. It is made once: products
      with it are a tenth faster than with transpose_b, and its rows are gathered.
    label_rows: those of the labels, float32 `[n, units]`.
    label_logits: float32 `[n]`.
  """

  def __init__(self, hidden, kernel, bias, labels, precision: str):
    self.operand, self.product = products(precision)
    n, self.classes = tf.shape(hidden)[0], tf.shape(bias)[0]
    self.count, self._size = chunks_of(n, kernel.shape[1])
    self.extended_hidden = tf.concat([hidden, tf.ones((n, 1))], 1)
    self._extended_kernel = self.operand(tf.concat([kernel, bias[None]], 0))
    self.class_rows = self.operand(tf.transpose(kernel))
    self.label_rows = tf.cast(tf.gather(self.class_rows, labels), tf.float32)
    self.label_logits = (tf.reduce_sum(self.label_rows * tf.cast(self.operand(hidden), tf.float32), -1)
                         + tf.cast(tf.gather(self._extended_kernel[-1], labels), tf.float32))

  def rows(self, tensor, i):
    """Returns the rows of chunk i."""
    return tensor[i * self._size:(i + 1) * self._size]

  def array(self, *shape):
    """Returns an array for a tensor of that shape from each chunk."""
    return tf.TensorArray(tf.float32, self.count, infer_shape=False, element_shape=shape)

  def loop(self, body, *start):
    """Calls `body(i, *values)`, which returns i + 1 and the next values, for each chunk; returns the last values."""
    return tf.while_loop(lambda i, *_: i < self.count, body, (0, *start), parallel_iterations=1)[1:]

  def exponentials(self, i):
    """Returns for chunk i exp(logits - shift), its sum by row, and the shift of each row."""
    x = self.operand(self.rows(self.extended_hidden, i))
    e = tf.exp(self.product(x, self._extended_kernel))
    s = tf.reduce_sum(e, axis=-1)

    def shifted():
      logits = self.product(x, self._extended_kernel)
      highest = tf.reduce_max(logits, axis=-1)
      e = tf.exp(logits - highest[:, None])
      return e, tf.reduce_sum(e, axis=-1), highest

    return tf.cond(safe_sums(s), lambda: (e, s, tf.zeros_like(s)), shifted)


def _softmax(chunks, weights, precision, unlikelihood, unwanted_logits):
  """Returns the part of the loss and its gradients that is of all classes alike.

  Returns:
    log(sum(exp(logits))) `[n]`; the gradients of the weighted sum of it, and of
    the unlikelihood, for `hidden`, the extended kernel, and (None without
    unlikelihood) the unwanted logits; the unlikelihood `[n]`, or None.
  """
  def unlike(i, normalizer):
    """Returns for some rows the ratios r of unwanted classes, and their unlikelihood."""
    p = tf.exp(chunks.rows(unwanted_logits, i) - normalizer[:, None])
    rest = tf.maximum(1 - p, LEAST_REST)
    return unlikelihood * p / rest, -unlikelihood * tf.reduce_sum(tf.math.log(rest), axis=-1)

  def step(i, normalizers, ratios, penalties, d_hidden, d_kernel):
    e, s, shift = chunks.exponentials(i)
    normalizer = tf.math.log(s) + shift
    normalizers = normalizers.write(i, normalizer)
    weight = chunks.rows(weights, i)
    if unlikelihood:
      ratio, penalty = unlike(i, normalizer)
      ratios, penalties = ratios.write(i, ratio * weight[:, None]), penalties.write(i, penalty)
      weight *= 1 - tf.reduce_sum(ratio, axis=-1)
    if precision == 'float16':
      p, scale = chunks.operand(e / s[:, None]), weight
    else:
      p, scale = chunks.operand(e), weight / s
    d_hidden = d_hidden.write(i, chunks.product(p, chunks.class_rows) * scale[:, None])
    scaled = chunks.operand(chunks.rows(chunks.extended_hidden, i) * scale[:, None])
    d_kernel += chunks.product(scaled, p, transpose_a=True)
    return i + 1, normalizers, ratios, penalties, d_hidden, d_kernel

  units = chunks.class_rows.shape[1]
  normalizers, ratios, penalties, d_hidden, d_kernel = chunks.loop(
      step, chunks.array(None), chunks.array(None, None), chunks.array(None), chunks.array(None, units),
      tf.zeros((units + 1, chunks.classes)))
  ratios, penalties = (ratios.concat(), penalties.concat()) if unlikelihood else (None, None)
  return normalizers.concat(), (d_hidden.concat(), d_kernel, ratios), penalties


def _losses_and_gradients(hidden, kernel, bias, labels, weights, label_smoothing, precision, unlikelihood=0.0,
                          unwanted_logits=None):
  """Returns the nll, the gradients of the weighted sum, each label's logit less the mean logit, and the unlikelihood.

  All but the gradients are `[n]`. The third is None without smoothing, the last
  without unlikelihood.
  """
  chunks = _Chunks(hidden, kernel, bias, labels, precision)
  normalizers, (d_hidden, d_kernel, ratios), penalties = _softmax(chunks, weights, precision, unlikelihood,
                                                                  unwanted_logits)
  label_rows = chunks.label_rows
  weighted = chunks.extended_hidden * weights[:, None]
  onehot_part = tf.transpose(tf.math.unsorted_segment_sum(weighted, labels, chunks.classes))
  evenly = None
  if label_smoothing:
    mean_class = tf.reduce_mean(kernel, axis=1)
    label_rows = (1 - label_smoothing) * label_rows + label_smoothing * mean_class
    even_part = tf.reduce_sum(weighted, axis=0)[:, None] / tf.cast(chunks.classes, tf.float32)
    onehot_part = (1 - label_smoothing) * onehot_part + label_smoothing * even_part
    evenly = chunks.label_logits - tf.linalg.matvec(hidden, mean_class) - tf.reduce_mean(bias)
  d_hidden -= label_rows * weights[:, None]
  d_kernel -= onehot_part
  gradients = [d_hidden, d_kernel[:-1], d_kernel[-1], *([] if ratios is None else [ratios])]
  return normalizers - chunks.label_logits, gradients, evenly, penalties


def safe_sums(sums):
  """Returns whether sums of exponentials are exact enough without the greatest logit subtracted first.

  What underflows in a sum above 1e-20 is less than exp(-87) / 1e-20 < 1e-17 of it.
  """
  return tf.reduce_all((sums > 1e-20) & (sums < 1e20))
