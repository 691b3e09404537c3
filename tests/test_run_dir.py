import contextlib
import io
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from tangshi_tf import manifest, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.manifest import Manifest
from tangshi_tf.model import myRNNModel

from .conftest import ROOT


@pytest.fixture(params=['rnn', 'lstm', 'gru', 'gru-before'])
def saved(request, tmp_path, word2id):
  cell, _, before = request.param.partition('-')
  model = myRNNModel(word2id, cell=cell, embedding_size=4, units=6, reset_after=not before)
  with run_dir.claim(tmp_path / 'runs' / 'a') as path:
    run_dir.create(path, list(word2id), {'model': model.hyperparameters})
  run_dir.save_weights(path, run_dir.BEST, model)
  return path, model


def save(path, model, bias, name='best'):
  model.dense.bias.assign(np.full(40, bias))
  run_dir.save_weights(path, name, model)


@pytest.fixture
def one(tmp_path, word2id):
  """A run whose best weights have biases of 1, and its model."""
  model = myRNNModel(word2id, embedding_size=4, units=6)
  with run_dir.claim(tmp_path / 'one') as path:
    run_dir.create(path, list(word2id), {'model': model.hyperparameters})
  save(path, model, 1)
  return path, model


def test_round_trip(saved, word2id):
  path, model = saved
  run = run_dir.load(path)
  assert run.word2id == word2id and run.id2word[5] == '。'
  x = np.arange(40)[None]
  np.testing.assert_array_equal(run.model(x), model(x))


def test_half_precision_weights_load_as_float32(saved):
  path, model = saved
  run_dir.save_weights(path, 'best', model, np.float16)
  loaded = run_dir.load(path).model
  assert loaded.dense.kernel.numpy().dtype == np.float32
  np.testing.assert_allclose(loaded.dense.kernel, model.dense.kernel, rtol=1e-3, atol=1e-6)


def claim(path, **kwargs):
  with run_dir.claim(path, **kwargs) as claimed:
    run_dir.create(claimed, ['PAD', 'UNK', 'bos', 'eos'], {'model': {}})


def test_a_run_is_replaced_only_when_told(saved):
  path, _ = saved
  (path / 'notes.txt').write_text('keep')
  with pytest.raises(UserError, match='--overwrite'):
    claim(path)
  with run_dir.claim(path, overwrite=True):
    assert run_dir.load(path)  # claiming touches nothing
  claim(path, overwrite=True)
  assert not list(path.glob('weights/*'))
  assert (path / 'notes.txt').read_text() == 'keep'


def test_what_is_no_run_is_never_touched(tmp_path):
  (tmp_path / 'mine' / 'weights').mkdir(parents=True)
  (tmp_path / 'mine' / 'config.json').write_text('{"model_type": "bert"}')
  (tmp_path / 'third' / 'weights').mkdir(parents=True)
  (tmp_path / 'third' / 'weights' / 'mine.npz').write_text('keep')
  (tmp_path / 'app').mkdir()
  (tmp_path / 'app' / 'manifest.json').write_text('{"name": "app", "icons": []}')
  (tmp_path / 'other').mkdir()
  (tmp_path / 'other' / 'notes.txt').write_text('keep')
  for name in ('mine', 'other', 'third', 'app', 'x' * 300):
    with pytest.raises(UserError, match='no run|name too long'):
      claim(tmp_path / name, overwrite=True)
  with pytest.raises(UserError, match='is a file'):
    claim(tmp_path / 'other' / 'notes.txt')
  with pytest.raises(UserError, match='cannot be written'):
    claim(tmp_path / 'other' / 'notes.txt' / 'below')
  assert [path.name for path in (tmp_path / 'other').iterdir()] == ['notes.txt']


def test_a_directory_is_held_by_one_run_at_a_time(tmp_path):
  with run_dir.claim(tmp_path / 'a'):
    with pytest.raises(UserError, match=f'process {os.getpid()} is training into it'):
      claim(tmp_path / 'a', overwrite=True)
  assert not (tmp_path / 'a').exists()  # nothing was written, so nothing is left
  claim(tmp_path / 'a')
  with pytest.raises(RuntimeError), run_dir.claim(tmp_path / 'b'):
    raise RuntimeError
  assert not (tmp_path / 'b').exists()


def test_a_killed_start_can_be_repeated(tmp_path):
  (tmp_path / 'a' / 'weights').mkdir(parents=True)
  (tmp_path / 'a' / '.lock').write_text('123')
  (tmp_path / 'a' / 'config.json.partial').write_text('{')
  claim(tmp_path / 'a')
  (tmp_path / 'a' / 'config.json').write_text('{"format_ver')
  claim(tmp_path / 'a', overwrite=True)


