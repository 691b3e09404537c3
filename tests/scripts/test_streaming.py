"""The benchmark of streamed shards, on a small corpus and model; its figures are nobody's business here."""

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == 'win32', reason='has no wait4')


@pytest.mark.long
def test_the_whole_benchmark(script, poems_file):
  done = script('benchmarks/streaming.py', f'--corpus={poems_file}', '--shards=2', '--seeds=2', '--copies=2',
                '--steps=2', '--', '--units=8', '--vocabulary_size=50', '--batch_size=10')
  assert done.returncode == 0, done.stderr
  rows = {cells[0]: cells[1:] for line in done.stdout.splitlines() if line.startswith('| ')
          for cells in [[cell.strip() for cell in line.strip('| ').split('|')]]}
  memory, streamed = rows['files, in memory'], rows['shards, streamed']
  assert memory[:2] == streamed[:2] and memory[1] == '50'
  for row in (memory, streamed):
    perplexities = [float(value) for value in row[5].split(',')]
    assert len(perplexities) == 2 and min(perplexities) > 1
    assert float(row[6]) == pytest.approx(sum(perplexities) / 2, abs=0.01)
  assert rows['in memory'][0] == rows['streamed'][0] == str(2 * int(memory[0]))
  failed = script('benchmarks/streaming.py', f'--corpus={poems_file}', '--shards=2', '--', '--units=0')
  assert failed.returncode == 2 and 'status 2' in failed.stderr.splitlines()[-1], failed.stderr
