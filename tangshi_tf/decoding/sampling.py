"""How the next token is chosen from logits."""

import dataclasses
from typing import NamedTuple

import numpy as np

from tangshi_tf.model import cross_entropy
from tangshi_tf.model.shapes import last_size
from tangshi_tf.quiet import tf
from tangshi_tf.settings import WritingSettings, require

MIN_TEMPERATURE = 1e-6  # below it, float32 cannot tell drawing from the most likely token
BLOCK = 64  # classes that are searched together
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
_BISECTIONS = 32  # of 40 nats: to float32's last digit


@dataclasses.dataclass(frozen=True)
class Sampling:
  """How the next token is chosen from those that the rules allow.

  Attributes:
    temperature: 0 takes the most likely token; above 0 tokens are drawn from
      softmax(logits / temperature), from those that the others leave.
    top_k: only the k most likely; 0 for all.
    top_p: only the most likely ones that together have this probability
      (nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751); 1 for all.
    min_p: only those with at least this share of the greatest probability
      (Nguyen et al. 2024, arXiv:2407.01082); 0 for all.
  """

  temperature: float = 0.0
  top_k: int = 0
  top_p: float = 1.0
  min_p: float = 0.0

  def __post_init__(self):
    require(WritingSettings, **dataclasses.asdict(self))

  @property
  def draws(self) -> bool:
    """Whether tokens are drawn, rather than the most likely ones taken."""
    return self.temperature >= MIN_TEMPERATURE

  @property
  def by_number(self) -> bool:
    """Whether only the `top_k` most likely count; always where that is a tensor."""
    return not (isinstance(self.top_k, int) and self.top_k == 0)

  def number(self, most):
    """Returns `top_k`, at most `most`, a number or int32 `[]`."""
    known = isinstance(self.top_k, int) and isinstance(most, int)
    return min(self.top_k, most) if known else tf.minimum(self.top_k, most)

  @property
  def by_mass(self) -> bool:
    """Whether only those count that have `top_p` together; always where that is a tensor."""
    return not (isinstance(self.top_p, (int, float)) and self.top_p == 1)


def choose(logits, uniforms, sampling: Sampling):
  """Returns the next tokens, int32 `[rows]`.

  Args:
    logits: `[rows, width]`, divided by the temperature where tokens are drawn.
    uniforms: uniform numbers float32 `[rows]`, used where tokens are drawn.
    sampling: how.
  """
  return draw(filtered(logits, sampling), uniforms) if sampling.draws else most_likely(logits)


class Draw(NamedTuple):
  """How far the draw of a token has come, float32 `[rows]`.

  Attributes:
    uniforms: uniform numbers.
    log_rest: the log of the most mass that the words had which the part before did not have, once one was drawn from;
      before that infinity.
  """

  uniforms: tf.Tensor
  log_rest: tf.Tensor


def choose_in_part(logits, inner, tails, sizes, draw: Draw, temperature, sampling: Sampling):
  """Returns the next tokens of the rows for which the first words, a part of all, tell them.

  The words of a tail of probability p have at the temperature T the mass p**(1 / T) * sum(q**(1 / T)), with q their
  probabilities among themselves. The sum is at most 1 where T <= 1, else n**(1 - 1 / T), where all q are equal. So the
  masses P of the part's words are known, and that of the rest is at most R. A draw takes a word of the part with its
  share of P + R, or nothing. Then a larger part, whose other words have the mass M, and its rest at most R', must put
  right that the shares were of P + R and not of P + M + R': it takes their words and the rest by these masses, and the
  words of the first part by (R - M - R') / (P + R) of theirs. Thus words come from the exact distribution (rejection
  sampling with an envelope, von Neumann 1951).

  Args:
    logits: those of the part's words, `[rows, width]`, as for `choose`.
    inner: how many of them were in the part before, where nothing was found; a number or int32 `[]`, 0 for no part.
    tails: the logits of the other tails as wholes, float32 `[rows, tails]`, not divided by the temperature.
    sizes: how many words each has, int32 `[tails]`.
    draw: how far it is.
    temperature: float32 `[]`.
    sampling: how; without `top_p`.

  Returns:
    The tokens, int32 `[rows]`, whether each is found, and the draw for a larger part.
  """
  tails /= temperature
  highest, highest_beyond = tf.reduce_max(logits, axis=-1), tf.reduce_max(tails, axis=-1)
  if not sampling.draws:
    return most_likely(logits), highest >= highest_beyond, draw
  known = True  # which words of the part are kept
  log_masses = tails + tf.maximum(1 - 1 / temperature, 0) * tf.math.log(tf.cast(sizes, tf.float32))
  if sampling.by_number:
    known = tf.math.count_nonzero(logits > highest_beyond[:, None], axis=-1) >= tf.cast(sampling.top_k, tf.int64)
    log_masses = tf.fill(tf.shape(tails), -np.inf)
  elif sampling.min_p:
    known = highest >= highest_beyond
    log_masses = tf.where(tails < highest[:, None] + _log_share(sampling), -np.inf, log_masses)
  log_rest = tf.reduce_logsumexp(log_masses, axis=-1)
  shift = tf.maximum(highest, log_rest)
  rest, masses = tf.exp(log_rest - shift), tf.exp(filtered(logits, sampling) - shift[:, None])
  if tf.is_tensor(inner) or inner:
    before, new = masses[:, :inner], masses[:, inner:]
    unit = tf.exp(tf.minimum(shift - draw.log_rest, 80))
    share = (tf.maximum(1 - (tf.reduce_sum(new, axis=-1) + rest) * unit, 0)
             / (1 + tf.reduce_sum(before, axis=-1) * unit))
    masses = tf.concat([before * share[:, None], new], 1)
  blocks = in_blocks(masses, 0.0)
  of_blocks = tf.reduce_sum(blocks, axis=-1)
  total = tf.reduce_sum(of_blocks, axis=-1)
  target = draw.uniforms * (total + rest)
  again = Draw(tf.clip_by_value(tf.math.divide_no_nan(target - total, rest), 0, _BELOW_ONE), log_rest)
  again = Draw(*(tf.where(known, new, old) for new, old in zip(again, draw)))
  found = (known & (target < total)) | (tf.size(sizes) == 0)
  return _search(blocks, of_blocks, target), found, again


