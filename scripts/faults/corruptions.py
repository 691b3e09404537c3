"""The damages of corruption_test.py, and the sound run directories that they are done to."""

import io
import json
import os
import pathlib
import pickle
import re
import shutil
import struct
import warnings
import zipfile

import numpy as np

from tangshi_tf import run_dir
from tangshi_tf.run_dir import manifest, safe_files
from tangshi_tf.run_dir.manifest import MANIFEST, Manifest

JSON_FILES = (MANIFEST, run_dir.CONFIG, run_dir.VOCABULARY, run_dir.METRICS)


class Sound:
  """A run directory that is as it should be, and what is in it; the last of its epochs is the best."""

  def __init__(self, path: pathlib.Path, words: list[str], weights: tuple[str, ...], dtype, options: dict):
    from tangshi_tf.model import myRNNModel
    self.path, self.words, self.arrays = path, words, {}
    with run_dir.claim(path) as run:
      for number, name in enumerate(weights):
        model = myRNNModel({word: i for i, word in enumerate(words)}, **options)
        for variable in model.trainable_variables:
          generator = np.random.default_rng([number, len(self.arrays), *variable.shape])
          variable.assign(generator.standard_normal(variable.shape, np.float32).astype(dtype))
        if not number:
          self.config = {'model': model.hyperparameters, 'training': {'command': 'none'}}
          run.create(words, self.config)
        run.save_weights(name, model, dtype)
        self.arrays[name] = values(model)
        if name.startswith('epoch-'):
          run.mark_best(name)
          self.arrays['best'] = values(model)
      run.write_json(run_dir.METRICS, {'best_epoch': 1, 'epochs': [{'epoch': 1}]})
    (path / run_dir.LOCK).unlink()
    self.size = sum(array.nbytes for array in self.arrays[weights[0]])
    self.weights = tuple(self.arrays)  # that can be asked for

  def is_same(self, run: run_dir.Run, weights: str | None) -> bool:
    """Returns whether a loaded run is this one, with the weights that were asked for."""
    expected = self.arrays[weights or next(name for name in ('best', 'last') if name in self.arrays)]
    found = values(run.model)
    return (list(run.word2id) == self.words and run.config == self.config and len(found) == len(expected)
            and all(np.array_equal(a, b) for a, b in zip(found, expected)))


def values(model) -> list[np.ndarray]:
  return [variable.numpy() for variable in model.trainable_variables]


# Kinds of damage: each takes the copy, a random generator and the canary's path, and returns what it did.

KINDS = {}


def damage(*, repeat: int = 1):
  """Adds a function to the kinds; with `repeat`, that many times as often as others."""
  def add(function):
    KINDS.update({(function.__name__.replace('_', ' '), i): function for i in range(repeat)})
    return function
  return add


def files_of(path) -> list[pathlib.Path]:
  return sorted(file for file in path.rglob('*') if file.is_file())


def any_file(path, rng) -> pathlib.Path:
  return rng.choice(files_of(path))


def any_weights(path, rng) -> pathlib.Path:
  return rng.choice(sorted(path.glob('weights/*.npz')))


def seal(path):
  """Makes the manifest fit the files, as they are."""
  listed = Manifest.read(path)
  listed.change({name: [safe_files.measure(path / name)] for name in listed.files if (path / name).is_file()})


def replace(path, file, data: bytes, rng) -> str:
  """Puts other content into a file, and at times into the manifest, too."""
  sealed = file.name != MANIFEST and rng.random() < 0.5
  file.write_bytes(data)
  if sealed:
    seal(path)
  return f'{file.name}{" (sealed)" if sealed else ""}'


