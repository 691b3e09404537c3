"""Writing poems: a compiled loop for any number of poems at once."""

import collections
import functools
import itertools
import numbers
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus, devices, loss
from tangshi_tf.errors import UserError

INITS = ('zero', 'random')
MAX_LEN = 30  # the exercise's
STATE_STDDEV = 0.5  # the exercise's
MAX_STDDEV = MAX_TEMPERATURE = 100  # far beyond use, far below what float32 holds
_DRAWING = 1  # tells a seed's stream for drawing from the one for its state
_COLDEST = 1e-6  # below it, float32 cannot tell drawing from the most likely token
BATCH = 512  # poems written at once
_MOST_BEGUN = 8 * BATCH  # poems held back behind one that is still written
_STEPS = 8  # tokens before complete poems make room for others
_FEW, _STEPS_FEW = 8, 32  # so few poems, if they are all, wait for each other
_BLOCK = 64


def gen_poem(begin_word: str, *, model, word2id: dict[str, int], id2word: dict[int, str],
             init: str = 'zero', max_len: int = MAX_LEN, state_stddev: float = STATE_STDDEV,
             temperature: float = 0.0, bos_first: bool = False, seed: int | None = None) -> list[str]:
  """Writes one poem.

  Args:
    begin_word: one or more characters that the poem begins with.
    model: a `myRNNModel`.
    word2id: the model's vocabulary.
    id2word: the same by id.
    init: 'zero' or 'random', the initial state.
    max_len: the poem ends once more than this many tokens are collected, the
      begin word's included, if eos has not ended it before.
    state_stddev: standard deviation of the random state.
    temperature: 0 takes the most likely token; above 0 tokens are drawn from
      softmax(logits / temperature).
    bos_first: feed bos before the begin word, as in training; the exercise
      starts at the begin word itself.
    seed: makes the random state and the drawing repeatable.

  Returns:
    The words, eos left out.

  Raises:
    UserError: the begin word cannot be used, or an argument is out of range.
  """
  if seed is None:
    seed = int(np.random.default_rng().integers(2**31))
  poem, = generate([(begin_word, seed)], model=model, word2id=word2id, id2word=id2word, init=init,
                   max_len=max_len, state_stddev=state_stddev, temperature=temperature,
                   bos_first=bos_first)
  return poem


def generate(requests: Iterable[tuple[str, int]], *, model, word2id: dict[str, int],
             id2word: dict[int, str], init: str = 'zero', max_len: int = MAX_LEN,
             state_stddev: float = STATE_STDDEV, temperature: float = 0.0,
             bos_first: bool = False) -> Iterator[list[str]]:
  """Writes many poems, 512 at a time; where one ends the next begins.

  Args:
    requests: begin word and seed of each poem; what a poem becomes depends on
      these two alone, not on the poems beside it. They are read as they are
      needed, so there may be any number of them.
    model, word2id, id2word, init, max_len, state_stddev, temperature,
      bos_first: see `gen_poem`.

  Yields:
    The words of each poem, in order.

  Raises:
    UserError: as `gen_poem`.
  """
  if init not in INITS:
    raise UserError(f'initial state {init!r} is unknown; expected one of {", ".join(INITS)}')
  if not 0 <= temperature <= MAX_TEMPERATURE or not 0 <= state_stddev <= MAX_STDDEV:
    raise UserError(f'temperature {temperature}, state_stddev {state_stddev}: expected numbers from 0 to '
                    f'{MAX_TEMPERATURE} and {MAX_STDDEV}')
  if not isinstance(max_len, numbers.Integral) or max_len < 1:
    raise UserError(f'max_len {max_len}: expected a whole number of at least 1')
  eos = word2id[corpus.end_token]
  sampling = temperature >= _COLDEST

  def start(request):
    begin, seed = request
    if not isinstance(seed, numbers.Integral) or seed < 0:
      raise UserError(f'seed {seed}: expected a whole number of at least 0')
    prefix = encode_begin(begin, word2id, bos_first=bos_first)
    return _Poem(prefix, seed, max(max_len + 1 + bos_first, len(prefix)), sampling)

  def first_state(poems):
    if init == 'zero':
      return model.zero_state(len(poems))
    return model.random_state(len(poems), state_stddev, seed=[poem.seed for poem in poems])

  for poem in _decode(model, map(start, requests), first_state, temperature if sampling else 0.0, eos):
    yield [id2word[i] for i in poem.ids[bos_first:]]


