"""The benchmark of several workers, on a small corpus and model; its figures are nobody's business here."""

import json
import sys

import numpy as np
import pytest
from absl import flags

from tangshi_tf import run_dir


@pytest.fixture(scope='module')
def scaling(load_script):
  module = load_script('benchmarks/scaling')
  flags.FLAGS.mark_as_parsed()
  return module


def shapes_of(run) -> dict:
  with np.load(next((run / run_dir.WEIGHTS).glob('*.npz'))) as weights:
    return {name: weights[name].shape for name in weights.files}


@pytest.mark.parametrize('name', ['rnn', 'lstm', 'gru', 'best'])
def test_parameters_are_those_of_the_model(scaling, name):
  run = run_dir.load(name)
  assert scaling.size(shapes_of(run_dir.locate(name)))[0] == run.model.count_params()


def test_flops_of_a_token(scaling):
  recurrent = {'cell_kernel': (3, 12), 'cell_recurrent_kernel': (4, 12), 'cell_bias': (2, 12)}
  tied = {'embedding': (10, 3), 'dense_bias': (10,), 'projection_kernel': (4, 3), **recurrent}
  assert scaling.size(tied) == (30 + 10 + 12 + 36 + 48 + 24, 6 * (30 + 12 + 36 + 48))
  assert scaling.size(tied, 20) == (60 + 20 + 12 + 36 + 48 + 24, 6 * (60 + 12 + 36 + 48))
  free = {'embedding': (10, 3), 'dense_bias': (10,), 'dense_kernel': (4, 10), **recurrent}
  assert scaling.size(free, 20) == (60 + 20 + 80 + 36 + 48 + 24, 6 * (80 + 36 + 48))


def test_the_calculation(scaling, monkeypatch):
  for name, value in {
      'characters': 3.6e9, 'epochs': 2, 'vocabulary_size': 20, 'gpus': 4, 'hosts': 3, 'batch_tokens': 10**6,
      'gpu_tokens_per_s': 1e6, 'bandwidth_gbit': 1e-6, 'latency_ms': 500}.items():
    monkeypatch.setattr(flags.FLAGS[name], 'value', value)
  measured = {'recipe': 'mine', 'shapes': {'embedding': (10, 3), 'dense_bias': (10,), 'cell_kernel': (3, 5)},
              'efficiency': 0.8, 'bytes_a_step': 330.0, 'computed_bytes_a_step': 300.0}
  found = scaling.calculate(measured, 2e6, 1e5)
  assert found['parameters'] == 95 and found['steps'] == 7200
  assert found['bytes_a_step_and_gpu'] == pytest.approx(1.1 * 1.5 * 4 * 95)
  assert found['hours'] == pytest.approx({
      'counting': 0.5, 'computation': 0.5, 'communication': 2 * (1.1 * 1.5 * 4 * 95 * 8 / 1e3 + 0.5),
      'other overhead of the steps': 0.125, 'waiting for batches': 0.0})
  assert found['total_hours'] == pytest.approx(sum(found['hours'].values()))
  assert found['bound_by'] == 'communication'
  assert any('**in all**' in line for line in scaling.calculation_table(found))
  slow = scaling.calculate(measured, 2e6, 1e4)
  assert sum(slow['hours'].values()) == pytest.approx(0.5 + slow['reading_hours']) == 0.5 + 2 * 1e5 / 3e3
  # What the system does not count is taken as computed.
  assert scaling.calculate({**measured, 'bytes_a_step': None}, 1e6, 1e6)['bytes_to_computed'] == 1
  assert scaling.megabytes(None) == 'n/a'


@pytest.mark.long
def test_the_whole_benchmark(script, poems_file):
  arguments = ['--recipes=gru', '--workers=2', '--rounds=1', '--windows=4', '--',
               f'--corpus={poems_file}', '--batch_tokens=500', '--units=16', '--embedding_size=16']
  done = script('benchmarks/scaling.py', '--json', *arguments)
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout)
  one, two = result['runs']
  assert one['efficiency'] == 1 and two['efficiency'] > 0 and min(one['tokens_per_s'], two['step_s']) > 0
  assert one['computed_bytes_a_step'] == 0 and two['computed_bytes_a_step'] == 8 * two['parameters']
  if sys.platform == 'linux':
    assert two['bytes_a_step'] > one['bytes_a_step']
  assert result['calculation']['total_hours'] > 0
  failed = script('benchmarks/scaling.py', '--recipes=none', *arguments[1:])
  assert failed.returncode == 2 and 'status 2' in failed.stderr.splitlines()[-1], failed.stderr
