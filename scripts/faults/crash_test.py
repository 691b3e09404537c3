"""Kills trainings with SIGKILL, resumes them, and compares what they end with to runs that were never interrupted.

    python scripts/faults/crash_test.py                      # all modes, 32 kills
    python scripts/faults/crash_test.py --modes=lstm --kills=3

A third of the kills comes at a random moment, the others at a place: after a step,
in the middle of writing a file, before it is forced to the disk, before and after it
takes the place of the old one (see crash_worker.py). Weights of every epoch, figures
and TensorBoard points must be the same bit by bit; only times may differ. A kill must
cost no more steps than lie between two checkpoints. Ends with status 1 otherwise.
"""

import collections
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.corpus import sharding
from tangshi_tf.errors import UserError

_COMMON = ('--recipe=none', '--learning_rate=0.01', '--log_every=4')
_SIZES = ('--units=16', '--embedding_size=8')
MODES = {
    'rnn': ('--cell=rnn', '--batch_size=20', '--epochs=3', '--optimizer=rmsprop', '--schedule=plateau'),
    'lstm': ('--cell=lstm', '--batch_size=20', '--epochs=3', '--average=0.9', '--output_dropout=0.2', '--clip_norm=1',
             '--schedule=cosine', '--warmup_steps=5', '--bos_dropout=0.3', '--random_states=0.3'),
    'gru': ('--cell=gru', '--layers=2', '--batching=shuffle', '--batch_size=20', '--epochs=3', '--optimizer=adamw',
            '--weight_decay=0.01', '--weight_dropout=0.2', '--tied', '--random_states=0.5', '--unlikelihood=0.5'),
    'bptt': ('--cell=lstm', '--bptt=30', '--batch_size=10', '--epochs=2', '--reduction=sum', '--input_dropout=0.1'),
    'start': ('--start_from=rnn', '--batch_tokens=2000', '--epochs=2', '--average=0.9', '--output_dropout=0.1',
              '--patience=1'),
    'shards': ('--cell=gru', '--batch_size=20', '--epochs=3', '--shuffle_buffer=50'),
}
PLACES = 'step', 'write', 'sync', 'replace', 'replaced'
_TIMES = {'seconds', 'tokens_per_second', 'step/tokens_per_second'}

_MODES = flags.DEFINE_list('modes', list(MODES), f'Which of {", ".join(MODES)}.')
_KILLS = flags.DEFINE_integer('kills', 32, 'How often a process is killed, in all.', lower_bound=1)
_EVERY = flags.DEFINE_integer('checkpoint_every', 5, 'Steps between checkpoints.', lower_bound=1)
_POEMS = flags.DEFINE_integer('poems', 400, 'Poems of the corpus that are trained on.', lower_bound=50)
_SEED = flags.DEFINE_integer('seed', 0, 'Of places and moments.')


def main() -> int:
  unknown = set(_MODES.value) - set(MODES)
  if unknown or not _MODES.value:
    raise UserError(f'--modes={",".join(_MODES.value)}: expected some of {", ".join(MODES)}')
  rng = random.Random(_SEED.value)
  shares = collections.Counter(itertools.islice(itertools.cycle(_MODES.value), _KILLS.value))
  print('| mode | kills | at places | runs | resumed | most steps lost | same weights, figures, points |\n'
        '| --- | ---: | --- | ---: | ---: | ---: | --- |')
  sound = True
  with tempfile.TemporaryDirectory() as folder:
    poems = pathlib.Path(folder) / 'poems.txt'
    lines = corpus.default_corpus_path().read_text(encoding='utf-8').splitlines(keepends=True)
    poems.write_text(''.join(lines[:_POEMS.value]), encoding='utf-8')
    if 'shards' in shares:
      sharding.write([str(poems)], f'{folder}/poems', count=4)
    for mode in shares:
      trial = Trial(pathlib.Path(folder), mode, f'{folder}/poems/*' if mode == 'shards' else str(poems), rng)
      trial.run(shares[mode])
      sound &= trial.sound
      print(trial.row(), flush=True)
  print('All runs ended as if they had never been killed.' if sound else 'FAILED: see above.')
  return 0 if sound else 1


