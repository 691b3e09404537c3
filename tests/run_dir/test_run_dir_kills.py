"""Kills, full disks and readers while a run directory is written.

A copy of the directory at every step is what a kill at that step would leave.
"""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import run as run_module
from tangshi_tf.run_dir.manifest import Manifest

from ..checks import claim, save, to_version_2
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
      assert 'has no weights last' in str(error)
      found.append(None)
  assert list(dict.fromkeys(found)) == [None, 2]


def test_a_kill_while_a_run_is_replaced_never_mixes_the_two(one, tmp_path, monkeypatch, word2id):
  path, model = one
  others = [*list(word2id)[:6], *reversed(list(word2id)[6:])]
  with snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
    with run_dir.claim(path, overwrite=True) as run:
      run.create(others, {'model': model.hyperparameters, 'training': 'anew'})
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
  path = tmp_path / 'r'
  with run_dir.claim(path) as run:
    run.create(list(word2id), {'flags': 'old'})
  (path / run_dir.VOCABULARY).unlink()
  with run_dir.claim(path, resume=True) as run, snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
    run.create(list(word2id), {'flags': 'new'})
  assert len(copies) > 5
  for copy in copies:
    assert run_dir.RunDir(copy).config()['flags'] in ('old', 'new')
  assert run_dir.RunDir(path).vocabulary() == list(word2id)


def test_a_kill_while_the_first_checkpoint_is_written_leaves_a_run_that_begins_again_or_continues(
    tmp_path, monkeypatch, word2id):
  path = tmp_path / 'r'
  with run_dir.claim(path) as run:
    run.create(list(word2id), {'model': {}})
    with snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
      run.write_arrays(run_dir.CHECKPOINT, {'a': np.zeros(3)})
  found = [(run.has(run_dir.CHECKPOINT), run.is_unsaved()) for run in map(run_dir.RunDir, copies)]
  assert list(dict.fromkeys(found)) == [(False, True), (True, False)]
  (path / run_dir.CHECKPOINT).unlink()
  assert not run_dir.RunDir(path).is_unsaved()  # there was one


@pytest.mark.parametrize('version', [2, 3])
def test_a_kill_while_other_weights_become_the_best_leaves_the_ones_or_the_others(one, tmp_path, monkeypatch, version):
  path, model = one
  if version == 2:  # the best weights so far are a file of their own
    to_version_2(path)
    assert bias_of(path) == 1
  else:
    save(path, model, 1, 'epoch-01')
    with run_dir.claim(path, resume=True) as run:
      run.mark_best('epoch-01')
    assert not (path / 'weights/best.npz').exists()
  model.dense.bias.assign([2.0] * 40)
  with run_dir.claim(path, resume=True) as run, snapshots(path, tmp_path / 'copies', monkeypatch) as copies:
    run.save_weights('epoch-02', model)
    run.mark_best('epoch-02')
  found = [bias_of(copy) for copy in copies]
  assert found == sorted(found) and set(found) == {1, 2} and len(found) >= 12
  assert [bias_of(copy, 'best') for copy in copies] == found
  for i, copy in list(enumerate(copies))[::4]:  # resumed after the kill, and killed again
    with run_dir.claim(copy, resume=True) as run, snapshots(copy, tmp_path / f'again{i}', monkeypatch) as again:
      run.save_weights('epoch-02', model)
      run.mark_best('epoch-02')
    after = [bias_of(killed) for killed in again]
    assert set(after) == {found[i], 2} and after == sorted(after)
    assert all(len(states) == 1 for states in Manifest.read(copy).files.values())
    assert not list(copy.rglob('*.partial')) and not (copy / 'weights/best.npz').exists()
  assert json.loads((path / 'manifest.json').read_text())['format_version'] == 3


