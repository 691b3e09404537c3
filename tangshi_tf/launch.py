"""Trains with several processes of this machine, which find each other over loopback through TF_CONFIG.

    python -m tangshi_tf.launch --workers=2 -- --recipe=gru --run_dir=runs/gru2

What follows `--` goes to tangshi_tf.train. If a worker dies, all are ended and started again, at most --restarts
times; with --resume, if the run had started. The first worker's output is shown, and what the others say on standard
error.
"""

import os
import sys

from absl import flags

from tangshi_tf import cli, recipes, run_dir
from tangshi_tf.settings import expand_flag_files
from tangshi_tf.workers import local

_WORKERS = flags.DEFINE_integer('workers', 2, 'Processes.', lower_bound=1, upper_bound=256)
_RESTARTS = flags.DEFINE_integer('restarts', 3, 'Most starts beyond the first.', lower_bound=0)


def main(arguments: list[str]) -> int:
  return local.run(_WORKERS.value, arguments, restarts=_RESTARTS.value, begun_at=lambda: _begun_at(arguments),
                   on_death=lambda status: print(f'A worker ended with status {status}.', file=sys.stderr, flush=True),
                   stopping=lambda: cli.interruptible(''))


def _begun_at(arguments: list[str]) -> float | None:
  """Returns when the run that tangshi_tf.train writes with these arguments was started, None if it was not."""
  values = flags.FlagValues()
  for name, default in {'run_dir': None, 'recipe': None, 'start_from': None, 'cell': 'gru'}.items():
    flags.DEFINE_string(name, default, '', flag_values=values)
  values(['train', *expand_flag_files(arguments)], known_only=True)
  try:
    recipe = recipes.implied(values.start_from, values.cell) if values.recipe in (None, recipes.NONE) else values.recipe
    path = run_dir.for_training(values.run_dir, recipe)
    return os.path.getmtime(os.path.join(path, run_dir.CONFIG))
  except OSError:
    return None


if __name__ == '__main__':
  cli.run(main, rest_of_line=True, needs_output=False)
