"""The texts that a user gives to a command."""

import contextlib
import io
import itertools
import os
import select
import stat
import sys
from collections.abc import Iterator
from typing import TextIO

from tangshi_tf import corpus, long_work
from tangshi_tf.errors import UserError, shorten

_STANDARD_INPUT = ('-', '/dev/stdin')
_DESCRIPTORS = ('/dev/fd/', '/proc/self/fd/')  # where a shell has <(zcat poems.gz)
_LONGEST = 10**6  # characters of a text
_MOST_BYTES = 2**26  # of a file, which is held in memory


def texts(arguments: list[str], file: str | None) -> Iterator[str]:
  """Returns the texts a user gave: the arguments, or the lines of a file or a pipe, or those of standard input.

  Raises:
    UserError: there are arguments and a file, or the texts cannot be read; or,
      also while they are taken, one is longer than a million characters.
  """
  if file is not None and arguments:
    raise UserError(f'both --file={file} and the text {shorten(arguments[0])}; expected one of them')
  if arguments:
    return iter(arguments)
  if file not in (None, *_STANDARD_INPUT):
    return _lines_of_file(file)
  if sys.stdin is None:
    raise UserError('standard input is closed; expected texts as arguments, in a --file or on standard input')
  if isinstance(sys.stdin, io.TextIOWrapper):
    sys.stdin.reconfigure(encoding='utf-8-sig', errors='surrogateescape')
  lines = _lines_of_stream(sys.stdin, 'standard input')
  return lines if sys.stdin.isatty() else _begun(lines)  # a person types the first one when the command is ready


def _begun(lines: Iterator[str]) -> Iterator[str]:
  """Takes the first line now, for what is wrong with it."""
  return itertools.chain(list(itertools.islice(lines, 1)), lines)


def _lines_of_file(file: str) -> Iterator[str]:
  """Returns the lines of a file, checked before the first one is taken, or those of a pipe."""
  found = None
  with contextlib.suppress(OSError, ValueError):  # read_text says what is wrong
    found = os.stat(file)
  if found and stat.S_ISFIFO(found.st_mode) and file.startswith(_DESCRIPTORS):
    return _begun(_lines_of_pipe(file))
  if found and found.st_size > _MOST_BYTES:
    raise UserError(f'{file}: holds {found.st_size:,} bytes; expected at most {_MOST_BYTES:,}, or the file on standard '
                    'input')
  every = corpus.read_text(file, content='texts, one a line').removesuffix('\n').split('\n')
  for number, line in enumerate(every, 1):
    _check_length(line, f'{file}:{number}')
  return iter(every)


def _lines_of_pipe(file: str) -> Iterator[str]:
  """Yields the lines of a pipe that a shell has made."""
  with open(file, 'rb') as pipe:
    if not select.select([pipe], [], [], long_work.SILENCE)[0]:
      print(f'Waiting for what is written into {file} ...', file=sys.stderr, flush=True)
    lines = _lines_of_stream(io.TextIOWrapper(pipe, 'utf-8-sig', 'surrogateescape'), file)
    first = next(lines, None)
    if first is None:
      raise UserError(f'{file}: is empty; expected texts, one a line')
    yield first
    yield from lines


def _lines_of_stream(stream: TextIO, name: str) -> Iterator[str]:
  """Yields the lines of a stream, none of which is held in memory if it is too long."""
  for number in itertools.count(1):
    try:
      line = stream.readline(_LONGEST + 2)
    except OSError as error:
      raise UserError(f'{name}: cannot be read ({error.strerror or error}); expected texts, one a line') from None
    if not line:
      return
    _check_length(line.rstrip('\n'), f'{name}:{number}')
    yield line


def _check_length(line: str, where: str):
  if len(line) > _LONGEST:
    raise UserError(f'{where}: a text of more than {_LONGEST:,} characters; expected shorter ones, one a line')
