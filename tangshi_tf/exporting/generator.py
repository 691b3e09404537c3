"""The random numbers of `numpy.random.default_rng` in a graph, so that an exported model draws what the package draws.

The generator is PCG64 (O'Neill 2014, HMC-CS-2014-0905), a linear congruential one of 128 bits:

    s_n = a s_{n-1} + c mod 2^128        s_n = a^n s_0 + c (a^{n-1} + ... + 1)

The second form gives all numbers at once. Each s_n makes two words of 32 bits. The seed becomes s_0 and c through
`numpy.random.SeedSequence`. Normal numbers are made by the ziggurat method (Marsaglia and Tsang 2000). NumPy may
change its streams between versions (NEP 19); tests compare them.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from tangshi_tf.quiet import tf

_A = 0x2360ED051FC65DA44385DF649FCCF645
_BITS, _LOW = 2**128, 2**32 - 1
_SECTIONS, _R = 256, 3.6541528853610088  # of the ziggurat; where its tail begins
_MOST_TRIES = 8  # one more is needed once in 10^17 numbers


class _Wide(NamedTuple):
  """Numbers of 128 bits; both parts uint64."""

  high: tf.Tensor
  low: tf.Tensor


def uniform(seeds, stream: int, count, most: int):
  """Returns `default_rng([seed, stream]).random(count, float32)` for each seed.

  Args:
    seeds: int64 `[rows]`, none negative.
    stream: below 2^32.
    count: int32 `[]`.
    most: what `count` is at most.

  Returns:
    float32 `[rows, count]`.
  """
  words = _words(seeds, stream, count, most)
  return _to_unit(words)[:, :count]


def normal(seeds, count: int):
  """Returns `default_rng(seed).standard_normal(count, float32)` for each seed, int64 `[rows]`; float32 `[rows, count]`.
  """
  inside, slope, heights = map(tf.constant, _ziggurat())
  more = count // 8 + 64  # one number in 80 takes more than one word
  words = _words(seeds, None, count + more, count + more)
  unit = tf.pad(_to_unit(words), [[0, 0], [0, 4 * _MOST_TRIES]])
  section = tf.cast(words & 255, tf.int32)
  size = _right(words, 9) & 0x7FFFFF
  value = tf.cast(size, tf.float32) * tf.gather(slope, section)
  value = tf.where(words & 256 != 0, -value, value)

  def following(tensor, places):
    return tensor[:, places:places + tf.shape(words)[1]]

  # What each word makes if a number begins with it, and how many words that takes.
  height, above = tf.gather(heights, section), tf.gather(heights, tf.maximum(section - 1, 0))
  below_curve = (above - height) * following(unit, 1) + height < tf.exp(-0.5 * value * value)
  tail, tail_words = _tail(words, following, unit)
  quick, in_tail = size < tf.gather(inside, section), section == 0
  made = tf.where(quick | ~in_tail, value, tail)
  taken = tf.where(quick, 1, tf.where(in_tail, tail_words, 2))
  again = ~(quick | in_tail | below_curve)
  for _ in range(_MOST_TRIES):
    made, taken = (tf.where(again, tf.pad(tensor[:, 2:], [[0, 0], [0, 2]]) + tensor.dtype.as_numpy_dtype(extra), tensor)
                   for tensor, extra in ((made, 0), (taken, 2)))
    again &= tf.pad(again[:, 2:], [[0, 0], [0, 2]])
  return tf.gather(made, _beginnings(taken, count), batch_dims=1)


def _tail(words, following, unit):
  """Returns numbers beyond the last section, and how many words each takes."""
  value, taken = tf.zeros(tf.shape(words)), tf.fill(tf.shape(words), 1 + 2 * _MOST_TRIES)
  for attempt in reversed(range(_MOST_TRIES)):
    x = -tf.math.log1p(-following(unit, 1 + 2 * attempt)) / np.float32(_R)
    y = -tf.math.log1p(-following(unit, 2 + 2 * attempt))
    fits = y + y > x * x
    value, taken = tf.where(fits, x, value), tf.where(fits, 3 + 2 * attempt, taken)
  value += np.float32(_R)
  return tf.where(_right(words, 17) & 1 != 0, -value, value), taken


def _beginnings(taken, count: int):
  """Returns with which word each number begins, int32 `[rows, count]`, by jumps of 1, 2, 4, ... numbers."""
  width = tf.shape(taken)[1]
  jump = tf.minimum(tf.range(width) + taken, width - 1)
  place = tf.zeros((tf.shape(taken)[0], count), tf.int32)
  for bit in range(count.bit_length()):
    moves = _right(tf.range(count), bit) & 1 != 0
    place = tf.where(moves, tf.gather(jump, place, batch_dims=1), place)
    jump = tf.gather(jump, jump, batch_dims=1)
  return place


@functools.cache
def _ziggurat() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns for each section the bound below which its numbers are taken at once, its scale, and the curve's height."""
  area = _R * math.exp(-_R**2 / 2) + math.sqrt(math.pi / 2) * math.erfc(_R / math.sqrt(2))
  x = [0.0] * _SECTIONS
  x[-1] = _R
  for i in range(_SECTIONS - 2, 0, -1):
    x[i] = math.sqrt(-2 * math.log(area / x[i + 1] + math.exp(-x[i + 1]**2 / 2)))
  heights = [math.exp(-value**2 / 2) for value in x]
  x[0] = area / heights[-1]
  inside = [_R / x[0], 0.0, *(x[i - 1] / x[i] for i in range(2, _SECTIONS))]
  return (np.array([int(bound * 2**23) for bound in inside], np.int64), np.array(x, np.float32) / np.float32(2**23),
          np.array(heights, np.float32))


