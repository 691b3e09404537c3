"""Damages run directories in every way it knows, and looks at what loading makes of them.

    python scripts/faults/corruption_test.py
    python scripts/faults/corruption_test.py --cases=1 --first=417     # one case again

Each case copies a small run directory, damages the copy (corruptions.py) as the seed and the number of the
case say, and loads it. That must end in the very model that was saved, bit for bit, or in
a `UserError` of one line that names a file of the directory; not in another exception, in
another model, in code that runs from the directory, in a wait, or in memory beyond three
times the model's float32 size. A small model says little about memory, so --large cases
are repeated on a model of 65 MB in a process of their own, whose resident memory is
watched (Linux only). Where a damage is `sealed`, the manifest was made again to fit it, as
someone would who means harm.

Prints how many cases of each kind ended how; the exit status is 1 if one ended wrongly.
"""

import collections
import ctypes
import gc
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc

import numpy as np
from absl import flags
from corruptions import JSON_FILES, KINDS, Sound

from tangshi_tf import cli, run_dir
from tangshi_tf.errors import UserError

_CASES = flags.DEFINE_integer('cases', 1000, 'Directories that are damaged.', lower_bound=0)
_FIRST = flags.DEFINE_integer('first', 0, 'Number of the first case.', lower_bound=0)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of all of them.', lower_bound=0)
_LARGE = flags.DEFINE_integer('large', 100, 'Cases with the large model.', lower_bound=0)
_ONLY_LARGE = flags.DEFINE_bool('only_large', False, 'Run --cases with the large model, in this process.')

TIME_LIMIT = 60  # seconds a case
JSON_MEMORY = 130 * 10**6  # bytes; see run_dir.load
RIGHT, REFUSED = GOOD = ('the right model', 'refused')
OUTCOMES = (*GOOD, 'wrong')
NAMED = re.compile('|'.join(map(re.escape, [*JSON_FILES, run_dir.WEIGHTS])))
SMALL = {'runs of a GRU': (('epoch-01', 'epoch-02', 'last'), np.float32,
                           {'cell': 'gru', 'embedding_size': 6, 'units': 8}),
         'an interrupted run': (('last',), np.float32, {'cell': 'rnn', 'embedding_size': 6, 'units': 6, 'tied': True}),
         'a shipped model': (('best',), np.float16, {'cell': 'lstm', 'embedding_size': 4, 'units': 6, 'layers': 2})}
LARGE = {'a large model': (('best',), np.float32, {'cell': 'lstm', 'embedding_size': 1024, 'units': 1024,
                                                   'tied': True})}


