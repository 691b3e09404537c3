"""Writing in a direction: the state after what a poem is told, and guidance."""

from collections.abc import Sequence

from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.quiet import tf


def first_state(model, told: Sequence[int], state):
  """Returns the state that poems begin with.

  Args:
    model: a `myRNNModel`, or a `Guided` one.
    told: the ids of what all of them are told, see `controls`; none for nothing.
    state: the state of the model before that, a list of `[rows, units]`.
  """
  plain = model.plain if is_guided(model) else model
  after = state
  if told:
    ids = tf.tile(tf.constant([told], tf.int32), [state[0].shape[0], 1])
    after = _compiled_reading(plain)(ids, state)
  return [*after, *state] if is_guided(model) else after


def is_guided(model) -> bool:
  """Returns whether a model is a `Guided` one."""
  return isinstance(model, Guided)


@kept_with_model(1)
def _compiled_reading(model):
  """Returns the reading of ids as one graph: int32 `[rows, n]` and the state before them to the state after them."""
  @tf.function(input_signature=(tf.TensorSpec((None, None), tf.int32), model.state_spec), autograph=False)
  def read(ids, state):
    return model.unroll(ids, state)[1]

  return read.get_concrete_function()


def model_to_write(model, told: Sequence[int], guidance: float):
  """Returns the model, or, where poems are told something and that is exaggerated, the `Guided` one."""
  return guided(model, guidance) if guidance and told else model


@kept_with_model(8)
def guided(model, weight: float) -> 'Guided':
  """Returns the model as it writes with guidance of a weight."""
  return Guided(model, weight)


class Guided:
  """A model that writes from (1 + W) log p(x | told) - W log p(x), with W the weight.

  That is classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598; of
  language models Sanchez et al. 2023, arXiv:2306.17806). A state is that of the
  model that was told something, and after it that of one that was not; both take
  the same step, as more rows of one product.

  Attributes:
    plain: the model.
  """

  clusters = None  # the choice looks at all words

  def __init__(self, model, weight: float):
    self.plain, self._weight = model, weight
    self.word2id, self.id2word = model.word2id, model.id2word
    self.dense, self.is_character, self.marks = model.dense, model.is_character, model.marks
    self.state_spec = [*model.state_spec, *model.state_spec]

  def step(self, x, state):
    """Runs the cells once, see `myRNNModel.step`; what the output layer sees are both halves side by side."""
    half = len(state) // 2
    both = [tf.concat(pair, 0) for pair in zip(state[:half], state[half:])]
    hidden, new = self.plain.step(tf.tile(x, [2]), both)
    halves = [tf.split(tensor, 2) for tensor in new]
    return tf.concat(tf.split(hidden, 2), 1), [half[i] for i in range(2) for half in halves]

  def next_logits_of(self):
    """See `Output.next_logits_of`."""
    logits_of, never = self.plain.logits_of(), self.plain.never_next

    def logits(hidden):
      told, plain = tf.split(hidden, 2, axis=1)
      return (1 + self._weight) * logits_of(told) - self._weight * logits_of(plain) + never

    return logits

  def next_logits(self, x, state):
    """See `myRNNModel.next_logits`."""
    hidden, state = self.step(x, state)
    return self.next_logits_of()(hidden), state
