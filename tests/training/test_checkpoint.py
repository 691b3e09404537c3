import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from tangshi_tf import corpus, data, run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.model import myRNNModel
from tangshi_tf.training import callback, checkpoint, fitting, schedules
from tangshi_tf.training.averages import average_of

from ..checks import assert_one_line
from ..conftest import QUICK, ROOT


@pytest.fixture
def run_files(tmp_path):
  """A claimed directory for a run's files."""
  with run_dir.claim(tmp_path / 'files') as claimed:
    yield claimed


@pytest.fixture
def path(run_files):
  """A directory for a run's files, that of the fixture `run_files`."""
  return run_files.path


@pytest.fixture(scope='module')
def packed(poems_file):
  poems = corpus.keep_short(corpus.read_poems(poems_file))[:120]
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(poems))
  return word2id, data.pack(*corpus.encode_all(poems, word2id))


class Run:
  """A small run with everything that a checkpoint must keep, made again from the same seed."""

  def __init__(self, packed, *, bptt: bool, **options):
    word2id, poems = packed
    keras.utils.set_random_seed(5)
    self.model = myRNNModel(word2id, cell='lstm', units=8, embedding_size=6, output_dropout=0.2, **options)
    self.optimizer = training.make_optimizer(0.01)
    starts = {} if bptt else {'bos_dropout': 0.4, 'random_states': 0.4}
    self.options = training.StepOptions(average=0.9, carry_state=bptt, clip_norm=1.0, unlikelihood=0.5, **starts)
    self.average = average_of(self.model, 0.9)
    make, batching = ((data.windows, {'batch_size': 4, 'window': 40}) if bptt else (data.batches, {'batch_size': 10}))
    self.steps = data.count_windows(poems, **batching) if bptt else data.count_batches(poems, **batching)
    self._batches = lambda epoch, skip: make(poems, seed=epoch, skip=skip, **batching)
    self._validation = data.batches(poems, batch_size=50, shuffle=False).take(1)

  def fit(self, **more):
    schedule = schedules.LearningRate(0.01, schedule='plateau', steps_per_epoch=self.steps, epochs=3, decay=0.5)
    return fitting.fit(self.model, self.optimizer, epochs=3, epoch_batches=self._batches, steps_per_epoch=self.steps,
                       validation=self._validation, schedule=schedule, options=self.options, **more)

  def save(self, files):
    return lambda position: checkpoint.write(files, self.model, self.optimizer, self.average, position)

  def restore(self, files):
    return checkpoint.restore(files, self.model, self.optimizer, self.average)

  def values(self):
    return [variable.numpy() for variable in checkpoint._variables(self.model, self.optimizer, self.average).values()]


def without_times(history):
  return [{name: value for name, value in metrics.items() if name not in ('seconds', 'tokens_per_second')}
          for metrics in history]


@pytest.mark.parametrize(('bptt', 'stop'), [(False, 0), (True, 0), (False, 1)])
def test_a_resumed_run_ends_as_if_it_had_never_stopped(packed, run_files, bptt, stop):
  whole = Run(packed, bptt=bptt)
  expected = whole.fit()

  first = Run(packed, bptt=bptt)
  asked = iter(range(10**6))
  last = first.steps + 1 + [3, first.steps - 1][stop]  # in the second epoch, or with the last step of it
  first.fit(should_stop=lambda: next(asked) >= last, save=first.save(run_files), save_every=4)
  again = Run(packed, bptt=bptt)
  position = again.restore(run_files)
  assert (position.epoch, position.batches) == [(2, 4), (3, 0)][stop]
  assert len(position.state) == 2 * (bptt and not stop)
  resumed = again.fit(position=position)
  assert without_times(resumed) == without_times(expected)
  for a, b in zip(whole.values(), again.values()):
    np.testing.assert_array_equal(a, b)


def test_a_run_killed_between_two_checkpoints_loses_no_more_than_the_steps_between(packed, run_files):
  run = Run(packed, bptt=False)

  class KilledError(Exception):
    pass

  class Kill(training.Callback):
    def on_step(self, step, result):
      if step == 7:
        raise KilledError

  with pytest.raises(KilledError):
    run.fit(callbacks=[Kill()], save=run.save(run_files), save_every=4)
  assert Run(packed, bptt=False).restore(run_files).batches == 4


def test_events_are_cut_again_after_a_kill_in_the_cutting(path):
  events = path / 'events.out.tfevents.1.here'
  with tf.io.TFRecordWriter(str(events)) as writer:
    for step in range(4):
      event = event_pb2.Event(step=step)
      event.summary.value.add(tag='step/loss')
      writer.write(event.SerializeToString())
  for name in ('0.here', '1.here', '2.here'):
    shutil.copy(events, path / f'events.out.tfevents.{name}.partial')
  checkpoint.cut_events(path, 2, 0)
  assert list(path.glob('events*')) == [events]
  records = tf.data.TFRecordDataset(str(events)).as_numpy_iterator()
  assert [event_pb2.Event.FromString(record).step for record in records] == [0, 1, 2]