@pytest.mark.parametrize('damage', [
    lambda p: truncate(p / 'manifest.json'), lambda p: (p / 'manifest.json').unlink(),
    lambda p: truncate(p / 'config.json'), lambda p: (p / 'config.json').unlink(), lambda p: to_version_1(p)])
def test_a_damaged_or_old_run_is_replaced_only_when_told(one, damage):
  path, _ = one
  damage(path)
  with pytest.raises(UserError, match='--overwrite'):
    claim(path)
  assert (path / 'weights/best.npz').exists()
  claim(path, overwrite=True)
  with pytest.raises(UserError, match='has not got that far'):
    run_dir.load(path)


def test_a_failed_write_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
  run_dir.write_bytes(tmp_path / 'f', b'old')

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  with pytest.raises(UserError, match='f: cannot be written .No space left'):
    run_dir.write_bytes(tmp_path / 'f', b'new')
  assert [path.name for path in tmp_path.iterdir()] == ['f']
  assert (tmp_path / 'f').read_bytes() == b'old'


def test_newest(tmp_path, word2id):
  assert run_dir.newest(tmp_path / 'runs') is None
  for i, name in enumerate(['b', 'a', 'c']):
    claim(tmp_path / 'runs' / name)
    if name != 'c':  # has no weights yet
      run_dir.save_weights(tmp_path / 'runs' / name, run_dir.LAST, myRNNModel(word2id, units=2))
      os.utime(tmp_path / 'runs' / name / 'weights' / 'last.npz', (i, i))
  (tmp_path / 'runs' / 'c' / 'weights' / 'best.npz').symlink_to('best.npz')
  os.utime(tmp_path / 'runs' / 'c' / 'weights' / 'best.npz', (0, 0), follow_symlinks=False)
  assert run_dir.newest(tmp_path / 'runs').name == 'a'


def seal(path):
  """Makes the manifest fit the files as they are."""
  files = Manifest.read(path).files
  Manifest(path, {name: [manifest.measure(path / name)] for name in files if (path / name).is_file()}).write()


def to_version_1(path):
  (path / 'manifest.json').unlink()
  edit_config(path, format_version=1)


def edit_config(path, **changes):
  config = json.loads((path / 'config.json').read_text())
  config.update(changes)
  (path / 'config.json').write_text(json.dumps(config))


def encrypted_flag(path):
  data = bytearray(path.read_bytes())
  data[data.rindex(b'PK\x01\x02') + 8] |= 1
  path.write_bytes(bytes(data))


def huge_header(path):
  header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 9999), }"
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('embedding.npy', b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header)


def npy(array):
  data = io.BytesIO()
  np.save(data, array)
  return data.getvalue()


def add_member(path, name, data):
  with zipfile.ZipFile(path, 'a') as archive:
    archive.writestr(name, data)


def replace_array(path, key, array):
  np.savez(path, **{**np.load(path), key: array})


def packed(path):
  np.savez_compressed(path / 'weights/best.npz', **{**np.load(path / 'weights/best.npz'), 'more': np.zeros(10**6)})


def bare_array(path):
  np.save(path.with_suffix('.npy'), np.zeros(3))
  path.with_suffix('.npy').replace(path)


def truncate(path):
  path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 0x10
  path.write_bytes(bytes(data))


def pickled(path):
  np.savez(path / 'weights/best.npz', embedding=np.array([{'a': 1}], dtype=object))


