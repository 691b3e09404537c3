"""Damages run directories in every way it knows, and looks at what loading makes of them.

    python scripts/corruption_test.py
    python scripts/corruption_test.py --cases=1 --first=417     # one case again

Each case copies a small run directory, damages the copy as the seed and the number of the
case say, and loads it. That must end in the very model that was saved, bit for bit, or in
a `UserError` of one line that names a file of the directory; not in another exception, in
another model, in code that runs from the directory, in a wait, or in memory beyond three
times the model's float32 size. A small model says little about memory, so --large cases
are repeated on a model of 65 MB in a process of their own, whose resident memory is
watched (Linux only). Where a damage is `sealed`, the manifest was made again to fit it, as
someone would who means harm.

Prints how many cases of each kind ended how; the exit status is 1 if one ended wrongly.
"""

import collections
import ctypes
import gc
import io
import json
import os
import pathlib
import pickle
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tangshi_tf import cli, manifest, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.manifest import MANIFEST, Manifest

_CASES = flags.DEFINE_integer('cases', 1000, 'Directories that are damaged.', lower_bound=0)
_FIRST = flags.DEFINE_integer('first', 0, 'Number of the first case.', lower_bound=0)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of all of them.', lower_bound=0)
_LARGE = flags.DEFINE_integer('large', 100, 'Cases with the large model.', lower_bound=0)
_ONLY_LARGE = flags.DEFINE_bool('only_large', False, 'Run --cases with the large model, in this process.')

TIME_LIMIT = 60  # seconds a case
JSON_MEMORY = 130 * 10**6  # bytes; see run_dir.load
RIGHT, REFUSED = GOOD = ('the right model', 'refused')
OUTCOMES = (*GOOD, 'wrong')
JSON_FILES = (MANIFEST, run_dir.CONFIG, run_dir.VOCABULARY, run_dir.METRICS)
NAMED = re.compile('|'.join(map(re.escape, [*JSON_FILES, run_dir.WEIGHTS])))
SMALL = {'runs of a GRU': (('epoch-01', 'epoch-02', 'best', 'last'), np.float32,
                           {'cell': 'gru', 'embedding_size': 6, 'units': 8}),
         'an interrupted run': (('last',), np.float32, {'cell': 'rnn', 'embedding_size': 6, 'units': 6, 'tied': True}),
         'a shipped model': (('best',), np.float16, {'cell': 'lstm', 'embedding_size': 4, 'units': 6, 'layers': 2})}
LARGE = {'a large model': (('best',), np.float32, {'cell': 'lstm', 'embedding_size': 1024, 'units': 1024,
                                                   'tied': True})}


class Sound:
  """A run directory that is as it should be, and what is in it."""

  def __init__(self, path: pathlib.Path, words: list[str], weights: tuple[str, ...], dtype, options: dict):
    from tangshi_tf.model import myRNNModel
    self.path, self.words, self.arrays = path, words, {}
    self.weights = weights
    with run_dir.claim(path):
      for number, name in enumerate(weights):
        model = myRNNModel({word: i for i, word in enumerate(words)}, **options)
        for variable in model.trainable_variables:
          generator = np.random.default_rng([number, len(self.arrays), *variable.shape])
          variable.assign(generator.standard_normal(variable.shape, np.float32).astype(dtype))
        if not number:
          self.config = {'model': model.hyperparameters, 'training': {'command': 'none'}}
          run_dir.create(path, words, self.config)
        run_dir.save_weights(path, name, model, dtype)
        self.arrays[name] = values(model)
      run_dir.write_file(path, run_dir.METRICS, run_dir.encode_json({'best_epoch': 1, 'epochs': [{'epoch': 1}]}))
    (path / run_dir.LOCK).unlink()
    self.size = sum(array.nbytes for array in self.arrays[weights[0]])

  def is_same(self, run: run_dir.Run, weights: str | None) -> bool:
    """Returns whether a loaded run is this one, with the weights that were asked for."""
    expected = self.arrays[weights or next(name for name in ('best', 'last') if name in self.weights)]
    found = values(run.model)
    return (list(run.word2id) == self.words and run.config == self.config and len(found) == len(expected)
            and all(np.array_equal(a, b) for a, b in zip(found, expected)))