def test_weights_that_are_not_finite_replace_no_checkpoint(packed, run_files, path):
  run = Run(packed, bptt=False)
  run.save(run_files)(callback.Position())
  before = (path / run_dir.CHECKPOINT).read_bytes()
  run.model.dense.bias.assign(np.full(run.model.dense.bias.shape, np.nan))
  run.save(run_files)(callback.Position(batches=5))
  assert (path / run_dir.CHECKPOINT).read_bytes() == before


def test_a_checkpoint_of_another_model_or_optimizer_is_refused(packed, run_files):
  run = Run(packed, bptt=False)
  run.save(run_files)(callback.Position())
  other = myRNNModel(packed[0], cell='lstm', units=9, embedding_size=6)
  with pytest.raises(UserError, match='checkpoint.npz: cannot be resumed'):
    checkpoint.restore(run_files, other, run.optimizer, run.average)
  with pytest.raises(UserError, match='expected a checkpoint of this very run'):
    checkpoint.restore(run_files, run.model, training.make_optimizer(name='sgd'), run.average)
  with pytest.raises(UserError, match='checkpoint.npz: cannot be resumed'):
    checkpoint.restore(run_files, run.model, run.optimizer, None)


def test_a_full_disk_leaves_the_checkpoint_before(packed, run_files, path, monkeypatch):
  run = Run(packed, bptt=False)
  run.save(run_files)(callback.Position(batches=1))

  def full(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  with monkeypatch.context() as patched:
    patched.setattr(os, 'fsync', full)
    with pytest.raises(UserError, match='checkpoint.npz: cannot be written .No space left'):
      run.save(run_files)(callback.Position(batches=2))
  assert Run(packed, bptt=False).restore(run_files).batches == 1
  assert [file.name for file in path.iterdir() if file.name.endswith('.partial')] == []


SMALL = [*QUICK, '--recipe=none', '--units=8', '--embedding_size=4', '--batch_size=20', '--cell=gru', '--run_dir=r']


def test_sigterm_writes_a_checkpoint_and_resume_goes_on(command, poems_file, tmp_path):
  # More epochs than a fast machine trains while the second process starts.
  arguments = ['-m', 'tangshi_tf.train', *SMALL, f'--corpus={poems_file}', '--epochs=100000', '--checkpoint_every=0']
  process = subprocess.Popen([sys.executable, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.PIPE, env={**os.environ, 'PYTHONPATH': str(ROOT)}, encoding='utf-8')
  try:
    while not (tmp_path / 'r/metrics.json').exists() and process.poll() is None:
      time.sleep(0.05)
    busy = command('tangshi_tf.train', *SMALL, '--resume', f'--corpus={poems_file}')
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
  finally:
    process.kill()
  assert_one_line(busy, f'process {process.pid} is training into it')
  assert process.returncode == 143 and 'Stopping after this step' in err
  assert 'To continue: python -m tangshi_tf.train --resume --run_dir=r\n' in out
  assert (tmp_path / 'r/weights/last.npz').exists()
  done = len(run_dir.RunDir(tmp_path / 'r').epochs())

  resume = ['tangshi_tf.train', '--resume', '--run_dir=r']
  assert_one_line(command(*resume, '--units=9'), '--units=9: the run in r has 8')
  assert_one_line(command(*resume, '--recipe=gru'), 'the run in r has')
  assert_one_line(command(*resume, '--bos_dropout=0.5'), '--bos_dropout=0.5: the run in r has 0.0')
  assert_one_line(command(*resume, '--overwrite'), 'both --resume and --overwrite')
  more = command(*resume, f'--epochs={done + 2}')
  assert more.returncode == 0, more.stderr
  assert 'Resumed at step' in more.stdout and 'Model: gru' in more.stdout
  epochs = run_dir.RunDir(tmp_path / 'r').epochs()
  assert [epoch['epoch'] for epoch in epochs] == list(range(1, done + 3))
  assert run_dir.RunDir(tmp_path / 'r').config()['training']['flags']['epochs'] == done + 2


def test_nothing_to_resume(command, tmp_path):
  assert_one_line(command('tangshi_tf.train', '--resume', '--run_dir=r'), 'r: holds no run to resume')
  assert not (tmp_path / 'r').exists()


@pytest.mark.parametrize('mode', ['bptt', pytest.param('shards', marks=pytest.mark.long)])
def test_the_crash_test(script, mode):
  done = script('faults/crash_test.py', f'--modes={mode}', '--kills=2', '--poems=150', '--seed=1')
  assert done.returncode == 0, done.stdout + done.stderr
  assert f'| {mode} | 2 |' in done.stdout and 'never been killed' in done.stdout
