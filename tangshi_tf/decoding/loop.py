"""Writing poems: any number of them, in batches."""

import collections
import dataclasses
import inspect
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tangshi_tf.decoding import directed
from tangshi_tf.decoding.compiled import compiled_decoder
from tangshi_tf.decoding.form_plan import FormPlan
from tangshi_tf.decoding.rules import MAX_LEN, UNFIXED, Rules, RuleState, Start, tables_of
from tangshi_tf.decoding.sampling import Sampling
from tangshi_tf.decoding.text import without_cut_sentence
from tangshi_tf.errors import UserError
from tangshi_tf.quiet import tf
from tangshi_tf.settings import ALWAYS, WritingSettings, require, require_iterable, require_names
from tangshi_tf.short import shown

STATE_STDDEV = ALWAYS['state_stddev']
BATCH = 512  # poems written at once
_DRAWING = 1  # keeps a seed's stream for drawing apart from the one for its state
_MOST_BEGUN = 8 * BATCH  # poems held back behind one that is still written
_GIVEN = ('model', 'word2id', 'id2word', 'unknown')  # what is no option
_STEPS = 8  # tokens before complete poems make room for others
SMALL_BATCH, _STEPS_SMALL_BATCH = 8, 32  # so few poems, if they are all, wait for each other


def gen_poem(begin_word: str, *, model, word2id: dict[str, int] | None = None, id2word: dict[int, str] | None = None,
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


def generate(requests: Iterable[tuple[str, int]], *, model, word2id: dict[str, int] | None = None,
             id2word: dict[int, str] | None = None, **options) -> Iterator[list[str]]:
  """Writes many poems, 512 at a time; where one ends the next begins.

  Args:
    requests: begin word and seed of each poem; what a poem becomes depends on
      these two alone, not on the poems beside it. They are read as they are
      needed, so there may be any number of them.
    model: a `myRNNModel`.
    word2id, id2word: its vocabulary; by default `model.word2id` and
      `model.id2word`, which is the same.
    **options: `init`, 'zero' or 'random', the initial state, and `state_stddev`,
      the standard deviation of a random one; `temperature`, `top_k`, `top_p`
      and `min_p`, see `Sampling`; `max_len`, `max_repeat`, `shortest_line`,
      `bos_first`, `plan`, `acrostic` and `template`, see `Rules`; `whole_sentences`,
      whether to leave out the sentence that `max_len` cut, see
      `without_cut_sentence`; `told`, ids of what the poems are told before they
      begin, see `controls`, and `guidance`, how much that is exaggerated, see
      `directed.Guided`. The defaults are the exercise's bare loop. Without
      `xla` few poems are written by a loop that XLA has not compiled: the first
      comes a second sooner, the later ones take longer. With `quick_start` as
      well it comes half a second sooner still, and the later ones take twice as
      long again.

  Yields:
    The words of each poem, in order.

  Raises:
    UserError: a begin word cannot be used, or an argument is out of range.
  """
  requests = require_iterable('requests', requests, 'pairs of a begin word and a seed')
  task = Task(model, word2id, id2word, **options)
  for poem in _in_batches(task, map(task.begin, requests)):
    yield task.words(poem)


def stream(begin: str, seed: int, *, model, word2id: dict[str, int] | None = None,
           id2word: dict[int, str] | None = None, **options) -> Iterator[str]:
  """Writes one poem and yields each word as soon as it is certain.

  Args:
    begin, seed: of the poem.
    model, word2id, id2word, **options: see `generate`. With `whole_sentences`
      and no form, a word is certain once its sentence has ended.

  Returns:
    An iterator of the words; together they are the poem that `generate` writes.

  Raises:
    UserError: as `generate`.
  """
  task = Task(model, word2id, id2word, **options)
  poem = task.begin((begin, seed))
  return _stream(task, poem)


def _stream(task: 'Task', poem: 'Poem') -> Iterator[str]:
  writing, told = Writing(task), 0
  writing.add([poem])
  while not poem.complete:
    writing.step(small_batch=True, steps=1)
    words = task.words(poem)
    yield from words[told:]
    told = max(told, len(words))
  yield from task.words(poem)[told:]


class Task:
  """What poems of the same options share.

  Attributes:
    decoder: the `_Decoder` that writes them.
  """

  def __init__(self, model, word2id: dict[str, int] | None, id2word: dict[int, str] | None, *, init: str = 'zero',
               max_len: int = MAX_LEN, state_stddev: float = STATE_STDDEV, temperature: float = 0.0, top_k: int = 0,
               top_p: float = 1.0, min_p: float = 0.0, max_repeat: int = 0, shortest_line: int = 0,
               bos_first: bool = False, whole_sentences: bool = False, plan: FormPlan | None = None,
               acrostic: str = '', template: str = '', told: Sequence[int] = (), guidance: float = 0.0,
               xla: bool = True, quick_start: bool = False, **unknown):
    if unknown:
      require_names(unknown, [name for name in inspect.signature(Task).parameters if name not in _GIVEN])
    word2id, id2word = tables_of(model, word2id, id2word)
    sampler = Sampling(temperature, top_k, top_p, min_p)
    self._rules = Rules(word2id, plan=plan, acrostic=acrostic, template=template, max_len=max_len, bos_first=bos_first,
                        max_repeat=max_repeat, shortest_line=shortest_line)
    require(WritingSettings, init=init, state_stddev=state_stddev, guidance=guidance)
    self._model, self._id2word = model, id2word
    self._told, self._writing = tuple(told), directed.model_to_write(model, told, guidance)
    self._stddev = state_stddev if init == 'random' else None
    self._whole_sentences = whole_sentences and plan is None
    self.decoder = _Decoder(self._writing, sampler, self._rules, xla, quick_start)

  @property
  def alike(self) -> tuple:
    """What tasks have in common whose poems can be written side by side."""
    return self.decoder.alike

  def begin(self, request: tuple[str, int]) -> 'Poem':
    """Returns a poem that has its first token."""
    if not isinstance(request, (tuple, list)) or len(request) != 2:
      raise UserError(f'request {shown(request)}: expected a begin word and a seed')
    begin, seed = request
    require(WritingSettings, seed=seed)
    return Poem(self._rules.start(begin), seed)

  def first_state(self, poems: list['Poem']) -> list[tf.Tensor]:
    """Returns the state that poems begin with."""
    if self._stddev is None:
      state = self._model.zero_state(len(poems))
    else:
      state = self._model.random_state(len(poems), self._stddev, seed=[poem.seed for poem in poems])
    return directed.first_state(self._writing, self._told, state)

  def words(self, poem: 'Poem') -> list[str]:
    """Returns the words of a poem, without those of a sentence that is not whole where these do not count."""
    bos = int(self._rules.bos_first)
    words = [self._id2word[i] for i in poem.ids[bos:]]
    cut = self._whole_sentences and not poem.ended
    return without_cut_sentence(words, len(poem.fixed) - bos) if cut else words


class Poem:
  """A poem while it is written."""

  def __init__(self, start: Start, seed: int):
    """Begins with the first token, which is always fixed."""
    self.fixed, self.limit, self.seed = start.fixed, start.limit, seed
    self.patterns, self.group = start.patterns, start.group
    self.ids = self.fixed[:1]
    self.uniforms: np.ndarray | None = None
    self.complete = False
    self.ended = False  # by eos
    if len(self.fixed) == self.limit and UNFIXED not in self.fixed:
      self.ids, self.complete = self.fixed, True

  def draw(self, count: int) -> np.ndarray:
    """Returns the uniform numbers for the next tokens, float32, at most `count`."""
    if self.uniforms is None:
      # One generator a poem, so that a poem does not depend on its neighbours.
      self.uniforms = np.random.default_rng([self.seed, _DRAWING]).random(self.limit, np.float32)
    return self.uniforms[len(self.ids):len(self.ids) + count]

  def add(self, ids: list[int], eos: int):
    """Takes the ids that follow, up to eos or the limit."""
    fixed = max(len(self.fixed) - len(self.ids), 0)
    room = self.limit - len(self.ids)
    self.ended = eos in ids[fixed:room]
    self.ids += ids[:ids.index(eos, fixed) if self.ended else room]
    self.complete = self.ended or len(self.ids) == self.limit


class Writing:
  """Poems of a task that are written side by side; where one is complete or dropped, others can begin.

  The compiled loop stops after a few tokens, and continues with those that are
  there then.

  Attributes:
    poems: those that are being written.
  """

  def __init__(self, task: Task):
    self.poems: list[Poem] = []
    self._task = task
    self._state: list[tf.Tensor | np.ndarray] = []  # its rows are those of `poems`

  def add(self, poems: Iterable[Poem], task: Task | None = None):
    """Begins poems, of another task if it is alike; of those that are complete there is nothing to write."""
    begun = [poem for poem in poems if not poem.complete]
    if begun:
      fresh = (task or self._task).first_state(begun)
      self._state = [np.concatenate([old, new]) for old, new in zip(self._state, fresh)] if self.poems else fresh
      self.poems += begun

  def step(self, small_batch: bool, steps: int | None = None):
    """Writes the next tokens of all poems and lets go of those that are complete then."""
    self._state = self._task.decoder.decode(self.poems, self._state, small_batch, steps)
    self.keep([not poem.complete for poem in self.poems])

  def keep(self, kept: list[bool]):
    """Lets go of the other poems, complete or not."""
    if not all(kept):
      rows = [i for i, stays in enumerate(kept) if stays]
      self.poems = [self.poems[i] for i in rows]
      self._state = [np.asarray(tensor)[rows] for tensor in self._state]


def _in_batches(task: Task, poems: Iterator[Poem]) -> Iterator[Poem]:
  """Completes poems, at most `BATCH` at a time; returns them in order."""
  arrived: collections.deque[Poem] = collections.deque()  # all poems started and not yet returned
  writing = Writing(task)
  small_batch = None
  while True:
    room = min(BATCH - len(writing.poems), _MOST_BEGUN - len(arrived))
    begun = list(itertools.islice(poems, room))
    arrived.extend(begun)
    writing.add(begun)
    if not writing.poems:
      break
    if small_batch is None:
      small_batch = len(arrived) <= SMALL_BATCH
    writing.step(small_batch)
    while arrived and arrived[0].complete:
      yield arrived.popleft()
  yield from arrived


class _Decoder:
  """Writes the next tokens of poems with the compiled loop."""

  def __init__(self, model, sampler: Sampling, rules: Rules, xla: bool, quick_start: bool):
    self._model, self._rules, self._loop_options = model, rules, (xla, quick_start)
    self._temperature = np.float32(sampler.temperature if sampler.draws else 1)
    # What the graph depends on; the temperature itself is an argument.
    self._sampler = dataclasses.replace(sampler, temperature=1.0) if sampler.draws else Sampling()

  @property
  def alike(self) -> tuple:
    """See `Task.alike`."""
    return id(self._model), self._sampler, float(self._temperature), self._rules.options, id(self._rules.plan)

  def decode(self, poems: list[Poem], state, small_batch: bool, steps: int | None = None):
    """Writes the next tokens; returns the new state of the model."""
    options, rows = self._rules.options, len(poems)
    if small_batch:  # of one or of eight rows, since each number is compiled
      rows = 1 if rows == 1 else SMALL_BATCH
    steps = steps or (_STEPS_SMALL_BATCH if small_batch else _STEPS)
    token, left, patterns, group = np.zeros((4, rows), np.int32)
    length = np.ones(rows, np.int32)
    fixed = np.full((rows, steps), UNFIXED, np.int32)
    uniforms = np.zeros((rows, steps), np.float32)
    history = np.full((rows, max(poem.limit for poem in poems) if options.needs_history else 1), UNFIXED, np.int32)
    for i, poem in enumerate(poems):
      done = len(poem.ids)
      token[i], left[i], length[i] = poem.ids[-1], poem.limit - done, done
      patterns[i], group[i] = poem.patterns, poem.group
      if done < len(poem.fixed):
        follows = poem.fixed[done:done + steps]
        fixed[i, :len(follows)] = follows
      if self._sampler.draws:
        drawn = poem.draw(steps)
        uniforms[i, :len(drawn)] = drawn
      if options.needs_history:
        known = poem.ids + poem.fixed[done:]
        history[i, :len(known)] = known
    if rows > len(poems):
      state = [np.concatenate([tensor, np.zeros((rows - len(poems), tensor.shape[1]), np.float32)])
               for tensor in state]
    decode = compiled_decoder(self._model, self._sampler, options, small_batch, *self._loop_options)
    written, state, *after = decode(token, state, fixed, left, uniforms, self._temperature, length,
                                    RuleState(patterns, group, history), self._rules.tables)
    for poem, ids, *poem_after in zip(poems, *(tensor.numpy().tolist() for tensor in (written, *after))):
      poem.patterns, poem.group = poem_after
      poem.add(ids, options.eos)
    return state if rows == len(poems) else [tensor[:len(poems)] for tensor in state]
