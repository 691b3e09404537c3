import json
import os
import shutil

import numpy as np
import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.model import myRNNModel


@pytest.fixture(params=['rnn', 'lstm', 'gru', 'gru-before'])
def saved(request, tmp_path, word2id):
  cell, _, before = request.param.partition('-')
  model = myRNNModel(word2id, cell=cell, embedding_size=4, units=6, reset_after=not before)
  path = run_dir.create(tmp_path / 'runs' / 'a')
  run_dir.write_description(path, list(word2id), {'model': model.hyperparameters})
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


def test_create_guards_what_stands_there(saved, tmp_path):
  path, _ = saved
  with pytest.raises(UserError, match='--overwrite'):
    run_dir.create(path)
  assert run_dir.load(path)
  run_dir.create(path, overwrite=True)
  assert not (path / run_dir.CONFIG).exists()
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine' / 'notes.txt').write_text('keep')
  with pytest.raises(UserError, match='no run'):
    run_dir.create(tmp_path / 'mine', overwrite=True)
  with pytest.raises(UserError, match='is a file'):
    run_dir.create(tmp_path / 'mine' / 'notes.txt')
  with pytest.raises(UserError, match='cannot be written'):
    run_dir.create(tmp_path / 'mine' / 'notes.txt' / 'below')


def test_newest(tmp_path, word2id):
  assert run_dir.newest(tmp_path / 'runs') is None
  for i, name in enumerate(['b', 'a', 'c']):
    path = run_dir.create(tmp_path / 'runs' / name)
    if name != 'c':  # has no weights yet
      run_dir.save_weights(path, run_dir.LAST, myRNNModel(word2id, units=2))
      file = path / run_dir.WEIGHTS / 'last.npz'
      os.utime(file, (i, i))
  assert run_dir.newest(tmp_path / 'runs').name == 'a'


def edit_config(path, **changes):
  config = json.loads((path / 'config.json').read_text())
  config.update(changes)
  (path / 'config.json').write_text(json.dumps(config))


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
    'no vocabulary': lambda p: (p / 'vocabulary.json').unlink(),
    'vocabulary empty': lambda p: (p / 'vocabulary.json').write_text(''),
    'vocabulary not UTF-8': lambda p: (p / 'vocabulary.json').write_bytes(b'["\xff"]'),
    'vocabulary of numbers': lambda p: (p / 'vocabulary.json').write_text('[1, 2]'),
    'vocabulary shorter': lambda p: (p / 'vocabulary.json').write_text('["PAD", "UNK", "bos", "eos"]'),
    'no weights': lambda p: (p / 'weights/best.npz').unlink(),
    'weights cut': lambda p: truncate(p / 'weights/best.npz'),
    'weights empty': lambda p: (p / 'weights/best.npz').write_bytes(b''),
    'weights a text': lambda p: (p / 'weights/best.npz').write_text('hello'),
    'weights flipped': lambda p: flip(p / 'weights/best.npz'),
    'weights pickled': pickled,
    'no directory': shutil.rmtree,
}


@pytest.mark.parametrize('kind', DAMAGE)
def test_damage_is_one_line(saved, kind):
  path, _ = saved
  DAMAGE[kind](path)
  with pytest.raises(UserError) as caught:
    run_dir.load(path)
  assert '\n' not in str(caught.value)
  assert str(path) in str(caught.value)


def test_weights_that_are_not_finite(saved):
  path, model = saved
  model.dense.bias.assign(np.full(40, np.nan))
  run_dir.save_weights(path, 'best', model)
  with pytest.raises(UserError, match='dense_bias has values that are not finite'):
    run_dir.load(path)
