"""Work that may take long tells how far it is, to whoever listens.

The command lines listen and print a line now and then on standard error. From Python nothing is told unless somebody
calls `listen`.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

SILENCE = 2.0  # seconds before the first line; the pauses double up to a minute
_LONGEST_PAUSE = 60.0

_Item = TypeVar('_Item')
_tell: Callable[[str], object] | None = None
_silence = SILENCE


def listen(tell: Callable[[str], object] | None, silence: float = SILENCE):
  """Sets what gets the lines, None for nothing, and after how many seconds of silence."""
  global _tell, _silence
  _tell, _silence = tell, silence


def told(items: Iterable[_Item], what: str, total: int | None = None) -> Iterable[_Item]:
  """Returns the same items; while they are taken, a line now and then tells how many are done.

      >>> listen(print, silence=0)
      >>> for _ in told(range(2), 'characters measured', 2):
      ...   pass
      1 of 2 characters measured ...
      >>> listen(None)

  Args:
    items: anything to iterate over.
    what: what is done to them, after their number, such as 'poems read'.
    total: how many there are, where that is known.
  """
  return items if _tell is None else _told(items, what, total)


def _told(items: Iterable[_Item], what: str, total: int | None) -> Iterator[_Item]:
  meter = Meter(what, total)
  for done, item in enumerate(items):
    if done:
      meter.update(done)
    yield item


class Meter:
  """Tells how far one piece of work is, for work that is no simple loop."""

  def __init__(self, what: str, total: int | None = None):
    """Begins the work; the arguments are those of `told`."""
    self._what, self._total = what, total
    self._pause = _silence
    self._told = time.monotonic()

  def update(self, done: int):
    """Says how much is done; if that is not all and the last line is long ago, one is told."""
    if _tell is None or done == self._total or time.monotonic() - self._told < self._pause:
      return
    of = '' if self._total is None else f' of {self._total:,}'
    _tell(f'{done:,}{of} {self._what} ...')
    self._told = time.monotonic()
    self._pause = min(2 * self._pause, _LONGEST_PAUSE)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
  """A context of work that cannot tell how far it is; a line now and then tells that it goes on."""
  tell, done, start = _tell, threading.Event(), time.monotonic()
  if tell is None:
    yield
    return

  def watch():
    pause = max(_silence, 0.01)
    while not done.wait(pause):
      tell(f'{what}: {time.monotonic() - start:.0f} s ...')
      pause = min(2 * pause, _LONGEST_PAUSE)

  threading.Thread(target=watch, daemon=True).start()
  try:
    yield
  finally:
    done.set()
