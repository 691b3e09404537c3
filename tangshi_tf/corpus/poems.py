"""Poems, and text files."""

import contextlib
import dataclasses
import hashlib
import importlib.resources
import os
import pathlib
import re
from collections.abc import Iterable

from tangshi_tf.corpus import files
from tangshi_tf.errors import UserError
from tangshi_tf.short import short_repr

SAMPLE_BEGINS = ('日', '红', '山', '夜', '湖', '海', '月')  # the exercise's begin words
MAX_TOKENS = 200  # the exercise's limit, bos and eos included
_UTF_16 = b'\xff\xfe', b'\xfe\xff'
SPLITS = ('train', 'validation', 'test')


@dataclasses.dataclass(frozen=True)
class Poem:
  """One poem: all but the content may be empty.

  Attributes:
    poet: the name, in simplified characters.
    dynasty: such as 唐.
  """

  title: str
  content: str
  poet: str = ''
  dynasty: str = ''

  __repr__ = short_repr


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
    data = files.read(path)
  except (OSError, TypeError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or error
    name = str(path) or repr('')
    raise UserError(f'{name}: cannot be read ({reason}); expected a UTF-8 text file of {content}') from None
  nul = data.find(b'\0')
  if nul >= 0 and data.startswith(_UTF_16):
    raise UserError(f'{path}: byte 0x{data[0]:02x} at offset 0 is not UTF-8; expected a UTF-8 text file'
                    f'{looks_like(data)}')
  if nul >= 0:
    raise UserError(f'{path}: holds a NUL byte at offset {nul}; expected a UTF-8 text file, not a binary one')
  try:
    text = data.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    line = len(re.findall(rb'\r\n?|\n', data[:error.start])) + 1
    raise UserError(f'{path}:{line}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8; '
                    f'expected a UTF-8 text file{looks_like(data)}') from None
  if not text.strip():
    raise UserError(f'{path}: is empty; expected {content}')
  return text.replace('\r\n', '\n').replace('\r', '\n')


def looks_like(data: bytes) -> str:
  """Returns which other encoding a file seems to have, as advice."""
  names = ['UTF-16'] if data.startswith(_UTF_16) else ['GB18030', 'Big5']
  for name in names:
    with contextlib.suppress(UnicodeDecodeError):
      data.decode(name)
      return f'; this may be {name}: iconv -f {name} -t UTF-8 converts it'
  return ''


def keep_short(poems: list[Poem], max_tokens: int = MAX_TOKENS, min_tokens: int = 0) -> list[Poem]:
  """Returns the poems of at most `max_tokens` and at least `min_tokens` tokens, bos and eos included."""
  return [poem for poem in poems if min_tokens <= len(poem.content) + 2 <= max_tokens]


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
  """Returns a text as UTF-8; surrogates, which no file has, but perhaps a caller's own poems, as they are."""
  return text.encode('utf-8', 'surrogatepass')