def flip(data: bytearray, rng) -> int:
  bit = rng.randrange(8 * len(data))
  data[bit // 8] ^= 1 << bit % 8
  return bit


def flip_one(file, rng) -> str:
  """Flips one bit of a file; returns which."""
  data = bytearray(file.read_bytes())
  bit = flip(data, rng)
  file.write_bytes(data)
  return f'{file.name}, bit {bit}'


@damage(repeat=4)
def bit_flipped(path, rng, _):
  return flip_one(any_file(path, rng), rng)


@damage(repeat=2)
def bits_flipped(path, rng, _):
  for _ in range(rng.randint(1, 3)):
    file = any_file(path, rng)
    data = bytearray(file.read_bytes())
    for _ in range(rng.randint(1, 64)):
      flip(data, rng)
    file.write_bytes(data)
  return file.name


@damage(repeat=2)
def weights_flipped_and_sealed(path, rng, _):
  flipped = flip_one(any_weights(path, rng), rng)
  seal(path)
  return flipped


@damage(repeat=3)
def truncated(path, rng, _):
  file = any_file(path, rng)
  data = file.read_bytes()
  return replace(path, file, data[:rng.randrange(len(data))], rng)


@damage()
def lengthened(path, rng, _):
  file = any_file(path, rng)
  with open(file, 'ab') as stream:
    stream.write(rng.randbytes(rng.randint(1, 1000)))
  return file.name


@damage(repeat=2)
def swapped(path, rng, _):
  one, other = rng.sample(files_of(path), 2)
  data = one.read_bytes(), other.read_bytes()
  one.write_bytes(data[1])
  other.write_bytes(data[0])
  return f'{one.name}, {other.name}'


@damage()
def overwritten_by_another(path, rng, _):
  one, other = rng.sample(files_of(path), 2)
  shutil.copy(one, other)
  return f'{one.name} over {other.name}'


@damage(repeat=2)
def missing(path, rng, _):
  file = any_file(path, rng)
  file.unlink()
  return file.name


@damage()
def missing_and_sealed(path, rng, _):
  file = rng.choice([path / run_dir.CONFIG, path / run_dir.VOCABULARY])
  file.unlink()
  seal(path)
  return file.name


@damage()
def empty(path, rng, _):
  return replace(path, any_file(path, rng), b'', rng)


@damage(repeat=2)
def random_bytes(path, rng, _):
  file = any_file(path, rng)
  size = rng.choice([file.stat().st_size, rng.randint(1, 10_000)])
  return replace(path, file, rng.randbytes(size), rng)


@damage()
def a_directory(path, rng, _):
  file = any_file(path, rng)
  file.unlink()
  file.mkdir()
  if rng.random() < 0.5:
    (file / 'inside').write_text('x')
  return file.name


@damage()
def no_weights_directory(path, rng, _):
  shutil.rmtree(path / 'weights')
  kind = rng.choice(['nothing', 'a file', 'a link to itself'])
  if kind == 'a file':
    (path / 'weights').write_text('x')
  elif kind == 'a link to itself':
    (path / 'weights').symlink_to('weights')
  return kind


@damage()
def a_link_to_itself(path, rng, _):
  file = any_file(path, rng)
  file.unlink()
  file.symlink_to(file.name)
  return file.name


@damage()
def a_link_elsewhere(path, rng, _):
  file = any_file(path, rng)
  target = rng.choice([os.devnull, '/dev/zero', '/proc/self/mem', str(path), str(path / 'nowhere')])
  file.unlink()
  file.symlink_to(target)
  return f'{file.name} to {target}'


if hasattr(os, 'mkfifo'):
  @damage()
  def a_pipe(path, rng, _):
    file = any_file(path, rng)
    file.unlink()
    os.mkfifo(file)
    return file.name


@damage(repeat=2)
def json_of_another_type(path, rng, _):
  texts = ['[]', '{}', '1', 'null', '"x"', 'NaN', 'true', '[[]]', '{"model": []}', '{"files": {}}', '{"model": {}}',
           '["PAD", "UNK", "bos", "eos"]', '["PAD", 1]', '{"format_version": 2, "files": []}',
           '{"model": {"cell": "gru", "embedding_size": 1e999, "units": 8}}',
           '{"model": {"cell": [], "embedding_size": 6, "units": 8}}',
           '{"model": {"cell": "lstm", "embedding_size": 4, "units": 6, "layers": 99999999999999999999}}']
  return replace(path, path / rng.choice(JSON_FILES), rng.choice(texts).encode(), rng)


@damage()
def json_nested(path, rng, _):
  depth = rng.choice([500, 5000, 10**6])
  opening, closing = rng.choice([('[', ']'), ('{"a":', '}')])
  text = opening * depth + (f'0{closing * depth}' if rng.random() < 0.5 else '')
  return replace(path, path / rng.choice(JSON_FILES), text.encode(), rng)


@damage()
def json_long(path, rng, _):
  size = rng.choice([10**5, safe_files.MAX_JSON - 10, safe_files.MAX_JSON + 1, 4 * safe_files.MAX_JSON])
  item = rng.choice(['[],', '"",', '0,', '"ab",', '{},', '1.5,', ' '])
  return replace(path, path / rng.choice(JSON_FILES), ('[' + item * (size // len(item)) + '0]').encode(), rng)


@damage()
def json_number_long(path, rng, _):
  file = path / rng.choice([run_dir.CONFIG, run_dir.VOCABULARY])
  digits = '9' * rng.choice([4000, 4300, 5000, 10**6])
  text = rng.choice(['{"model": {"cell": "gru", "embedding_size": 6, "units": %s}}',
                     '{"model": {"cell": "rnn", "embedding_size": %s, "units": 1.%s}}',
                     '{"model": {"cell": "rnn", "embedding_size": 6, "units": 8, "input_dropout": -%se%s}}'])
  return replace(path, file, text.replace('%s', digits).encode(), rng)


@damage()
def manifest_of_another_kind(path, rng, _):
  """A manifest with a seal that fits, and other things in it than there should be."""
  value = json.loads((path / MANIFEST).read_text())
  del value['sha256']
  state = rng.choice([None, 1, 'x', {}, [], {'size': '1', 'sha256': 'x'}, {'size': True, 'sha256': 'x'},
                      {'size': -1, 'sha256': None}, {'size': 1e999, 'sha256': ''}, {'size': 10**400, 'sha256': 'x'}])
  files = rng.choice([None, [], 'x', {}, {run_dir.CONFIG: state}, {run_dir.CONFIG: [state]},
                      {**value['files'], run_dir.CONFIG: [state]}, {**value['files'], run_dir.CONFIG: []},
                      {'../x\n' * 1000: [{'size': 1, 'sha256': 'x'}], 'weights/last.npz': [state]}])
  best = rng.choice([value['best']] * 3 + [None, 1, '', '../best', 'a\nb', 'epoch-99', '\ud800', 'x' * 10**5])
  write_sealed(path, {**value, 'files': files, 'best': best})
  return f'{repr(files)[:60]}, best {best!r:.20}'


def write_sealed(path, value):
  head = json.dumps(value).removesuffix('}').encode() + b', '
  (path / MANIFEST).write_bytes(manifest._sealed(head))


@damage()
def version_of_the_future(path, rng, _):
  value = json.loads((path / MANIFEST).read_text())
  version = rng.choice([4, 99, 10**20, 10**4000, '4', 2.5, None, [2], True, -1, 1])
  if rng.random() < 0.3:
    (path / MANIFEST).write_text(json.dumps({**value, 'format_version': version}))
    return 'not sealed'
  del value['sha256']
  write_sealed(path, {**value, 'format_version': version, 'tangshi_tf': rng.choice(['9.0', None, 'x' * 10**5, '\n'])})
  return repr(version)[:20]


@damage()
def version_of_the_past(path, rng, _):
  """What version 1 wrote: no manifest."""
  (path / MANIFEST).unlink()
  config = json.loads((path / run_dir.CONFIG).read_text())
  (path / run_dir.CONFIG).write_text(json.dumps({'format_version': rng.choice([1, 0, '1', 10**4000]), **config}))
  return ''


@damage()
def config_of_other_sizes(path, rng, _):
  config = json.loads((path / run_dir.CONFIG).read_text())
  name = rng.choice(['embedding_size', 'units', 'layers', 'projection'])
  config['model'][name] = rng.choice([0, -1, 1, 7, 1000, 10**6, 10**9, 2**31, 2**63, 10**300, 0.5, '8', None, [8]])
  if config['model'][name] == (1 if name == 'layers' else None):
    config['model'][name] = 0  # it was 1 before
  return name + ' ' + replace(path, path / run_dir.CONFIG, json.dumps(config).encode(), rng)


class Harm:
  """An object whose pickle writes the canary when it is read."""

  def __init__(self, canary):
    self.canary = canary

  def __reduce__(self):
    return os.mkdir, (str(self.canary),)


@damage(repeat=2)
def pickled(path, rng, canary):
  file, stream = any_weights(path, rng), io.BytesIO()
  array = np.array([Harm(canary)], dtype=object)
  how = rng.choice(['bare', 'npy', 'npz', 'json'])
  if how == 'npy':
    np.save(stream, array, allow_pickle=True)
  elif how == 'npz':
    with np.load(file) as archive:
      np.savez(stream, **{**archive, rng.choice(archive.files): array})
  else:
    pickle.dump(Harm(canary), stream, protocol=rng.randint(0, 5))
  if how == 'json':
    file = path / rng.choice(JSON_FILES)
  return f'{how} {replace(path, file, stream.getvalue(), rng)}'


@damage(repeat=2)
def huge_header(path, rng, _):
  """An array that claims far more than it has."""
  file, stream = any_weights(path, rng), io.BytesIO()
  with np.load(file) as archive:
    arrays = dict(archive)
  shape = rng.choice([(10**11, 10**4), (2**31, 2**31), (2**62, 4), (10**9,), (-1, -10**9), (10**9, 0), (0, 10**9), (),
                      (10**400,), (True, 8), *[array.shape for array in arrays.values()]])
  descr = rng.choice(['<f4', '<f2', '>f4', '<f8', '<i4', '|O', '|b1', '<M8[s]', '<U1000000', [('x', '<f4')]])
  header = f"{{'descr': {descr!r}, 'fortran_order': {rng.random() < 0.3}, 'shape': {shape}, }}"
  if rng.random() < 0.2:
    header = rng.choice(['(' * 9000, '-' * 9000 + '1', '[' * 200 + ']' * 200, '__import__("os").abort()', '9' * 9000])
  with zipfile.ZipFile(stream, 'w') as archive:
    chosen = rng.choice(sorted(arrays))
    for name, array in arrays.items():
      data = io.BytesIO()
      np.lib.format.write_array(data, array)
      if name == chosen:
        data = io.BytesIO(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode())
      archive.writestr(f'{name}.npy', data.getvalue())
  return f'{chosen} {header[:60]} {replace(path, file, stream.getvalue(), rng)}'


@damage(repeat=2)
def zip_bomb(path, rng, _):
  file, stream = any_weights(path, rng), io.BytesIO()
  how = rng.choice(['deflated', 'lzma', 'many entries', 'overlapping', 'false sizes', 'same name', 'comment'])
  with np.load(file) as archive:
    arrays = dict(archive)
  if how in ('deflated', 'lzma'):
    method = zipfile.ZIP_DEFLATED if how == 'deflated' else zipfile.ZIP_LZMA
    size = rng.choice([10**5, 2 * 10**7])
    with zipfile.ZipFile(stream, 'w', method) as archive:
      for name in arrays:
        data = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            data, {'descr': '<f4', 'fortran_order': False, 'shape': (size // 4,)})
        archive.writestr(f'{name}.npy', data.getvalue() + bytes(size))
        size = 1000
    data = stream.getvalue()
  elif how == 'many entries':
    with zipfile.ZipFile(stream, 'w') as archive:
      for i in range(rng.choice([1000, 30_000])):
        archive.writestr(f'{i}.npy', b'')
    data = stream.getvalue()
  else:
    np.savez(stream, **arrays)
    data = bytearray(stream.getvalue())
    places = [match.start() for match in re.finditer(b'PK\x01\x02', data)]
    if how == 'overlapping':  # all entries point to the first one's data
      for place in places:
        data[place + 42:place + 46] = data[places[0] + 42:places[0] + 46]
    elif how == 'false sizes':
      for place in places:
        data[place + 20:place + 28] = struct.pack('<II', *rng.choices([2**31, 2**32 - 2, 10**9, 1], k=2))
    elif how == 'same name':
      with zipfile.ZipFile(stream, 'a') as archive:
        name = rng.choice(archive.namelist())
        with warnings.catch_warnings():
          warnings.simplefilter('ignore')
          archive.writestr(zipfile.ZipInfo(name), rng.randbytes(1000))
      data = stream.getvalue()
    else:  # the list of entries is looked for behind 65 kB of comment
      data[-2:] = struct.pack('<H', 2**16 - 1)
      data += bytes(2**16 - 1)
  return f'{how} {replace(path, file, bytes(data), rng)}'


@damage()
def other_files_beside(path, rng, _):
  """What no manifest lists must change nothing."""
  for name in rng.sample(['best.npz.partial', 'epoch-99.npz', 'x.npz', '.DS_Store'], 2):
    (path / 'weights' / name).write_bytes(rng.randbytes(100))
  (path / f'{rng.choice(JSON_FILES)}.partial').write_text('{')
  return ''