def encode_begin(begin: str, word2id: dict[str, int], *, bos_first: bool = False) -> list[int]:
  """Returns the ids of a begin word.

  Raises:
    UserError: it is empty, a special token, or not in the vocabulary.
  """
  if not begin:
    raise UserError('the begin word is empty; expected at least one character')
  if begin in corpus.SPECIAL_TOKENS:
    raise UserError(f'begin word {begin!r} is a special token; expected characters of a poem')
  for character in begin:
    if character not in word2id:
      raise UserError(f'begin word {corpus.shorten(begin)}: character {character!r} is not in the '
                      "model's vocabulary; expected simplified characters that occur in its corpus")
  return [word2id[corpus.start_token]] * bos_first + [word2id[character] for character in begin]


def split_sentences(words: Iterable[str]) -> str:
  """Returns a poem's text, a sentence a line."""
  text = ''.join(words)
  for mark in '。？！；':
    text = text.replace(mark, mark + '\n')
  return text.rstrip('\n')


class _Poem:
  """A poem while it is written."""

  def __init__(self, prefix: list[int], seed: int, limit: int, sampling: bool):
    self.prefix, self.seed, self.limit = prefix, seed, limit
    self.ids = prefix[:1]
    # One generator a poem, so that a poem does not depend on its neighbours.
    self.uniforms = np.random.default_rng([seed, _DRAWING]).random(limit, np.float32) if sampling else None
    self.complete = False
    if len(prefix) == limit:
      self.ids, self.complete = prefix, True

  def add(self, ids: list[int], eos: int):
    """Takes the ids that follow, up to eos or the limit."""
    given = max(len(self.prefix) - len(self.ids), 0)
    room = self.limit - len(self.ids)
    end = ids.index(eos, given) if eos in ids[given:room] else room
    self.ids += ids[:end]
    self.complete = end < len(ids) or len(self.ids) == self.limit


def _decode(model, poems: Iterator[_Poem], first_state, temperature: float, eos: int) -> Iterator[_Poem]:
  """Completes poems, at most `BATCH` at a time; returns them in order.

  The compiled loop stops after a few tokens, complete poems make room for
  waiting ones, and the loop goes on.
  """
  arrived = collections.deque()  # all poems begun and not yet returned
  writing, state = [], None
  few = None
  while True:
    room = min(BATCH - len(writing), _MOST_BEGUN - len(arrived))
    begun = list(itertools.islice(poems, room))
    arrived.extend(begun)
    begun = [poem for poem in begun if not poem.complete]
    if begun:
      fresh = first_state(begun)
      state = [np.concatenate([old, new]) for old, new in zip(state, fresh)] if writing else fresh
      writing += begun
    if not writing:
      break
    if few is None:
      few = len(arrived) <= _FEW
    state = _write(model, writing, state, temperature, eos, few)
    keep = [i for i, poem in enumerate(writing) if not poem.complete]
    if len(keep) < len(writing):
      writing = [writing[i] for i in keep]
      state = [np.asarray(tensor)[keep] for tensor in state]
    while arrived and arrived[0].complete:
      yield arrived.popleft()
  yield from arrived


def _write(model, poems: list[_Poem], state, temperature: float, eos: int, few: bool):
  """Writes the next tokens of all poems; returns the new state."""
  rows, steps = (1 if len(poems) == 1 else _FEW, _STEPS_FEW) if few else (len(poems), _STEPS)
  token, left = np.zeros((2, rows), np.int32)
  given = np.full((rows, steps), -1, np.int32)
  uniforms = np.zeros((rows, steps), np.float32)
  token[:len(poems)] = [poem.ids[-1] for poem in poems]
  left[:len(poems)] = [poem.limit - len(poem.ids) for poem in poems]
  for i, poem in enumerate(poems):
    done = len(poem.ids)
    if done < len(poem.prefix):
      follows = poem.prefix[done:done + steps]
      given[i, :len(follows)] = follows
    if temperature:
      drawn = poem.uniforms[done:done + steps]
      uniforms[i, :len(drawn)] = drawn
  if rows > len(poems):
    state = [np.concatenate([tensor, np.zeros((rows - len(poems), tensor.shape[1]), np.float32)])
             for tensor in state]
  ids, state = compiled_decoder(model, temperature > 0, few)(
      token, state, given, left, uniforms, np.float32(temperature), np.int32(eos))
  for poem, row in zip(poems, ids.numpy().tolist()):
    poem.add(row, eos)
  return state if rows == len(poems) else [tensor[:len(poems)] for tensor in state]


