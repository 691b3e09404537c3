"""Who wrote the poems of a corpus file: a file of its own, with a line for each of its poems, in the same order.

The first line ties it to the corpus: `# poets of poems.txt, SHA-256 …`; the others are a dynasty and a name, `唐 李白`.
That of the package's own poems is `poets.txt` beside this module, that of another file `NAME.poets.txt` beside it.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable, Sequence

from tangshi_tf.corpus.poems import Poem, default_corpus_path, fingerprint, read_text
from tangshi_tf.errors import UserError

_OWN = pathlib.Path(__file__).with_name('poets.txt')
_FIRST_LINE = re.compile(r'# poets of [^\n]*, SHA-256 ([0-9a-f]{64})')
_NOBODY = {'', '不详', '无名氏', '佚名'}  # what the sources have where they know no poet


def poets_path(corpus_path: str | os.PathLike) -> pathlib.Path:
  """Returns where the poets of a corpus file are, if they are known."""
  path = pathlib.Path(corpus_path)
  own = default_corpus_path()
  return _OWN if own.exists() and path.exists() and path.samefile(own) else path.with_suffix('.poets.txt')


def poets_text(corpus_name: str, poems: Sequence[Poem]) -> str:
  """Returns the text of the file for the poems of a corpus file."""
  lines = [f'# poets of {corpus_name}, SHA-256 {fingerprint(poems)}',
           *(f'{poem.dynasty} {poem.poet}'.rstrip() for poem in poems)]
  return '\n'.join(lines) + '\n'


def with_poets(poems: list[Poem], corpus_path: str | os.PathLike) -> list[Poem]:
  """Returns the poems of a corpus file with what its file of poets says; as they are where there is none.

  Raises:
    UserError: the file cannot be read, or is that of another corpus.
  """
  path = poets_path(corpus_path)
  if not path.exists():
    return poems
  first, *lines = read_text(path, content='poets, one "dynasty name" a line').removesuffix('\n').split('\n')
  match = _FIRST_LINE.fullmatch(first)
  if not match:
    raise UserError(f'{path}:1: no SHA-256 of a corpus; expected "# poets of NAME, SHA-256 …"')
  if len(lines) != len(poems) or match[1] != fingerprint(poems):
    raise UserError(f'{path}: has the poets of another corpus than {corpus_path} ({len(lines):,} lines for '
                    f'{len(poems):,} poems); expected those of scripts/build/build_corpus.py, made together')
  return [dataclasses.replace(poem, dynasty=dynasty, poet=poet)
          for poem, (dynasty, _, poet) in zip(poems, (line.partition(' ') for line in lines))]


def poems_by_poet(poems: Iterable[Poem]) -> dict[str, dict[str, int]]:
  """Returns by dynasty how many poems each poet wrote, the most prolific first; names of equal numbers by name."""
  counts: dict[str, dict[str, int]] = {}
  for poem in poems:
    if poem.poet not in _NOBODY:
      of_dynasty = counts.setdefault(poem.dynasty, {})
      of_dynasty[poem.poet] = of_dynasty.get(poem.poet, 0) + 1
  return {dynasty: dict(sorted(of_dynasty.items(), key=lambda item: (-item[1], item[0])))
          for dynasty, of_dynasty in counts.items()}
