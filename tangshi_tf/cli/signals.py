"""What ends a process: Ctrl-C, SIGTERM of a scheduler, SIGHUP of a terminal that is gone.

One that is ignored when the process begins stays ignored, as `nohup` and the background jobs of a script want it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from tangshi_tf.errors import HUNG_UP, INTERRUPTED, TERMINATED

_STATUS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
if hasattr(signal, 'SIGHUP'):
  _STATUS[signal.SIGHUP] = HUNG_UP


def _heard() -> list[signal.Signals]:
  return [number for number in _STATUS if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def interruptible(said: str = 'Stopping after this step') -> Iterator[Callable[[], int]]:
  """Turns the first of these signals into a question: yields a function that tells if one came.

  It returns the exit status that belongs to the signal, or 0. A second Ctrl-C
  interrupts at once. Other signals may well come twice: a shell that hangs up
  sends SIGHUP to its jobs, and so does the terminal.

  Args:
    said: what is shown on standard error then; nothing if it is empty.
  """
  asked: list[int] = []

  def note(number, _):
    if asked:
      if number == signal.SIGINT:
        raise KeyboardInterrupt
      return
    asked.append(_STATUS[number])
    again = ' (Ctrl-C again to stop at once)' if number == signal.SIGINT else ''
    with contextlib.suppress(OSError):  # the terminal may be gone
      # Not print: a handler must not enter a stream that is being written to.
      os.write(2, f'\n{said}{again} ...\n'.encode() if said else b'')

  before = {number: signal.signal(number, note) for number in _heard()}
  try:
    yield lambda: asked[0] if asked else 0
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def exit_in_order():
  """Makes SIGTERM and SIGHUP end the program as an exception does, so that what is half done goes."""
  heard = [number for number in _heard() if number != signal.SIGINT]

  def leave(number, _):
    for other in heard:  # the same end may be asked for twice
      signal.signal(other, signal.SIG_IGN)
    sys.exit(_STATUS[number])

  for number in heard:
    signal.signal(number, leave)
