"""Writing poems: a compiled loop for any number of poems at once."""

import collections
import dataclasses
import functools
import itertools
import numbers
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus, presets
from tangshi_tf.decoding import verse
from tangshi_tf.decoding.sampling import BLOCK, COLDEST, Sampling, draw, filtered, guarded, most_likely
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.model import devices

INITS = ('zero', 'random')
MAX_LEN = presets.EXERCISE['max_len']
STATE_STDDEV = 0.5  # the exercise's
MAX_STDDEV = 100  # far beyond use, far below what float32 holds
SENTENCE_ENDS = '。？！；'
_DRAWING = 1  # tells a seed's stream for drawing from the one for its state
BATCH = 512  # poems written at once
_MOST_BEGUN = 8 * BATCH  # poems held back behind one that is still written
_STEPS = 8  # tokens before complete poems make room for others
_FEW, _STEPS_FEW = 8, 32  # so few poems, if they are all, wait for each other


def gen_poem(begin_word: str, *, model, word2id: dict[str, int], id2word: dict[int, str],
             seed: int | None = None, **options) -> list[str]:
  """Writes one poem.

  Args:
    begin_word: one or more characters that the poem begins with.
    model, word2id, id2word: see `generate`, as for all other options.
    seed: makes the random state and the drawing repeatable.

  Returns:
    The words, eos left out.

  Raises:
    UserError: the begin word cannot be used, or an argument is out of range.
  """
  if seed is None:
    seed = int(np.random.default_rng().integers(2**31))
  poem, = generate([(begin_word, seed)], model=model, word2id=word2id, id2word=id2word, **options)
  return poem


def generate(requests: Iterable[tuple[str, int]], *, model, word2id: dict[str, int],
             id2word: dict[int, str], init: str = 'zero', max_len: int = MAX_LEN,
             state_stddev: float = STATE_STDDEV, temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0,
             min_p: float = 0.0, max_repeat: int = 0, shortest_line: int = 0, bos_first: bool = False,
             whole_sentences: bool = False, plan: verse.Plan | None = None,
             acrostic: str = '') -> Iterator[list[str]]:
  """Writes many poems, 512 at a time; where one ends the next begins.

  Args:
    requests: begin word and seed of each poem; what a poem becomes depends on
      these two alone, not on the poems beside it. They are read as they are
      needed, so there may be any number of them.
    model: a `myRNNModel`.
    word2id: the model's vocabulary.
    id2word: the same by id.
    init: 'zero' or 'random', the initial state.
    max_len: a poem ends once more than this many tokens are collected, the
      begin word's included, if eos has not ended it before.
    state_stddev: standard deviation of the random state.
    temperature, top_k, top_p, min_p, max_repeat, shortest_line: see `Sampling`;
      the last is without effect on poems in a form.
    bos_first: feed bos before the begin word, as in training; the exercise
      starts at the begin word itself.
    whole_sentences: leave out the sentence that `max_len` cut, see
      `without_cut_sentence`.
    plan: the form that all poems are written in. They begin with bos then,
      the form's length takes the place of `max_len`, and begin words may be
      empty.
    acrostic: with a plan, the first characters of the lines.

  Yields:
    The words of each poem, in order.

  Raises:
    UserError: a begin word cannot be used, or an argument is out of range.
  """
  sampling = Sampling(temperature, top_k, top_p, min_p, max_repeat, 0 if plan is not None else shortest_line)
  if init not in INITS:
    raise UserError(f'initial state {init!r} is unknown; expected one of {", ".join(INITS)}')
  if not 0 <= state_stddev <= MAX_STDDEV:
    raise UserError(f'state_stddev {state_stddev}: expected a number from 0 to {MAX_STDDEV}')
  check_max_len(max_len)
  bos_first = bos_first or plan is not None

  @functools.lru_cache(maxsize=1000)
  def formed(begin):
    words = plan.given(begin, acrostic)
    given = [word2id[corpus.start_token], *(-1 if word is None else word2id[word] for word in words)]
    return given, plan.start(words)

  def start(request):
    begin, seed = request
    if not isinstance(seed, numbers.Integral) or seed < 0:
      raise UserError(f'seed {seed}: expected a whole number of at least 0')
    if plan is None:
      given = encode_begin(begin, word2id, bos_first=bos_first)
      return _Poem(given, seed, max(max_len + 1 + bos_first, len(given)))
    given, commitment = formed(begin)
    return _Poem(given, seed, len(given), commitment)

  def first_state(poems):
    if init == 'zero':
      return model.zero_state(len(poems))
    return model.random_state(len(poems), state_stddev, seed=[poem.seed for poem in poems])

  writer = _Writer(model, sampling, word2id, plan)
  for poem in _decode(writer, map(start, requests), first_state):
    words = [id2word[i] for i in poem.ids[bos_first:]]
    cut = whole_sentences and plan is None and not poem.ended
    yield without_cut_sentence(words, len(poem.given) - bos_first) if cut else words


