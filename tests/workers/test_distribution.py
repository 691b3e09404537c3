import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from absl import flags
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.workers import cluster, local

from ..checks import assert_one_line
from ..conftest import ROOT

# Batches of 7 poems are divided unevenly, and the last one of an epoch has fewer rows than four workers.
RUN = ['--recipe=none', '--epochs=3', '--cell=gru', '--units=8', '--embedding_size=8', '--batching=shuffle',
       '--batch_size=7', '--bos_dropout=0.4', '--random_states=0.4', '--unlikelihood=0.5',
       '--average=0.9', '--clip_norm=1', '--optimizer=adamw', '--weight_decay=0.01', '--learning_rate=0.003']
BPTT = ['--recipe=none', '--epochs=2', '--cell=lstm', '--units=8', '--embedding_size=8', '--bptt=40', '--batch_size=7',
        '--reduction=sum', '--learning_rate=0.003']


@pytest.fixture
def poems(tmp_path, poems_file):
  """--corpus with so many poems that an epoch has 18 batches."""
  lines = poems_file.read_text(encoding='utf-8').splitlines(keepends=True)[:140]
  (tmp_path / 'poems.txt').write_text(''.join(lines), encoding='utf-8')
  return f'--corpus={tmp_path / "poems.txt"}'


def launch(tmp_path, workers, name, arguments, **options):
  return subprocess.Popen(
      [sys.executable, '-m', 'tangshi_tf.launch', f'--workers={workers}', '--restarts=1', '--', *arguments,
       f'--run_dir={name}'], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding='utf-8',
      env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}, **options)


def ended(process):
  out, err = process.communicate(timeout=300)
  assert process.returncode == 0, err
  return out, err


def weights(path):
  run = run_dir.RunDir(path)
  return run.read_arrays(f'weights/{run.best}.npz')


def assert_equal_runs(one, other, tolerance=1e-5):
  a, b = weights(one), weights(other)
  for name in a:
    np.testing.assert_allclose(a[name], b[name], atol=tolerance, err_msg=name)
  figures = [run_dir.RunDir(path).epochs() for path in (one, other)]
  for ours, theirs in zip(*figures):
    for name in ('train_loss', 'train_perplexity', 'validation_loss', 'validation_nll'):
      assert ours[name] == pytest.approx(theirs[name], rel=1e-5), name


@pytest.mark.parametrize(('workers', 'options'), [
    (2, RUN), (2, [*RUN, '--softmax=adaptive', '--cutoffs=20,100']),
    pytest.param(4, RUN, marks=pytest.mark.long), pytest.param(2, BPTT, marks=pytest.mark.long)])
def test_several_workers_equal_one(command, tmp_path, poems, workers, options):
  alone = command('tangshi_tf.train', *options, poems, '--run_dir=one')
  assert alone.returncode == 0, alone.stderr
  out, _ = ended(launch(tmp_path, workers, 'several', [*options, poems]))
  assert f'among {workers} replicas in {workers} processes' in out and out.count('Model: ') == 1
  assert_equal_runs(tmp_path / 'one', tmp_path / 'several')
  points = [(value.tag, event.step) for file in (tmp_path / 'several').glob('events*')
            for event in EventFileLoader(str(file)).Load() for value in event.summary.value]
  assert len(points) == len(set(points)) and {('poems/free', 3), ('epoch/soundness_zero_state', 3)} <= set(points)


@pytest.mark.long
def test_several_workers_start_from_a_model(command, tmp_path, poems, trained):
  options = [f'--start_from={trained[0]}', '--epochs=2', '--batching=shuffle', '--batch_size=7', '--input_dropout=0',
             '--output_dropout=0', '--learning_rate=0.003', poems]
  alone = command('tangshi_tf.train', *options, '--run_dir=one')
  assert alone.returncode == 0, alone.stderr
  out, _ = ended(launch(tmp_path, 2, 'several', options))
  assert out.count('Start: ') == 1
  assert_equal_runs(tmp_path / 'one', tmp_path / 'several')
  one, several = (run_dir.RunDir(tmp_path / name) for name in ('one', 'several'))
  assert one.vocabulary() == several.vocabulary() and one.config()['training']['start'] == (
      several.config()['training']['start'])
  assert one.read_json('metrics.json')['start'] == pytest.approx(several.read_json('metrics.json')['start'])


@pytest.fixture
def launch_module():
  """The command's module; it and its flags are gone afterwards."""
  known = set(flags.FLAGS)
  module = importlib.import_module('tangshi_tf.launch')
  flags.FLAGS.mark_as_parsed()
  yield module
  for name in set(flags.FLAGS) - known:
    delattr(flags.FLAGS, name)
  del sys.modules['tangshi_tf.launch']


def fake(monkeypatch, statuses, at_end=lambda number: None):
  """Replaces the processes: the workers end with these statuses; returns the arguments that they were started with."""
  started = []

  def watch(workers, stopped):
    del workers, stopped
    at_end(len(started) - 1)
    return statuses[len(started) - 1]

  monkeypatch.setattr(local, 'start', lambda count, arguments: started.append(arguments) or [])
  monkeypatch.setattr(local, 'watch', watch)
  return started


@pytest.mark.parametrize(('arguments', 'name'), [
    (['--run_dir', 'mine'], 'mine'), (['--recipe=best'], 'runs/best'), ([], 'runs/gru'),
    (['--cell=lstm', '--recipe=none'], 'runs/lstm'), (['--start_from=rnn'], 'runs/finetune')])
