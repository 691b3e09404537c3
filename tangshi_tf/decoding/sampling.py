"""How the next token is chosen from logits."""

import dataclasses
from typing import Any, NamedTuple

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


class Choice(NamedTuple):
  """How far the choice of a token has come; tensors `[rows]`.

  Attributes:
    token: int32, the likeliest word so far, where tokens are not drawn.
    highest: float32, the greatest logit so far.
    uniforms: uniform numbers float32, for the next draw.
    log_rest: float32, the log of the most mass that the words had which were not looked at, once one was drawn;
      before that infinity.
  """

  token: tf.Tensor
  highest: tf.Tensor
  uniforms: tf.Tensor
  log_rest: tf.Tensor

  @classmethod
  def start(cls, uniforms):
    """Returns the choice before any word."""
    infinite = tf.fill(tf.shape(uniforms), np.inf)
    return cls(tf.zeros(tf.shape(uniforms), tf.int32), -infinite, uniforms, infinite)


class Words(NamedTuple):
  """The words that a token is chosen from: a new part of the vocabulary, and before it, where tokens are drawn, those
  parts that did not tell it.

  Attributes:
    logits: of each part, `[rows, n * BLOCK]`, divided by the temperature where tokens are drawn.
    levels: of each part, float32 `[rows]`, what is to be added to its logits.
    starts: int32 `[blocks]`, the first id of each block of all the parts.
    seen: how many of the blocks are of words that were looked at before, a number or int32 `[]`.
  """

  logits: list[tf.Tensor]
  levels: list[tf.Tensor]
  starts: tf.Tensor
  seen: Any


def choose_in_part(words: Words, tails, sizes, choice: Choice, temperature, sampling: Sampling):
  """Returns the next tokens of the rows for which the words, a part of all, tell them.

  Args:
    words: those that may be chosen.
    tails: the logits of the other tails as wholes, float32 `[rows, tails]`, not divided by the temperature.
    sizes: how many words each has, int32 `[tails]`.
    choice: how far it is.
    temperature: float32 `[]`; without effect where tokens are not drawn.
    sampling: how; without `top_p`.

  Returns:
    The tokens, int32 `[rows]`, whether each is found, and the choice for more words.
  """
  if sampling.draws:
    return _draw_in_part(words, tails / temperature, sizes, choice, temperature, sampling)
  block, within, highest = _greatest(words.logits[-1])
  highest += words.levels[-1]
  token = tf.where(highest > choice.highest, tf.gather(words.starts, block) + within, choice.token)
  choice = choice._replace(token=token, highest=tf.maximum(highest, choice.highest))
  return token, choice.highest >= tf.reduce_max(tails, axis=-1), choice


def _draw_in_part(words: Words, tails, sizes, choice: Choice, temperature, sampling: Sampling):
  """Does `choose_in_part` where tokens are drawn; the logits of the tails are divided by the temperature.

  The words of a tail of probability p have at the temperature T the mass p**(1 / T) * sum(q**(1 / T)), with q their
  probabilities among themselves. The sum is at most 1 where T <= 1, else n**(1 - 1 / T), where all q are equal. So the
  masses P of the part's words are known, and that of the rest is at most R. A draw takes a word of the part with its
  share of P + R, or nothing. Then more words, which have the mass M, and their rest at most R', must put right that the
  shares were of P + R and not of P + M + R': the new words and the rest come by these masses, and the words of before
  by (R - M - R') / (P + R) of theirs. Thus words come from the exact distribution (rejection sampling with an envelope,
  von Neumann 1951).
  """
  highest_beyond = tf.reduce_max(tails, axis=-1)
  highest = tf.maximum(choice.highest, tf.reduce_max(words.logits[-1], axis=-1) + words.levels[-1])
  known = True  # which of the words are kept
  log_masses = tails + tf.maximum(1 - 1 / temperature, 0) * tf.math.log(tf.cast(sizes, tf.float32))
  if sampling.by_number:
    words = joined(words)
    above = tf.math.count_nonzero(words.logits[-1] > highest_beyond[:, None], axis=-1)
    known = above >= tf.cast(sampling.top_k, tf.int64)
    log_masses = tf.fill(tf.shape(tails), -np.inf)
  elif sampling.min_p:
    known = highest >= highest_beyond
    log_masses = tf.where(tails < highest[:, None] + _log_share(sampling), -np.inf, log_masses)
  log_rest = tf.reduce_logsumexp(log_masses, axis=-1)
  shift = tf.maximum(highest, log_rest)
  rest = tf.exp(log_rest - shift)
  parts = _masses_in_parts(words, highest, shift, sampling)
  masses = tf.concat([tf.reduce_sum(part, axis=-1) for part in parts], 1)
  scales = _scales(words, masses, rest, tf.exp(tf.minimum(shift - choice.log_rest, 80)))
  masses *= scales
  total = tf.reduce_sum(masses, axis=-1)
  target = choice.uniforms * (total + rest)
  found = (known & (target < total)) | (tf.size(sizes) == 0)
  block, before = first_above(masses, target)
  own = _block_of(parts, block) * tf.gather(scales, block, batch_dims=1)[:, None]
  within, _ = first_above(own, target - before)
  again = tf.clip_by_value(tf.math.divide_no_nan(target - total, rest), 0, _BELOW_ONE)
  choice = Choice(choice.token, highest, *(tf.where(known, new, old) for new, old in zip(
      (again, log_rest), (choice.uniforms, choice.log_rest))))
  return tf.gather(words.starts, block) + within, found, choice


