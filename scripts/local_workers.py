"""Processes that scripts start: workers of this machine that train together, and other scripts."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tangshi_tf.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(script: str, *arguments) -> str:
  """Runs a script; returns its standard output.

  Raises:
    UserError: it failed.
  """
  done = subprocess.run([sys.executable, ROOT / 'scripts' / script, *map(str, arguments)], capture_output=True,
                        encoding='utf-8', check=False)
  if done.returncode:
    raise UserError(f'{script} ended with status {done.returncode}: {done.stderr.strip()[-500:]}')
  return done.stdout


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
    environment = {**os.environ, 'TF_CONFIG': json.dumps(config),
                   'PYTHONPATH': os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))}
    workers.append(subprocess.Popen([sys.executable, '-m', 'tangshi_tf.train', *arguments], env=environment,
                                    **(options if not index else {**options, 'stdout': subprocess.DEVNULL})))
  return workers


def free_ports(count: int) -> list[int]:
  sockets = [socket.socket() for _ in range(count)]
  try:
    for held in sockets:
      held.bind(('localhost', 0))
    return [held.getsockname()[1] for held in sockets]
  finally:
    for held in sockets:
      held.close()


def end(workers: list[subprocess.Popen], number: signal.Signals = signal.SIGKILL):
  """Sends a signal to those that still run."""
  for worker in workers:
    if worker.poll() is None:
      worker.send_signal(number)
