"""Trains on a corpus in memory and as a stream of shards: peak memory, speed and validation perplexity.

    python scripts/build/build_corpus.py --dynasty=song --out=song.txt
    python scripts/benchmarks/streaming.py --corpus=poems.txt --corpus=song.txt -- --cell=gru --units=64

What follows `--` goes to tangshi_tf.train, beside --recipe=none --epochs=1. The seeds take turns, so that a
busy machine slows both ways. Then it trains for --steps on the shards --copies times over. Peak memory is the process's
greatest resident set, TensorFlow's own included. Needs Linux or macOS. The tables are Markdown.
"""

import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

from tangshi_tf import cli, run_dir
from tangshi_tf.corpus import sharding, shards
from tangshi_tf.errors import UserError

_CORPUS = flags.DEFINE_multi_string('corpus', None, 'Corpus files (default: the poems that come with the package).')
_SHARDS = flags.DEFINE_integer('shards', 16, 'Shards of the training part.', lower_bound=1)
_SEEDS = flags.DEFINE_integer('seeds', 1, 'Trainings of each kind.', lower_bound=1)
_COPIES = flags.DEFINE_integer('copies', 10, 'How many times over the shards are read in the second table.',
                               lower_bound=2, upper_bound=1000)
_STEPS = flags.DEFINE_integer('steps', 100, 'Steps of the second table.', lower_bound=1)


def main(arguments: list[str]) -> int:
  paths, _ = shards.find(_CORPUS.value)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    start = time.perf_counter()
    sharding.write(paths, folder / 'shards', count=_SHARDS.value)
    print(f'{_SHARDS.value} training shards written in {time.perf_counter() - start:.0f} s.\n')
    kinds = {'files, in memory': [f'--corpus={path}' for path in paths],
             'shards, streamed': [f'--corpus={folder}/shards/*']}
    found: dict[str, list[tuple[float, ...]]] = {what: [] for what in kinds}
    for seed in range(_SEEDS.value):
      for i, (what, where) in enumerate(kinds.items()):
        path = folder / f'run-{i}-{seed}'
        first, peak = train(['--recipe=none', '--epochs=1', f'--seed={seed}', *arguments, *where,
                             f'--run_dir={path}'], path)
        figures = run_dir.RunDir(path).epochs()[-1]
        if 'validation_perplexity' not in figures:
          raise UserError('the corpus is too small for a validation part; expected more poems')
        found[what].append((first, figures['tokens_per_second'], peak, figures['validation_perplexity']))
    print('| whole epochs | training poems | words | read after | tokens/s | peak memory | validation perplexity, '
          'each seed | mean |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    words = len(run_dir.RunDir(path).vocabulary())
    for what, rows in found.items():
      first, rate, peak, _ = map(statistics.median, zip(*rows))
      perplexities = [row[-1] for row in rows]
      print(f'| {what} | {poems(path):,} | {words:,} | {first:.0f} s | {rate:,.0f} | {peak:,.0f} MB '
            f'| {", ".join(f"{value:.2f}" for value in perplexities)} | {statistics.fmean(perplexities):.2f} |',
            flush=True)

    multiply(folder / 'shards', folder / 'more')
    print(f'\n| {_COPIES.value} times over, {_STEPS.value} steps | training poems | read after | peak memory |\n'
          '| --- | ---: | ---: | ---: |', flush=True)
    for i, (what, options) in enumerate({'in memory': ['--nostream'], 'streamed': []}.items()):
      path = folder / f'more-{i}'
      first, peak = train([*arguments, f'--corpus={folder}/more/*', *options, f'--checkpoint_every={_STEPS.value}',
                           f'--run_dir={path}'], path, stop=True)
      print(f'| {what} | {poems(path):,} | {first:.0f} s | {peak:,.0f} MB |', flush=True)
  return 0


def train(arguments: list[str], path: pathlib.Path, *, stop: bool = False) -> tuple[float, float]:
  """Trains in a process of its own; returns the seconds until the corpus is read and its peak memory in MB.

  With `stop` it is told to end as soon as it has written a checkpoint.
  """
  environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}
  log = path.with_suffix('.log')
  with open(log, 'wb') as file:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.train', *arguments], stdout=file, stderr=file,
                               env=environment)
    first, ended = None, 0
    try:
      while not ended:
        if first is None and (path / run_dir.CONFIG).exists():
          first = time.perf_counter() - start
        if stop and (path / run_dir.CHECKPOINT).exists():
          os.kill(process.pid, signal.SIGTERM)
          stop = False
        time.sleep(0.05)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    finally:
      if not ended:
        process.kill()
  if os.waitstatus_to_exitcode(status) not in (0, cli.TERMINATED):
    raise UserError(f'training ended with status {os.waitstatus_to_exitcode(status)}: '
                    f'{log.read_text(encoding="utf-8").strip()[-500:]}')
  return first, usage.ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)


def multiply(source: pathlib.Path, target: pathlib.Path):
  """Makes a folder with that many links to each shard."""
  target.mkdir()
  for part, paths in shards.by_part(sorted(map(str, source.iterdir()))).items():
    every = paths * _COPIES.value
    for i, path in enumerate(every):
      os.link(path, target / shards.name(part, i, len(every)))


def poems(path: pathlib.Path) -> int:
  return run_dir.RunDir(path).config()['training']['poems']['train']


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
