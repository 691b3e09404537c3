"""A model that writes what requests ask for."""

import functools
import random
from collections.abc import Iterable, Iterator

from tangshi_tf import corpus, prosody, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.decoding import candidates, loop, sampling
from tangshi_tf.decoding.form_plan import FormPlan
from tangshi_tf.decoding.poem import WrittenPoem
from tangshi_tf.decoding.request import Request
from tangshi_tf.decoding.rules import Rules
from tangshi_tf.errors import UserError
from tangshi_tf.short import cut, shown, tag


class Composer:
  """A model and its vocabulary.

  Attributes:
    name: what it was loaded as.
    model: the `myRNNModel`.
    word2id, id2word: its vocabulary.
    config: what is known of how it was trained.
  """

  def __init__(self, run: run_dir.Run, *, xla: bool = True, quick_start: bool = False):
    """Makes a writer; raises a UserError where `run` is something else. For the others see `loop.generate`."""
    if not isinstance(run, run_dir.Run):
      raise UserError(f'run {shown(run)}: expected a run_dir.Run; tangshi_tf.load makes a Writer of other things')
    self.name, self.model, self.config = run.name, run.model, run.config
    self.word2id, self.id2word = run.word2id, run.id2word
    self._run, self._loop_options = run, {'xla': xla, 'quick_start': quick_start}
    self._spelling = corpus.Spelling(self.word2id)
    self._plan = functools.lru_cache(maxsize=16)(self._make_plan)

  def __reduce__(self):
    return functools.partial(type(self), **self._loop_options), (self._run,)

  def __repr__(self):
    return tag(type(self).__name__, cut(self.name), f'{self.model.cell}, {self.model.count_params():,} parameters')

  def compose(self, request: Request, *, index: originality.Index | None = None,
              measure: bool = True) -> Iterator[WrittenPoem]:
    """Writes what a request asks for.

    Args:
      request: see there.
      index: of a corpus, to look up copied lines; by default that of the
        package's poems where the request needs one.
      measure: whether the poems get their log-probability.

    Yields:
      The poems, `num` for each begin word in turn.

    Raises:
      UserError: as `write`.
    """
    if index is None and (request.original or request.best_of > 1):
      index = _package_index()
    request = self.spelled(request)
    pairs = self.pairs(request)
    options = self.options(request)
    for found in candidates.write_best(pairs, run=self._run, measure=measure, index=index,
                                       best_of=request.best_of, original=request.original, **options):
      yield self.written(request, found.text, found.begin, found.seed, found.log_probability, found.copied)

  def task(self, request: Request) -> loop.Task:
    """Returns the writing of a request's poems, for whoever writes them side by side with others."""
    return loop.Task(self.model, self.word2id, self.id2word, **self.options(request))

  def log_probabilities(self, texts: list[str], requests: list[Request]) -> list[float]:
    """Returns the log-probability of each of some poems that were written for these requests, in nats."""
    return candidates.log_probabilities(self._run, texts, [request.options['told'] for request in requests])

  def written(self, request: Request, text: str, begin: str, seed: int, log_probability: float | None,
              copied: Iterable[str] = ()) -> WrittenPoem:
    """Returns a poem that was written for a request."""
    return WrittenPoem(text, begin, None if request.beam else seed, request.form, request.tones, request.rhyme,
                       log_probability, tuple(copied), self.name, request.direction, request.options['guidance'])

  def require(self, request: Request):
    """Checks that the model can write what a request asks for, before anything is written.

    Raises:
      UserError: as `write`.
    """
    request = self.spelled(request)
    self._check_variety(request)
    options = self.options(request)
    rules = Rules(self.word2id, **{name: value for name, value in options.items()
                                   if name in ('plan', 'acrostic', 'template', 'max_len', 'bos_first')})
    for begin in self.begins(request, 0):
      rules.start(begin)

  def spelled(self, request: Request) -> Request:
    """Returns a request as the model has it: characters, such as 爱 for 愛, and what is told; else a `UserError`."""
    return request.spelled(self._spelling).told(self.word2id, self.name)

  def sample_begins(self) -> list[str]:
    """Returns the exercise's seven begin words, those that the model knows if it knows any."""
    return [begin for begin in corpus.SAMPLE_BEGINS if begin in self.word2id] or list(corpus.SAMPLE_BEGINS)

  def begins(self, request: Request, seed: int) -> list[str]:
    if request.begins is not None:
      return request.begins
    if request.form is not None:
      return ['']
    known = self.sample_begins()
    return [known[seed % len(known)]]

  def _check_variety(self, request: Request):
    """Raises a UserError where nothing is drawn and the same poem is asked for several times."""
    different = 1 if request.begins is not None or request.form is not None else len(self.sample_begins())
    if request.num <= different:
      return
    options = request.options
    drawn = options['temperature'] >= sampling.MIN_TEMPERATURE and options['top_k'] != 1 and options['min_p'] < 1
    if not drawn and options['init'] != 'random':
      raise UserError(f'num={request.num}: the most likely characters alone make the same poem each time; '
                      f'expected num={different}, a temperature above 0, or init=random')

  def pairs(self, request: Request) -> list[tuple[str, int]]:
    """Returns the begin word and the seed of each poem."""
    self._check_variety(request)
    first = request.seed if request.seed is not None else random.randrange(2**31)
    if request.begins is None:
      return [(self.begins(request, seed)[0], seed) for seed in range(first, first + request.num)]
    return [(begin, first + i * request.num + k) for i, begin in enumerate(request.begins) for k in range(request.num)]

  def options(self, request: Request) -> dict:
    """Returns the options of `generate` or `beam_search`."""
    options = {**request.options, **({} if request.beam else self._loop_options)}
    if request.form is None:
      return options
    plan = self._plan(request.form, request.tones, request.rhyme)
    return {**options, 'plan': plan, 'acrostic': request.acrostic, 'template': request.template}

  def _make_plan(self, form: prosody.Form, tones: str, rhyme: str | None) -> FormPlan:
    return FormPlan(form, self.word2id, tones=tones, rhyme=rhyme)


@functools.cache
def _package_index() -> originality.Index:
  return originality.Index(corpus.read_poems(corpus.default_corpus_path()))
