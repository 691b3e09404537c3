"""What a run directory is: who may write it, and what comes back from it."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.model import myRNNModel
from tangshi_tf.run_dir.manifest import Manifest

from ..checks import claim, save
from ..conftest import ROOT


def test_round_trip(saved, word2id):
  path, model = saved
  run = run_dir.load(path)
  assert run.word2id == word2id and run.id2word[5] == '。'
  x = np.arange(40)[None]
  np.testing.assert_array_equal(run.model(x), model(x))


def test_reading_a_loaded_weight_copies_nothing(saved):
  for variable in run_dir.load(saved[0]).model.variables:
    first, second = variable.value.read_value(), variable.value.read_value()
    assert np.shares_memory(memoryview(first), memoryview(second)), variable.path


def test_half_precision_weights_load_as_float32(saved):
  path, model = saved
  with run_dir.claim(path, resume=True) as claimed:
    claimed.save_weights('best', model, np.float16)
  loaded = run_dir.load(path).model
  assert loaded.dense.kernel.numpy().dtype == np.float32
  np.testing.assert_allclose(loaded.dense.kernel, model.dense.kernel, rtol=1e-3, atol=1e-6)


def test_a_run_is_replaced_only_when_told(saved):
  path, _ = saved
  (path / 'notes.txt').write_text('keep')
  with pytest.raises(UserError, match='overwrite=True'):
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


def test_newest(tmp_path, word2id):
  assert run_dir.newest(tmp_path / 'runs') is None
  for i, name in enumerate(['b', 'a', 'c']):
    claim(tmp_path / 'runs' / name)
    if name != 'c':  # has no weights yet
      with run_dir.claim(tmp_path / 'runs' / name, resume=True) as run:
        run.save_weights(run_dir.LAST, myRNNModel(word2id, units=2))
      os.utime(tmp_path / 'runs' / name / 'weights' / 'last.npz', (i, i))
  (tmp_path / 'runs' / 'c' / 'weights' / 'best.npz').symlink_to('best.npz')
  os.utime(tmp_path / 'runs' / 'c' / 'weights' / 'best.npz', (0, 0), follow_symlinks=False)
  assert run_dir.newest(tmp_path / 'runs').name == 'a'
  with run_dir.claim(tmp_path / 'runs' / 'b', resume=True) as run:
    run.save_weights('epoch-01', myRNNModel(word2id, units=2))
  os.utime(tmp_path / 'runs' / 'b' / 'weights' / 'epoch-01.npz', (0, 0))
  assert run_dir.newest(tmp_path / 'runs').name == 'b'  # the others have no epoch


def test_a_folder_that_is_no_run_hides_no_shipped_model(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'gru').mkdir()
  assert run_dir.locate('gru') == run_dir.PRETRAINED / 'gru'
  claim(tmp_path / 'gru')
  assert run_dir.locate('gru') == pathlib.Path('gru')


@pytest.mark.parametrize('options', [
    {'cell': 'lstm', 'layers': 3, 'layer_norm': True, 'input_dropout': 0.25}, {'tied': True, 'units': 6},
    {'cell': 'gru', 'projection': 3, 'reset_after': False, 'locked_dropout': False},
    {'cell': 'gru', 'softmax': 'adaptive', 'cutoffs': [8, 21]}, {'softmax': 'adaptive'},
    {'softmax': 'adaptive', 'cutoffs': [30], 'tied': True}], ids=str)
def test_a_model_with_options_comes_back(tmp_path, word2id, options):
  model = myRNNModel(word2id, **{'units': 5, 'embedding_size': 4, **options})
  with run_dir.claim(tmp_path / 'run') as run:
    run.create(list(word2id), {'model': model.hyperparameters})
    run.save_weights(run_dir.BEST, model)
  loaded = run_dir.load(tmp_path / 'run').model
  assert loaded.hyperparameters == model.hyperparameters
  assert len(np.load(tmp_path / 'run/weights/best.npz').files) == len(model.trainable_variables)
  ids = np.arange(12).reshape(2, 6)
  np.testing.assert_array_equal(loaded(ids), model(ids))


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
  with run_dir.claim(saved[0], resume=True) as run:
    run.save_weights('epoch-01', saved[1])
  assert run_dir.load(saved[0], 'epoch-01')
  with pytest.raises(UserError, match='expected'):
    run_dir.load(saved[0], weights)


def test_a_path_that_is_not_utf_8_stays_what_it_was(tmp_path):
  config = {'training': {'command': '--run_dir=\udcff🙂'}, 'format_version': 1}
  run_dir.write_json(tmp_path / 'config.json', config)
  assert json.loads((tmp_path / 'config.json').read_text(encoding='utf-8')) == config


def test_the_manifest_alone_says_which_weights_there_are(one):
  path, model = one
  save(path, model, 7, 'last')
  assert run_dir.load(path).model.dense.bias[0] == 1
  (path / 'weights/best.npz').rename(path / 'weights/epoch-09.npz')
  with pytest.raises(UserError, match=r'best\.npz: is missing'):
    run_dir.load(path)
  with pytest.raises(UserError, match="has no weights epoch-09; expected one of best, .*last"):
    run_dir.load(path, 'epoch-09')
  assert run_dir.load(path, 'last').model.dense.bias[0] == 7


def test_what_an_open_run_tells(one):
  path, model = one
  run = run_dir.RunDir.open(path)
  assert (run.path, run.name, run.best, run.weights()) == (path, str(path), 'best', ['weights/best.npz'])
  assert run.config() == {'model': model.hyperparameters} and len(run.vocabulary()) == 40 and run.epochs() == []
  assert run.has('config.json') and not run.has('metrics.json')
  np.testing.assert_array_equal(run.read_arrays('weights/best.npz')['dense_bias'], np.ones(40))
  shipped = run_dir.RunDir.open('gru')
  assert (shipped.name, shipped.path, shipped.load().name) == ('gru', run_dir.PRETRAINED / 'gru', 'gru')
  assert len(shipped.epochs()) == len(shipped.read_json('metrics.json')['epochs']) > 1
  with run_dir.claim(path, resume=True) as claimed:
    claimed.write_json('metrics.json', {'epochs': 7})
    with pytest.raises(UserError, match='metrics.json: has no figures by epoch'):
      claimed.epochs()


@pytest.mark.parametrize('name', run_dir.shipped_names())
def test_shipped_models_fit_their_manifests(name):
  path = run_dir.PRETRAINED / name
  files = {file.relative_to(path).as_posix() for file in path.rglob('*') if file.is_file()}
  listed = Manifest.read(path)
  assert files - {'manifest.json'} == set(listed.files)
  for file in listed.files:
    listed.open(file).close()


# In a process of its own, whose allocator has nothing of the model's size to give back. The first load is for what is
# made once: threads, caches. Prints the most memory held so far, what is held now, and the most after the second load.
LOADS = r"""
import contextlib, gc, pathlib, re, sys
from tangshi_tf import run_dir