def check_max_len(max_len: int):
  """Raises a UserError if a poem cannot have this length."""
  if not isinstance(max_len, numbers.Integral) or max_len < 1:
    raise UserError(f'max_len {max_len}: expected a whole number of at least 1')


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
      raise UserError(f'begin word {shorten(begin)}: character {character!r} is not in the '
                      "model's vocabulary; expected simplified characters that occur in its corpus")
  return [word2id[corpus.start_token]] * bos_first + [word2id[character] for character in begin]


def without_cut_sentence(words: list[str], given: int) -> list[str]:
  """Returns a poem up to the end of its last whole sentence.

  Args:
    words: of a poem that did not end by itself.
    given: how many of them are the begin word's, which stay.

  Returns:
    The words up to the last of 。？！； after those that are given, all of them
    where there is none.
  """
  for end in range(len(words), max(given, 1) - 1, -1):
    if words[end - 1] in SENTENCE_ENDS:
      return words[:end]
  return words


def split_sentences(words: Iterable[str]) -> str:
  """Returns a poem's text, a sentence a line."""
  text = ''.join(words)
  for mark in SENTENCE_ENDS:
    text = text.replace(mark, mark + '\n')
  return text.rstrip('\n')


class _Poem:
  """A poem while it is written."""

  def __init__(self, given: list[int], seed: int, limit: int, commitment: tuple[int, int] = (0, 0)):
    """Begins with the first given token; -1 stands where none is given."""
    self.given, self.seed, self.limit, self.commitment = given, seed, limit, commitment
    self.ids = given[:1]
    self.uniforms: np.ndarray | None = None
    self.complete = False
    self.ended = False  # by eos
    if len(given) == limit and -1 not in given:
      self.ids, self.complete = given, True

  def draw(self, count: int) -> np.ndarray:
    """Returns the uniform numbers for the next tokens, float32, at most `count`."""
    if self.uniforms is None:
      # One generator a poem, so that a poem does not depend on its neighbours.
      self.uniforms = np.random.default_rng([self.seed, _DRAWING]).random(self.limit, np.float32)
    return self.uniforms[len(self.ids):len(self.ids) + count]

  def add(self, ids: list[int], eos: int):
    """Takes the ids that follow, up to eos or the limit."""
    given = max(len(self.given) - len(self.ids), 0)
    room = self.limit - len(self.ids)
    self.ended = eos in ids[given:room]
    self.ids += ids[:ids.index(eos, given) if self.ended else room]
    self.complete = self.ended or len(self.ids) == self.limit


def _decode(writer, poems: Iterator[_Poem], first_state) -> Iterator[_Poem]:
  """Completes poems, at most `BATCH` at a time; returns them in order.

  The compiled loop stops after a few tokens, complete poems make room for
  waiting ones, and the loop goes on.
  """
  arrived: collections.deque[_Poem] = collections.deque()  # all poems begun and not yet returned
  writing: list[_Poem] = []
  state: list[tf.Tensor | np.ndarray] = []  # its rows are those of `writing`
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
    state = writer.write(writing, state, few)
    keep = [i for i, poem in enumerate(writing) if not poem.complete]
    if len(keep) < len(writing):
      writing = [writing[i] for i in keep]
      state = [np.asarray(tensor)[keep] for tensor in state]
    while arrived and arrived[0].complete:
      yield arrived.popleft()
  yield from arrived