DAMAGE = {
    'no config': lambda p: (p / 'config.json').unlink(),
    'config cut': lambda p: truncate(p / 'config.json'),
    'config a list': lambda p: (p / 'config.json').write_text('[]'),
    'config without model': lambda p: edit_config(p, model=None),
    'huge units': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 10**9}),
    'unknown cell': lambda p: edit_config(p, model={'cell': 'x', 'embedding_size': 4, 'units': 6}),
    'unknown option': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'x': 1}),
    'units a text': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': '6'}),
    'layers a bool': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'layers': True}),
    'huge number': lambda p: edit_config(
        p, model={'cell': 'lstm', 'embedding_size': 4, 'units': int('9' * 4300)}),
    'many layers': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'layers': 10**9}),
    'wide projection': lambda p: edit_config(
        p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'projection': 10**9}),
    'rate of 2': lambda p: edit_config(
        p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'input_dropout': 2}),
    'rate NaN': lambda p: edit_config(
        p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'input_dropout': float('nan')}),
    'range beyond float32': lambda p: edit_config(
        p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'embedding_range': 1e39}),
    'range beyond floats': lambda p: edit_config(
        p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'embedding_range': 10**400}),
    'no vocabulary': lambda p: (p / 'vocabulary.json').unlink(),
    'vocabulary empty': lambda p: (p / 'vocabulary.json').write_text(''),
    'vocabulary not UTF-8': lambda p: (p / 'vocabulary.json').write_bytes(b'["\xff"]'),
    'vocabulary of numbers': lambda p: (p / 'vocabulary.json').write_text('[1, 2]'),
    'vocabulary of words': lambda p: (p / 'vocabulary.json').write_text(
        json.dumps(['PAD', 'UNK', 'bos', 'eos', *(f'{i}\n' for i in range(36))])),
    'vocabulary shorter': lambda p: (p / 'vocabulary.json').write_text('["PAD", "UNK", "bos", "eos"]'),
    'no weights': lambda p: (p / 'weights/best.npz').unlink(),
    'weights cut': lambda p: truncate(p / 'weights/best.npz'),
    'weights empty': lambda p: (p / 'weights/best.npz').write_bytes(b''),
    'weights a text': lambda p: (p / 'weights/best.npz').write_text('hello'),
    'weights flipped': lambda p: flip(p / 'weights/best.npz'),
    'weights pickled': pickled,
    'weights encrypted': lambda p: encrypted_flag(p / 'weights/best.npz'),
    'weights huge': lambda p: huge_header(p / 'weights/best.npz'),
    'weights a bomb': packed,
    'weights no array': lambda p: add_member(p / 'weights/best.npz', 'dense_bias2.npy', b'hello'),
    'weights with a name of two lines': lambda p: add_member(p / 'weights/best.npz', 'a\nb.npy', npy(np.zeros(3))),
    'weights beyond float32': lambda p: replace_array(p / 'weights/best.npz', 'dense_bias', np.full(40, 1e300)),
    'weights a bare array': lambda p: bare_array(p / 'weights/best.npz'),
    'no directory': shutil.rmtree,
}


@pytest.mark.parametrize('options', [
    {'cell': 'lstm', 'layers': 3, 'layer_norm': True, 'input_dropout': 0.25}, {'tied': True, 'units': 6},
    {'cell': 'gru', 'projection': 3, 'reset_after': False, 'locked_dropout': False}], ids=str)
def test_a_model_with_options_comes_back(tmp_path, word2id, options):
  model = myRNNModel(word2id, **{'units': 5, 'embedding_size': 4, **options})
  with run_dir.claim(tmp_path / 'run') as path:
    run_dir.create(path, list(word2id), {'model': model.hyperparameters})
    run_dir.save_weights(path, run_dir.BEST, model)
  loaded = run_dir.load(tmp_path / 'run').model
  assert loaded.hyperparameters == model.hyperparameters
  assert len(np.load(tmp_path / 'run/weights/best.npz').files) == len(model.trainable_variables)
  ids = np.arange(12).reshape(2, 6)
  np.testing.assert_array_equal(loaded(ids), model(ids))


@pytest.mark.parametrize('sealed', [False, True])
@pytest.mark.parametrize('kind', DAMAGE)
def test_damage_is_one_line(saved, kind, sealed):
  path, _ = saved
  DAMAGE[kind](path)
  if sealed and path.exists():
    seal(path)
  with pytest.raises(UserError) as caught:
    run_dir.load(path)
  assert '\n' not in str(caught.value) and len(str(caught.value)) < 1000
  assert str(path) in str(caught.value)


@pytest.mark.parametrize('name', ['manifest.json', 'config.json', 'vocabulary.json', 'weights/best.npz'])
def test_every_bit_counts(one, name):
  path, _ = one
  data = (path / name).read_bytes()
  for bit in range(0, 8 * len(data), 97):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    (path / name).write_bytes(damaged)
    with pytest.raises(UserError, match=f'{name}: is damaged: its (own )?SHA-256'):
      run_dir.load(path)


