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

from collections.abc import Sequence

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.model import arguments, recurrence, shapes
from tangshi_tf.model.adaptive import Clusters
from tangshi_tf.model.kept import require_start
from tangshi_tf.model.language_model import LanguageModel, require_model
from tangshi_tf.model.output import Output, TiedDense
from tangshi_tf.model.products import of_recurrence, products
from tangshi_tf.quiet import keras, tf
from tangshi_tf.settings import WritingSettings, require, require_names

_LAYERS = {'rnn': keras.layers.SimpleRNN, 'lstm': keras.layers.LSTM, 'gru': keras.layers.GRU}


@keras.saving.register_keras_serializable(package='tangshi_tf')
class myRNNModel(Output, LanguageModel):  # noqa: N801 (the exercise's name)
  """Embedding, recurrent layers, and a linear layer to the vocabulary.

  The sequence path (`call`, `hidden_sequence`, `unroll`) runs the Keras layers
  `rnn_layers`, which take cuDNN on a GPU where they can; the step path
  (`get_next_token`, `next_logits`, `step`) runs the very cells that the layers
  own. A state is a list of float tensors `[batch, units]`: for each layer one
  for 'rnn' and 'gru', two (h and c) for 'lstm'.

  Dropout happens only where a seed is given: its masks are a function of the
  seed, so that a training step can be repeated.

  Example:

  >>> import keras, tangshi_tf
  >>> dataset, word2id, id2word = tangshi_tf.poem_dataset(seed=0)
  >>> model = tangshi_tf.myRNNModel(word2id, cell='gru', units=16)
  >>> model.compile()  # the exercise's loss and Adam
  >>> history = model.fit(dataset.take(2), validation_data=dataset.take(1), verbose=0)
  >>> sorted(history.history)
  ['loss', 'perplexity', 'val_loss', 'val_perplexity']
  >>> model.save('poems.keras')  # with the vocabulary
  >>> keras.models.load_model('poems.keras').id2word == id2word
  True

  Loading needs this class: `from tangshi_tf import myRNNModel`, or
  `import tangshi_tf.model`, comes before `keras.models.load_model`, since Keras
  imports no module of other packages. `tangshi_tf.load` needs nothing before it.

  Attributes:
    word2id, id2word: the vocabulary in both directions.
    embed_layer: `keras.layers.Embedding(V, embedding_size)`.
    rnn_layers: of `keras.layers.SimpleRNN`, `LSTM` or `GRU`.
    rnn_layer, rnncell: the first of them, and its `SimpleRNNCell`, `LSTMCell`
      or `GRUCell`.
    dense: `keras.layers.Dense(V)`, or `TiedDense`.
    clusters: what makes the softmax of `dense` adaptive; None where it is full.
    is_character: bool `[V]`, false for marks and special tokens.
    marks: int32 `[m]`, the ids of the punctuation marks.
    never_next: float32 `[V]`, minus infinity for words that are never next: PAD,
      UNK, bos and controls; else 0.
    hyperparameters: the arguments that make the same model again, for the same
      vocabulary.
  """

  def __init__(self, word2id: dict[str, int], *, cell: str = 'rnn', embedding_size: int = 64,
               units: int = 128, reset_after: bool = True, layers: int = 1, projection: int = 0,
               tied: bool = False, layer_norm: bool = False, softmax: str = 'full',
               cutoffs: Sequence[int] | None = None, input_dropout: float = 0.0,
               layer_dropout: float = 0.0, output_dropout: float = 0.0, weight_dropout: float = 0.0,
               locked_dropout: bool = True, embedding_range: float = 0.05, blank: bool = False, **kwargs):
    """Builds the model with all its variables.

    Args:
      word2id: the vocabulary; its size V is the number of logits.
      cell: 'rnn' (the exercise's, and so the default here; that of
        `tangshi_tf.train` is 'gru'), 'lstm' or 'gru'.
      embedding_size: width of the character embedding.
      units: width of each layer's recurrent state.
      reset_after: for 'gru': apply the reset gate after the recurrent product,
        h~ = tanh(x W_xh + b_h + r * (h W_hh + b_hh)), which cuDNN needs and
        Keras prefers; False is the equation above.
      layers: recurrent layers, one on top of the other.
      projection: width of a linear layer without bias between the last
        recurrent layer and the output layer (which is then of so low a rank);
        0 for none.
      tied: the output layer's kernel is the embedding, transposed; where units
        and embedding_size differ there is a projection to embedding_size.
      layer_norm: normalise each recurrent layer's output (Ba et al. 2016,
        arXiv:1607.06450, there inside the cell).
      softmax: 'full', or 'adaptive', see `adaptive`.
      cutoffs: for 'adaptive', the ids at which its tails begin; by default those
        that are fastest for V, and none where V is small.
      input_dropout, layer_dropout, output_dropout: rates from 0 below 1 of
        dropout on the embedded characters, between recurrent layers, and on
        what the output layer (or projection) sees.
      weight_dropout: rate of dropout on the recurrent kernels, one mask a step
        of training (DropConnect; Merity et al. 2018, arXiv:1708.02182).
      locked_dropout: one mask for all positions of a sequence (Gal and
        Ghahramani 2016, arXiv:1512.05287); False: one for each position
        (Zaremba et al. 2014, arXiv:1409.2329).
      embedding_range: the embedding is initialised uniform in +-this (Keras's
        0.05; the PyTorch exercise has 1). The output layer is Keras's Glorot
        uniform, which is the exercises' too.
      blank: start from zeros, for a model that is about to get other weights:
        drawing them takes three times their memory, and time.
      **kwargs: passed to `keras.Model`.

    Raises:
      UserError: an argument is out of range.
    """
    given = {name: value for name, value in locals().items() if name in HYPERPARAMETERS}
    require_start()
    require_names(kwargs, [*HYPERPARAMETERS, *arguments.named(keras.layers.Layer.__init__)])
    words = arguments.words_by_id(word2id)
    given = arguments.checked(given, len(words))
    arguments.check_type(kwargs.setdefault('dtype', arguments.TYPE))
    super().__init__(**kwargs)
    self.cell = cell
    # Past Keras, which wraps dictionaries to track what they hold: TensorFlow exports none with numbers as keys.
    self.__dict__.update(word2id=dict(word2id), id2word=dict(enumerate(words)),
                         hyperparameters=arguments.telling(given))
    units, embedding_size, projection = given['units'], given['embedding_size'], given['projection']
    if tied and units != embedding_size:
      projection = embedding_size
    uniform = keras.initializers.RandomUniform(-embedding_range, embedding_range)
    self.embed_layer = keras.layers.Embedding(len(words), embedding_size, dtype=arguments.TYPE,
                                              embeddings_initializer='zeros' if blank else uniform)
    kernel = {'dtype': arguments.TYPE, **({'kernel_initializer': 'zeros'} if blank else {})}
    options: dict[str, str | bool] = {**kernel, **({'recurrent_initializer': 'zeros'} if blank else {})}
    if cell == 'gru':
      options['reset_after'] = reset_after
    self.rnn_layers = [_LAYERS[cell](units, return_sequences=True, return_state=True, **options)
                       for _ in range(layers)]
    self.norms = [keras.layers.LayerNormalization(dtype=arguments.TYPE) for _ in range(layers)] if layer_norm else []
    self.projection = keras.layers.Dense(projection, use_bias=False, **kernel) if projection else None
    self.clusters = Clusters(given['cutoffs'], len(words), **kernel) if given['cutoffs'] else None
    self.dense = TiedDense(self.embed_layer, dtype=arguments.TYPE) if tied else keras.layers.Dense(len(words), **kernel)
    self._build_layers(units, embedding_size, projection or units)

    self.is_character = tf.constant([len(word) == 1 and word not in corpus.PUNCTUATION for word in words])
    self.marks = tf.constant([i for i, word in enumerate(words) if word in corpus.PUNCTUATION], tf.int32)
    never = (corpus.pad_token, corpus.unknown_token, corpus.start_token)
    # Added to the bias wherever the next token is chosen.
    self.never_next = tf.constant([-np.inf if word in never or corpus.is_control(word) else 0.0 for word in words],
                                   tf.float32)

  def _build_layers(self, units, embedding_size, width):
    """Makes all variables at once: those first made inside a tf.function get no gradients."""
    self.embed_layer.build((None, None))
    for i, layer in enumerate(self.rnn_layers):
      layer.build((None, None, units if i else embedding_size))
    for norm in self.norms:
      norm.build((None, None, units))
    if self.projection is not None:
      self.projection.build((None, None, units))
    self.dense.build((None, None, width))
    if self.clusters is not None:
      self.clusters.build((None, None, width))
    self.built = True

  def get_config(self):
    return {**super().get_config(), 'word2id': self.word2id, **self.hyperparameters}

  @property
  def rnn_layer(self):
    return self.rnn_layers[0]

  @property
  def rnncell(self):
    return self.rnn_layer.cell

  def call(self, inputs, state=None):
    """Returns the logits `[batch, time, V]` of ids `[batch, time]`."""
    return self.logits(self.hidden_sequence(inputs, state))

  def hidden_sequence(self, inputs, state=None):
    """Returns what the output layer sees, `[batch, time, width]`, after each of the ids `[batch, time]`."""
    return self.unroll(inputs, state)[0]

  def unroll(self, inputs, state=None, *, seed=None, precision: str = 'float32'):
    """Runs the recurrent layers over sequences.

    Args:
      inputs: ids `[batch, time]`.
      state: a list of tensors `[batch, units]`; zeros by default.
      seed: int32 `[2]`; drop out at the model's rates, with masks that follow
        from the seed. By default nothing is dropped.
      precision: of the products' operands, see `products.of_recurrence`; on a
        GPU that of the recurrent layers is Keras's.

    Returns:
      What the output layer sees, `[batch, time, width]` (width is that of the
      projection, or units), and the state after the last position.
    """
    hidden = self._dropped(self.embed_layer(inputs), 'input_dropout', seed, 0)
    new_state = []
    for i, layer in enumerate(self.rnn_layers):
      if i:
        hidden = self._dropped(hidden, 'layer_dropout', seed, 2 * i)
      first = None if state is None else state[i * self._layer_tensors:(i + 1) * self._layer_tensors]
      hidden, *last = self._run_layer(layer, hidden, first, seed, 2 * i + 1, precision)
      hidden = self.norms[i](hidden) if self.norms else hidden
      new_state += last
    hidden = self._dropped(hidden, 'output_dropout', seed, 2 * len(self.rnn_layers))
    return self._projected(hidden, precision), new_state

  def _dropped(self, tensor, name, seed, index):
    """Drops out at the rate of that name; `index` tells the places in the model apart."""
    rate = self.hyperparameters[name]
    if seed is None or not rate:
      return tensor
    shape, locked = tf.shape(tensor), self.hyperparameters['locked_dropout'] and len(tensor.shape) == 3
    noise_shape = tf.concat([shape[:1], [1], shape[2:]], 0) if locked else shape
    return tf.nn.experimental.stateless_dropout(
        tensor, rate, tf.random.experimental.stateless_fold_in(seed, index), noise_shape=noise_shape)

  def _run_layer(self, layer, inputs, state, seed, index, precision):
    """Returns a recurrent layer's outputs and its last state, one tensor after the other."""
    kernel = layer.cell.recurrent_kernel
    if seed is not None and self.hyperparameters['weight_dropout']:
      kernel = self._dropped(tf.convert_to_tensor(kernel), 'weight_dropout', seed, index)
    return recurrence.run(layer, inputs, state, kernel, precision)

  def _projected(self, hidden, precision: str = 'float32'):
    if self.projection is None:
      return hidden
    operand, product = products(of_recurrence(precision))
    flat = product(operand(tf.reshape(hidden, (-1, hidden.shape[-1]))), operand(self.projection.kernel))
    return tf.reshape(flat, tf.concat([tf.shape(hidden)[:-1], [flat.shape[-1]]], 0))

  def zero_state(self, batch: int) -> list[tf.Tensor]:
    """Returns the state of zeros for `batch` rows.

    Raises:
      UserError: it is no number of rows.
    """
    arguments.check_batch(batch)
    return [tf.zeros((batch, self.rnncell.units)) for _ in range(self.state_tensors)]

  def random_state(self, batch: int, stddev: float = 0.5, *,
                   seed: int | Sequence[int] | None = None) -> list[tf.Tensor]:
    """Returns a state drawn from a normal distribution with mean 0.

    Args:
      batch: how many rows.
      stddev: standard deviation.
      seed: of the first row, each next row having one more; or one for each
        row. A row is the same in any batch.

    Raises:
      UserError: an argument is out of range, or there are other than `batch`
        seeds.
    """
    if seed is None:
      seed = int(np.random.default_rng().integers(2**62))
    seeds = arguments.seeds(batch, seed)
    require(WritingSettings, state_stddev=stddev)
    shape = (self.state_tensors, self.rnncell.units)
    rows = [np.random.default_rng(row_seed).standard_normal(shape, np.float32) for row_seed in seeds]
    return [tf.constant(stddev * np.stack(tensor), tf.float32) for tensor in zip(*rows)]

  @property
  def state_tensors(self) -> int:
    """How many tensors a state has."""
    return len(self.rnn_layers) * self._layer_tensors

  @property
  def state_spec(self) -> list[tf.TensorSpec]:
    """What a `tf.function` is told of a state."""
    return [tf.TensorSpec((None, self.rnncell.units)) for _ in range(self.state_tensors)]

  @property
  def _layer_tensors(self) -> int:
    return 2 if self.cell == 'lstm' else 1

  def step(self, x, state):
    """Runs the cells once.

    Args:
      x: ids `[batch]`.
      state: a list of tensors `[batch, units]`; a bare tensor will do for a
        model with one.

    Returns:
      What the output layer sees, `[batch, width]`, and the new state.
    """
    if not isinstance(state, (list, tuple)):
      state = [state]
    hidden, new_state = self.embed_layer(x), []
    for i, layer in enumerate(self.rnn_layers):
      hidden, last = layer.cell(hidden, list(state[i * self._layer_tensors:(i + 1) * self._layer_tensors]))
      hidden = self.norms[i](hidden) if self.norms else hidden
      new_state += last
    return self._projected(hidden), new_state

  def next_logits(self, x, state):
    """Runs one step.

    Args:
      x: ids `[batch]`.
      state: as in `step`.

    Returns:
      The logits `[batch, V]` of the next token, minus infinity for PAD, UNK
      and bos, and the new state.
    """
    hidden, state = self.step(x, state)
    return self.next_logits_of()(hidden), state

  def get_next_token(self, x, state):
    """Runs one step and takes the most likely next token.

    Args:
      x: ids `[batch]`.
      state: as in `step`.

    Returns:
      The next ids, int32 `[batch]`, never PAD, UNK or bos, and the new state.

    Raises:
      UserError: x or the state has another shape.
    """
    require_model(self)  # get_next_token is a function, too
    x = shapes.checked_ids('x', x, batch=None)
    state = list(state) if isinstance(state, (list, tuple)) else [state]
    if len(state) != self.state_tensors:
      raise UserError(f'a state of {len(state)} tensors; expected {self.state_tensors}, as zero_state returns them')
    state = [shapes.checked('state', part, batch=x.shape[0], units=self.rnncell.units) for part in state]
    logits, state = self.next_logits(x, state)
    return tf.argmax(logits, axis=-1, output_type=tf.int32), state


get_next_token = myRNNModel.get_next_token
HYPERPARAMETERS = {name: default for name, default in arguments.named(myRNNModel.__init__).items() if name != 'blank'}