class _Writer:
  """Writes the next tokens of poems with the compiled loop."""

  def __init__(self, model, sampling: Sampling, word2id: dict[str, int], plan: verse.Plan | None):
    self._model, self._plan = model, plan
    self._eos = np.int32(word2id[corpus.end_token])
    drawing = sampling.temperature >= COLDEST
    self._temperature = np.float32(sampling.temperature if drawing else 1)
    # What the graph depends on; the temperature itself is an argument.
    if not drawing:
      sampling = Sampling(max_repeat=sampling.max_repeat, shortest_line=sampling.shortest_line)
    self._sampling = dataclasses.replace(sampling, temperature=float(drawing))
    self._tables = plan_tables(plan) if plan is not None else []

  def write(self, poems: list[_Poem], state, few: bool):
    """Writes on; returns the new state."""
    rows, steps = (1 if len(poems) == 1 else _FEW, _STEPS_FEW) if few else (len(poems), _STEPS)
    token, left = np.zeros((2, rows), np.int32)
    place = np.ones(rows, np.int32)
    given = np.full((rows, steps), -1, np.int32)
    uniforms = np.zeros((rows, steps), np.float32)
    commitment = np.zeros((2, rows), np.int32)
    longest = max(poem.limit for poem in poems) if self._sampling.guards else 1
    history = np.full((rows, longest), -1, np.int32)
    for i, poem in enumerate(poems):
      done = len(poem.ids)
      token[i], left[i], place[i] = poem.ids[-1], poem.limit - done, done
      if done < len(poem.given):
        follows = poem.given[done:done + steps]
        given[i, :len(follows)] = follows
      if self._sampling.temperature:
        drawn = poem.draw(steps)
        uniforms[i, :len(drawn)] = drawn
      if self._sampling.guards:
        known = poem.ids + poem.given[done:]
        history[i, :len(known)] = known
      commitment[:, i] = poem.commitment
    if rows > len(poems):
      state = [np.concatenate([tensor, np.zeros((rows - len(poems), tensor.shape[1]), np.float32)])
               for tensor in state]
    decode = compiled_decoder(self._model, self._sampling, few, self._plan is not None)
    ids, state, *commitment = decode(token, state, given, left, uniforms, self._temperature, self._eos, place,
                                     history, list(commitment), self._tables)
    for poem, row, *numbers_of_row in zip(poems, *(tensor.numpy().tolist() for tensor in (ids, *commitment))):
      poem.commitment = numbers_of_row
      poem.add(row, int(self._eos))
    return state if rows == len(poems) else [tensor[:len(poems)] for tensor in state]


@functools.lru_cache(maxsize=8)
def compiled_decoder(model, sampling: Sampling, few: bool, formed: bool):
  """Returns the decoding loop as one graph, traced once for any number of rows.

  For `few` rows it is compiled by XLA, which takes a third of the time a step
  but compiles for each number of rows; for many rows the time is in the
  product, and the graph takes any number at once.

  Its arguments: the last ids int32 `[rows]`; the state; the ids that are given,
  int32 `[rows, steps]`, -1 where there is none; how many tokens each row may
  still get, int32 `[rows]`; uniform numbers float32 `[rows, steps]` (used when
  drawing), the temperature, and the id of eos; how many tokens each row has,
  int32 `[rows]`; all tokens of a row that are written or given, -1 for the
  others, int32 `[rows, length]` (used with `Sampling.guards`); and for poems
  that are `formed` the two numbers of each row and the tables of `verse.Plan`,
  their last axis as wide as the logits. It returns the ids that follow, int32
  `[rows, steps]`, the state and the two numbers. What stands after eos or after
  a row's last token has no meaning.
  """
  ids_of_rows = tf.TensorSpec((None,), tf.int32)
  matrix = tf.TensorSpec((None, None), tf.int32)
  signature = (
      ids_of_rows, model.state_spec, matrix,
      ids_of_rows, tf.TensorSpec((None, None)), tf.TensorSpec(()), tf.TensorSpec((), tf.int32), ids_of_rows, matrix,
      [ids_of_rows] * 2, tables_spec() if formed else [])

  @tf.function(input_signature=signature, jit_compile=few and devices.has_xla())
  def decode(token, state, given, left, uniforms, temperature, eos, place, history, commitment, tables):
    steps = tf.shape(given)[1]
    form = FormTables(*tables) if formed else None
    logits_of = (_narrow_logits if few else _wide_logits)(model, form)

    def choose(step, hidden, commitment, history):
      logits = logits_of(hidden, temperature, form.kinds(place + step - 1, *commitment) if formed else None)
      if formed:
        logits = form.rhyming(logits, place + step - 1, *commitment)
      if sampling.guards:
        logits = guarded(logits, history, place + step, model, eos, sampling)
      return draw(filtered(logits, sampling), uniforms[:, step]) if sampling.temperature else most_likely(logits)

    def body(step, token, done, state, ids, commitment, history):
      hidden, state = model.step(token, state)
      free = given[:, step] < 0
      # A form gives the marks of all lines at once.
      following = tf.cond(tf.reduce_any(free & ~done), lambda: choose(step, hidden, commitment, history),
                          lambda: tf.maximum(given[:, step], 0))
      token = tf.where(free, following, given[:, step])
      if formed:
        # What is given has been looked at before the poem began.
        commitment = [tf.where(free, new, old) for new, old in zip(
            form.commit(token, place + step - 1, *commitment), commitment)]
      if sampling.guards:
        history = tf.where(tf.range(tf.shape(history)[1]) == (place + step)[:, None], token[:, None], history)
      done |= (free & (token == eos)) | (step + 1 >= left)
      ids = tf.where(tf.range(steps) == step, token[:, None], ids)
      return step + 1, token, done, state, ids, commitment, history

    *_, state, ids, commitment, _ = tf.while_loop(
        lambda step, _, done, *__: (step < steps) & ~tf.reduce_all(done), body,
        (0, token, left <= 0, state, tf.zeros_like(given), commitment, history))
    return ids, state, *commitment

  return decode.get_concrete_function()  # calling it takes 1 ms less than finding it anew