@pytest.mark.parametrize('name', ['manifest.json', 'config.json', 'vocabulary.json', 'weights/best.npz'])
def test_what_is_no_file(one, name):
  file = one[0] / name

  def found(message):
    with pytest.raises(UserError, match=f'{name}: {message}'):
      run_dir.load(one[0])
    file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()

  file.unlink()
  file.mkdir()
  found('is a directory')
  for target, message in ((file.name, 'cannot be read'), ('nowhere', 'is missing'), (os.devnull, 'is no plain file'),
                          (str(one[0]), 'is a directory')):
    file.symlink_to(target)
    found(message)
  if hasattr(os, 'mkfifo'):
    os.mkfifo(file)
    found('is a pipe')


def test_links_to_files_are_followed(one, tmp_path):
  path, model = one
  for name in ('manifest.json', 'config.json', 'vocabulary.json', 'weights/best.npz'):
    kept = tmp_path / name.replace('/', '-')
    (path / name).rename(kept)
    (path / name).symlink_to(kept)
  np.testing.assert_array_equal(run_dir.load(path).model.dense.bias, model.dense.bias)


@pytest.mark.parametrize('name', ['x' * 5000, 'a\nb', 'a\0b', ''])
def test_impossible_names(name):
  with pytest.raises(UserError) as caught:
    run_dir.load(name)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('weights', ['epoch-07', '../best', ''])
def test_weights_by_name(saved, weights):
  run_dir.save_weights(saved[0], 'epoch-01', saved[1])
  assert run_dir.load(saved[0], 'epoch-01')
  with pytest.raises(UserError, match='expected'):
    run_dir.load(saved[0], weights)


def test_a_path_that_is_not_utf_8_stays_what_it_was(tmp_path):
  config = {'training': {'command': '--run_dir=\udcff🙂'}, 'format_version': 1}
  run_dir.write_json(tmp_path / 'config.json', config)
  assert json.loads((tmp_path / 'config.json').read_text(encoding='utf-8')) == config


def test_weights_that_are_not_finite(saved):
  path, model = saved
  model.dense.bias.assign(np.full(40, np.nan))
  run_dir.save_weights(path, 'best', model)
  with pytest.raises(UserError, match='dense_bias has values that are not finite'):
    run_dir.load(path)


def test_the_manifest_alone_says_which_weights_there_are(one):
  path, model = one
  model.dense.bias.assign(np.full(40, 7))
  run_dir.save_weights(path, 'last', model)
  assert run_dir.load(path).model.dense.bias[0] == 1
  (path / 'weights/best.npz').rename(path / 'weights/epoch-09.npz')
  with pytest.raises(UserError, match=r'best\.npz: is missing'):
    run_dir.load(path)
  with pytest.raises(UserError, match=r"epoch-09\.npz: is not in manifest\.json; expected one of .*last\.npz"):
    run_dir.load(path, 'epoch-09')
  assert run_dir.load(path, 'last').model.dense.bias[0] == 7


def write_manifest(path, **changes):
  """Writes a manifest of other content whose own SHA-256 fits."""
  value = {key: value for key, value in json.loads((path / 'manifest.json').read_text()).items() if key != 'sha256'}
  head = json.dumps({**value, **changes}).removesuffix('}').encode() + b', '
  (path / 'manifest.json').write_bytes(manifest._sealed(head))


@pytest.mark.parametrize(('changes', 'message'), [
    ({'format_version': 3, 'tangshi_tf': '9.8'}, "format version '3', made by tangshi_tf '9.8'; .* a newer tangshi_tf"),
    ({'format_version': 10**4000, 'tangshi_tf': '\n' * 10**5}, 'a newer tangshi_tf'),
    ({'format_version': '2'}, 'is no manifest'), ({'format_version': 1}, 'is no manifest'),
    ({'files': None}, 'is no manifest'), ({'files': {'config.json': []}}, 'is no manifest'),
    ({'files': {'config.json': [{'size': 1}]}}, 'is no manifest'),
    ({'files': {'config.json': [{'size': True, 'sha256': ''}]}}, 'is no manifest'),
    ({'files': {}}, 'has not got that far'), ({'files': {'x' * 2**22: []}}, 'bytes; expected at most'),
])
def test_a_manifest_of_other_content(one, changes, message):
  write_manifest(one[0], **changes)
  with pytest.raises(UserError, match=message) as caught:
    run_dir.load(one[0])
  assert len(str(caught.value)) < 500 and '\n' not in str(caught.value)


