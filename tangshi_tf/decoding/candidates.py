"""Choosing among several candidates for a poem: the likeliest one, or one without copied lines."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tangshi_tf import corpus, evaluation, long_work
from tangshi_tf.corpus import originality
from tangshi_tf.decoding import beam, loop, sampling
from tangshi_tf.errors import UserError
from tangshi_tf.short import short_repr

COPY_PENALTY = 1.0  # nats a token, for a poem all of whose lines are copied
MAX_ROUNDS = 20  # of drawing a poem before a copied line stays
_POEMS = 512  # candidates made together


@dataclasses.dataclass(frozen=True)
class Candidate:
  """A finished poem.

  Attributes:
    begin: what it was asked to begin with.
    seed: with which `generate` writes it again.
    words: its words, without bos and eos.
    log_probability: of its words under the model after what it was told and bos,
      from the zero state and whatever restricted them, in nats; None where it was
      not measured.
    copied: its lines that are in the corpus; empty without an index.
  """

  begin: str
  seed: int
  words: list[str]
  log_probability: float | None
  copied: list[str]

  __repr__ = short_repr

  @property
  def text(self) -> str:
    return ''.join(self.words)

  def rank(self) -> float:
    """Returns what the best candidate has most of: log-probability a token less a penalty for copied lines."""
    assert self.log_probability is not None, 'only what was measured has a rank'
    lines = len(corpus.verse_lines(self.text)) or 1
    return self.log_probability / len(self.words) - COPY_PENALTY * len(self.copied) / lines


def write_best(requests: Iterable[tuple[str, int]], *, run, best_of: int = 1, original: bool = False,
               index: originality.Index | None = None, measure: bool = False, **options) -> Iterator[Candidate]:
  """Writes poems, each the best of several.

  Args:
    requests: begin word and seed of each poem.
    run: a `run_dir.Run`.
    best_of: candidates a poem. The first has the poem's seed, the seeds of the
      others are drawn with it, so that no two poems have the same candidates.
    original: whether poems with a copied line are drawn again; of `MAX_ROUNDS`
      draws with one in each the poem with the fewest stays.
    index: of the corpus; needed for `original`, and for ranking copies.
    measure: whether the poems get their log-probability even if there is only
      one candidate.
    options: of `generate`, or those of `beam_search` with its `width`, where
      seeds mean nothing.

  Yields:
    The poems, in order.

  Raises:
    UserError: as `generate`; several candidates are asked for without drawing,
      or original poems without an index.
  """
  drawn = options.get('temperature', 0) >= sampling.MIN_TEMPERATURE or options.get('init') == 'random'
  if (best_of > 1 or original) and not drawn:
    raise UserError('temperature 0 writes the same poem each time; expected one above 0, or random states, for several '
                    'candidates')
  if original and index is None:
    raise UserError('original poems without an index of the corpus; expected one, to look up copied lines')
  measure |= best_of > 1
  requests = iter(requests)
  if not measure and not original:
    queued, requests = itertools.tee(requests)
    yield from (Candidate(begin, seed, words, None, _copied(begin, words, index)) for (begin, seed), words in zip(
        queued, _written(requests, run, options)))
    return
  while some := list(itertools.islice(requests, max(1, _POEMS // best_of))):
    best: dict[int, Candidate] = {}
    waiting = list(range(len(some)))
    for attempt in range(MAX_ROUNDS if original else 1):
      candidates = [(some[i][0], _seed(some[i][1], attempt * best_of + k)) for i in waiting for k in range(best_of)]
      for position, found in enumerate(_candidates(candidates, run, index, measure, options)):
        i = waiting[position // best_of]
        if i not in best or _better(found, best[i], original):
          best[i] = found
      waiting = [i for i in waiting if original and best[i].copied]
      if not waiting:
        break
    yield from (best[i] for i in range(len(some)))


def _seed(seed: int, candidate: int) -> int:
  """Returns the seed of a candidate (from 0) for the poem of a seed."""
  return int(np.random.SeedSequence((seed, candidate)).generate_state(1)[0] >> 1) if candidate else seed


def _better(poem: Candidate, other: Candidate, original: bool) -> bool:
  """Returns whether a candidate is to be preferred: where originality counts, first of all for fewer copied lines."""
  if original and len(poem.copied) != len(other.copied):
    return len(poem.copied) < len(other.copied)
  return poem.log_probability is not None and poem.rank() > other.rank()


def _candidates(requests: list[tuple[str, int]], run, index, measure: bool, options) -> Iterator[Candidate]:
  """Writes poems and, if asked, measures them."""
  poems = list(long_work.told(_written(requests, run, options), 'poems written', len(requests)))
  totals: Sequence[float | None] = [None] * len(poems)
  if measure:
    told = options.get('told', ())
    totals = log_probabilities(run, [''.join(words) for words in poems], [told] * len(poems))
  for (begin, seed), words, total in zip(requests, poems, totals):
    yield Candidate(begin, seed, words, total, _copied(begin, words, index))


def log_probabilities(run, texts: list[str], told: list[Sequence[int]]) -> list[float]:
  """Returns the log-probability of the characters of each poem after what it was told, see `Candidate`."""
  ids, splits = corpus.encode_all([corpus.Poem('', text) for text in texts], run.word2id, told)
  nll = evaluation.token_nll(run.model, ids, splits)
  return [-float(nll[first + len(before) + 1:end - 1].sum(dtype=np.float64))
          for first, end, before in zip(splits, splits[1:], told)]


def _written(requests, run, options) -> Iterator[list[str]]:
  options = {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word, **options}
  if 'width' in options:
    return beam.beam_search((begin for begin, _ in requests), **options)
  return loop.generate(requests, **options)


def _copied(begin: str, words: list[str], index: originality.Index | None) -> list[str]:
  fixed = sum(mark not in corpus.PUNCTUATION for mark in begin)
  return index.copied_lines(''.join(words), fixed) if index is not None else []
