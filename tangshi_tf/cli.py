"""What the command lines share: parsing, one-line errors, quiet, interruption."""

import contextlib
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator

from absl import flags

from tangshi_tf import corpus
from tangshi_tf.errors import INTERRUPTED, TERMINATED, UserError, shorten
from tangshi_tf.settings import Setting, define_flag

flags.disclaim_key_flags()  # so that --help counts define_number's flags to the caller's

BAD_INPUT = 2
BROKEN_PIPE = 141  # 128 + SIGPIPE
_LOG_LEVEL, _QUIET = 'TF_CPP_MIN_LOG_LEVEL', '3'  # the environment variable that says what TensorFlow logs
_LONGEST_MESSAGE = 2000  # characters; a screenful


def run(main: Callable[..., int | None], *, expand: Callable[[list[str]], list[str]] = lambda arguments: arguments,
        rest_of_line: bool = False):
  """Parses the flags, runs `main` and exits with its status.

  `expand` may change the arguments before they are parsed. With
  `rest_of_line` `main` gets the arguments that are no flags; by default there
  must be none.

  A `UserError` or a flag that cannot be parsed ends with one line on standard
  error and the error's status, 2 for most; an interruption with status 130; a
  reader of the output that has gone with status 141.
  """
  for stream in (sys.stdout, sys.stderr):
    # Poems are UTF-8, also where the locale is not. What a notebook puts in their place has no encoding to set.
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8', errors='backslashreplace')
  module = sys.modules[main.__module__]
  name = module.__spec__ and module.__spec__.name.removesuffix('.__main__')
  program = f'python -m {name}' if name else os.path.basename(sys.argv[0])
  try:
    if {'--help', '-help', '-h', '--helpfull', '--helpshort'} & set(sys.argv[1:]):
      print(module.__doc__)
      print(flags.FLAGS.main_module_help())
      status: int | None = 0
    else:
      rest = _parse(sys.argv, expand)
      if rest and not rest_of_line:
        raise UserError(f'unexpected argument {rest[0]!r}; expected flags only (see --help)')
      status = main(rest) if rest_of_line else main()
    sys.stdout.flush()
  except (UserError, flags.Error) as error:
    print(f'{program}: {one_line(str(error))}', file=sys.stderr)
    status = getattr(error, 'status', BAD_INPUT)
  except MemoryError:
    print(f'{program}: not enough memory for the sizes asked for', file=sys.stderr)
    status = BAD_INPUT
  except KeyboardInterrupt:
    print('Interrupted.', file=sys.stderr)
    status = INTERRUPTED
  except BrokenPipeError:
    # The reader (head, say) has seen enough; what is still to be flushed goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status = BROKEN_PIPE
  sys.exit(status)


def _parse(arguments: list[str], expand: Callable[[list[str]], list[str]]) -> list[str]:
  """Sets the flags; returns the arguments that are none."""
  try:
    return flags.FLAGS([arguments[0], *expand(arguments[1:])])[1:]
  except UserError:
    raise
  except ValueError as error:  # a --flagfile is not UTF-8, or has a NUL in a name
    raise UserError(f'the flags cannot be read ({error}); expected UTF-8 text') from None


def one_line(message: str) -> str:
  """Returns a message on one line, without the middle of one that quotes something very long."""
  message = ' '.join(message.split())
  kept = _LONGEST_MESSAGE // 2
  return message if len(message) <= _LONGEST_MESSAGE else f'{message[:kept]} … {message[-kept:]}'


def texts(arguments: list[str], file: str | None) -> Iterator[str]:
  """Returns the texts a user gave: the arguments, or the lines of a file, or those of standard input.

  Raises:
    UserError: there are arguments and a file, or the file cannot be read.
  """
  if file is not None:
    if arguments:
      raise UserError(f'both --file={file} and the text {shorten(arguments[0])}; expected one of them')
    return iter(corpus.read_text(file, content='texts, one a line').removesuffix('\n').split('\n'))
  if arguments:
    return iter(arguments)
  if isinstance(sys.stdin, io.TextIOWrapper):
    sys.stdin.reconfigure(encoding='utf-8-sig', errors='surrogateescape')
  return iter(sys.stdin)


@contextlib.contextmanager
def quiet_start():
  """Keeps off the screen what TensorFlow's libraries log while they start.

  They write to the file descriptor before any Python setting reaches them. If
  the start fails, all of it is shown, unless a `UserError` says why; whoever
  sets TF_CPP_MIN_LOG_LEVEL to something else sees what they asked for.
  """
  if os.environ.get(_LOG_LEVEL, _QUIET) != _QUIET:
    yield
    return
  os.environ[_LOG_LEVEL] = _QUIET
  sys.stderr.flush()
  screen = os.dup(2)
  with tempfile.TemporaryFile() as log:
    os.dup2(log.fileno(), 2)
    try:
      yield
    except UserError:
      raise
    except Exception:
      log.seek(0)
      os.write(screen, log.read())
      raise
    finally:
      os.dup2(screen, 2)
      os.close(screen)


@contextlib.contextmanager
def interruptible():
  """Turns the first Ctrl-C or SIGTERM into a question: yields a function that tells if one came.

  It returns the exit status that belongs to the signal, or 0. A second signal
  interrupts at once.
  """
  asked = []

  def note(number, _):
    if asked:
      raise KeyboardInterrupt
    asked.append(INTERRUPTED if number == signal.SIGINT else TERMINATED)
    # Not print: a handler must not enter a stream that is being written to.
    os.write(2, b'\nStopping after this step (Ctrl-C again to stop at once) ...\n')

  before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
  try:
    yield lambda: asked[0] if asked else 0
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def define_model() -> tuple[flags.FlagHolder, flags.FlagHolder]:
  """Defines the flags --model, for `run_dir.RunDir.open`, and --weights, for its `load`."""
  return (flags.DEFINE_string('model', None, 'A run directory or the name of a shipped model '
                              '(default: the newest run under runs/, else the shipped best).'),
          flags.DEFINE_string('weights', None, 'best, last (an interrupted epoch) or epoch-NN (default: best where '
                              'there is one).'))


def define_number(name: str, default: float | None, text: str, *, low: float, high: float, open_low: bool = False):
  """Defines a flag for a number from `low` (excluded if `open_low`) to `high`.

  Unlike absl's own bounds it does not let NaN pass.
  """
  return define_flag(name, default, Setting(text, low=low, high=high, open_low=open_low), float)