def _scales(words: Words, masses, rest, unit):
  """Returns what the masses of blocks, `[rows, blocks]`, are multiplied by: for words of before by their lower share.

  Args:
    words: see `choose_in_part`.
    masses: those of the blocks, `[rows, blocks]`.
    rest: the most mass of the rest, `[rows]`.
    unit: one over the most mass that the rest had before, in the same unit, `[rows]`.
  """
  if not tf.is_tensor(words.seen) and not words.seen:
    return tf.ones_like(masses)
  is_new = tf.range(tf.size(words.starts)) >= words.seen
  before, new = (tf.reduce_sum(tf.where(which, masses, 0.0), axis=-1) for which in (~is_new, is_new))
  share = tf.maximum(1 - (new + rest) * unit, 0) / (1 + before * unit)
  return tf.where(is_new, 1.0, share[:, None])


def joined(words: Words) -> Words:
  """Returns the words with all their logits in one tensor, at the level 0."""
  logits = tf.concat([part + level[:, None] for part, level in zip(words.logits, words.levels)], 1)
  return words._replace(logits=[logits], levels=[tf.zeros_like(words.levels[-1])])


def _masses_in_parts(words: Words, highest, shift, sampling: Sampling):
  """Returns exp(logits - shift) of what top-k and min-p leave of each part, a list of `[rows, n, BLOCK]`."""
  parts, levels = words.logits, words.levels
  if sampling.by_number:
    parts = [filtered(parts[0], sampling)]
  elif sampling.min_p:
    lowest = highest + _log_share(sampling)
    parts = [_at_least(part, lowest - level) for part, level in zip(parts, levels)]
  return [in_blocks(tf.exp(part + (level - shift)[:, None]), 0.0) for part, level in zip(parts, levels)]


def _block_of(parts, block):
  """Returns for each row the block of that number of all parts, `[rows, BLOCK]`."""
  found, begin = None, 0
  for part in parts:
    last = tf.shape(part)[1] - 1
    own = tf.gather(part, tf.clip_by_value(block - begin, 0, last), batch_dims=1)
    found = own if found is None else tf.where((block >= begin)[:, None], own, found)
    begin += last + 1
  return found


def filtered(logits, sampling: Sampling):
  """Returns the logits of the tokens that top-k, min-p and top-p leave, in this order; the others become -inf."""
  if sampling.by_number:
    logits = _at_least(logits, tf.math.top_k(logits, sampling.number(last_size(logits)))[0][:, -1])
  if sampling.min_p:
    logits = _at_least(logits, tf.reduce_max(logits, axis=-1) + _log_share(sampling))
  if sampling.by_mass:
    logits = _at_least(logits, _nucleus(logits, sampling.top_p))
  return logits


def _at_least(logits, lowest):
  """Returns logits `[rows, n]` with minus infinity for those below `lowest`, `[rows]`."""
  return tf.where(logits >= lowest[:, None], logits, -np.inf)


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
  block, within, _ = _greatest(logits)
  return block * BLOCK + within


def _greatest(logits):
  """Returns the block of each row's greatest logit, its place there, both int32 `[rows]`, and the logit."""
  blocks = in_blocks(logits, -np.inf)
  of_blocks = tf.reduce_max(blocks, axis=-1)
  block = tf.argmax(of_blocks, axis=-1, output_type=tf.int32)
  within = tf.argmax(tf.gather(blocks, block, batch_dims=1), axis=-1, output_type=tf.int32)
  return block, within, tf.reduce_max(of_blocks, axis=-1)


def draw(logits, uniforms):
  """Inverts the cumulative distribution of softmax(logits); int32 `[rows]`."""
  plain = _masses(logits)
  blocks, masses, totals = tf.cond(
      cross_entropy.safe_sums(plain[-1]), lambda: plain,
      lambda: _masses(logits - tf.reduce_max(logits, axis=-1, keepdims=True)))
  target = uniforms * totals
  block, before = first_above(masses, target)
  within, _ = first_above(tf.gather(blocks, block, batch_dims=1), target - before)
  return block * BLOCK + within


def _masses(logits):
  """Returns exp(logits) in blocks, `[rows, blocks, BLOCK]`, and the sums of the blocks and of the rows."""
  blocks = in_blocks(tf.exp(logits), 0.0)
  masses = tf.reduce_sum(blocks, axis=-1)
  return blocks, masses, tf.reduce_sum(masses, axis=-1)


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
