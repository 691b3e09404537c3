import io
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.model import myRNNModel


@pytest.fixture(params=['rnn', 'lstm', 'gru', 'gru-before'])
def saved(request, tmp_path, word2id):
  cell, _, before = request.param.partition('-')
  model = myRNNModel(word2id, cell=cell, embedding_size=4, units=6, reset_after=not before)
  with run_dir.claim(tmp_path / 'runs' / 'a') as path:
    run_dir.create(path, list(word2id), {'model': model.hyperparameters})
  run_dir.save_weights(path, run_dir.BEST, model)
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
  (tmp_path / 'other').mkdir()
  (tmp_path / 'other' / 'notes.txt').write_text('keep')
  for name in ('mine', 'other', 'third', 'x' * 300):
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
    (tmp_path / 'runs' / name / 'weights').mkdir(parents=True)
    if name != 'c':  # has no weights yet
      run_dir.save_weights(tmp_path / 'runs' / name, run_dir.LAST, myRNNModel(word2id, units=2))
      os.utime(tmp_path / 'runs' / name / 'weights' / 'last.npz', (i, i))
  assert run_dir.newest(tmp_path / 'runs').name == 'a'


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
    'config of the future': lambda p: edit_config(p, format_version=2),
    'config without model': lambda p: edit_config(p, model=None),
    'huge units': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 10**9}),
    'unknown cell': lambda p: edit_config(p, model={'cell': 'x', 'embedding_size': 4, 'units': 6}),
    'unknown option': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'x': 1}),
    'units a text': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': '6'}),
    'layers a bool': lambda p: edit_config(p, model={'cell': 'rnn', 'embedding_size': 4, 'units': 6, 'layers': True}),
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


@pytest.mark.parametrize('kind', DAMAGE)
def test_damage_is_one_line(saved, kind):
  path, _ = saved
  DAMAGE[kind](path)
  with pytest.raises(UserError) as caught:
    run_dir.load(path)
  assert '\n' not in str(caught.value)
  assert str(path) in str(caught.value)


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


def test_a_packed_file_is_refused_before_it_is_unpacked(saved):
  packed(saved[0])
  with pytest.raises(UserError, match='bytes when unpacked'):
    run_dir.load(saved[0])


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