@pytest.mark.parametrize('held', [False, True])
@pytest.mark.parametrize('name', ['replace', 'fsync'])
def test_a_write_that_fails_at_any_step_leaves_the_old_or_the_new(one, monkeypatch, name, held):
  path, model = one
  original, bias, failures = getattr(os, name), 1, 0
  with run_dir.claim(path, resume=True) if held else contextlib.nullcontext() as run:
    for failing in range(20):
      steps = itertools.count()

      def step(*args):
        if next(steps) == failing:  # noqa: B023
          raise OSError(28, 'No space left on device')
        return original(*args)

      with monkeypatch.context() as patch:
        patch.setattr(os, name, step)
        try:
          if run is None:
            save(path, model, failing + 2)
          else:  # what it knows of the manifest must stay true
            model.dense.bias.assign([failing + 2.0] * 40)
            run.save_weights('best', model)
          failed = False
        except UserError as error:
          assert 'No space left' in str(error)
          failed, failures = True, failures + 1
      assert bias_of(path) in ((bias, failing + 2) if failed else (failing + 2,))
      bias = bias_of(path)
      assert not list(path.rglob('*.partial'))
    assert failures == 3  # the manifest, the file, the manifest
    if run is not None:
      assert run._manifest == Manifest.read(path)


def test_the_best_stay_the_best_where_others_cannot_be_marked(one, monkeypatch):
  path, model = one
  save(path, model, 2, 'epoch-02')

  def full(*_):
    raise OSError(28, 'No space left on device')

  with run_dir.claim(path, resume=True) as run:
    with monkeypatch.context() as patch, pytest.raises(UserError, match='No space left'):
      patch.setattr(os, 'replace', full)
      run.mark_best('epoch-02')
    assert (run.best, bias_of(path)) == ('best', 1)
    run.write_json('metrics.json', {})
    assert bias_of(path) == 1
    run.mark_best('epoch-02')
  assert bias_of(path) == bias_of(path, 'best') == 2


def test_a_reader_beside_a_training_gets_one_or_the_other(one, monkeypatch):
  path, model = one
  with run_dir.claim(path, resume=True) as run:
    writes, biases = iter(['best', 'epoch-03']), itertools.count(2)

    def write(name):
      model.dense.bias.assign([float(next(biases))] * 40)
      run.save_weights(name, model)
      if name != 'best':
        run.mark_best(name)  # which removes best.npz

    original = run_module.RunDir._load

    def load_late(*args):
      with contextlib.suppress(StopIteration):
        write(next(writes))  # after the manifest was read
      return original(*args)

    monkeypatch.setattr(run_module.RunDir, '_load', load_late)
    assert bias_of(path) == 3
    monkeypatch.setattr(run_module.RunDir, '_load', lambda *args: write('last') or original(*args))
    monkeypatch.setattr(run_module, '_TRIES', 2)
    (path / 'config.json').unlink()
    with pytest.raises(UserError, match='changes all the time'):
      run_dir.load(path)


def test_an_open_run_shows_what_a_training_writes_meanwhile(one, word2id):
  path, model = one
  with run_dir.claim(path, resume=True) as run:
    run.write_json('metrics.json', {'epochs': [1]})
    reader = run_dir.RunDir.open(path)
    assert reader.epochs() == [1]
    run.write_json('metrics.json', {'epochs': [1, 2]})
    assert reader.epochs() == [1, 2]
  others = [*list(word2id)[:6], *reversed(list(word2id)[6:])]
  with run_dir.claim(path, overwrite=True) as run:
    run.create(others, {'model': model.hyperparameters})
    assert reader.vocabulary() == others
    model.dense.bias.assign([5.0] * 40)
    run.save_weights('last', model)
  loaded = reader.load()
  assert list(loaded.word2id) == others and loaded.model.dense.bias[0] == 5


@pytest.mark.skipif(os.name == 'nt', reason='sends POSIX signals')
def test_a_real_kill(tmp_path):
  Manifest(tmp_path).write_file('f', bytes(100_000))
  script = ('import itertools, pathlib, sys\nfrom tangshi_tf.run_dir.manifest import Manifest\n'
            'listed = Manifest.read(pathlib.Path(sys.argv[1]))\nfor i in itertools.count():\n'
            '  listed.write_file("f", bytes([i % 256]) * 100_000)\n  print(flush=True)')
  for i in range(5):
    process = subprocess.Popen([sys.executable, '-c', script, tmp_path], stdout=subprocess.PIPE,
                               env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert process.stdout.readline()
    time.sleep(0.003 * i)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Manifest.read(tmp_path).open('f') as file:
      assert len(set(file.read())) == 1
