"""Disks without room: what is said, what stays, and how a run goes on."""

import errno
import os

import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError

from ..checks import claim


@pytest.fixture
def disk(monkeypatch):
  """Makes each write from the one of that number on fail with an error, or with None none."""

  def fails(error, after=0):
    count = 0

    def fsync(number):
      nonlocal count
      count += 1
      if error is not None and count > after:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, 'fsync', fsync)

  return fails


@pytest.mark.parametrize(('error', 'message'), [
    (errno.ENOSPC, r'\(No space left on device\); the disk is full: make room, then '),
    (errno.EDQUOT, r'\(Disk quota exceeded\); the quota is used up: make room, then '),
])
def test_a_full_disk_says_how_to_go_on(tmp_path, disk, error, message):
  for after in range(4):
    disk(error, after)
    with pytest.raises(UserError, match=rf'run.\w+.json: cannot be written {message}begin it again$'):
      claim(tmp_path / 'run')
  disk(None)
  claim(tmp_path / 'run')
  with run_dir.claim(tmp_path / 'run', resume=True) as run:
    run.write_file(run_dir.CHECKPOINT, b'1')
  disk(error)
  with pytest.raises(UserError, match=f'metrics.json: cannot be written {message}resume the run$'):
    with run_dir.claim(tmp_path / 'run', resume=True) as run:
      run.write_json(run_dir.METRICS, {})
  assert run_dir.RunDir(tmp_path / 'run').has(run_dir.CHECKPOINT)
  assert not list((tmp_path / 'run').glob('*.partial'))


def test_a_disk_that_is_for_reading_only(tmp_path, disk):
  disk(errno.EROFS)
  with pytest.raises(UserError, match=r'cannot be written \(Read-only file system\); expected a writable directory'):
    claim(tmp_path / 'run')


def test_no_room_for_the_lock(tmp_path, monkeypatch):
  def full(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(os, 'getpid', lambda: full(0))  # what the lock says is written with it
  with pytest.raises(UserError, match='.lock: cannot be written .No space left on device.; the disk is full'):
    claim(tmp_path / 'run')


def test_a_run_without_a_checkpoint_begins_again(tmp_path):
  for weights in ([], ['epoch-01']):
    with run_dir.claim(tmp_path / 'run') as run:
      run.create(['PAD', 'UNK', 'bos', 'eos'], {'model': {}})
      for name in weights:
        run.write_file(f'weights/{name}.npz', b'1')
    assert run_dir.RunDir(tmp_path / 'run').is_unsaved()
  claim(tmp_path / 'run')
  assert not run_dir.RunDir(tmp_path / 'run').weights()


@pytest.mark.parametrize('file', ['checkpoint.npz', 'weights/epoch-02.npz', 'weights/last.npz', 'weights/best.npz'])
def test_what_can_be_lost_is_a_run(tmp_path, file):
  claim(tmp_path / 'run')
  with run_dir.claim(tmp_path / 'run', resume=True) as run:
    run.write_file('weights/epoch-01.npz', b'1')
    run.write_file(file, b'1')
  if file == 'checkpoint.npz':
    (tmp_path / 'run' / file).unlink()  # by somebody who keeps only the weights
  assert not run_dir.RunDir(tmp_path / 'run').is_unsaved()
  with pytest.raises(UserError, match='holds a run already'):
    claim(tmp_path / 'run')
  assert (tmp_path / 'run/weights/epoch-01.npz').exists()


def test_a_damaged_manifest_hides_a_run(tmp_path):
  claim(tmp_path / 'run')
  (tmp_path / 'run/manifest.json').write_bytes(b'')
  with pytest.raises(UserError, match='holds a run already'):
    claim(tmp_path / 'run')


@pytest.mark.skipif(os.name == 'nt', reason='makes a pipe')
def test_a_pipe_in_the_place_of_a_file_that_is_written(tmp_path):
  (tmp_path / 'run').mkdir()
  for name in ('config.json', 'manifest.json'):
    os.mkfifo(tmp_path / 'run' / f'{name}.partial')
  claim(tmp_path / 'run')
  assert run_dir.RunDir(tmp_path / 'run').config() == {'model': {}}
