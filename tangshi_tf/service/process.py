"""The service in a process of its own, for what measures and tries it."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

from tangshi_tf.errors import UserError


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple[int, str]]:
  """Starts the command on a free port, and ends it again.

  Args:
    *arguments: of `python -m tangshi_tf.serve`.

  Yields:
    The id of the process and its address, such as http://127.0.0.1:8000. The
    models may not be loaded yet, see `wait`.

  Raises:
    UserError: it does not start.
  """
  process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.serve', '--port=0', *arguments],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                             env={**os.environ, 'PYTHONUNBUFFERED': '1'})
  try:
    match = re.match(r'(http://\S+?)/ ', process.stdout.readline()) if process.stdout else None
    if match is None:
      raise UserError(f'the service does not start; python -m tangshi_tf.serve {" ".join(arguments)} says why')
    yield process.pid, match[1]
  finally:
    process.terminate()
    process.communicate()


def wait(address: str, seconds: float = 120):
  """Waits until the models are loaded.

  Raises:
    UserError: they are not after so many seconds.
  """
  end = time.monotonic() + seconds
  while time.monotonic() < end:
    with contextlib.suppress(OSError):
      if urllib.request.urlopen(f'{address}/readyz', timeout=5).status == 200:
        return
    time.sleep(0.1)
  raise UserError(f'{address} is not ready after {seconds:g} s')