def test_only_a_run_that_was_begun_is_resumed(launch_module, tmp_path, monkeypatch, capsys, arguments, name):
  monkeypatch.chdir(tmp_path)
  config = tmp_path / name / run_dir.CONFIG
  config.parent.mkdir(parents=True)
  config.write_text('{}', encoding='ascii')  # of an older run
  os.utime(config, (1, 1))
  at_end = [config.unlink, lambda: config.write_text('{}', encoding='ascii'), lambda: None]
  started = fake(monkeypatch, [[75, 0], [0, -9], [0, 0]], lambda number: at_end[number]())
  given = ['--overwrite', *arguments]
  assert launch_module.main(given) == 0
  assert started == [given, given, [*given, '--nooverwrite', '--resume']]
  assert capsys.readouterr().err == 'A worker ended with status 75.\nA worker ended with status -9.\n'


@pytest.mark.parametrize('statuses', [[0, 0], [75, 2], [143, 143], [130, 0], [2, 143]])
def test_what_ends_all_workers(monkeypatch, statuses):
  started = fake(monkeypatch, [statuses])
  assert local.run(2, [], restarts=5) == (2 if 2 in statuses else max(statuses))
  assert len(started) == 1


def test_workers_that_die_again_and_again(monkeypatch):
  died = []
  started = fake(monkeypatch, 3 * [[0, 75]])
  with pytest.raises(UserError, match='the workers died 3 times'):
    local.run(2, [], restarts=2, on_death=died.append)
  assert len(started) == len(died) == 3


@pytest.mark.skipif(not shutil.which('ps'), reason='finds the workers with ps')
@pytest.mark.long
def test_a_worker_that_dies_is_started_again_and_the_run_goes_on(tmp_path, poems):
  options = [*RUN, '--epochs=20', poems, '--checkpoint_every=4']
  ended(launch(tmp_path, 2, 'whole', options))
  process = launch(tmp_path, 2, 'broken', options)
  deadline = time.monotonic() + 120
  while not (tmp_path / 'broken' / run_dir.CHECKPOINT).exists() and time.monotonic() < deadline:
    time.sleep(0.05)
  children = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(process.pid)], capture_output=True, text=True,
                            check=True).stdout
  os.kill(max(map(int, children.split())), signal.SIGKILL)
  out, err = ended(process)
  assert 'another worker is gone' in err and 'ended with status' in err
  assert 'Resumed at step' in out
  assert_equal_runs(tmp_path / 'whole', tmp_path / 'broken')


@pytest.mark.long
def test_mirrored_replicas_equal_one(command, tmp_path, poems):
  assert command('tangshi_tf.train', *RUN, poems, '--run_dir=one').returncode == 0
  # Two logical processors stand for two GPUs.
  program = ('import runpy, tensorflow as tf; cpu, = tf.config.list_physical_devices("CPU");'
             'tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2);'
             'runpy.run_module("tangshi_tf.train", run_name="__main__", alter_sys=True)')
  done = subprocess.run([sys.executable, '-c', program, *RUN, poems, '--run_dir=two', '--strategy=mirrored'],
                        cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT)}, capture_output=True, text=True,
                        encoding='utf-8', timeout=300, check=False)
  assert done.returncode == 0, done.stderr
  assert 'among 2 replicas in 1 processes' in done.stdout
  assert_equal_runs(tmp_path / 'one', tmp_path / 'two')


def test_one_replica_is_no_replica(command, tmp_path, poems):
  few = ['--recipe=none', '--epochs=1', '--units=4', '--embedding_size=4', poems]
  assert command('tangshi_tf.train', *few, '--run_dir=one').returncode == 0
  done = command('tangshi_tf.train', *few, '--run_dir=mirrored', '--strategy=mirrored')
  assert done.returncode == 0, done.stderr
  ended(launch(tmp_path, 1, 'worker', ['--strategy=multi_worker', *few]))
  for name in ('mirrored', 'worker'):
    assert_equal_runs(tmp_path / 'one', tmp_path / name, tolerance=0)


@pytest.mark.parametrize('text', [
    '{', '[]', '{"cluster": {"worker": [1]}}', '{"cluster": {"worker": "a:1"}, "task": 3}',
    '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 2}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"index": "x"}}'])
def test_a_cluster_that_is_none(text, monkeypatch):
  monkeypatch.setenv('TF_CONFIG', text)
  with pytest.raises(UserError, match='TF_CONFIG: .*expected JSON'):
    cluster.workers()


def test_what_the_environment_decides(monkeypatch, command):
  for name in ('TF_CONFIG', 'SLURM_JOB_ID'):
    monkeypatch.delenv(name, raising=False)
  assert cluster.choose(None) == 'none' and cluster.is_chief('none')
  assert_one_line(command('tangshi_tf.train', '--strategy=multi_worker'), 'neither TF_CONFIG nor Slurm')
  workers = {'cluster': {'worker': ['a:1', 'b:1']}, 'task': {'type': 'worker', 'index': 1}}
  monkeypatch.setenv('TF_CONFIG', json.dumps(workers))
  assert cluster.choose(None) == 'multi_worker' and not cluster.is_chief('multi_worker')
  assert cluster.choose('none') == 'none'
  with_chief = {'cluster': {'chief': ['c:1'], 'worker': ['a:1']}, 'task': {'type': 'chief', 'index': 0}}
  monkeypatch.setenv('TF_CONFIG', json.dumps(with_chief))
  assert cluster.workers() == (['c:1', 'a:1'], 0) and cluster.is_chief('multi_worker')
  monkeypatch.setenv('TF_CONFIG', json.dumps({**with_chief, 'task': {'type': 'worker', 'index': 0}}))
  assert cluster.workers() == (['c:1', 'a:1'], 1)