def memory(name):
  return int(re.search(rf'{name}:\s*(\d+)', pathlib.Path('/proc/self/status').read_text(encoding='ascii'))[1]) * 1024

run_dir.load(sys.argv[1])
gc.collect()
with contextlib.suppress(OSError):  # some systems have no such file, or refuse
  pathlib.Path('/proc/self/clear_refs').write_text('5', encoding='ascii')  # forgets what starting up took at most
before = memory('VmHWM'), memory('VmRSS')
run_dir.load(sys.argv[2])
print(*before, memory('VmHWM'))
"""


def test_memory_at_load_is_little_more_than_the_model(tmp_path):
  try:
    status = pathlib.Path('/proc/self/status').read_text(encoding='utf-8', errors='replace')
  except OSError:
    status = ''
  if 'VmHWM:' not in status or 'VmRSS:' not in status:
    pytest.skip('this system does not tell a process how much memory it has held at most')
  words = ['PAD', 'UNK', 'bos', 'eos', *map(chr, range(0x4e00, 0x5a00))]
  paths = []
  for width in (8, 8192):
    model = myRNNModel(dict(zip(words, range(len(words)))), embedding_size=width, units=8, tied=True)
    with run_dir.claim(tmp_path / str(width)) as run:
      run.create(words, {'model': model.hyperparameters})
      run.save_weights(run_dir.BEST, model)
    paths.append(run.path)
  size = 4 * model.count_params()  # 100 MB, beside which the threads' own memory is little
  # No threads for each of many cores, and no GPU to take the model away.
  alone = {'TF_NUM_INTRAOP_THREADS': '1', 'TF_NUM_INTEROP_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '-1'}
  done = subprocess.run([sys.executable, '-c', LOADS, *paths], capture_output=True, encoding='utf-8', timeout=300,
                        env={**os.environ, **alone, 'PYTHONPATH': str(ROOT)}, check=False)
  assert done.returncode == 0, done.stderr
  most_before, held, most = map(int, done.stdout.split())
  if most_before - held > size / 10:
    pytest.skip('starting up took more memory than is held then, and this system does not forget that')
  assert 0.5 < (most - held) / size < 2  # less than the model itself would be no measurement