def filtered(logits, sampling: Sampling):
  """Returns the logits of the tokens that top-k, min-p and top-p leave, in this order; the others become -inf."""
  def at_least(lowest):
    return tf.where(logits >= lowest[:, None], logits, -np.inf)

  if sampling.by_number:
    logits = at_least(tf.math.top_k(logits, sampling.number(last_size(logits)))[0][:, -1])
  if sampling.min_p:
    logits = at_least(tf.reduce_max(logits, axis=-1) + _log_share(sampling))
  if sampling.by_mass:
    logits = at_least(_nucleus(logits, sampling.top_p))
  return logits


def _log_share(sampling: Sampling) -> np.float32:
  return np.float32(np.log(sampling.min_p))


def _nucleus(logits, mass):
  """Returns the greatest threshold `[rows]` above which the probabilities sum to at least `mass`, by bisection."""
  highest = tf.reduce_max(logits, axis=-1)
  shares = tf.nn.softmax(logits)

  def body(i, low, high):
    middle = (low + high) / 2
    enough = tf.reduce_sum(tf.where(logits >= middle[:, None], shares, 0.0), axis=-1) >= mass
    return i + 1, tf.where(enough, middle, low), tf.where(enough, high, middle)

  # What lies 40 below the greatest logit has less than 1e-13 of all probability.
  return tf.while_loop(lambda i, *_: i < _BISECTIONS, body, (0, highest - 40, highest))[1]


def missing(classes):
  """Returns how many classes fill up the last block."""
  return -classes % BLOCK


def in_blocks(values, fill):
  """Returns `[rows, n]` as `[rows, blocks, BLOCK]`: two short searches instead of a long one."""
  more = missing(last_size(values))
  if tf.is_tensor(more) or more:
    values = tf.pad(values, [[0, 0], [0, more]], constant_values=fill)
  return tf.ensure_shape(tf.reshape(values, (-1, last_size(values) // BLOCK, BLOCK)), (values.shape[0], None, BLOCK))


def most_likely(logits):
  """Returns argmax by row, int32 `[rows]`."""
  blocks = in_blocks(logits, -np.inf)
  block = tf.argmax(tf.reduce_max(blocks, axis=-1), axis=-1, output_type=tf.int32)
  within = tf.argmax(tf.gather(blocks, block, batch_dims=1), axis=-1, output_type=tf.int32)
  return block * BLOCK + within


def draw(logits, uniforms):
  """Inverts the cumulative distribution of softmax(logits); int32 `[rows]`."""
  plain = _masses(logits)
  blocks, masses, totals = tf.cond(
      cross_entropy.safe_sums(plain[-1]), lambda: plain,
      lambda: _masses(logits - tf.reduce_max(logits, axis=-1, keepdims=True)))
  return _search(blocks, masses, uniforms * totals)


def _masses(logits):
  """Returns exp(logits) in blocks, `[rows, blocks, BLOCK]`, and the sums of the blocks and of the rows."""
  blocks = in_blocks(tf.exp(logits), 0.0)
  masses = tf.reduce_sum(blocks, axis=-1)
  return blocks, masses, tf.reduce_sum(masses, axis=-1)


def _search(blocks, masses, target):
  """Returns where the running sum of the blocks, whose own sums are `masses`, passes the target `[rows]`."""
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
  n = last_size(masses)
  # A place found outranks any mass, the first one the others.
  found = (sums > target[:, None]) & (masses > 0)
  ranks = 1e30 * tf.cast(tf.range(n, 0, -1), tf.float32)
  index = tf.argmax(tf.where(found, ranks, masses), axis=-1, output_type=tf.int32)
  before = tf.gather(sums - masses, index, batch_dims=1)
  return index, before
