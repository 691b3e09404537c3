"""One step of a model as a graph that converters take: its weights are constants, and nothing in it branches."""

from typing import Any, NamedTuple

import numpy as np

from tangshi_tf.model import myRNNModel
from tangshi_tf.quiet import keras, tf

NEVER = -60_000.0  # added to logits of words that are never next; float16 holds it, and its exponential is 0


class Int8Rows(NamedTuple):
  """An embedding whose rows are whole numbers times a scale.

  Attributes:
    whole: int8 `[V, embedding_size]`, from -127 to 127.
    scale: float32 `[V, 1]`.
  """

  whole: np.ndarray
  scale: np.ndarray

  @classmethod
  def of(cls, rows: np.ndarray) -> 'Int8Rows':
    """Returns what is nearest to an embedding, float32 `[V, embedding_size]`, with one scale a row."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
    return cls(np.round(rows / scale).astype(np.int8), scale)

  def rows(self) -> np.ndarray:
    """Returns the embedding, float32 `[V, embedding_size]`."""
    return self.whole * self.scale

  def __call__(self, ids):
    """Returns the rows of ids `[batch]`, as an embedding layer does."""
    return tf.cast(tf.gather(self.whole, ids), tf.float32) * tf.gather(self.scale, ids)


def function(model, rows: int | None, *, state_after: str = 'state', embedding: Int8Rows | None = None):
  """Returns the step as a `tf.function` without variables.

  It takes `ids`, int32 `[rows]`, and `state_0`, `state_1` …, float32 `[rows, units]`: as many as `model.state_tensors`.
  It returns a dictionary: `logits`, float32 `[rows, V]`, and the new state under the same names. The softmax of the
  logits is what the package's decoding draws from, for words that are never next (PAD, UNK, bos, controls) have `NEVER`
  added to theirs.

  Args:
    model: a `myRNNModel`.
    rows: how many there are; None for any number.
    state_after: what the names of the new state begin with.
    embedding: in place of the model's, which of a tied model is the output layer's kernel, too.
  """
  values = [(variable, variable.numpy()) for variable in model.variables]
  if embedding is not None:
    rounded = embedding.rows()
    values = [(variable, rounded if variable is model.embed_layer.embeddings else value) for variable, value in values]
  never = np.maximum(model.never_next.numpy(), np.float32(NEVER))
  spec = (tf.TensorSpec((rows,), tf.int32, name='ids'),
          *(tf.TensorSpec((rows, model.rnncell.units), tf.float32, name=f'state_{i}')
            for i in range(model.state_tensors)))

  @tf.function(input_signature=spec, autograph=False)
  def step(ids, *state):
    with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in values]):
      view = _View(model, embedding or model.embed_layer)
      hidden, after = myRNNModel.step(view, ids, list(state))
      logits = myRNNModel.logits_of(view)(hidden) + never
      # An identity each, since a converter may name a result after an argument that it is made of.
      return {'logits': logits, **{f'{state_after}_{i}': tf.identity(tensor) for i, tensor in enumerate(after)}}

  return step


class _View:
  """A model with its own way to embed characters and to put together an adaptive softmax; all else is the model's."""

  def __init__(self, model, embed_layer):
    self._model, self.embed_layer = model, embed_layer
    self.clusters = model.clusters and _Clusters(model.clusters)

  def __getattr__(self, name: str) -> Any:
    return getattr(self._model, name)


class _Clusters:
  """`Clusters` whose logits need no branch."""

  def __init__(self, clusters):
    self._clusters = clusters

  def logits(self, hidden, logits):
    """See `Clusters.logits`; here of all words."""
    bounds = self._clusters.bounds
    head, *tails = tf.split(logits, np.diff([0, *bounds]).tolist(), axis=-1)
    classes = self._clusters(hidden)
    return tf.concat([head, *(tf.nn.log_softmax(tail) + classes[:, i:i + 1] for i, tail in enumerate(tails))], -1)
