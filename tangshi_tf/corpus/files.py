"""Files by their path, or by one with a scheme that TensorFlow's file systems know (gs://, file://, ...)."""

import codecs
import contextlib
import errno
import glob
import os
from collections.abc import Iterator
from typing import BinaryIO

from tangshi_tf.errors import UserError
from tangshi_tf.plain_file import open_plain

_BLOCK = 2**20  # bytes
_LONGEST_LINE = 2**24  # bytes


def has_scheme(path: str | os.PathLike) -> bool:
  """Returns whether TensorFlow must open a path."""
  return '://' in os.fspath(path)


@contextlib.contextmanager
def open_binary(path: str | os.PathLike) -> Iterator[BinaryIO]:
  """Opens a file to read its bytes; a plain one, where it is on this machine.

  Raises:
    OSError, ValueError: it cannot be opened or read.
  """
  if not has_scheme(path):
    with open_plain(path) as file:
      yield file
    return
  from tangshi_tf.quiet import tf
  with os_errors(), tf.io.gfile.GFile(os.fspath(path), 'rb') as file:
    yield file


def read(path: str | os.PathLike) -> bytes:
  """Returns the bytes of a text file; of one that is no UTF-8 text those up to the first block that shows it.

  Raises:
    OSError, ValueError: it cannot be opened or read.
  """
  blocks, decoder = [], codecs.getincrementaldecoder('utf-8')()
  with open_binary(path) as file, contextlib.suppress(UnicodeDecodeError):
    while block := file.read(_BLOCK):
      blocks.append(block)
      if b'\0' in block:
        break
      decoder.decode(block)
  return b''.join(blocks)


@contextlib.contextmanager
def os_errors() -> Iterator[None]:
  """A context in which what TensorFlow's file systems raise becomes an `OSError`."""
  from tangshi_tf.quiet import tf
  try:
    yield
  except tf.errors.OpError as error:
    raise OSError(errno.EIO, error.message) from None


def lines(path: str | os.PathLike, start: int = 0) -> Iterator[tuple[int, bytes]]:
  r"""Yields the lines of a file from a byte on, each after the place of its first byte and without its \n.

  Raises:
    OSError, ValueError: it cannot be read, or has a line of more than 16 MB.
  """
  with open_binary(path) as file:
    file.seek(start)
    place, rest = start, b''
    while block := file.read(_BLOCK):
      *whole, rest = (rest + block).split(b'\n')
      for line in whole:
        yield place, line
        place += len(line) + 1
      if len(rest) > _LONGEST_LINE:
        raise ValueError(f'the line at byte {place} has more than {_LONGEST_LINE:,} bytes')
    if rest:
      yield place, rest


def expand(patterns: list[str]) -> list[str]:
  """Returns the paths that are meant by paths and globs, each once, those of a glob sorted.

  Raises:
    UserError: a glob matches nothing.
  """
  paths = []
  for pattern in patterns:
    if not glob.has_magic(pattern) or os.path.lexists(pattern):
      paths.append(pattern)
      continue
    matches = sorted(_matches(pattern))
    if not matches:
      raise UserError(f'{pattern}: matches no file; expected a path, or a glob such as "poems/*.txt"')
    paths += matches
  return list(dict.fromkeys(paths))


def _matches(pattern: str) -> list[str]:
  if not has_scheme(pattern):
    return [path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path)]
  from tangshi_tf.quiet import tf
  try:
    return tf.io.gfile.glob(pattern)
  except (tf.errors.OpError, UnicodeError) as error:
    raise UserError(f'{pattern}: cannot be listed ({getattr(error, "message", error)}); expected a path that '
                    'TensorFlow can read') from None
