"""Poems and the files that hold them.

A corpus is a UTF-8 text file in one of two forms:

* titled: one poem a line, `title:content`;
* blank: no titles; a poem may span several lines, blank lines separate poems.
"""

import dataclasses
import hashlib
import importlib.resources
import os
import pathlib
import re
from collections.abc import Iterable

from tangshi_tf.corpus import files
from tangshi_tf.errors import UserError, shorten

SAMPLE_BEGINS = ('日', '红', '山', '夜', '湖', '海', '月')  # the exercise's begin words
MAX_TOKENS = 200  # the exercise's limit, bos and eos included
FORMATS = ('auto', 'titled', 'blank')
SPLITS = ('train', 'validation', 'test')

PUNCTUATION = '，。？！；、：'
_LINE_BREAK = re.compile(f'[{PUNCTUATION}]')


@dataclasses.dataclass(frozen=True)
class Poem:
  """One poem: `title` is empty in the blank-line form."""

  title: str
  content: str


def default_corpus_path() -> pathlib.Path:
  """Returns the `poems.txt` of this checkout or of the installed package."""
  in_checkout = pathlib.Path(__file__).parent.parent.parent / 'poems.txt'
  if in_checkout.exists():
    return in_checkout
  return pathlib.Path(
      str(importlib.resources.files('tangshi_tf') / 'default_corpus')) / 'poems.txt'


def read_text(path: str | os.PathLike, *, content: str = 'poems, one "title:content" a line') -> str:
  """Reads a UTF-8 file, with or without a byte order mark.

  Args:
    path: the file, or a path with a scheme of `tf.io.gfile`.
    content: what is expected in it, for the message.

  Returns:
    The text with `\\n` line ends.

  Raises:
    UserError: the file is missing, unreadable, empty, binary or not UTF-8.
  """
  try:
    with files.open_binary(path) as file:
      data = file.read()
  except (OSError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or error
    name = str(path) or repr('')
    raise UserError(f'{name}: cannot be read ({reason}); expected a UTF-8 text file of {content}') from None
  nul = data.find(b'\0')
  if nul >= 0:
    raise UserError(f'{path}: holds a NUL byte at offset {nul}; expected a UTF-8 text file, not a binary one')
  try:
    text = data.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    line = len(re.findall(rb'\r\n?|\n', data[:error.start])) + 1
    raise UserError(f'{path}:{line}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8; '
                    'expected a UTF-8 text file (convert it first)') from None
  if not text.strip():
    raise UserError(f'{path}: is empty; expected {content}')
  return text.replace('\r\n', '\n').replace('\r', '\n')


def read_poems(path: str | os.PathLike, *, corpus_format: str = 'auto') -> list[Poem]:
  """Reads a corpus file.

  Args:
    path: a UTF-8 text file.
    corpus_format: 'titled', 'blank', or 'auto', which takes a file without
      any ':' but with blank lines between its lines for the blank-line form.

  Returns:
    The poems in file order, without white space in their content; poems
    without content are left out.

  Raises:
    UserError: the file cannot be read, a line of the titled form has no ':',
      or there is no poem in it.
  """
  if corpus_format not in FORMATS:
    raise UserError(f'corpus format {corpus_format!r} is unknown; expected one of {", ".join(FORMATS)}')
  text = read_text(path)
  if corpus_format == 'auto':
    blank = ':' not in text and re.search(r'\S[^\S\n]*\n[^\S\n]*\n\s*\S', text)
    corpus_format = 'blank' if blank else 'titled'
  poems = _blank_form(text) if corpus_format == 'blank' else _titled_form(text, path)
  poems = [poem for poem in poems if poem.content]
  if not poems:
    raise UserError(f'{path}: holds no poem; every title is followed by nothing')
  return poems


def _titled_form(text: str, path: str | os.PathLike) -> list[Poem]:
  poems = []
  for number, line in enumerate(text.split('\n'), 1):
    poem = titled_poem(line, f'{path}:{number}')
    if poem is not None:
      poems.append(poem)
  return poems


def titled_poem(line: str, where: str) -> Poem | None:
  """Returns the poem of a `title:content` line, None for a blank line.

  Raises:
    UserError: there is no ':'; `where` is the line's place, for the message.
  """
  line = line.strip()
  if not line:
    return None
  title, colon, content = line.partition(':')
  if not colon:
    if '：' in line:
      raise UserError(f'{where}: no ":" in {shorten(line)}; the full-width "：" does not separate a title')
    raise UserError(f'{where}: no ":" in {shorten(line)}; expected "title:content" '
                    '(or poems without titles, separated by blank lines: the "blank" corpus format)')
  return Poem(title.strip(), ''.join(content.split()))


def _blank_form(text: str) -> list[Poem]:
  blocks = re.split(r'\n\s*\n', text)
  return [Poem('', ''.join(block.split())) for block in blocks]


def keep_short(poems: list[Poem], max_tokens: int = MAX_TOKENS, min_tokens: int = 0) -> list[Poem]:
  """Returns the poems of at most `max_tokens` and at least `min_tokens` tokens, bos and eos included."""
  return [poem for poem in poems if min_tokens <= len(poem.content) + 2 <= max_tokens]


def verse_lines(content: str) -> list[str]:
  """Splits a poem at its punctuation; empty lines are left out."""
  return [line for line in _LINE_BREAK.split(content) if line]


def fingerprint(poems: Iterable[Poem]) -> str:
  """Returns the SHA-256 of the poems written as `title:content` lines.

  For a titled file in that plain form it is the file's own.
  """
  total = hashlib.sha256()
  for poem in poems:
    total.update(to_line(poem))
  return total.hexdigest()


def to_line(poem: Poem) -> bytes:
  """Returns a poem as a line of the titled form."""
  return to_bytes(f'{poem.title}:{poem.content}\n')


def to_bytes(text: str) -> bytes:
  # No file has surrogates, but a caller's own poems may.
  return text.encode('utf-8', 'surrogatepass')
