"""Run directories that are damaged, forged or old."""

import io
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import safe_files
from tangshi_tf.run_dir.manifest import Manifest

from ..checks import claim, save, write_manifest


def seal(path):
  """Makes the manifest fit the files as they are."""
  listed = Manifest.read(path)
  listed.change({name: [safe_files.measure(path / name)] for name in listed.files if (path / name).is_file()})


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


@pytest.mark.parametrize('damage', [
    lambda p: truncate(p / 'manifest.json'), lambda p: (p / 'manifest.json').unlink(),
    lambda p: truncate(p / 'config.json'), lambda p: (p / 'config.json').unlink(), lambda p: to_version_1(p)])
def test_a_damaged_or_old_run_is_replaced_only_when_told(one, damage):
  path, _ = one
  damage(path)
  with pytest.raises(UserError, match='overwrite=True'):
    claim(path)
  assert (path / 'weights/best.npz').exists()
  claim(path, overwrite=True)
  with pytest.raises(UserError, match='has not got that far'):
    run_dir.load(path)


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
  found('cannot be read .a directory, not a file')
  for target, message in ((file.name, 'cannot be read'), ('nowhere', 'is missing'),
                          (os.devnull, 'cannot be read .a device'), (str(one[0]), 'cannot be read .a directory')):
    file.symlink_to(target)
    found(message)
  if hasattr(os, 'mkfifo'):
    os.mkfifo(file)
    found('cannot be read .a pipe, not a file')


def test_weights_that_are_not_finite(saved):
  path, model = saved
  save(path, model, np.nan)
  with pytest.raises(UserError, match='dense_bias has values that are not finite'):
    run_dir.load(path)


@pytest.mark.parametrize(('changes', 'message'), [
    ({'format_version': 4, 'tangshi_tf': '9.8'}, "format version '4', made by tangshi_tf '9.8'; .* a newer tangshi_tf"),
    ({'format_version': 10**4000, 'tangshi_tf': '\n' * 10**5}, 'a newer tangshi_tf'),
    ({'format_version': '2'}, 'is no manifest'), ({'format_version': 1}, 'is no manifest'),
    ({'format_version': 2.0}, 'is no manifest'), ({'best': None}, 'is no manifest'),
    ({'best': '../best'}, 'is no manifest'), ({'best': 'best\n'}, 'is no manifest'),
    ({'best': 'epoch-07'}, 'has no weights epoch-07; expected one of best'),
    ({'files': None}, 'is no manifest'), ({'files': {'config.json': []}}, 'is no manifest'),
    ({'files': {'config.json': [{'size': 1}]}}, 'is no manifest'),
    ({'files': {'config.json': [{'size': True, 'sha256': ''}]}}, 'is no manifest'),
    ({'files': {}}, 'has not got that far'), ({'files': {'x' * 2**22: []}}, 'bytes; expected at most'),
])
def test_a_manifest_of_other_content(one, changes, message):
  write_manifest(one[0], {**json.loads((one[0] / 'manifest.json').read_text()), **changes})
  with pytest.raises(UserError, match=message) as caught:
    run_dir.load(one[0])
  assert len(str(caught.value)) < 500 and '\n' not in str(caught.value)


def test_large_files_are_refused_before_they_are_read(one, monkeypatch):
  path, _ = one
  os.truncate(path / 'config.json', 2**40)  # sparse
  with pytest.raises(UserError, match=r'config.json: is damaged: it holds 1,099,511,627,776 bytes; expected \d'):
    run_dir.load(path)
  files = Manifest.read(path).files
  Manifest(path, {**files, 'config.json': [safe_files.State(2**40, '')]}).write()
  with pytest.raises(UserError, match='config.json: holds .* bytes; expected at most 4,194,304'):
    run_dir.load(path)
  with pytest.raises(UserError, match='would list 50,000 files'):
    Manifest(path, {f'weights/epoch-{i}.npz': [safe_files.State(1, '0' * 64)] for i in range(50_000)}).write()
  assert Manifest.read(path)


@pytest.mark.parametrize(('words', 'message'), [
    (['PAD'], 'is no vocabulary'),
    (['PAD', 'UNK', 'bos', 'eos'], r'embedding is .* expected floats \[4, 4\] for 4 words')])
def test_another_vocabulary(one, words, message):
  with run_dir.claim(one[0], resume=True) as run:
    run.write_json('vocabulary.json', words)
  with pytest.raises(UserError, match=message):
    run_dir.load(one[0])


def test_a_version_1_run_is_named_and_what_to_do(one):
  path, _ = one
  to_version_1(path)
  with pytest.raises(UserError, match='is of format version 1, .*: train it again and overwrite it') as caught:
    run_dir.load(path)
  assert '\n' not in str(caught.value)
  with pytest.raises(UserError, match='is of format version 1'), run_dir.claim(path, resume=True):
    pass


def test_corruptions(load_script, tmp_path):
  corruption_test = load_script('faults/corruption_test')
  sound = corruption_test.make(tmp_path / 'sound', corruption_test.SMALL, 40)
  counts, wrong, _ = corruption_test.run_cases(range(60), 1, sound, tmp_path)
  assert not wrong
  assert sum(counts.values()) == 60 and {outcome for _, outcome in counts} == {'the right model', 'refused'}
