"""Arguments in files: `--flagfile=mine.flags` stands for the lines of that file."""

import os
import re
from collections.abc import Iterator, Sequence

from tangshi_tf.errors import UserError, shorten
from tangshi_tf.plain_file import open_plain

_MOST_BYTES = 2**16  # of all flag files of a command together
_DEEPEST = 20  # files that name each other


def expand_flag_files(arguments: Sequence[str]) -> list[str]:
  """Returns arguments with the lines of flag files in the place of each `--flagfile`.

  A file may name others; blank lines and those that begin with # or // are
  left out. What follows `--` is no flag.

  Raises:
    UserError: a file cannot be read, is no plain file or names itself, or they
      hold more than 64 KB together.
  """
  left = _MOST_BYTES

  def lines(path: str, within: tuple[str, ...]) -> Iterator[str]:
    nonlocal left
    shown = f'flag file {shorten(path, 200)}'
    try:
      real = os.path.realpath(path)
      if real in within or len(within) == _DEEPEST:
        raise UserError(f'{shown}: names itself; expected flags, or the names of other files')
      with open_plain(path) as file:
        data = file.read(left + 1)
      text = data.decode('utf-8-sig')
    except UserError:
      raise
    except (OSError, ValueError) as error:
      raise UserError(f'{shown}: cannot be read ({getattr(error, "strerror", None) or error}); '
                      'expected a UTF-8 text file, a flag a line') from None
    left -= len(data)
    if left < 0:
      raise UserError(f'{shown}: is too long; expected at most {_MOST_BYTES:,} bytes of flags')
    every = map(str.strip, re.split('[\r\n]+', text))
    yield from expanded([line for line in every if line and not line.startswith(('#', '//'))], (*within, real))

  def expanded(given: Sequence[str], within: tuple[str, ...]) -> Iterator[str]:
    rest = iter(given)
    for argument in rest:
      flag, equals, value = argument.partition('=')
      if flag in ('--flagfile', '-flagfile'):
        yield from lines(os.path.expanduser(value if equals else next(rest, '')), within)
      else:
        yield argument
      if argument == '--':
        yield from rest

  return list(expanded(arguments, ()))