class Trial:
  """One mode: a run that is left alone, and others that are killed until there are enough kills."""

  def __init__(self, folder: pathlib.Path, mode: str, poems: str, rng: random.Random):
    self._folder, self._mode, self._rng = folder / mode, mode, rng
    self._command = [sys.executable, pathlib.Path(__file__).with_name('crash_worker.py'), f'--corpus={poems}',
                     f'--checkpoint_every={_EVERY.value}', *_COMMON, *(() if mode == 'start' else _SIZES),
                     *(() if mode == 'rnn' else ('--samples=0',)),  # one mode writes poems for TensorBoard, too
                     *MODES[mode]]
    self._folder.mkdir()
    self.sound = True
    self._kills = collections.Counter()
    self._runs = self._resumed = self._lost = 0

  def run(self, kills: int):
    expected = self._folder / 'expected'
    start = time.perf_counter()
    self._wait(self._start(expected, ''), expected)
    seconds = time.perf_counter() - start
    while sum(self._kills.values()) < kills:
      self._runs += 1
      path = self._folder / f'run-{self._runs}'
      while not self._ended(path, seconds, last=sum(self._kills.values()) >= kills):
        pass
      self._compare(expected, path)

  def row(self) -> str:
    places = ', '.join(f'{count} {place}' for place, count in sorted(self._kills.items()))
    return (f'| {self._mode} | {sum(self._kills.values())} | {places} | {self._runs} | {self._resumed} | '
            f'{self._lost} of at most {_EVERY.value} | {"yes" if self.sound else "NO"} |')

  def _start(self, path: pathlib.Path, crash: str) -> subprocess.Popen:
    environment = {**os.environ, 'CRASH': crash or ':0', 'STEPS': f'{path}.steps', 'TF_CPP_MIN_LOG_LEVEL': '3'}
    resume = ['--resume'] if (path / 'config.json').exists() else []
    return subprocess.Popen([*self._command, f'--run_dir={path}', *resume], env=environment, text=True,
                            encoding='utf-8', stdout=subprocess.PIPE, stderr=subprocess.PIPE)

  def _wait(self, process: subprocess.Popen, path: pathlib.Path) -> str:
    out, err = process.communicate(timeout=600)
    if process.returncode not in (0, -9):
      raise UserError(f'{path.name} of {self._mode} ended with status {process.returncode}: {err.strip()[-500:]}')
    return out

  def _ended(self, path: pathlib.Path, seconds: float, *, last: bool) -> bool:
    """Runs one process, new or resumed, which may be killed; returns whether the run ended by itself."""
    steps = pathlib.Path(f'{path}.steps')
    before = _last_step(steps)
    place = '' if last else self._rng.choice(['moment', 'moment', *PLACES])
    crash = f'{place}:{self._rng.randint(1, 40 if place == "step" else 12)}' if place in PLACES else ''
    process = self._start(path, crash)
    if place == 'moment':
      while process.poll() is None and _last_step(steps) == before:
        time.sleep(0.01)
      time.sleep(self._rng.uniform(0, seconds / 3))
      process.kill()
    out = self._wait(process, path)
    resumed = re.search(r'Resumed at step ([\d,]+)', out)
    if resumed:
      self._resumed += 1
      self._lost = max(self._lost, before - int(resumed[1].replace(',', '')))
      self.sound &= self._lost <= _EVERY.value
    if process.returncode:
      self._kills[place] += 1
    return process.returncode == 0

  def _compare(self, expected: pathlib.Path, path: pathlib.Path):
    for what, read in (('weights', _weights), ('figures', _figures), ('points', _points)):
      if read(expected) != read(path):
        print(f'{path.name} of {self._mode}: other {what} than the run that was left alone')
        self.sound = False


def _last_step(file: pathlib.Path) -> int:
  """Returns the last step in a file of steps, 0 where there is none."""
  return int(file.read_text().split()[-1]) if file.exists() and file.stat().st_size else 0


def _weights(path: pathlib.Path) -> dict[str, bytes]:
  found = {'best': run_dir.RunDir(path).best.encode()}
  for file in sorted((path / 'weights').glob('*.npz')):
    with np.load(file) as archive:
      found |= {f'{file.stem}/{name}': archive[name].tobytes() for name in archive.files}
  return found


def _figures(path: pathlib.Path) -> dict:
  figures = json.loads((path / 'metrics.json').read_text())
  figures['epochs'] = [{name: value for name, value in epoch.items() if name not in _TIMES}
                       for epoch in figures['epochs']]
  return figures


def _points(path: pathlib.Path) -> list[tuple]:
  """Returns tag, step and value of each TensorBoard point, in order; values that are times are left out."""
  from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
  points = []
  for file in path.glob('events.out.tfevents.*'):
    for event in EventFileLoader(str(file)).Load():
      for value in event.summary.value:
        points.append((value.tag, event.step, None if value.tag in _TIMES else value.tensor.SerializeToString()))
  return sorted(points, key=lambda point: point[:2])


if __name__ == '__main__':
  cli.run(main)