def _to_unit(words):
  """Returns uniform numbers below 1 of the words, float32."""
  return tf.cast(_right(words, 8), tf.float32) * np.float32(2**-24)


def _words(seeds, stream: int | None, count, most: int):
  """Returns at least `count` words of each seed's generator, `most` at most, int64 `[rows, ...]` below 2^32."""
  start, increment = (_Wide(*(part[:, None] for part in wide)) for wide in _seeded(seeds, stream))
  powers, sums = (_Wide(*(tf.constant(part)[None, :(count + 1) // 2] for part in wide)) for wide in _jumps(most))
  state = _plus(_times(powers, start), _times(sums, increment))
  mixed, turn = state.high ^ state.low, _right(state.high, 58)
  mixed = _right(mixed, turn) | _left(mixed, (64 - turn) & 63)
  pairs = tf.stack([mixed & _LOW, _right(mixed, 32)], -1)
  return tf.cast(tf.reshape(pairs, (tf.shape(seeds)[0], -1)), tf.int64)


@functools.cache
def _jumps(most: int) -> tuple[_Wide, _Wide]:
  """Returns a^n and a^{n-1} + ... + 1 for n from 1 to that for `most` words."""
  powers, sums = [_A], [1]
  while len(powers) < (most + 1) // 2:
    sums.append((sums[-1] + powers[-1]) % _BITS)
    powers.append(powers[-1] * _A % _BITS)
  return _wide(powers), _wide(sums)


def _seeded(seeds, stream: int | None) -> tuple[_Wide, _Wide]:
  """Returns s_0 and c for each seed."""
  pool = _pool(seeds, stream)
  words, factor = [], 0x8B51F9DD
  for i in range(8):
    word = pool[i % 4] ^ factor
    factor = factor * 0x58F38DED & _LOW
    words.append(_mixed(word * factor))
  first, increment = (_Wide(words[i] | _left(words[i + 1], 32), words[i + 2] | _left(words[i + 3], 32)) for i in (0, 4))
  one = _wide([1])
  increment = _plus(_plus(increment, increment), one)
  return _plus(_times(_plus(increment, first), _wide([_A])), increment), increment


def _pool(seeds, stream: int | None) -> list:
  """Returns what `SeedSequence` makes of a seed and a stream: four words, uint64 `[rows]` below 2^32."""
  seeds = tf.cast(seeds, tf.uint64)
  low, high, zero = seeds & _LOW, _right(seeds, 32), tf.zeros_like(seeds)
  words = [low, high, zero, zero]
  if stream is not None:  # it follows the words that the seed takes
    short = high == 0
    words = [low, tf.where(short, zero + stream, high), tf.where(short, zero, zero + stream), zero]
  factor = 0x43B0D7E5

  def hashed(word):
    nonlocal factor
    word ^= factor
    factor = factor * 0x931E8875 & _LOW
    return _mixed(word * factor)

  pool = [hashed(word) for word in words]
  for source in range(4):
    for target in range(4):
      if source != target:
        pool[target] = _mixed(pool[target] * 0xCA01F9DD - hashed(pool[source]) * 0x4973F715)
  return pool


def _mixed(word):
  """Returns a word, of which 32 bits count, with its upper half in its lower one, too."""
  word &= _LOW
  return word ^ _right(word, 16)


def _wide(numbers: list[int]) -> _Wide:
  return _Wide(*(np.array([number >> shift & 2**64 - 1 for number in numbers], np.uint64) for shift in (64, 0)))


def _plus(a: _Wide, b: _Wide) -> _Wide:
  low = a.low + b.low
  return _Wide(a.high + b.high + tf.cast(low < a.low, tf.uint64), low)


def _times(a: _Wide, b: _Wide) -> _Wide:
  """Returns the product, by halves of 32 bits."""
  (a1, a0), (b1, b0) = ((_right(wide.low, 32), wide.low & _LOW) for wide in (a, b))
  middle = a1 * b0 + _right(a0 * b0, 32)
  carried = a0 * b1 + (middle & _LOW)
  high = a1 * b1 + _right(middle, 32) + _right(carried, 32)
  return _Wide(high + a.high * b.low + a.low * b.high, a.low * b.low)


def _right(number, bits):
  return tf.bitwise.right_shift(number, tf.cast(bits, number.dtype))


def _left(number, bits):
  return tf.bitwise.left_shift(number, tf.cast(bits, number.dtype))
