"""The training loss: as the exercise writes it, and the fast equivalent.

Both are the sparse softmax cross-entropy, averaged over each poem's own length
and then over the batch. `compute_loss` takes the logits of every position.
`linear_cross_entropy` takes the states of real positions and the output layer's
weights, and never holds more than `ROWS` rows of logits.
"""

import tensorflow as tf

ROWS = 1024  # rows of logits at once: of 256, 512 and 1024 the fastest on 2 CPU cores


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


def compute_loss(logits, labels, seqlen):
  """The exercise's loss.

  Args:
    logits: float `[batch, time, V]`.
    labels: int `[batch, time]`.
    seqlen: int `[batch]`, how many positions of each row are real.

  Returns:
    The loss, a scalar: the mean over the batch of each poem's mean
    cross-entropy in nats.
  """
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
  return tf.reduce_mean(reduce_avg(losses, seqlen, dim=1))


def fused_loss(hidden, kernel, bias, labels, seqlen):
  """`compute_loss` without the logits of padded positions.

  Args:
    hidden: float `[batch, time, units]`, the states under the output layer.
    kernel: float `[units, V]`, the output layer's weights.
    bias: float `[V]`.
    labels: int `[batch, time]`.
    seqlen: int `[batch]`.

  Returns:
    `(loss, nll)`: the scalar that `compute_loss` gives, with gradients for
    `hidden`, `kernel` and `bias`, and the negative log-likelihoods in nats of
    the real positions `[n]`, row by row, without.
  """
  positions = real_positions(seqlen, tf.shape(labels)[1])
  weights = tf.gather(1 / tf.cast(seqlen * tf.size(seqlen), hidden.dtype), positions[:, 0])
  return linear_cross_entropy(tf.gather_nd(hidden, positions), kernel, bias,
                              tf.gather_nd(labels, positions), weights)


def real_positions(seqlen, max_len):
  """Returns the indices int32 `[n, 2]` (row, time) of the real positions of a batch."""
  return tf.cast(tf.where(mkMask(seqlen, max_len)), tf.int32)


def linear_cross_entropy(hidden, kernel, bias, labels, weights):
  """Weighted cross-entropy of `softmax(hidden @ kernel + bias)`.

  The gradient is taken in the forward pass, `ROWS` rows at a time, so logits
  are made once and at most `ROWS * V` of them exist. The softmax is kept
  unnormalised: with e = exp(logits - max) and s = sum(e),

      d loss / d logits = w (e / s - onehot)

  and the factor w / s moves onto the rows of the small matrices, which saves
  passes over the large one; the onehot part is a gather and a scatter of rows.

  Args:
    hidden: float `[n, units]`.
    kernel: float `[units, V]`.
    bias: float `[V]`.
    labels: int `[n]`.
    weights: float `[n]`; no gradient flows to them.

  Returns:
    `(loss, nll)`: the scalar `sum(weights * nll)`, which has gradients for
    `hidden`, `kernel` and `bias`, and the negative log-likelihoods in nats
    `[n]`, which have none.
  """
  labels = tf.cast(labels, tf.int32)
  weights = tf.cast(weights, hidden.dtype)

  @tf.custom_gradient
  def forward(hidden, kernel, bias):
    nll, softmax_grads = _chunked_softmax(hidden, kernel, bias, labels, weights)
    d_hidden, d_kernel, d_bias = softmax_grads
    d_hidden -= _label_rows(kernel, labels) * weights[:, None]
    classes = tf.shape(bias)[0]
    d_kernel -= tf.transpose(tf.math.unsorted_segment_sum(hidden * weights[:, None], labels, classes))
    d_bias -= tf.math.unsorted_segment_sum(weights, labels, classes)

    def grad(upstream, _):
      return upstream * d_hidden, upstream * d_kernel, upstream * d_bias

    return (tf.reduce_sum(weights * nll), nll), grad

  return forward(tf.convert_to_tensor(hidden), tf.convert_to_tensor(kernel), tf.convert_to_tensor(bias))


def linear_nll(hidden, kernel, bias, labels):
  """The negative log-likelihoods `[n]` of `linear_cross_entropy`, without gradients."""
  return _chunked_softmax(tf.convert_to_tensor(hidden), tf.convert_to_tensor(kernel),
                          tf.convert_to_tensor(bias), tf.cast(labels, tf.int32), None)[0]


def _label_rows(kernel, labels):
  """Returns the output weights `[n, units]` of each row's label."""
  return tf.gather(tf.transpose(kernel), labels)


def _chunked_softmax(hidden, kernel, bias, labels, weights):
  """Returns the nll `[n]` and, given weights, the gradients of sum(w log s) part."""
  n = tf.shape(hidden)[0]
  units = hidden.shape[-1]
  label_logits = (tf.reduce_sum(_label_rows(kernel, labels) * hidden, axis=-1)
                  + tf.gather(bias, labels))
  chunks = -(-n // ROWS)

  def rows(tensor, i):
    return tensor[i * ROWS:(i + 1) * ROWS]

  def array(shape):
    return tf.TensorArray(hidden.dtype, chunks, infer_shape=False, element_shape=shape)

  def exponentials(i):
    logits = tf.nn.bias_add(tf.matmul(rows(hidden, i), kernel), bias)
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)
    e = tf.exp(logits - highest)
    return e, tf.reduce_sum(e, axis=-1), highest[:, 0]

  def loss_only(i, nll):
    _, s, highest = exponentials(i)
    return i + 1, nll.write(i, tf.math.log(s) + highest - rows(label_logits, i))

  def loss_and_gradients(i, nll, d_hidden, d_kernel, d_bias):
    e, s, highest = exponentials(i)
    nll = nll.write(i, tf.math.log(s) + highest - rows(label_logits, i))
    scale = rows(weights, i) / s
    d_hidden = d_hidden.write(i, tf.matmul(e, kernel, transpose_b=True) * scale[:, None])
    d_kernel += tf.matmul(rows(hidden, i) * scale[:, None], e, transpose_a=True)
    d_bias += tf.linalg.matvec(e, scale, transpose_a=True)
    return i + 1, nll, d_hidden, d_kernel, d_bias

  if weights is None:
    _, nll = tf.while_loop(lambda i, *_: i < chunks, loss_only, (0, array([None])), parallel_iterations=1)
    return nll.concat(), None
  _, nll, d_hidden, d_kernel, d_bias = tf.while_loop(
      lambda i, *_: i < chunks, loss_and_gradients,
      (0, array([None]), array([None, units]), tf.zeros_like(kernel), tf.zeros_like(bias)),
      parallel_iterations=1)
  return nll.concat(), (d_hidden.concat(), d_kernel, d_bias)
