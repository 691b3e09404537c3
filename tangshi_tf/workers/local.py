"""Workers of this machine that train together, and find each other over loopback through TF_CONFIG."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from tangshi_tf.errors import HUNG_UP, INTERRUPTED, TERMINATED, UserError

_GRACE = 30  # seconds in which the others may end by themselves
_FINAL = {UserError.status, HUNG_UP, INTERRUPTED, TERMINATED}  # statuses after which nothing is started again
Stopping = Callable[[], contextlib.AbstractContextManager[Callable[[], int]]]


@contextlib.contextmanager
def never():
  """A context in which nothing is told to stop."""
  yield lambda: 0


def run(count: int, arguments: list[str], *, restarts: int = 3, begun_at: Callable[[], float | None] = lambda: None,
        on_death: Callable[[int], None] = lambda status: None, stopping: Stopping = never) -> int:
  """Trains with several workers; if one dies, ends all of them and starts them again.

  Args:
    count: how many workers.
    arguments: of tangshi_tf.train.
    restarts: most starts beyond the first.
    begun_at: tells when the run was started, None if it was not. One that was begun by these workers is resumed.
    on_death: gets the status of a worker that has died.
    stopping: makes a context that yields a function; once it returns another
      number than 0 the workers are told to stop.

  Returns:
    The exit status: 0, or that of bad input, or what told them to stop, or the
    greatest.

  Raises:
    UserError: the workers died once more than `restarts`.
  """
  before = begun_at()
  with stopping() as stopped:
    for _ in range(restarts + 1):
      began = begun_at() not in (None, before)
      workers = start(count, [*arguments, '--nooverwrite', '--resume'] if began else arguments)
      try:
        statuses = watch(workers, stopped)
      finally:
        end(workers)
      if any(statuses) and stopped():
        return stopped()
      if not any(statuses) or _FINAL & set(statuses):
        return max(statuses, key=lambda status: (status == UserError.status, abs(status)))
      on_death(next(filter(None, statuses)))
  raise UserError(f'the workers died {restarts + 1} times; see above')


def start(count: int, arguments: list[str], **options) -> list[subprocess.Popen]:
  """Starts workers on free ports of loopback.

  Args:
    count: how many.
    arguments: of tangshi_tf.train.
    **options: of `subprocess.Popen`; only the first worker has its standard output.
  """
  addresses = [f'localhost:{port}' for port in free_ports(count)]
  workers = []
  for index in range(count):
    config = {'cluster': {'worker': addresses}, 'task': {'type': 'worker', 'index': index}}
    workers.append(subprocess.Popen([sys.executable, '-m', 'tangshi_tf.train', *arguments],
                                    env={**os.environ, 'TF_CONFIG': json.dumps(config)},
                                    **(options if not index else {**options, 'stdout': subprocess.DEVNULL})))
  return workers


def free_ports(count: int) -> list[int]:
  """Returns ports of loopback that are free now."""
  sockets = [socket.socket() for _ in range(count)]
  try:
    for held in sockets:
      held.bind(('localhost', 0))
    return [held.getsockname()[1] for held in sockets]
  finally:
    for held in sockets:
      held.close()


def watch(workers: list[subprocess.Popen], stopped: Callable[[], int] = lambda: 0) -> list[int]:
  """Waits until all have ended, or one has failed and the others had time to notice; returns their statuses.

  Once `stopped` returns another number than 0 they are told to end.
  """
  deadline, told = None, False
  while any(worker.poll() is None for worker in workers):
    if stopped() and not told:
      told = True
      end(workers, signal.SIGTERM)  # Ctrl-C went to them, too, but other signals may have come to this process alone
    if any(worker.poll() for worker in workers):
      deadline = deadline or time.monotonic() + _GRACE
      if time.monotonic() > deadline:
        break
    time.sleep(0.1)
  end(workers)
  return [worker.wait() for worker in workers]


def end(workers: list[subprocess.Popen], number: signal.Signals = signal.SIGKILL):
  """Sends a signal to those that still run."""
  for worker in workers:
    if worker.poll() is None:
      worker.send_signal(number)
