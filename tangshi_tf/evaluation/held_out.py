"""Poems to measure a model on; without TensorFlow."""

import dataclasses
import os

from tangshi_tf import corpus
from tangshi_tf.corpus import shards
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.settings import CorpusSettings
from tangshi_tf.short import short_repr, shown


@dataclasses.dataclass(frozen=True)
class HeldOut:
  """Poems to measure a model on.

  Attributes:
    poems: at most 200 tokens each, bos and eos included.
    source: what they are, in words.
    left_out: how many were left out for their length.
    notes: how the files were read, where that needs to be said.
    fingerprint: of the corpus whose split they are a part of, see
      `corpus.fingerprint`; None for a whole file.
  """

  poems: list[corpus.Poem]
  source: str
  left_out: int = 0
  fingerprint: str | None = None
  notes: tuple[str, ...] = ()

  __repr__ = short_repr


def read_held_out(split: str = 'test', patterns: list[str] | None = None, *, corpus_format: str = 'auto',
                  poets: bool = False) -> HeldOut:
  """Reads a part of a corpus, or a whole file.

  Args:
    split: 'test', 'validation' or 'train'; or a file, all of it.
    patterns: the corpus that is split: paths and globs; None for the package's
      own poems.
    corpus_format: see `corpus.read_poems`.
    poets: whether the poems are to have their poets, where these are known.

  Raises:
    UserError: they cannot be read, none is short enough, or there is a corpus
      beside a file.
  """
  patterns = CorpusSettings(corpus=patterns).corpus
  if not isinstance(split, (str, os.PathLike)):
    raise UserError(f'split {shown(split)}: expected one of {", ".join(corpus.SPLITS)}, or a file')
  fingerprint, report = None, corpus.Report()
  if split in corpus.SPLITS:
    paths, path = shards.find(patterns)
    parts, fingerprint = shards.read_parts(paths, corpus_format=corpus_format, only=split, report=report, poets=poets)
    every = parts[split]
    source = f'the {split} part'
    place = f'{path}: {source}'
  elif patterns is not None:
    raise UserError(f'split {shorten(str(split), 100)} is a file, which is measured as a whole; expected no corpus '
                    f'beside it, or one of {", ".join(corpus.SPLITS)}')
  else:
    path = place = source = split
    every = corpus.read_poems(path, corpus_format=corpus_format, report=report)
    every = corpus.with_poets(every, path) if poets else every
  poems = corpus.keep_short(every)
  if not poems:
    raise UserError(f'{place} has no poem of at most {corpus.MAX_TOKENS} tokens '
                    '(characters plus bos and eos); expected at least one')
  return HeldOut(poems, source, len(every) - len(poems), fingerprint,
                 (f'{path}: {report}',) if str(report) else ())
