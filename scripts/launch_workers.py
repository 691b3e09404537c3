"""Trains with several processes of this machine, which find each other over loopback through TF_CONFIG.

    python scripts/launch_workers.py --workers=2 -- --recipe=gru --run_dir=runs/gru2

What stands after `--` goes to tangshi_tf.train. If a worker dies, all are ended and started again, at most --restarts
times; with --resume, if the run had begun. The first worker's output is shown, and what the others say on standard
error.
"""

import os
import subprocess
import sys
import time

from absl import flags
from local_workers import end, start

from tangshi_tf import cli, run_dir
from tangshi_tf.errors import UserError

_WORKERS = flags.DEFINE_integer('workers', 2, 'Processes.', lower_bound=1, upper_bound=256)
_RESTARTS = flags.DEFINE_integer('restarts', 3, 'Most starts beyond the first.', lower_bound=0)
_GRACE = 30  # seconds in which the others may end by themselves


def main(arguments: list[str]) -> int:
  before = begun_at(arguments)
  for _ in range(_RESTARTS.value + 1):
    began = begun_at(arguments) not in (None, before)
    workers = start(_WORKERS.value, [*arguments, '--nooverwrite', '--resume'] if began else arguments)
    try:
      statuses = watch(workers)
    except KeyboardInterrupt:  # it went to the workers, too
      statuses = [worker.wait() for worker in workers]
    finally:
      end(workers)
    if not any(statuses) or cli.BAD_INPUT in statuses or {cli.INTERRUPTED, cli.TERMINATED} & set(statuses):
      return max(statuses, key=lambda status: (status == cli.BAD_INPUT, abs(status)))
    print(f'A worker ended with status {next(filter(None, statuses))}.', file=sys.stderr, flush=True)
  raise UserError(f'the workers died {_RESTARTS.value + 1} times; see above')


def begun_at(arguments: list[str]) -> float | None:
  """Returns when the run that tangshi_tf.train writes with these arguments was begun, None if it was not."""
  values = flags.FlagValues()
  for name, default in {'run_dir': None, 'recipe': None, 'cell': 'rnn'}.items():
    flags.DEFINE_string(name, default, '', flag_values=values)
  values(['train', *arguments], known_only=True)
  try:
    path = run_dir.for_training(values.run_dir, values.recipe, values.cell)
    return os.path.getmtime(os.path.join(path, run_dir.CONFIG))
  except OSError:
    return None


def watch(workers: list[subprocess.Popen]) -> list[int]:
  """Waits until all have ended, or one has failed and the others had time to notice; returns their statuses."""
  deadline = None
  while any(worker.poll() is None for worker in workers):
    if any(worker.poll() for worker in workers):
      deadline = deadline or time.monotonic() + _GRACE
      if time.monotonic() > deadline:
        break
    time.sleep(0.1)
  end(workers)
  return [worker.wait() for worker in workers]


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
