"""What the command lines share: parsing, one-line errors, quiet, interruption."""

import contextlib
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable

from absl import flags

from tangshi_tf.errors import UserError

flags.disclaim_key_flags()  # so that --help counts define_number's flags to the caller's

BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def run(main: Callable[[], int | None]):
  """Parses the flags, runs `main` and exits with its status.

  A `UserError` or a flag that cannot be parsed ends with one line on standard
  error and status 2; an interruption with status 130.
  """
  for stream in (sys.stdout, sys.stderr):
    # Poems are UTF-8, also where the locale is not.
    stream.reconfigure(encoding='utf-8', errors='backslashreplace')
  module = sys.modules[main.__module__]
  program = f'python -m {module.__spec__.name}' if module.__spec__ else os.path.basename(sys.argv[0])
  if any(argument in ('--help', '-help', '-h', '--helpfull', '--helpshort') for argument in sys.argv[1:]):
    print(module.__doc__)
    print(flags.FLAGS.main_module_help())
    sys.exit(0)
  try:
    rest = flags.FLAGS(sys.argv)[1:]
    if rest:
      raise UserError(f'unexpected argument {rest[0]!r}; expected flags only (see --help)')
    status = main()
    sys.stdout.flush()
  except (UserError, flags.Error) as error:
    print(f'{program}: {" ".join(str(error).split())}', file=sys.stderr)
    status = BAD_INPUT
  except KeyboardInterrupt:
    print('Interrupted.', file=sys.stderr)
    status = INTERRUPTED
  except BrokenPipeError:
    # The reader (head, say) has seen enough.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status = 0
  sys.exit(status)


@contextlib.contextmanager
def quiet_start():
  """Keeps off the screen what TensorFlow's libraries log while they start.

  They write to the file descriptor before any Python setting reaches them. If
  the start fails, all of it is shown; whoever sets TF_CPP_MIN_LOG_LEVEL sees
  what they asked for.
  """
  if 'TF_CPP_MIN_LOG_LEVEL' in os.environ:
    yield
    return
  os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
  sys.stderr.flush()
  screen = os.dup(2)
  with tempfile.TemporaryFile() as log:
    os.dup2(log.fileno(), 2)
    try:
      yield
    except BaseException:
      log.seek(0)
      os.write(screen, log.read())
      raise
    finally:
      os.dup2(screen, 2)
      os.close(screen)


@contextlib.contextmanager
def interruptible():
  """Turns the first Ctrl-C into a question: yields a function that tells if it came.

  A second Ctrl-C interrupts at once.
  """
  asked = []

  def note(*_):
    if asked:
      raise KeyboardInterrupt
    asked.append(True)
    print('\nStopping after this step (Ctrl-C again to stop at once) ...', file=sys.stderr)

  before = signal.signal(signal.SIGINT, note)
  try:
    yield lambda: bool(asked)
  finally:
    signal.signal(signal.SIGINT, before)


def define_number(name: str, default: float, text: str, *, above: float | None = None,
                  at_least: float | None = None):
  """Defines a flag for a finite number, within a bound that its help text states."""
  expected = f'above {above:g}' if above is not None else f'at least {at_least:g}'
  holder = flags.DEFINE_float(name, default, f'{text} A finite number {expected}.')

  def valid(value):
    return math.isfinite(value) and (value > above if above is not None else value >= at_least)

  flags.register_validator(name, valid, message=f'expected a finite number {expected}')
  return holder
