"""What TensorFlow's libraries log while they start, kept off the screen."""

import contextlib
import os
import sys
import tempfile

from tangshi_tf.errors import UserError

_LOG_LEVEL, _QUIET = 'TF_CPP_MIN_LOG_LEVEL', '3'  # the environment variable that says what TensorFlow logs


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
  with _log_file() as log:
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


def _log_file():
  """Returns a file without a name; where there is no room for one, what is written goes nowhere."""
  try:
    return tempfile.TemporaryFile()
  except OSError:
    return open(os.devnull, 'r+b')
