"""What was left out or changed while poems were read."""

import collections
import dataclasses

from tangshi_tf.corpus.text import MARK, verse

_READ_AS = {'authored': 'title:author:content', 'lines': 'a poem a line', 'csv': 'CSV', 'json': 'JSON'}
_ONE = {'titles left out': 'title left out', 'authors left out': 'author left out'}
_LONGEST = 10_000_000  # characters of a poem: far more than any has, and read in seconds


@dataclasses.dataclass
class Report:
  """What was found in files that one would not expect there, and what became of it.

  Attributes:
    formats: the formats that were recognised.
    counts: numbers of poems, by what was done to them.
  """

  formats: set[str] = dataclasses.field(default_factory=set)
  counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

  def content(self, raw: str, whole: bool = True) -> str:
    """Returns the content of a poem as verse, and counts what had to be done."""
    if len(raw) > _LONGEST:
      self.counts[f'longer than {_LONGEST:,} characters, left out'] += 1
      return ''
    found = verse(raw, whole=whole)
    if not found:
      self.counts['without text, left out'] += 1
    elif found != ''.join(raw.split()):
      self.counts['with other marks, spaces, notes or signs, normalised'] += 1
    if found and not MARK.search(found):
      self.counts['without marks, kept as they are'] += 1
    return found

  def add(self, other: 'Report'):
    self.formats |= other.formats
    self.counts += other.counts

  def __str__(self):
    parts = [f'read as {_READ_AS[name]}' for name in sorted(self.formats) if name in _READ_AS]
    parts += [f'{count:,} {what}' if count > 1 else f'1 {_ONE.get(what, what)}'
              for what, count in sorted(self.counts.items()) if count]
    return '; '.join(parts)