def plan_tables(plan: verse.Plan) -> list[tf.Tensor]:
  """Returns what makes `FormTables`, as wide as the logits of many rows."""
  beyond = ((0, 0), (0, -plan.masks.shape[1] % BLOCK))
  return [tf.constant(table) for table in (
      plan.classes, plan.admits, plan.rhymes, np.pad(plan.masks, beyond, constant_values=verse.NEVER), plan.tone_of,
      plan.group_of, np.pad(plan.outside, beyond))]


def tables_spec() -> list[tf.TensorSpec]:
  """Returns what a compiled function is told of `plan_tables`."""
  ids, matrix = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, None), tf.int32)
  return [matrix, matrix, matrix, tf.TensorSpec((4, None)), ids, ids, tf.TensorSpec((None, None), tf.bool)]


class FormTables:
  """The tables of a `verse.Plan` in a graph; `place` counts from the first token after bos."""

  def __init__(self, classes, admits, rhymes, masks, tone_of, group_of, outside):
    self.masks = masks
    self._classes, self._admits, self._rhymes = classes, admits, rhymes
    self._tone_of, self._group_of, self._outside = tone_of, group_of, outside

  def _at(self, table, patterns, place):
    return tf.gather_nd(table, tf.stack([patterns, tf.minimum(place, tf.shape(table)[1] - 1)], 1))

  def kinds(self, place, patterns, group):
    """Returns the row of `masks` that holds for each poem, int32 `[rows]`."""
    del group
    return self._at(self._classes, patterns, place)

  def rhyming(self, logits, place, patterns, group):
    """Returns the logits without what would spoil a rhyme."""
    rhyme = self._at(self._rhymes, patterns, place) > verse.NO_RHYME

    def without():
      outside = tf.gather(self._outside, group)[:, :logits.shape[1]]
      return tf.where(rhyme[:, None] & outside, verse.NEVER, logits)

    return tf.ensure_shape(tf.cond(tf.reduce_any(rhyme), without, lambda: logits), logits.shape)

  def commit(self, token, place, patterns, group):
    """Returns the set of patterns and the rhyme group after a token."""
    place = tf.minimum(place, tf.shape(self._admits)[0] - 1)
    patterns &= tf.gather_nd(self._admits, tf.stack([place, tf.gather(self._tone_of, token)], 1))
    begins = (self._at(self._rhymes, patterns, place) == verse.MUST_RHYME) & (group == tf.shape(self._outside)[0] - 1)
    return [patterns, tf.where(begins, tf.gather(self._group_of, token), group)]


def _narrow_logits(model, form: FormTables | None):
  """Returns a function from `(hidden, temperature, kinds)` to logits / temperature, of what a form's kinds admit."""
  kernel, bias = tf.convert_to_tensor(model.dense.kernel), model.next_bias()

  def logits(hidden, temperature, kinds):
    found = tf.matmul(hidden, kernel) + bias
    if form is not None:
      found += tf.gather(form.masks[:, :model.dense.units], kinds)
    return found / temperature

  return logits


def _wide_logits(model, form: FormTables | None):
  """Returns the function of `_narrow_logits` with fewer passes over the logits of many rows.

  The temperature divides the small factor, the bias and the masks are more rows of the kernel, and the width is a
  multiple of `BLOCK`, filled up with classes that are never next.
  """
  missing = -model.dense.units % BLOCK
  kernel = [tf.pad(model.dense.kernel, [[0, 0], [0, missing]]),
            tf.pad(model.next_bias(), [[0, missing]], constant_values=-np.inf)[None]]
  if form is not None:
    kernel.append(tf.ensure_shape(form.masks, (4, model.dense.units + missing)))
  kernel = tf.concat(kernel, 0)

  def logits(hidden, temperature, kinds):
    factors = [hidden, tf.ones((tf.shape(hidden)[0], 1))]
    if form is not None:
      factors.append(tf.one_hot(kinds, 4))
    return tf.matmul(tf.concat(factors, 1) / temperature, kernel)

  return logits
