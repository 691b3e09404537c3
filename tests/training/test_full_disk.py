"""Training where the disk gets full."""

import collections
import errno
import itertools
import os

import pytest
import tensorflow as tf

from tangshi_tf import recipes, run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings
from tangshi_tf.training import callback, checkpoint
from tangshi_tf.training.tensorboard import TensorBoard

from .test_runs import SMALL, Notes


@pytest.fixture
def settings(poems_file):
  return recipes.settings_of('none', corpus=[str(poems_file)], epochs=2, **{**SMALL, 'checkpoint_every': 0})


@pytest.fixture
def full_at(monkeypatch):
  """Makes the disk full when a file of that name is to be written, or, with None, gives it room."""
  write = run_dir.ClaimedRunDir.write_file

  def full_at(name):
    def full(_):
      raise OSError(errno.ENOSPC, 'No space left on device')

    def write_file(self, file, content):
      with monkeypatch.context() as patched:
        if file == name:
          patched.setattr(os, 'fsync', full)
        write(self, file, content)

    monkeypatch.setattr(run_dir.ClaimedRunDir, 'write_file', write_file)

  return full_at


@pytest.mark.parametrize(('file', 'again'), [
    ('vocabulary.json', 'begin it again'), *itertools.product(
        ['weights/epoch-01.npz', 'metrics.json', 'checkpoint.npz'], ['begin it again', 'resume the run'])])
def test_before_the_first_checkpoint(tmp_path, settings, full_at, file, again):
  full_at(file)
  with pytest.raises(UserError, match=f'{file}: cannot be written .*the disk is full: .* then begin it again'):
    training.run(settings, tmp_path / 'r')
  full_at(None)
  if again == 'resume the run':
    training.resume(tmp_path / 'r', corpus=settings.corpus.corpus)
  else:
    training.run(settings, tmp_path / 'r')
  assert [epoch['epoch'] for epoch in run_dir.RunDir(tmp_path / 'r').epochs()] == [1, 2]


@pytest.mark.parametrize('file', ['weights/epoch-02.npz', 'metrics.json', 'checkpoint.npz'])
def test_after_it(tmp_path, settings, full_at, file):
  training.run(settings, tmp_path / 'whole')
  with pytest.raises(UserError, match=f'{file}: cannot be written .*the disk is full: .* resume the run'):
    training.run(settings, tmp_path / 'r', callbacks=[FullInEpoch2(full_at, file)])
  full_at(None)
  training.resume(tmp_path / 'r', corpus=settings.corpus.corpus)
  weights = [run_dir.RunDir(tmp_path / name).read_arrays('weights/epoch-02.npz') for name in ('whole', 'r')]
  assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


class FullInEpoch2(training.Callback):
  """Makes the disk full when the second epoch begins."""

  def __init__(self, full_at, file):
    self._full_at, self._file = full_at, file

  def on_epoch_begin(self, epoch, steps):
    if epoch == 2:
      self._full_at(self._file)


def test_curves_that_cannot_be_written_end_no_training(tmp_path, settings, monkeypatch):
  def fails(*_, **__):
    raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

  monkeypatch.setattr(tf.summary, 'scalar', fails)
  notes = Notes()
  result = training.run(settings, tmp_path / 'r', callbacks=[notes])
  assert [epoch['epoch'] for epoch in result.history] == [1, 2]
  said = [note for note in notes.notes if 'TensorBoard' in note]
  assert said == [f"{tmp_path / 'r'}: TensorBoard's points cannot be written (No space left on device); training goes "
                  'on without them']


def test_curves_that_cannot_be_flushed(tmp_path, model):
  said = []
  board = TensorBoard(tmp_path, model, None, model.word2id, model.id2word, settings=Settings(),
                      counts=collections.Counter(), say=said.append)

  class Writer:
    def flush(self):
      raise tf.errors.UnknownError(None, None, 'Input/output error')

    def as_default(self, _):
      return tf.summary.record_if(True)

  board._writer = Writer()
  board.on_begin(callback.Position(), 1)
  for _ in range(3):
    assert board.checkpoint()['steps'] == 0
  assert len(said) == 1


def test_curves_that_cannot_be_cut_stay(tmp_path, monkeypatch):
  with tf.summary.create_file_writer(str(tmp_path)).as_default():
    for step in range(4):
      tf.summary.scalar('step/loss', 1.0, step=step)
  events, = tmp_path.iterdir()
  before = events.read_bytes()
  if os.name == 'posix':
    os.mkfifo(tmp_path / 'events.out.tfevents.pipe')  # which is not waited for

  def fails(*_):
    raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

  with monkeypatch.context() as patched:
    patched.setattr(tf.io, 'TFRecordWriter', fails)
    checkpoint.cut_events(tmp_path, 1, 1)
  assert events.read_bytes() == before
  checkpoint.cut_events(tmp_path, 1, 1)
  assert len(events.read_bytes()) < len(before)
