"""TensorFlow and Keras, imported in this one place, without what their libraries log while they start.

    from tangshi_tf.quiet import keras, tf

Each is loaded with the first use of its name; in commands of the package without what they need for other things.
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import keras
  import tensorflow as tf

__all__ = ['OPTIONAL', 'keras', 'quiet_start', 'start_without_onednn', 'start_without_optional', 'tf']
_LOG_LEVEL, _QUIET = 'TF_CPP_MIN_LOG_LEVEL', '3'  # the environment variable that says what TensorFlow logs
_ONEDNN = 'TF_ENABLE_ONEDNN_OPTS'  # the one that says whether it uses oneDNN on processors
_MODULES = {'keras': 'keras', 'tf': 'tensorflow'}
# What Keras imports where it is installed: for plots, pictures and wrappers; a third of the time that all takes.
OPTIONAL = ('IPython', 'PIL', 'matplotlib', 'pandas', 'scipy', 'sklearn')
_left_out: tuple[str, ...] = ()  # of these, in this process
_loading = threading.RLock()  # they import each other, and fail where two threads load both at once
# What TensorFlow's libraries log. What else comes meanwhile is somebody else's, another thread's perhaps.
_LOGGED = re.compile(rb'[IWEF]\d{4} |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] |WARNING: All log messages before '
                     rb'absl|To enable the following instructions:|Skipping registering GPU devices')


def __getattr__(name: str):
  if name not in _MODULES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  with _loading, quiet_start(), _hidden(_left_out), warnings.catch_warnings():
    warnings.simplefilter('ignore')
    globals()[name] = importlib.import_module(_MODULES[name])
  return globals()[name]


def start_without_optional():
  """Hides `OPTIONAL` from TensorFlow and Keras when they are imported; afterwards it can be imported as ever."""
  global _left_out
  _left_out = OPTIONAL


def start_without_onednn():
  """Keeps TensorFlow from using oneDNN, which makes kernels before it multiplies: 0.2 s before a first poem.

  Where TensorFlow is imported already, or the environment says whether to use it, nothing changes.
  """
  if 'tensorflow' not in sys.modules:
    os.environ.setdefault(_ONEDNN, '0')


@contextlib.contextmanager
def _hidden(packages: tuple[str, ...]):
  """Makes packages that are not imported yet look as if they were not installed."""
  hidden = [name for name in packages if name not in sys.modules]
  sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
  try:
    yield
  finally:
    for name in hidden:
      if sys.modules.get(name) is None:  # another thread may have imported it all the same
        sys.modules.pop(name, None)


def was_started_before_fork() -> bool:
  """Returns whether this process was forked from one that had started TensorFlow, whose threads it does not have."""
  return _forked


def _note_fork():
  global _forked
  config = getattr(sys.modules.get('tensorflow'), 'config', None)
  if config is None:
    return
  threads = config.threading.get_inter_op_parallelism_threads()
  try:
    config.threading.set_inter_op_parallelism_threads(threads + 1)  # which it refuses once it has started
    config.threading.set_inter_op_parallelism_threads(threads)
  except RuntimeError:
    _forked = True


@contextlib.contextmanager
def quiet_start():
  """Keeps off the screen what TensorFlow's libraries log while they start.

  They write to file descriptor 2 before any setting of Python reaches them. If
  the start fails, all of it is shown. Whoever sets TF_CPP_MIN_LOG_LEVEL to
  something else than 3, or has loaded TensorFlow before, sees what they asked
  for. Several threads may start it at once.
  """
  level = os.environ.get(_LOG_LEVEL)
  if level != _QUIET and (level is not None or 'tensorflow' in sys.modules):
    yield
    return
  os.environ[_LOG_LEVEL] = _QUIET
  _screen.hold_back()
  try:
    yield
  except Exception:
    _screen.show()
    raise
  finally:
    _screen.release()


class _Screen:
  """File descriptor 2, in whose place stands a file while somebody holds it back."""

  def __init__(self):
    self._lock = threading.Lock()
    self._holders = 0  # a count: to wait for each other they would have to know who waits for whose import
    self._screen = self._log = None

  def hold_back(self):
    with self._lock:
      self._holders += 1
      if self._holders > 1:
        return
      _flush()
      with contextlib.suppress(OSError):  # of dup: it is closed, so there is nothing to hold back
        self._screen = os.dup(2)
        try:
          self._log = tempfile.TemporaryFile(buffering=0)
        except OSError:  # no room
          self._log = open(os.devnull, 'r+b', buffering=0)
        os.dup2(self._log.fileno(), 2)

  def show(self):
    """Shows what was held back so far."""
    with self._lock:
      if self._log is not None:
        _flush()
        self._write(self._taken())

  def release(self):
    """Gives the screen back if nobody else holds it, and shows what TensorFlow has not logged."""
    with self._lock:
      self._holders -= 1
      if self._holders or self._log is None:
        return
      _flush()
      os.dup2(self._screen, 2)
      self._write(b''.join(line for line in self._taken().splitlines(keepends=True) if not _LOGGED.match(line)))
      self._log.close()
      os.close(self._screen)
      self._screen = self._log = None

  def _taken(self) -> bytes:
    """Takes what is in the log."""
    self._log.seek(0)
    data = self._log.read()
    with contextlib.suppress(OSError):  # of os.devnull
      self._log.truncate(0)
    self._log.seek(0)
    return data

  def _write(self, data: bytes):
    with contextlib.suppress(OSError):  # nobody reads it any more
      os.write(self._screen, data)


def _flush():
  with contextlib.suppress(AttributeError, OSError, ValueError):  # there may be no stream, or a closed one
    sys.stderr.flush()


_screen = _Screen()
_forked = False
if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_note_fork)