def run_cases(numbers, seed: int, sound: list[Sound], folder: pathlib.Path):
  """Runs cases.

  Args:
    numbers: of the cases.
    seed: of all of them.
    sound: directories to damage copies of.
    folder: where the copies may go.

  Returns:
    How many cases ended how by kind and outcome; what was wrong, a line each;
    and the greatest memory in bytes by outcome.
  """
  counts, wrong, greatest = collections.Counter(), [], collections.Counter()
  kinds = list(KINDS)
  for original in sound:  # what is loaded once and kept is nobody's fault
    run_dir.load(original.path)
  gc.collect()
  gc.freeze()  # so that each case's own collection is quick
  by_process = sound[0].size > JSON_MEMORY / 2 and resident_memory(reset=True) > 0
  memory_now = resident_memory if by_process else traced_memory
  if not by_process:
    tracemalloc.start()
  for number in numbers:
    rng = random.Random(f'{seed}/{number}')
    kind = kinds[number % len(kinds)]
    original = sound[number // len(kinds) % len(sound)]
    weights = rng.choice([None, *original.weights])
    copy, canary = folder / 'case', folder / 'canary'
    shutil.copytree(original.path, copy)
    what = f'case {number} of seed {seed}: {kind[0]} ({KINDS[kind](copy, rng, canary)}), weights {weights}'
    watch = threading.Timer(TIME_LIMIT, give_up, [what])
    watch.start()
    outcome, memory = load(copy, original, weights, memory_now)
    watch.cancel()
    if canary.exists():
      outcome = 'ran code from the directory'
    if outcome in GOOD and memory > max(3 * original.size, JSON_MEMORY):
      outcome = f'wrong: took {memory / 1e6:.0f} MB for a model of {original.size / 1e6:.1f} MB'
    if outcome not in GOOD:
      wrong.append(f'{what}: {outcome}')
      print(wrong[-1], file=sys.stderr, flush=True)
    counts[kind[0], outcome if outcome in GOOD else 'wrong'] += 1
    greatest[outcome] = max(greatest[outcome], memory)
    shutil.rmtree(copy)
    shutil.rmtree(canary, ignore_errors=True)
  tracemalloc.stop()
  gc.unfreeze()
  return counts, wrong, greatest


def give_up(what: str):
  print(f'{what}: took more than {TIME_LIMIT} s', file=sys.stderr, flush=True)
  os._exit(1)


def load(path: pathlib.Path, original: Sound, weights: str | None, memory_now) -> tuple[str, int]:
  """Returns what loading came to, and the memory in bytes that it took."""
  gc.collect()
  before = memory_now(reset=True)
  try:
    run = run_dir.load(path, weights)
  except UserError as error:
    message = str(error)
    names_it = str(path) in message and NAMED.search(message.replace(str(path), ''))
    outcome = REFUSED if names_it and len(message) < 2000 and '\n' not in message else f'message {message[:300]!r}'
  except BaseException as error:
    outcome = f'{type(error).__name__}: {str(error)[:300]!r}'
  else:
    outcome = RIGHT
  memory = memory_now() - before
  if outcome == RIGHT and not original.is_same(run, weights):
    outcome = 'another model'
  return outcome, memory


def traced_memory(*, reset: bool = False) -> int:
  """Returns the greatest memory in bytes that Python and NumPy had since the last reset, or have with `reset`."""
  if reset:
    tracemalloc.reset_peak()
  return tracemalloc.get_traced_memory()[0 if reset else 1]


def resident_memory(*, reset: bool = False) -> int:
  """Returns the same of all that the process had in memory, which is TensorFlow's, too; 0 where it cannot be told."""
  try:
    if reset:
      # What was freed and is kept for later would be in the baseline, and its use again not be seen.
      ctypes.CDLL(None).malloc_trim(0)
      pathlib.Path('/proc/self/clear_refs').write_text('5')
    status = pathlib.Path('/proc/self/status').read_text()
  except (OSError, AttributeError, TypeError):  # not Linux, or not with GNU's library
    return 0
  return int(re.search(r'VmHWM:\s*(\d+)', status)[1]) * 1024


def make(folder: pathlib.Path, kinds: dict, words: int) -> list[Sound]:
  words = ['PAD', 'UNK', 'bos', 'eos', *(chr(0x4e00 + i) for i in range(words - 4))]
  return [Sound(folder / str(i), words, *options) for i, options in enumerate(kinds.values())]


def table(counts: collections.Counter) -> str:
  """Returns the counts as Markdown."""
  lines = ['| damage | ' + ' | '.join(OUTCOMES) + ' |', '| --- |' + ' ---: |' * len(OUTCOMES)]
  for kind in [*dict.fromkeys(name for name, _ in KINDS), 'all']:
    numbers = [sum(number for (name, outcome), number in counts.items() if outcome == column and kind in (name, 'all'))
               for column in OUTCOMES]
    if any(numbers):
      lines.append(f'| {kind} | ' + ' | '.join(map(str, numbers)) + ' |')
  return '\n'.join(lines)


def main() -> int:
  from tangshi_tf.model import devices
  devices.start()
  start = time.perf_counter()
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    sound = make(folder, LARGE, 8000) if _ONLY_LARGE.value else make(folder, SMALL, 40)
    counts, wrong, greatest = run_cases(range(_FIRST.value, _FIRST.value + _CASES.value), _SEED.value, sound, folder)
  print(table(counts))
  print(f'\n{_CASES.value} cases, {len(wrong)} wrong; {time.perf_counter() - start:.0f} s; models of at most '
        f'{max(original.size for original in sound) / 1e6:.3f} MB; greatest memory beyond the baseline: '
        + ', '.join(f'{greatest[outcome] / 1e6:.1f} MB ({outcome})' for outcome in GOOD), flush=True)
  status = 1 if wrong else 0
  if _LARGE.value and not _ONLY_LARGE.value:
    print('\nWith a large model, memory of the whole process:', flush=True)
    status |= subprocess.call([sys.executable, __file__, '--only_large', f'--cases={_LARGE.value}',
                               f'--seed={_SEED.value}'])
  return status


if __name__ == '__main__':
  cli.run(main)