def values(model) -> list[np.ndarray]:
  return [variable.numpy() for variable in model.trainable_variables]


# Kinds of damage: each takes the copy, a random generator and the canary's path, and returns what it did.

KINDS = {}


def damage(*, repeat: int = 1):
  """Adds a function to the kinds; with `repeat`, so many times as often as others."""
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
  names = Manifest.read(path).files
  Manifest(path, {name: [manifest.measure(path / name)] for name in names if (path / name).is_file()}).write()


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
  size = rng.choice([10**5, manifest.MAX_JSON - 10, manifest.MAX_JSON + 1, 4 * manifest.MAX_JSON])
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
                      {'../x\n' * 1000: [{'size': 1, 'sha256': 'x'}], 'weights/best.npz': [state]}])
  write_sealed(path, {**value, 'files': files})
  return repr(files)[:60]


def write_sealed(path, value):
  head = json.dumps(value).removesuffix('}').encode() + b', '
  (path / MANIFEST).write_bytes(manifest._sealed(head))


@damage()
def version_of_the_future(path, rng, _):
  value = json.loads((path / MANIFEST).read_text())
  version = rng.choice([3, 99, 10**20, 10**4000, '3', 2.5, None, [2], True, -1, 1])
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


# Cases.


def run_cases(numbers, seed: int, sound: list[Sound], folder: pathlib.Path):
  """Runs cases.

  Args:
    numbers: of the cases.
    seed: of all of them.
    sound: directories to damage copies of.
    folder: where the copies may go.

  Returns:
    How many cases ended how by kind and outcome; what was wrong, a line each;
    and the greatest memory in bytes by outcome.
  """
  counts, wrong, greatest = collections.Counter(), [], collections.Counter()
  kinds = list(KINDS)
  for original in sound:  # what is loaded once and kept is nobody's fault
    run_dir.load(original.path)
  gc.collect()
  gc.freeze()  # so that each case's own collection is quick
  by_process = sound[0].size > JSON_MEMORY / 2 and resident_memory(reset=True) > 0
  memory_now = resident_memory if by_process else traced_memory
  if not by_process:
    tracemalloc.start()
  for number in numbers:
    rng = random.Random(f'{seed}/{number}')
    kind = kinds[number % len(kinds)]
    original = sound[number // len(kinds) % len(sound)]
    weights = rng.choice([None, *original.weights])
    copy, canary = folder / 'case', folder / 'canary'
    shutil.copytree(original.path, copy)
    what = f'case {number} of seed {seed}: {kind[0]} ({KINDS[kind](copy, rng, canary)}), weights {weights}'
    watch = threading.Timer(TIME_LIMIT, give_up, [what])
    watch.start()
    outcome, memory = load(copy, original, weights, memory_now)
    watch.cancel()
    if canary.exists():
      outcome = 'ran code from the directory'
    if outcome in GOOD and memory > max(3 * original.size, JSON_MEMORY):
      outcome = f'wrong: took {memory / 1e6:.0f} MB for a model of {original.size / 1e6:.1f} MB'
    if outcome not in GOOD:
      wrong.append(f'{what}: {outcome}')
      print(wrong[-1], file=sys.stderr, flush=True)
    counts[kind[0], outcome if outcome in GOOD else 'wrong'] += 1
    greatest[outcome] = max(greatest[outcome], memory)
    shutil.rmtree(copy)
    shutil.rmtree(canary, ignore_errors=True)
  tracemalloc.stop()
  gc.unfreeze()
  return counts, wrong, greatest


def give_up(what: str):
  print(f'{what}: took more than {TIME_LIMIT} s', file=sys.stderr, flush=True)
  os._exit(1)


def load(path: pathlib.Path, original: Sound, weights: str | None, memory_now) -> tuple[str, int]:
  """Returns what loading came to, and the memory in bytes that it took."""
  gc.collect()
  before = memory_now(reset=True)
  try:
    run = run_dir.load(path, weights)
  except UserError as error:
    message = str(error)
    names_it = str(path) in message and NAMED.search(message.replace(str(path), ''))
    outcome = REFUSED if names_it and len(message) < 2000 and '\n' not in message else f'message {message[:300]!r}'
  except BaseException as error:
    outcome = f'{type(error).__name__}: {str(error)[:300]!r}'
  else:
    outcome = RIGHT
  memory = memory_now() - before
  if outcome == RIGHT and not original.is_same(run, weights):
    outcome = 'another model'
  return outcome, memory


def traced_memory(*, reset: bool = False) -> int:
  """Returns the greatest memory in bytes that Python and NumPy had since the last reset, or have with `reset`."""
  if reset:
    tracemalloc.reset_peak()
  return tracemalloc.get_traced_memory()[0 if reset else 1]


def resident_memory(*, reset: bool = False) -> int:
  """Returns the same of all that the process had in memory, which is TensorFlow's, too; 0 where it cannot be told."""
  try:
    if reset:
      # What was freed and is kept for later would be in the baseline, and its use again not be seen.
      ctypes.CDLL(None).malloc_trim(0)
      pathlib.Path('/proc/self/clear_refs').write_text('5')
    status = pathlib.Path('/proc/self/status').read_text()
  except (OSError, AttributeError, TypeError):  # not Linux, or not with GNU's library
    return 0
  return int(re.search(r'VmHWM:\s*(\d+)', status)[1]) * 1024


def make(folder: pathlib.Path, kinds: dict, words: int) -> list[Sound]:
  words = ['PAD', 'UNK', 'bos', 'eos', *(chr(0x4e00 + i) for i in range(words - 4))]
  return [Sound(folder / str(i), words, *options) for i, options in enumerate(kinds.values())]


def table(counts: collections.Counter) -> str:
  """Returns the counts as Markdown."""
  lines = ['| damage | ' + ' | '.join(OUTCOMES) + ' |', '| --- |' + ' ---: |' * len(OUTCOMES)]
  for kind in [*dict.fromkeys(name for name, _ in KINDS), 'all']:
    numbers = [sum(number for (name, outcome), number in counts.items() if outcome == column and kind in (name, 'all'))
               for column in OUTCOMES]
    if any(numbers):
      lines.append(f'| {kind} | ' + ' | '.join(map(str, numbers)) + ' |')
  return '\n'.join(lines)


def main() -> int:
  with cli.quiet_start():
    from tangshi_tf import devices
    devices.start()
  start = time.perf_counter()
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    sound = make(folder, LARGE, 8000) if _ONLY_LARGE.value else make(folder, SMALL, 40)
    counts, wrong, greatest = run_cases(range(_FIRST.value, _FIRST.value + _CASES.value), _SEED.value, sound, folder)
  print(table(counts))
  print(f'\n{_CASES.value} cases, {len(wrong)} wrong; {time.perf_counter() - start:.0f} s; models of at most '
        f'{max(original.size for original in sound) / 1e6:.3f} MB; greatest memory beyond the baseline: '
        + ', '.join(f'{greatest[outcome] / 1e6:.1f} MB ({outcome})' for outcome in GOOD), flush=True)
  status = 1 if wrong else 0
  if _LARGE.value and not _ONLY_LARGE.value:
    print('\nWith a large model, memory of the whole process:', flush=True)
    status |= subprocess.call([sys.executable, __file__, '--only_large', f'--cases={_LARGE.value}',
                               f'--seed={_SEED.value}'])
  return status


if __name__ == '__main__':
  cli.run(main)
