"""Output layers."""

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
    return tf.transpose(self._embedding())

  def call(self, inputs):
    return tf.matmul(inputs, self.kernel) + self.bias

  def compute_output_shape(self, input_shape):
    return (*input_shape[:-1], self.units)
