"""Runs the long checks, one after the other: crashes, damage, hostile input, the long tests.

    python scripts/soak.py              # about an hour on 2 cores
    python scripts/soak.py --hours=8    # more kills, damage and made-up input, with other seeds

Hostile input is looked for with atheris where it is installed (pip install '.[fuzz]'), else the tests try more of it.
The short versions of all of them are part of scripts/test.py. Ends with status 1 if one fails; the others run anyway.
"""

import importlib.util
import os
import subprocess
import sys
import time

import environment
from absl import flags

from tangshi_tf import cli

_HOURS = flags.DEFINE_float('hours', 1.0, 'How long, roughly.', lower_bound=0.1, upper_bound=1000)
_SEED = flags.DEFINE_integer('seed', 0, 'Of all that is made up.', lower_bound=0)


def main() -> int:
  hours, seed = _HOURS.value, f'--seed={_SEED.value}'
  faults = environment.ROOT / 'scripts' / 'faults'
  fuzz = [faults / 'fuzz.py', f'--seconds={round(600 * hours)}', seed]
  if importlib.util.find_spec('atheris') is None:
    fuzz = ['-m', 'pytest', '-k', 'hostile', f'--hypothesis-seed={_SEED.value}']
  checks = {
      'crashes': [faults / 'crash_test.py', f'--kills={round(100 * hours)}', seed],
      'damage': [faults / 'corruption_test.py', f'--cases={round(4000 * hours)}', seed],
      'hostile input': fuzz,
      'long tests': ['-m', 'pytest', '-m', 'long'],
  }
  failed = []
  for name, command in checks.items():
    print(f'== {name}', flush=True)
    start = time.perf_counter()
    status = subprocess.run([sys.executable, *map(str, command)], cwd=environment.ROOT, check=False,
                            env={**os.environ, 'HOSTILE_TIMES': str(max(round(10 * hours), 2))}).returncode
    print(f'== {name}: {"passed" if not status else f"FAILED with status {status}"} after '
          f'{time.perf_counter() - start:,.0f} s', flush=True)
    failed += [name] if status else []
  print(f'Failed: {", ".join(failed)}.' if failed else 'All passed.')
  return 1 if failed else 0


if __name__ == '__main__':
  cli.run(main)
