"""Run directories of anybody's."""

import io
import json
import math
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tangshi_tf import corpus, run_dir
from tangshi_tf.model import HYPERPARAMETERS
from tangshi_tf.run_dir import safe_files
from tangshi_tf.run_dir.manifest import Manifest

from ..conftest import tried
from ..hostile import many, outcome, some, texts


@pytest.fixture(scope='module')
def good_run(folder, model, word2id):
  with run_dir.claim(folder / 'good') as run:
    run.create(list(word2id), {'model': model.hyperparameters})
    run.save_weights(run_dir.BEST, model)
  return run.path


def load_changed(good_run, changed: dict[str, bytes]):
  """Loads the good run with some files changed: it does not load, or what it gives is a model."""
  tried['run directories'] += 1
  path = good_run.with_name('changed')
  shutil.rmtree(path, ignore_errors=True)
  shutil.copytree(good_run, path)
  for name, content in changed.items():
    (path / name).write_bytes(content)
  listed = Manifest.read(path)  # by someone who knows how
  for name in changed:
    listed.files[name] = [safe_files.measure(path / name)]
  listed.write()
  loaded = outcome(run_dir.load, path)
  if loaded is not None:
    assert {corpus.start_token, corpus.end_token} <= set(loaded.word2id)
    assert np.isfinite(loaded.model(np.array([[2, 3, 2]]))).all()


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts,
                    st.sampled_from([10**400, 1e308, 2**31, 2**63, -1, 0, 1, 4, 'gru', 'lstm', 'rnn']))
keys = st.sampled_from([*HYPERPARAMETERS, 'model', 'format_version', ''])
json_values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner)), max_leaves=6)


def dump(value) -> bytes:
  return json.dumps(value).encode()


@some
@given(st.sampled_from([run_dir.CONFIG, run_dir.VOCABULARY, 'weights/best.npz']),
       st.one_of(st.binary(max_size=100), json_values.map(dump)))
@example(run_dir.CONFIG, b'[' * 100_000)
@example(run_dir.CONFIG, b'{"a":' * 100_000)
@example(run_dir.CONFIG, b'{"format_version":' + b'9' * 5000 + b'}')
@example(run_dir.VOCABULARY, b'\xef\xbb\xbf[]')
def test_run_directories_of_any_bytes(good_run, name, content):
  load_changed(good_run, {name: content})


@some
@given(st.dictionaries(st.sampled_from(sorted(HYPERPARAMETERS)), scalars, max_size=2))
@example({'embedding_range': 1e39})
@example({'embedding_range': 10**400})
@example({'embedding_range': math.inf})
@example({'input_dropout': 10**400})
@example({'cell': 'a\nb'})
def test_run_directories_of_any_settings(good_run, changes):
  config = json.loads((good_run / run_dir.CONFIG).read_text(encoding='utf-8'))
  load_changed(good_run, {run_dir.CONFIG: dump({**config, 'model': {**config['model'], **changes}})})


@some
@given(st.dictionaries(st.integers(0, 39), scalars, max_size=3), st.integers(0, 40))
@example({7: '\ud800'}, 40)
@example({7: 'a\nb'}, 40)
@example({7: ''}, 40)
def test_run_directories_of_any_words(good_run, changes, length):
  words = json.loads((good_run / run_dir.VOCABULARY).read_text(encoding='utf-8'))
  words = [changes.get(i, word) for i, word in enumerate(words)]
  load_changed(good_run, {run_dir.VOCABULARY: dump(words[:length])})


dtypes = st.sampled_from(['f2', '>f4', 'f8', np.longdouble, 'i4', '?', 'U3', 'S2', 'c8', 'M8[s]', [('a', 'f4')]])


@some
@given(st.sampled_from(['embedding', 'dense_bias', 'cell_kernel', 'a\nb', '\u202e', '']), dtypes,
       st.lists(st.integers(0, 40), max_size=3), st.floats(width=64))
@example('dense_bias', 'f8', [40], 1e300)
@example('dense_bias', 'f8', [40], math.nan)
@example('dense_bias', 'f4', [40], 3e38)
def test_run_directories_of_any_arrays(good_run, key, dtype, shape, value):
  arrays = dict(np.load(good_run / 'weights/best.npz'))
  with np.errstate(all='ignore'):
    arrays[key] = np.full(shape, value, 'f8').astype('U3' if dtype == 'S2' else dtype) if not isinstance(
        dtype, list) else np.zeros(shape, dtype)
  content = io.BytesIO()
  np.savez(content, **arrays)
  load_changed(good_run, {'weights/best.npz': content.getvalue()})


@many
@given(st.data())
def test_run_directories_with_any_bytes_changed(good_run, data):
  name = data.draw(st.sampled_from([run_dir.CONFIG, run_dir.VOCABULARY, 'weights/best.npz']))
  content = bytearray((good_run / name).read_bytes())
  places = st.integers(0, len(content) - 1)
  for place, byte in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=4)).items():
    content[place] = byte
  load_changed(good_run, {name: bytes(content[:data.draw(st.none() | st.integers(0, len(content)))])})


@many
@given(st.sampled_from(['embedding.npy', 'dense_bias.npy']), st.one_of(st.binary(max_size=200), st.data()))
def test_run_directories_with_members_of_any_bytes(good_run, name, member):
  with zipfile.ZipFile(good_run / 'weights/best.npz') as archive:
    members = {one: archive.read(one) for one in archive.namelist()}
  if not isinstance(member, bytes):  # a good one, changed; its checksum is right
    content = bytearray(members[name])
    for place, byte in member.draw(st.dictionaries(st.integers(0, 140), st.integers(0, 255), max_size=3)).items():
      content[place] = byte
    member = bytes(content)
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w') as archive:
    for one, held in {**members, name: member}.items():
      archive.writestr(one, held)
  load_changed(good_run, {'weights/best.npz': content.getvalue()})
