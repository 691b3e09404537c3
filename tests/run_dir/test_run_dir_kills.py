"""Kills, full disks and readers while a run directory is written.

A copy of the directory at every step is what a kill at that step would leave.
"""

import contextlib
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import loading, manifest
from tangshi_tf.run_dir.manifest import Manifest

from ..checks import claim, save
from ..conftest import ROOT


def test_a_failed_write_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
  run_dir.write_bytes(tmp_path / 'f', b'old')

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  with pytest.raises(UserError, match='f: cannot be written .No space left'):
    run_dir.write_bytes(tmp_path / 'f', b'new')
  assert [path.name for path in tmp_path.iterdir()] == ['f']
  assert (tmp_path / 'f').read_bytes() == b'old'


@contextlib.contextmanager
def snapshots(path, folder, monkeypatch):
  """Copies a directory before and after each step that changes it; yields the list of the copies."""
  copies, counter = [], itertools.count()

  def copy():
    copies.append(folder / str(next(counter)))
    shutil.copytree(path, copies[-1])

  def watched(function):
    def step(*args, **kwargs):
      copy()
      result = function(*args, **kwargs)
      copy()
      return result
    return step

  with monkeypatch.context() as patch:
    for owner, name in ((os, 'replace'), (os, 'fsync'), (pathlib.Path, 'unlink'), (pathlib.Path, 'mkdir')):
      patch.setattr(owner, name, watched(getattr(owner, name)))
    yield copies


def bias_of(path, weights=None):
  return int(run_dir.load(path, weights).model.dense.bias[0])


def test_a_kill_while_weights_are_replaced_leaves_the_old_or_the_new(one, tmp_path, monkeypatch):
  path, model = one
  with snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
    save(path, model, 2)
  found = [bias_of(copy) for copy in copies]
  assert found == sorted(found) and set(found) == {1, 2} and len(found) >= 12
  # A run that goes on after the kill, and is killed again.
  for i, copy in list(enumerate(copies))[::4]:
    with snapshots(copy, tmp_path / f'again{i}', monkeypatch) as again:
      save(copy, model, 3)
    after = [bias_of(killed) for killed in again]
    assert set(after) == {found[i], 3} and after == sorted(after)
    assert [len(states) for states in Manifest.read(copy).files.values()] == [1, 1, 1]
    assert not list(copy.rglob('*.partial'))


def test_a_kill_while_weights_are_first_written(one, tmp_path, monkeypatch):
  path, model = one
  (path / 'weights/last.npz').write_text('not listed')
  with snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
    save(path, model, 2, 'last')
  found = []
  for copy in copies:
    assert bias_of(copy) == 1
    try:
      found.append(bias_of(copy, 'last'))
    except UserError as error:
      assert 'last.npz: is not in manifest.json' in str(error)
      found.append(None)
  assert list(dict.fromkeys(found)) == [None, 2]


def test_a_kill_while_a_run_is_replaced_never_mixes_the_two(one, tmp_path, monkeypatch, word2id):
  path, model = one
  others = [*list(word2id)[:6], *reversed(list(word2id)[6:])]
  with snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
    run_dir.create(path, others, {'model': model.hyperparameters, 'training': 'anew'})
    save(path, model, 2)
  found = []
  for copy in copies:
    try:
      run = run_dir.load(copy)
    except UserError as error:
      assert 'has not got that far' in str(error)
      found.append('begun')
    else:
      assert list(run.word2id) == (others if 'training' in run.config else list(word2id))
      found.append((len(run.config), int(run.model.dense.bias[0])))
  assert list(dict.fromkeys(found)) == [(1, 1), 'begun', (2, 2)]
  for copy in copies:
    claim(copy, overwrite=True)


def test_a_kill_while_a_run_is_begun_again_leaves_what_it_was_begun_with(tmp_path, monkeypatch, word2id):
  with run_dir.claim(tmp_path / 'r') as path:
    run_dir.create(path, list(word2id), {'flags': 'old'})
    (path / run_dir.VOCABULARY).unlink()
    with snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
      run_dir.create(path, list(word2id), {'flags': 'new'}, again=True)
  assert len(copies) > 5
  for copy in copies:
    assert run_dir.read_json(copy, run_dir.CONFIG)['flags'] in ('old', 'new')
  assert run_dir.read_json(path, run_dir.VOCABULARY, list) == list(word2id)


@pytest.mark.parametrize('name', ['replace', 'fsync'])
def test_a_write_that_fails_at_any_step_leaves_the_old_or_the_new(one, monkeypatch, name):
  path, model = one
  original, bias, failures = getattr(os, name), 1, 0
  for failing in range(20):
    steps = itertools.count()

    def step(*args):
      if next(steps) == failing:  # noqa: B023
        raise OSError(28, 'No space left on device')
      return original(*args)

    with monkeypatch.context() as patch:
      patch.setattr(os, name, step)
      try:
        save(path, model, failing + 2)
        failed = False
      except UserError as error:
        assert 'No space left' in str(error)
        failed, failures = True, failures + 1
    assert bias_of(path) in ((bias, failing + 2) if failed else (failing + 2,))
    bias = bias_of(path)
    assert not list(path.rglob('*.partial'))
  assert failures == 3  # the manifest, the file, the manifest


def test_a_reader_beside_a_training_gets_one_or_the_other(one, monkeypatch):
  path, model = one
  original, writes = loading._load, iter([2, 3])

  def load_late(*args):
    with contextlib.suppress(StopIteration):
      save(path, model, next(writes))  # after the manifest was read
    return original(*args)

  monkeypatch.setattr(loading, '_load', load_late)
  assert bias_of(path) == 3
  biases = itertools.count(4)
  monkeypatch.setattr(loading, '_load', lambda *args: save(path, model, next(biases)) or original(*args))
  monkeypatch.setattr(loading, '_TRIES', 2)
  (path / 'config.json').unlink()
  with pytest.raises(UserError, match='changes all the time'):
    run_dir.load(path)


@pytest.mark.skipif(os.name == 'nt', reason='sends POSIX signals')
def test_a_real_kill(tmp_path):
  manifest.begin(tmp_path)
  manifest.write_file(tmp_path, 'f', bytes(100_000))
  script = ('import itertools, pathlib, sys\nfrom tangshi_tf import manifest\nfor i in itertools.count():\n'
            '  manifest.write_file(pathlib.Path(sys.argv[1]), "f", bytes([i % 256]) * 100_000)\n  print(flush=True)')
  for i in range(5):
    process = subprocess.Popen([sys.executable, '-c', script, tmp_path], stdout=subprocess.PIPE,
                               env={**os.environ, 'PYTHONPATH': str(ROOT)})
    process.stdout.readline()
    time.sleep(0.003 * i)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Manifest.read(tmp_path).open('f') as file:
      assert len(set(file.read())) == 1
