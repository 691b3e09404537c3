"""Output layers, and what models make of them."""

import functools
from typing import Any

from tangshi_tf.quiet import keras, tf


class TiedDense(keras.layers.Layer):
  """A linear layer to the vocabulary whose kernel is the embedding, transposed; only the bias is its own.

  Press and Wolf 2017 (arXiv:1608.05859), Inan et al. 2017 (arXiv:1611.01462).
  """

  def __init__(self, embed_layer: keras.layers.Embedding, **kwargs):
    super().__init__(**kwargs)
    self.units = embed_layer.input_dim
    self._embedding = lambda: embed_layer.embeddings  # a function, so that Keras does not track the layer twice

  def build(self, input_shape):
    self.bias = self.add_weight(shape=(self.units,), initializer='zeros', name='bias')

  @property
  def kernel(self):
    """The embedding, transposed: `[embedding_size, V]`."""
    return tf.transpose(self.rows)

  @property
  def rows(self):
    """The embedding, `[V, embedding_size]`."""
    return self._embedding()

  def call(self, inputs):
    return tf.matmul(inputs, self.kernel) + self.bias

  def compute_output_shape(self, input_shape):
    return (*input_shape[:-1], self.units)


class Output:
  """The part of a model that makes logits of what its output layer sees.

  The model has the output layer, `dense`, perhaps `clusters`, and `never_next`, float32 `[V]`, which is minus infinity
  for words that are never next, and else 0.
  """

  dense: Any
  clusters: Any
  never_next: Any

  def logits(self, hidden):
    """Returns the logits `[…, V]` of what the output layer sees, `[…, width]`; their softmax is the distribution."""
    logits = self.dense(hidden)
    return logits if self.clusters is None else self.clusters.logits(hidden, logits)

  def next_bias(self):
    """Returns the output layer's bias `[V]`, minus infinity for words that are never next."""
    return self.dense.bias + self.never_next

  def next_logits_of(self):
    """Returns the function of `logits_of`, with minus infinity for words that are never next."""
    logits_of = self.logits_of()
    return lambda hidden: logits_of(hidden) + self.never_next

  def logits_of(self):
    """Returns the function `logits`, of `[batch, width]`; it reads the weights once, here, so that a loop need not."""
    clusters, own_logits = self.clusters, self.own_logits_of()
    if clusters is None:
      return own_logits
    return lambda hidden: clusters.logits(hidden, own_logits(hidden))

  def own_kernel(self, count: int):
    """Returns the output layer's kernel for the first words, `[width, count]`."""
    if isinstance(self.dense, TiedDense):
      return tf.transpose(tf.convert_to_tensor(self.dense.rows)[:count])
    return tf.convert_to_tensor(self.dense.kernel)[:, :count]

  def own_logits_of(self, low=0, high=None):
    """Returns a function from what the output layer sees, `[batch, width]`, to the logits of the layer itself.

    These are the logits of the words, where the softmax is not adaptive. The weights are read once, here.

    Args:
      low, high: of which words, by id; numbers or int32 `[]`. All by default.
    """
    bias = tf.convert_to_tensor(self.dense.bias)[low:high]
    if isinstance(self.dense, TiedDense):  # of its transpose XLA would make a copy
      product = functools.partial(tf.matmul, b=tf.convert_to_tensor(self.dense.rows)[low:high], transpose_b=True)
    else:
      product = functools.partial(tf.matmul, b=tf.convert_to_tensor(self.dense.kernel)[:, low:high])
    return lambda hidden: product(hidden) + bias
