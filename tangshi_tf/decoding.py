"""Writing poems: one compiled loop for any number of poems at once."""

import functools
import itertools
import numbers
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

INITS = ('zero', 'random')
MAX_LEN = 30  # the exercise's
STATE_STDDEV = 0.5  # the exercise's
MAX_STDDEV = MAX_TEMPERATURE = 100  # far beyond use, far below what float32 holds
_DRAWING = 1  # tells a seed's stream for drawing from the one for its state
_COLDEST = 1e-6  # below it, float32 cannot tell drawing from the most likely token
BATCH = 512  # poems decoded at once


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
  """Writes many poems, 512 at a time.

  Args:
    requests: begin word and seed of each poem; what a poem becomes depends on
      these two alone, not on the poems beside it.
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
  requests = iter(requests)
  while chunk := list(itertools.islice(requests, BATCH)):
    for _, seed in chunk:
      if not isinstance(seed, numbers.Integral) or seed < 0:
        raise UserError(f'seed {seed}: expected a whole number of at least 0')
    prefixes = [encode_begin(begin, word2id, bos_first=bos_first) for begin, _ in chunk]
    rows = _decode(model, prefixes, [seed for _, seed in chunk], eos=word2id[corpus.end_token],
                   tokens=max_len + 1 + bos_first, init=init, state_stddev=state_stddev,
                   temperature=temperature)
    for row in rows:
      yield [id2word[i] for i in row[bos_first:]]


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


def _decode(model, prefixes, seeds, *, eos, tokens, init, state_stddev, temperature):
  """Decodes one batch; returns for each row its ids, eos left out."""
  lengths = np.array([len(prefix) for prefix in prefixes], np.int32)
  padded = np.zeros((len(prefixes), lengths.max()), np.int32)
  for i, prefix in enumerate(prefixes):
    padded[i, :len(prefix)] = prefix
  limits = np.maximum(tokens, lengths)

  batch = len(prefixes)
  state = model.zero_state(batch) if init == 'zero' else model.random_state(batch, state_stddev, seed=seeds)
  sampling = temperature >= _COLDEST
  uniforms = np.zeros((batch, limits.max() if sampling else 0), np.float32)
  if sampling:
    for i, seed in enumerate(seeds):
      # One generator a poem, so that a poem does not depend on its neighbours.
      uniforms[i, :limits[i]] = np.random.default_rng([seed, _DRAWING]).random(limits[i], np.float32)

  ids = compiled_decoder(model, sampling)(padded, lengths, state, uniforms, np.float32(temperature),
                                          np.int32(limits.max()), np.int32(eos)).numpy()
  rows = []
  for row, length, limit in zip(ids, lengths, limits):
    row = row[:limit]
    ends = np.flatnonzero(row[length:] == eos)
    rows.append(row[:length + ends[0] if len(ends) else limit].tolist())
  return rows


@functools.lru_cache(maxsize=8)
def compiled_decoder(model, sampling: bool):
  """Returns the decoding loop as one graph, traced once for batches of any size.

  Its arguments: prefix ids int32 `[batch, longest prefix]`, their lengths int32
  `[batch]`, the initial state, uniform numbers float32 `[batch, limit]` (used
  when sampling), the temperature, the number of tokens to stop at, and the id
  of eos. It returns ids int32 `[batch, tokens]`, eos and whatever after it at
  the end of rows that finished early.
  """
  signature = (
      tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32),
      [tf.TensorSpec((None, model.rnncell.units)) for _ in range(model.state_tensors)],
      tf.TensorSpec((None, None)), tf.TensorSpec(()), tf.TensorSpec((), tf.int32),
      tf.TensorSpec((), tf.int32))

  def draw(logits, uniform, temperature):
    """Inverts the cumulative distribution of softmax(logits / temperature)."""
    logits = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    cumulative = tf.cumsum(tf.exp(logits / temperature), axis=-1)
    target = uniform[:, None] * cumulative[:, -1:]
    return tf.reduce_sum(tf.cast(cumulative <= target, tf.int32), axis=-1)

  @tf.function(input_signature=signature)
  def decode(prefix, lengths, state, uniforms, temperature, limit, eos):
    width = tf.shape(prefix)[1]

    def body(step, token, finished, state, ids):
      logits, state = model.next_logits(token, state)
      if sampling:
        following = draw(logits, uniforms[:, step], temperature)
      else:
        following = tf.argmax(logits, axis=-1, output_type=tf.int32)
      given = step < lengths
      token = tf.where(given, prefix[:, tf.minimum(step, width - 1)], following)
      finished |= ~given & (token == eos)
      return step + 1, token, finished, state, ids.write(step, token)

    first = prefix[:, 0]
    ids = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=first.shape).write(0, first)
    ids = tf.while_loop(
        lambda step, _, finished, *__: (step < limit) & ~tf.reduce_all(finished), body,
        (1, first, tf.zeros_like(first, tf.bool), state, ids))[-1]
    return tf.transpose(ids.stack())

  return decode
