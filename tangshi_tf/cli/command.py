"""Running a command: its arguments, its errors in one line, its exit status."""

import errno
import os
import re
import sys
from collections.abc import Callable

from absl import flags

from tangshi_tf import __version__, long_work, quiet
from tangshi_tf.cli import arguments, utf8
from tangshi_tf.cli.streams import BROKEN_PIPE, UNWRITABLE, OutputError, Streams
from tangshi_tf.errors import INTERRUPTED, UserError, one_line

BAD_INPUT = 2
_PACKAGE = 'tangshi_tf.'
_SILENCE = 'TANGSHI_SILENCE'  # the environment variable that says how many seconds work may take without a word
_called_as = f'python -m {_PACKAGE}'


def call_as(prefix: str):
  """Sets what messages call the commands of the package: this and a command's name, such as 'tangshi '."""
  global _called_as
  _called_as = prefix


def called(command: str) -> str:
  """Returns what messages call a command of the package, such as 'python -m tangshi_tf.train'."""
  return _called_as + command


def with_flags(message: str) -> str:
  """Returns a message of the library as the command line says it: settings as flags, such as --num=3 for num=3."""
  names = '|'.join(sorted(flags.FLAGS, key=len, reverse=True))

  def as_flag(found: re.Match) -> str:
    name, switch, equals = found.groups()
    if switch and flags.FLAGS[name].boolean:
      return f'--{name}' if switch == '=True' else f'--no{name}'
    if switch or equals or '_' in name:  # else it may be a word like any other
      return f'--{found[0]}'
    return name

  message = re.sub(rf'\bboth ({names}) and ({names})\b', r'both --\1 and --\2', message)
  return re.sub(rf'(?<![^\s(])({names})(?:(=True|=False)(?!\w)|(=)|(?![\w/]))', as_flag, message)


def run(main: Callable[..., int | None], *, expand: Callable[[list[str]], list[str]] = lambda given: given,
        rest_of_line: bool = False, needs_output: bool = True):
  """Parses the flags, runs `main` and exits with its status.

  A `UserError` or a flag that cannot be parsed ends with one line on standard
  error and status 2; an interruption with status 130. Where standard output
  cannot be written the status is 74, or 141 if its reader has gone.

  Args:
    main: the command.
    expand: may change the arguments before they are parsed.
    rest_of_line: whether `main` gets the arguments that are no flags; by
      default there must be none.
    needs_output: whether the command is of no use where standard output cannot
      be written; otherwise it goes on without it.
  """
  if main.__module__ == '__main__':
    utf8.ensure()
    quiet.start_without_optional()
  streams = Streams()
  program = _program(sys.modules[main.__module__])
  try:
    status = _run(main, expand, rest_of_line, lambda: streams.begin(program, needs_output))
    streams.finish()
  except (UserError, flags.Error) as error:
    status = getattr(error, 'status', BAD_INPUT)
    streams.complain(f'{program}: {with_flags(one_line(str(error)))}')
  except MemoryError:
    status = BAD_INPUT
    streams.complain(f'{program}: not enough memory for the sizes asked for')
  except KeyboardInterrupt:
    status = INTERRUPTED
    streams.complain('Interrupted.')
  except OutputError as error:
    status = BROKEN_PIPE if error.errno == errno.EPIPE else UNWRITABLE
    if status == UNWRITABLE:
      streams.complain(f'{program}: {error}; expected a file, a pipe or a terminal with room')
  finally:
    long_work.listen(None)
  sys.exit(status)


def _run(main, expand, rest_of_line: bool, begin: Callable[[], None]) -> int | None:
  """Runs `main`, or says how it is used."""
  given = set(sys.argv[1:])
  if arguments.HELP & given:
    print(sys.modules[main.__module__].__doc__)
    print(flags.FLAGS.main_module_help())
    return 0
  if '--version' in given:
    print(f'tangshi_tf {__version__}')
    return 0
  rest = arguments.parse(sys.argv, expand)
  if rest and not rest_of_line:
    raise arguments.unexpected(rest[0])
  long_work.listen(lambda line: print(line, file=sys.stderr, flush=True), _silence())
  begin()
  return main(rest) if rest_of_line else main()


def _program(module) -> str:
  """Returns what messages call the program that runs as this module."""
  name = module.__spec__ and module.__spec__.name.removesuffix('.__main__')
  if not name:
    return os.path.basename(sys.argv[0])
  if f'{name}.' == _PACKAGE:
    return called('').strip()
  return called(name.removeprefix(_PACKAGE)) if name.startswith(_PACKAGE) else f'python -m {name}'


def _silence() -> float:
  """Returns after how many seconds work that takes long is to say so."""
  given = os.environ.get(_SILENCE, str(long_work.SILENCE))
  try:
    return float(given)
  except ValueError:
    raise UserError(f'environment variable {_SILENCE}={given}: expected a number of seconds') from None