def test_large_files_are_refused_before_they_are_read(one, monkeypatch):
  path, _ = one
  os.truncate(path / 'config.json', 2**40)  # sparse
  with pytest.raises(UserError, match=r'config.json: is damaged: it holds 1,099,511,627,776 bytes; expected \d'):
    run_dir.load(path)
  files = Manifest.read(path).files
  Manifest(path, {**files, 'config.json': [manifest.State(2**40, '')]}).write()
  with pytest.raises(UserError, match='config.json: holds .* bytes; expected at most 4,194,304'):
    run_dir.load(path)
  with pytest.raises(UserError, match='would list 50,000 files'):
    Manifest(path, {f'weights/epoch-{i}.npz': [manifest.State(1, '0' * 64)] for i in range(50_000)}).write()
  assert Manifest.read(path)


@pytest.mark.parametrize(('words', 'message'), [
    (['PAD'], 'is no vocabulary'),
    (['PAD', 'UNK', 'bos', 'eos'], r'embedding is .* expected floats \[4, 4\] for 4 words')])
def test_another_vocabulary(one, words, message):
  run_dir.write_file(one[0], 'vocabulary.json', json.dumps(words).encode())
  with pytest.raises(UserError, match=message):
    run_dir.load(one[0])


def test_a_version_1_run_is_named_and_can_be_upgraded(one):
  path, model = one
  to_version_1(path)
  with pytest.raises(UserError, match='format version 1, .*run_dir.upgrade') as caught:
    run_dir.load(path)
  exec(str(caught.value).partition('python -c "')[2].removesuffix('"'))  # what the message says to do
  assert 'format_version' not in run_dir.load(path).config
  np.testing.assert_array_equal(run_dir.load(path).model.dense.kernel, model.dense.kernel)
  with pytest.raises(UserError, match='expected one of format version 1'):
    run_dir.upgrade(path)


@pytest.mark.parametrize('name', run_dir.shipped_names())
def test_shipped_models_fit_their_manifests(name):
  path = run_dir.PRETRAINED / name
  files = {file.relative_to(path).as_posix() for file in path.rglob('*') if file.is_file()}
  listed = Manifest.read(path)
  assert files - {'manifest.json'} == set(listed.files)
  for file in listed.files:
    listed.open(file).close()


# Writing: a copy of the directory at every step is what a kill at that step would leave.


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
  original, writes = run_dir._load, iter([2, 3])

  def load_late(*args):
    with contextlib.suppress(StopIteration):
      save(path, model, next(writes))  # after the manifest was read
    return original(*args)

  monkeypatch.setattr(run_dir, '_load', load_late)
  assert bias_of(path) == 3
  biases = itertools.count(4)
  monkeypatch.setattr(run_dir, '_load', lambda *args: save(path, model, next(biases)) or original(*args))
  monkeypatch.setattr(run_dir, '_TRIES', 2)
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


def test_memory_at_load_is_little_more_than_the_model(tmp_path):
  if not os.path.exists('/proc/self/clear_refs'):
    pytest.skip('needs Linux')
  script = (
      'import gc, pathlib, re, sys\nimport numpy as np\nfrom tangshi_tf import run_dir\n'
      'from tangshi_tf.model import myRNNModel\n'
      'def save(path, units):\n'
      '  words = ["PAD", "UNK", "bos", "eos", *map(chr, range(0x4e00, 0x5a00))]\n'
      '  model = myRNNModel(dict(zip(words, range(len(words)))), embedding_size=units, units=8, tied=True)\n'
      '  with run_dir.claim(path):\n'
      '    run_dir.create(path, words, {"model": model.hyperparameters})\n'
      '    run_dir.save_weights(path, "best", model)\n'
      '  return 4 * model.count_params()\n'
      'def most():\n'
      '  return int(re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024\n'
      'folder = pathlib.Path(sys.argv[1])\nsave(folder / "small", 8)\nsize = save(folder / "large", 4096)\n'
      'run_dir.load(folder / "small")\ngc.collect()\npathlib.Path("/proc/self/clear_refs").write_text("5")\n'
      'before = most()\nrun_dir.load(folder / "large")\nprint((most() - before) / size)')
  done = subprocess.run([sys.executable, '-c', script, tmp_path], capture_output=True, text=True, check=True,
                        env={**os.environ, 'PYTHONPATH': str(ROOT)})
  assert 0.5 < float(done.stdout) < 2


def test_corruptions(load_script, tmp_path):
  corruption_test = load_script('corruption_test')
  sound = corruption_test.make(tmp_path / 'sound', corruption_test.SMALL, 40)
  counts, wrong, _ = corruption_test.run_cases(range(60), 1, sound, tmp_path)
  assert not wrong
  assert sum(counts.values()) == 60 and {outcome for _, outcome in counts} == {'the right model', 'refused'}
