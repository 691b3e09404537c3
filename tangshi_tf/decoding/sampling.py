"""How the next token is chosen from logits."""

import dataclasses
import numbers

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.model import cross_entropy

MAX_TEMPERATURE = 100  # far beyond use, far below what float32 holds
COLDEST = 1e-6  # below it, float32 cannot tell drawing from the most likely token
BLOCK = 64  # classes that are searched together
MAX_SHORTEST_LINE = 100
_FORBIDDEN = -1e9  # a logit that only a token has that nothing else could stand in for
_BISECTIONS = 32  # of 40 nats: to float32's last digit


@dataclasses.dataclass(frozen=True)
class Sampling:
  """How the next token is chosen.

  Attributes:
    temperature: 0 takes the most likely token; above 0 tokens are drawn from
      softmax(logits / temperature), from those that the others leave.
    top_k: only the k most likely; 0 for all.
    top_p: only the most likely ones that together have this probability
      (nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751); 1 for all.
    min_p: only those with at least this share of the greatest probability
      (Nguyen et al. 2024, arXiv:2407.01082); 0 for all.
    max_repeat: how often a character may stand in a poem, 日日 counting once
      where they are neighbours; 0 for any number.
    shortest_line: how many characters a line has at least, and the poem ends
      after a mark alone; 0 for whatever comes.
  """

  temperature: float = 0.0
  top_k: int = 0
  top_p: float = 1.0
  min_p: float = 0.0
  max_repeat: int = 0
  shortest_line: int = 0

  def __post_init__(self):
    if not 0 <= self.temperature <= MAX_TEMPERATURE:
      raise UserError(f'temperature {self.temperature}: expected a number from 0 to {MAX_TEMPERATURE}')
    for name in ('top_k', 'max_repeat', 'shortest_line'):
      value = getattr(self, name)
      if not isinstance(value, numbers.Integral) or value < 0:
        raise UserError(f'{name} {value}: expected a whole number of at least 0')
    if not 0 < self.top_p <= 1:
      raise UserError(f'top_p {self.top_p}: expected a number above 0 up to 1')
    if not 0 <= self.min_p <= 1:
      raise UserError(f'min_p {self.min_p}: expected a number from 0 to 1')
    if self.shortest_line > MAX_SHORTEST_LINE:
      raise UserError(f'shortest_line {self.shortest_line}: expected at most {MAX_SHORTEST_LINE}')

  @property
  def guards(self) -> bool:
    """Whether what may be next depends on the tokens before."""
    return bool(self.max_repeat or self.shortest_line)


def guarded(logits, history, length, model, eos, sampling: Sampling):
  """Returns the logits without what `max_repeat` and `shortest_line` forbid.

  Args:
    logits: `[rows, width]`, at least as wide as the vocabulary.
    history: int32 `[rows, n]`, -1 where no token is known.
    length: how many tokens come before the next, int32 `[rows]`.
    model: a `myRNNModel`, which knows characters and marks.
    eos: the id of eos.
    sampling: see there.
  """
  if sampling.max_repeat:
    logits = without_repeats(logits, history, length, model.is_character, sampling.max_repeat)
  if sampling.shortest_line and model.marks.shape[0]:  # where there are no marks, no line ends
    logits = without_short_lines(logits, history, length, model, eos, sampling.shortest_line)
  return logits


def without_short_lines(logits, history, length, model, eos, shortest: int):
  """Returns the logits without marks where the line is too short, and without eos after a character.

  What is forbidden gets a very low logit instead of minus infinity: it comes
  where nothing else is left. The arguments are those of `guarded`.
  """
  places = length[:, None] - 1 - tf.range(shortest)
  recent = tf.gather(history, tf.clip_by_value(places, 0, tf.shape(history)[1] - 1), batch_dims=1)
  in_line = (places >= 0) & (recent >= 0) & tf.gather(model.is_character, tf.maximum(recent, 0))
  rows, marks = tf.shape(history)[0], tf.size(model.marks)
  forbidden = tf.concat([tf.repeat(~tf.reduce_all(in_line, axis=1, keepdims=True), marks, axis=1), in_line[:, :1]], 1)
  # In the place of what is not forbidden stands PAD, which is never next anyway.
  classes = tf.where(forbidden, tf.concat([model.marks, [eos]], 0)[None], corpus.PAD_ID)
  index = tf.stack([tf.broadcast_to(tf.range(rows)[:, None], tf.shape(classes)), classes], -1)
  return tf.tensor_scatter_nd_update(logits, index, tf.where(forbidden, _FORBIDDEN, -np.inf))