@functools.lru_cache(maxsize=8)
def compiled_decoder(model, sampling: bool, few: bool):
  """Returns the decoding loop as one graph, traced once for any number of rows.

  For `few` rows it is compiled by XLA, which takes a third of the time a step
  but compiles for each number of rows; for many rows the time is in the
  product, and the graph takes any number at once.

  Its arguments: the last ids int32 `[rows]`; the state; the ids that are given,
  int32 `[rows, steps]`, -1 where there is none; how many tokens each row may
  still get, int32 `[rows]`; uniform numbers float32 `[rows, steps]` (used when
  sampling), the temperature, and the id of eos. It returns the ids that follow,
  int32 `[rows, steps]`, and the state. What stands after eos or after a row's
  last token has no meaning.
  """
  signature = (
      tf.TensorSpec((None,), tf.int32),
      [tf.TensorSpec((None, model.rnncell.units)) for _ in range(model.state_tensors)],
      tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, None)),
      tf.TensorSpec(()), tf.TensorSpec((), tf.int32))

  @tf.function(input_signature=signature, jit_compile=few and devices.has_xla())
  def decode(token, state, given, left, uniforms, temperature, eos):
    steps = tf.shape(given)[1]
    logits_of = _narrow_logits(model) if few else _wide_logits(model)

    def body(step, token, done, state, ids):
      hidden, state = model.step(token, state)
      if sampling:
        following = _draw(logits_of(hidden, temperature), uniforms[:, step])
      else:
        following = _most_likely(logits_of(hidden, 1.0))
      free = given[:, step] < 0
      token = tf.where(free, following, given[:, step])
      done |= (free & (token == eos)) | (step + 1 >= left)
      return step + 1, token, done, state, tf.where(tf.range(steps) == step, token[:, None], ids)

    *_, state, ids = tf.while_loop(
        lambda step, _, done, *__: (step < steps) & ~tf.reduce_all(done), body,
        (0, token, left <= 0, state, tf.zeros_like(given)))
    return ids, state

  return decode.get_concrete_function()  # calling it takes 1 ms less than finding it anew


def _narrow_logits(model):
  """Returns a function from `(hidden, temperature)` to logits / temperature."""
  kernel, bias = tf.convert_to_tensor(model.dense.kernel), model.next_bias()
  return lambda hidden, temperature: (tf.matmul(hidden, kernel) + bias) / temperature


def _wide_logits(model):
  """Returns the function of `_narrow_logits` with fewer passes over the logits of many rows.

  The temperature divides the small factor, the bias is one more row of the kernel, and the width is a multiple of
  `_BLOCK`, filled up with classes that are never next.
  """
  missing = -model.dense.units % _BLOCK
  kernel = tf.concat([tf.pad(model.dense.kernel, [[0, 0], [0, missing]]),
                      tf.pad(model.next_bias(), [[0, missing]], constant_values=-np.inf)[None]], 0)

  def logits(hidden, temperature):
    return tf.matmul(tf.concat([hidden, tf.ones((tf.shape(hidden)[0], 1))], 1) / temperature, kernel)

  return logits


def _in_blocks(values, fill):
  """Returns `[rows, n]` as `[rows, blocks, _BLOCK]`: two short searches instead of a long one."""
  missing = -values.shape[-1] % _BLOCK
  if missing:
    values = tf.pad(values, [[0, 0], [0, missing]], constant_values=fill)
  return tf.reshape(values, (-1, values.shape[-1] // _BLOCK, _BLOCK))


def _most_likely(logits):
  """Returns argmax by row, int32 `[rows]`."""
  blocks = _in_blocks(logits, -np.inf)
  block = tf.argmax(tf.reduce_max(blocks, axis=-1), axis=-1, output_type=tf.int32)
  within = tf.argmax(tf.gather(blocks, block, batch_dims=1), axis=-1, output_type=tf.int32)
  return block * _BLOCK + within


def _draw(logits, uniforms):
  """Inverts the cumulative distribution of softmax(logits); int32 `[rows]`."""
  def masses_of(shifted):
    blocks = _in_blocks(tf.exp(shifted), 0.0)
    masses = tf.reduce_sum(blocks, axis=-1)
    return blocks, masses, tf.reduce_sum(masses, axis=-1)

  plain = masses_of(logits)
  blocks, masses, totals = tf.cond(
      loss.safe_sums(plain[-1]), lambda: plain,
      lambda: masses_of(logits - tf.reduce_max(logits, axis=-1, keepdims=True)))
  target = uniforms * totals
  block, before = _first_above(masses, target)
  within, _ = _first_above(tf.gather(blocks, block, batch_dims=1), target - before)
  return block * _BLOCK + within


def _first_above(masses, target):
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
