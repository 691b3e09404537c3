"""The character-level recurrent language model.

Equations (row vectors, `*` elementwise):

    RNN    h_t = tanh(x_t W_xh + h_{t-1} W_hh + b)
    LSTM   i,f,o = sigmoid(x_t W_x. + h_{t-1} W_h. + b.)
           c~ = tanh(x_t W_xc + h_{t-1} W_hc + b_c)
           c_t = f * c_{t-1} + i * c~           h_t = o * tanh(c_t)
    GRU    r,z = sigmoid(x_t W_x. + h_{t-1} W_h. + b.)
           h~ = tanh(x_t W_xh + (r * h_{t-1}) W_hh + b_h)
           h_t = z * h_{t-1} + (1 - z) * h~

The GRU is Cho et al. 2014 (arXiv:1406.1078) as Keras writes it. Texts that
write h_t = (1 - z) * h_{t-1} + z * h~ mean the same model, z replaced by 1 - z.
"""

import numbers
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

CELLS = ('rnn', 'lstm', 'gru')


class myRNNModel(keras.Model):  # noqa: N801 (the exercise's name)
  """Embedding, one recurrent layer, and a linear layer to the vocabulary.

  The sequence path (`call`, `hidden_sequence`) runs the Keras layer
  `rnn_layer`, which takes cuDNN on a GPU where it can; the step path
  (`get_next_token`, `next_logits`) runs `rnncell`, the very cell that the
  layer owns. A state is a list of float tensors `[batch, units]`: one for
  'rnn' and 'gru', two (h and c) for 'lstm'.

  Attributes:
    embed_layer: `keras.layers.Embedding(V, embedding_size)`.
    rnn_layer: `keras.layers.SimpleRNN`, `LSTM` or `GRU`.
    rnncell: the layer's `SimpleRNNCell`, `LSTMCell` or `GRUCell`.
    dense: `keras.layers.Dense(V)`.
  """

  def __init__(self, word2id: dict[str, int], *, cell: str = 'rnn', embedding_size: int = 64,
               units: int = 128, reset_after: bool = True, **kwargs):
    """Builds the model with all its variables.

    Args:
      word2id: the vocabulary; its size V is the number of logits.
      cell: 'rnn', 'lstm' or 'gru'.
      embedding_size: width of the character embedding.
      units: width of the recurrent state.
      reset_after: for 'gru': apply the reset gate after the recurrent product,
        h~ = tanh(x W_xh + b_h + r * (h W_hh + b_hh)), which cuDNN needs and
        Keras prefers; False is the equation above.
      **kwargs: passed to `keras.Model`.

    Raises:
      UserError: the cell is unknown.
    """
    super().__init__(**kwargs)
    if cell not in CELLS:
      raise UserError(f'cell {cell!r} is unknown; expected one of {", ".join(CELLS)}')
    self.cell = cell
    self.hyperparameters = {'cell': cell, 'embedding_size': embedding_size, 'units': units}
    if cell == 'gru':
      self.hyperparameters['reset_after'] = reset_after
    vocabulary_size = len(word2id)
    self.embed_layer = keras.layers.Embedding(vocabulary_size, embedding_size)
    if cell == 'rnn':
      self.rnn_layer = keras.layers.SimpleRNN(units, return_sequences=True)
    elif cell == 'lstm':
      self.rnn_layer = keras.layers.LSTM(units, return_sequences=True)
    else:
      self.rnn_layer = keras.layers.GRU(units, return_sequences=True, reset_after=reset_after)
    self.rnncell = self.rnn_layer.cell
    self.dense = keras.layers.Dense(vocabulary_size)
    # Built at once: variables first made inside a tf.function get no gradients.
    self.embed_layer.build((None, None))
    self.rnn_layer.build((None, None, embedding_size))
    self.dense.build((None, None, units))
    self.built = True

    penalty = np.zeros(vocabulary_size, np.float32)
    for token in (corpus.pad_token, corpus.unknown_token, corpus.start_token):
      if token in word2id:
        penalty[word2id[token]] = -np.inf
    self._never_next = tf.constant(penalty)  # added to the bias wherever the next token is chosen

  def call(self, inputs, initial_state=None):
    """Returns the logits `[batch, time, V]` of ids `[batch, time]`."""
    return self.dense(self.hidden_sequence(inputs, initial_state))

  def hidden_sequence(self, inputs, initial_state=None):
    """Returns the states `[batch, time, units]` after each of the ids `[batch, time]`."""
    return self.rnn_layer(self.embed_layer(inputs), initial_state=initial_state)

  def zero_state(self, batch: int) -> list[tf.Tensor]:
    """Returns the state of zeros for `batch` rows."""
    return [tf.zeros((batch, self.rnncell.units)) for _ in range(self.state_tensors)]

  def random_state(self, batch: int, stddev: float = 0.5, *,
                   seed: int | Sequence[int] | None = None) -> list[tf.Tensor]:
    """Returns a state drawn from a normal distribution with mean 0.

    Args:
      batch: how many rows.
      stddev: standard deviation.
      seed: of the first row, each next row having one more; or one for each
        row. A row is the same in any batch.
    """
    if seed is None:
      seed = int(np.random.default_rng().integers(2**62))
    seeds = range(seed, seed + batch) if isinstance(seed, numbers.Integral) else seed
    shape = (self.state_tensors, self.rnncell.units)
    rows = [np.random.default_rng(row_seed).standard_normal(shape, np.float32) for row_seed in seeds]
    return [tf.constant(stddev * np.stack(tensor), tf.float32) for tensor in zip(*rows)]

  @property
  def state_tensors(self) -> int:
    """How many tensors a state has."""
    return 2 if self.cell == 'lstm' else 1

  def step(self, x, state):
    """Runs the cell once.

    Args:
      x: ids `[batch]`.
      state: a list of tensors `[batch, units]`; a bare tensor will do for a
        cell with one.

    Returns:
      What the output layer sees, `[batch, units]`, and the new state.
    """
    if not isinstance(state, (list, tuple)):
      state = [state]
    hidden, state = self.rnncell(self.embed_layer(x), list(state))
    return hidden, list(state)

  def next_bias(self):
    """Returns the output layer's bias `[V]`, minus infinity for PAD, UNK and bos."""
    return self.dense.bias + self._never_next

  def logits(self, hidden):
    """Returns the logits `[batch, V]` of the next token, minus infinity for PAD, UNK and bos."""
    return tf.matmul(hidden, self.dense.kernel) + self.next_bias()

  def next_logits(self, x, state):
    """Runs `step` and returns its `logits` and the new state."""
    hidden, state = self.step(x, state)
    return self.logits(hidden), state

  def get_next_token(self, x, state):
    """Runs one step and takes the most likely next token.

    Args:
      x: ids `[batch]`.
      state: as in `step`.

    Returns:
      The next ids, int32 `[batch]`, never PAD, UNK or bos, and the new state.
    """
    logits, state = self.next_logits(x, state)
    return tf.argmax(logits, axis=-1, output_type=tf.int32), state


get_next_token = myRNNModel.get_next_token