def without_repeats(logits, history, length, content, most: int):
  """Returns the logits without the characters that a poem has as often as it may.

  Args:
    logits: `[rows, width]`.
    history: int32 `[rows, n]`, -1 where no token is known.
    length: how many tokens come before the next, int32 `[rows]`.
    content: bool `[V]`, whether a token is a character.
    most: how often; a character after itself counts once with it, and may follow itself once.
  """
  before = tf.concat([tf.fill((tf.shape(history)[0], 1), -1), history[:, :-1]], 1)
  known = (history >= 0) & tf.gather(content, tf.maximum(history, 0))
  counted = known & (history != before)
  end = tf.clip_by_value(length - 1, 0, tf.shape(history)[1] - 1)
  last = tf.gather(history, end, batch_dims=1)
  once = last != tf.gather(before, end, batch_dims=1)
  counted &= ~(once[:, None] & (history == last[:, None]))
  # Where nothing is counted it is PAD that is, which is never next anyway.
  taken = tf.where(counted, history, corpus.PAD_ID)
  rows = tf.broadcast_to(tf.range(tf.shape(history)[0])[:, None], tf.shape(taken))
  index = tf.reshape(tf.stack([rows, taken], -1), (-1, 2))
  if most == 1:
    return tf.tensor_scatter_nd_update(logits, index, tf.fill((tf.shape(index)[0],), -np.inf))
  counts = tf.scatter_nd(index, tf.ones((tf.shape(index)[0],), tf.int32), tf.shape(logits))
  return tf.where(counts >= min(most, tf.int32.max), -np.inf, logits)


def filtered(logits, sampling: Sampling):
  """Returns the logits of the tokens that top-k, min-p and top-p leave, in this order; the others become -inf."""
  def at_least(lowest):
    return tf.where(logits >= lowest[:, None], logits, -np.inf)

  if sampling.top_k:
    logits = at_least(tf.math.top_k(logits, min(sampling.top_k, logits.shape[-1]))[0][:, -1])
  if sampling.min_p:
    logits = at_least(tf.reduce_max(logits, axis=-1) + np.float32(np.log(sampling.min_p)))
  if sampling.top_p < 1:
    logits = at_least(_nucleus(logits, sampling.top_p))
  return logits


def _nucleus(logits, mass: float):
  """Returns the greatest threshold `[rows]` above which the probabilities sum to at least `mass`, by bisection."""
  highest = tf.reduce_max(logits, axis=-1)
  shares = tf.nn.softmax(logits)

  def body(i, low, high):
    middle = (low + high) / 2
    enough = tf.reduce_sum(tf.where(logits >= middle[:, None], shares, 0.0), axis=-1) >= mass
    return i + 1, tf.where(enough, middle, low), tf.where(enough, high, middle)

  # What lies 40 below the greatest logit has less than 1e-13 of all probability.
  return tf.while_loop(lambda i, *_: i < _BISECTIONS, body, (0, highest - 40, highest))[1]


def in_blocks(values, fill):
  """Returns `[rows, n]` as `[rows, blocks, BLOCK]`: two short searches instead of a long one."""
  missing = -values.shape[-1] % BLOCK
  if missing:
    values = tf.pad(values, [[0, 0], [0, missing]], constant_values=fill)
  return tf.reshape(values, (-1, values.shape[-1] // BLOCK, BLOCK))


def most_likely(logits):
  """Returns argmax by row, int32 `[rows]`."""
  blocks = in_blocks(logits, -np.inf)
  block = tf.argmax(tf.reduce_max(blocks, axis=-1), axis=-1, output_type=tf.int32)
  within = tf.argmax(tf.gather(blocks, block, batch_dims=1), axis=-1, output_type=tf.int32)
  return block * BLOCK + within


def draw(logits, uniforms):
  """Inverts the cumulative distribution of softmax(logits); int32 `[rows]`."""
  def masses_of(shifted):
    blocks = in_blocks(tf.exp(shifted), 0.0)
    masses = tf.reduce_sum(blocks, axis=-1)
    return blocks, masses, tf.reduce_sum(masses, axis=-1)

  plain = masses_of(logits)
  blocks, masses, totals = tf.cond(
      cross_entropy.safe_sums(plain[-1]), lambda: plain,
      lambda: masses_of(logits - tf.reduce_max(logits, axis=-1, keepdims=True)))
  target = uniforms * totals
  block, before = first_above(masses, target)
  within, _ = first_above(tf.gather(blocks, block, batch_dims=1), target - before)
  return block * BLOCK + within


def first_above(masses, target):
  """Finds where the running sum of masses `[rows, n]` passes the target `[rows]`.

  Returns:
    The index, int32 `[rows]`, always of a mass above 0 (of the greatest, where
    rounding hides the place), and the sum before it, `[rows]`.
  """
  sums = tf.cumsum(masses, axis=-1)
  n = masses.shape[-1]
  # A place found outranks any mass, the first one the others.
  found = (sums > target[:, None]) & (masses > 0)
  index = tf.argmax(tf.where(found, 1e30 * tf.range(n, 0, -1, tf.float32), masses), axis=-1, output_type=tf.int32)
  before = tf.gather(sums - masses, index, batch_dims=1)
  return index, before
