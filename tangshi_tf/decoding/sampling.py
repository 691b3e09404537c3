"""How the next token is chosen from logits."""

import dataclasses

import numpy as np

from tangshi_tf.model import cross_entropy
from tangshi_tf.quiet import tf
from tangshi_tf.settings import WritingSettings, require

MIN_TEMPERATURE = 1e-6  # below it, float32 cannot tell drawing from the most likely token
BLOCK = 64  # classes that are searched together
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


def choose(logits, uniforms, sampling: Sampling):
  """Returns the next tokens, int32 `[rows]`.

  Args:
    logits: `[rows, width]`, divided by the temperature where tokens are drawn.
    uniforms: uniform numbers float32 `[rows]`, used where tokens are drawn.
    sampling: how.
  """
  return draw(filtered(logits, sampling), uniforms) if sampling.draws else most_likely(logits)


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


def beyond(classes: int) -> int:
  """Returns how many classes fill up the last block."""
  return -classes % BLOCK


def in_blocks(values, fill):
  """Returns `[rows, n]` as `[rows, blocks, BLOCK]`: two short searches instead of a long one."""
  missing = beyond(values.shape[-1])
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
