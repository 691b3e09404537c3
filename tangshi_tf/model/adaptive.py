"""A softmax in which rare words cost time only where they come (Grave et al. 2017, arXiv:1609.04309).

Words stand by falling frequency. Those before the first cut-off are the head; each cut-off begins a tail, which ends at
the next one or with the vocabulary. The head's softmax has a class for each of its words and one for each tail, and a
word of a tail has the probability

    p(tail) * softmax of the tail's words among themselves

where the whole is as exact a distribution as a softmax over all words.

Whether a tail comes is no linear matter: in a full softmax its probability is a sum over many words, each with a vector
of its own. So the classes of the tails have a small hidden layer beside their linear one, without which wide models
are worse than with a full softmax.
"""

import itertools

from tangshi_tf.model.cross_entropy import linear_cross_entropy, linear_nll, safe_sums
from tangshi_tf.quiet import keras, tf
from tangshi_tf.settings import CLASS_UNITS


class Clusters(keras.layers.Layer):
  """What makes the softmax of an output layer adaptive: the logits of the classes of the tails,

      [h, tanh(h inner)] kernel + bias

  In the arguments of its methods `kernel`, `[width, V]`, and `bias`, `[V]`, are the output layer's.

  Attributes:
    bounds: the ids at which the tails begin, and V.
    inner: `[width, CLASS_UNITS]`.
    kernel: `[width + CLASS_UNITS, tails]`.
    bias: `[tails]`.
  """

  def __init__(self, cutoffs: list[int], words: int, *, kernel_initializer='glorot_uniform', **kwargs):
    super().__init__(**kwargs)
    self.__dict__['bounds'] = [*cutoffs, words]  # past Keras, which tracks lists
    self._initializer = kernel_initializer

  def build(self, input_shape):
    width, tails = input_shape[-1], len(self.bounds) - 1
    self.inner = self.add_weight(shape=(width, CLASS_UNITS), initializer=self._initializer, name='inner')
    self.kernel = self.add_weight(shape=(width + CLASS_UNITS, tails), initializer=self._initializer, name='kernel')
    self.bias = self.add_weight(shape=(tails,), initializer='zeros', name='bias')

  def call(self, hidden):
    """Returns the logits of the classes, `[…, tails]`, of what the output layer sees, `[…, width]`."""
    return tf.matmul(tf.concat([hidden, tf.tanh(tf.matmul(hidden, self.inner))], -1), self.kernel) + self.bias

  def compute_output_shape(self, input_shape):
    return (*input_shape[:-1], len(self.bounds) - 1)

  def cross_entropy(self, hidden, kernel, bias, labels, weights, *, unlikelihood: float = 0.0, unwanted_logits=None,
                    precision: str = 'float32'):
    """`cross_entropy.linear_cross_entropy` of the adaptive softmax, without label smoothing.

    The unwanted classes are of the head.
    """
    def head(*arguments):
      return linear_cross_entropy(*arguments, unlikelihood=unlikelihood, unwanted_logits=unwanted_logits,
                                  precision=precision)

    def tail(*arguments):
      return linear_cross_entropy(*arguments, precision=precision)

    return self._over_parts(head, tail, hidden, kernel, bias, labels, weights, precision)

  def nll(self, hidden, kernel, bias, labels):
    """`cross_entropy.linear_nll` of the adaptive softmax."""
    def measure(hidden, kernel, bias, labels, _):
      return 0.0, linear_nll(hidden, kernel, bias, labels)

    return self._over_parts(measure, measure, hidden, kernel, bias, labels, tf.ones(tf.shape(labels)))[1]

  def logits(self, hidden, logits):
    """Returns logits `[…, V]` whose softmax is the distribution.

    Args:
      hidden: what the output layer sees, `[…, width]`.
      logits: the output layer's own, `[…, V]`.
    """
    head, *tails = tf.split(logits, self.sizes, axis=-1)
    shifts = self(hidden) - tf.stack([log_sum(tail) for tail in tails], -1)
    return tf.concat([head, *(tail + shifts[..., i:i + 1] for i, tail in enumerate(tails))], -1)

  @property
  def sizes(self) -> list[int]:
    """How many words the head and each tail have."""
    return [high - low for low, high in itertools.pairwise([0, *self.bounds])]

  def _over_parts(self, head, tail, hidden, kernel, bias, labels, weights, precision='float32'):
    """Returns the sum of the losses `[]` and of the likelihoods `[n]` of the head and the tails, each for its rows."""
    labels, first = tf.cast(labels, tf.int32), self.bounds[0]
    kernels, biases = tf.split(kernel, self.sizes, axis=1), tf.split(bias, self.sizes)
    tails_begun = tf.reduce_sum(tf.cast(labels[:, None] >= self.bounds[:-1], tf.int32), axis=1)
    classes = tf.where(tails_begun > 0, first - 1 + tails_begun, labels)
    made, kernel_below = self._made(hidden, precision)
    rest = [[0, kernel_below.shape[0]], [0, len(self.bounds) - 1]]
    loss, nll = head(tf.concat([hidden, *made], 1), tf.pad(kernels[0], rest) + tf.pad(
        kernel_below, [[hidden.shape[1], 0], [first, 0]]), tf.pad(biases[0], rest[1:]), classes, weights)
    for i, low in enumerate(self.bounds[:-1], start=1):
      rows = tf.where(tails_begun == i)
      own, own_nll = tail(tf.gather_nd(hidden, rows), kernels[i], biases[i], tf.gather_nd(labels, rows) - low,
                          tf.gather_nd(weights, rows))
      loss, nll = loss + own, tf.tensor_scatter_nd_add(nll, rows, own_nll)
    return loss, nll

  def _made(self, hidden, precision):
    """Returns the logits of the classes as more columns of `hidden`, and the rows of a kernel that take them over.

    Where operands have 16 bits a logit is two columns, what 16 bits hold of it and the rest.
    """
    logits = self(hidden)
    parts = [logits]
    if precision != 'float32':
      rounded = tf.cast(tf.cast(logits, precision), tf.float32)
      parts = [rounded, logits - rounded]
    return parts, tf.tile(tf.eye(logits.shape[1]), [len(parts), 1])


def log_sum(logits):
  """Returns log(sum(exp(logits))) over the last dimension."""
  sums = tf.reduce_sum(tf.exp(logits), axis=-1)
  return tf.cond(safe_sums(sums), lambda: tf.math.log(sums), lambda: tf.reduce_logsumexp(logits, axis=-1))
