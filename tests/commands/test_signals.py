"""What ends a process in order: Ctrl-C, SIGTERM and SIGHUP."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tangshi_tf import cli
from tangshi_tf.workers import local

from ..conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='sends POSIX signals')
STATUS = {'SIGINT': 130, 'SIGTERM': 143, 'SIGHUP': 129}


def send(name):
  os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize('name', STATUS)
def test_a_signal_is_a_question(name, capfd):
  before = signal.getsignal(getattr(signal, name))
  with cli.interruptible() as stopped:
    assert stopped() == 0
    send(name)
    assert stopped() == STATUS[name]
    send('SIGHUP')  # a terminal and its shell send it both
    send('SIGTERM')
    assert stopped() == STATUS[name]
  assert signal.getsignal(getattr(signal, name)) == before
  assert capfd.readouterr().err.count('Stopping after this step') == 1


def test_a_second_ctrl_c_interrupts_at_once(capfd):
  with pytest.raises(KeyboardInterrupt), cli.interruptible():
    send('SIGINT')
    send('SIGINT')
  assert 'Ctrl-C again to stop at once' in capfd.readouterr().err


@pytest.mark.parametrize('name', STATUS)
def test_under_nohup_a_signal_stays_ignored(name):
  before = signal.signal(getattr(signal, name), signal.SIG_IGN)
  try:
    with cli.interruptible() as stopped:
      send(name)
      assert stopped() == 0
  finally:
    signal.signal(getattr(signal, name), before)


def test_the_terminal_may_be_gone():
  reader, writer = os.pipe()
  os.close(reader)
  screen = os.dup(2)
  os.dup2(writer, 2)
  try:
    with cli.interruptible() as stopped:
      send('SIGHUP')
      assert stopped() == 129
  finally:
    os.dup2(screen, 2)
    for number in (screen, writer):
      os.close(number)


def test_sighup_while_training(poems_file, tmp_path):
  arguments = [f'--corpus={poems_file}', '--recipe=none', '--units=8', '--embedding_size=4', '--batch_size=20',
               '--epochs=100000', '--checkpoint_every=0', '--run_dir=r']
  process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.train', *arguments], cwd=tmp_path, text=True,
                             env={**os.environ, 'PYTHONPATH': str(ROOT)}, encoding='utf-8', stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
  try:
    while not (tmp_path / 'r/metrics.json').exists() and process.poll() is None:
      time.sleep(0.05)
    process.stdout.close()  # as a terminal that is closed
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=120)
  finally:
    process.kill()
  assert process.returncode == 129, process.stderr.read()
  assert (tmp_path / 'r/weights/last.npz').exists() and (tmp_path / 'r/checkpoint.npz').exists()


@pytest.mark.parametrize('name', STATUS)
def test_launch_hands_on_what_ends_it(monkeypatch, tmp_path, name):
  # Workers that train nothing, and end in order when they are told to.
  worker = ('import pathlib, signal, sys, time\n'
            'signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n'
            'pathlib.Path(sys.argv[1]).touch()\n'
            'time.sleep(1000)')
  workers = []

  def start(count, arguments):
    workers.extend(subprocess.Popen([sys.executable, '-c', worker, tmp_path / str(i)]) for i in range(count))
    while len(list(tmp_path.iterdir())) < count:
      time.sleep(0.01)
    send(name)
    return workers

  monkeypatch.setattr(local, 'start', start)
  assert local.run(2, [], stopping=lambda: cli.interruptible('')) == STATUS[name]
  assert [process.returncode for process in workers] == [143, 143]  # and none was started again


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGHUP'])
def test_write_shards_removes_what_is_half_done(tmp_path, poems_file, name):
  # A command whose work never ends, so that it is at it for as long as the test needs it there.
  program = ('import signal, sys, time\n'
             'from tangshi_tf import cli, write_shards\n'
             'from tangshi_tf.corpus import sharding\n'
             'def never(*_):\n'
             '  print("at work", flush=True)\n'
             '  time.sleep(1000)\n'
             'sharding._write_blocks = never\n'
             'cli.run(write_shards.main)\n')
  process = subprocess.Popen([sys.executable, '-c', program, f'--corpus={poems_file}', '--out=shards'], cwd=tmp_path,
                             env={**os.environ, 'PYTHONPATH': str(ROOT)}, stdout=subprocess.PIPE)
  with process:
    assert process.stdout.readline() == b'at work\n'
    assert [path.name.split('.')[0] for path in tmp_path.iterdir()] == ['shards']
    process.send_signal(getattr(signal, name))
  assert process.returncode == STATUS[name] and not list(tmp_path.iterdir())
