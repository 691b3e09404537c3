"""A trained model on disk: plain JSON, and weights as NumPy arrays without pickle.

    manifest.json      format version; size and SHA-256 of the files that loading may read
    config.json        the model's hyperparameters, how it was trained
    vocabulary.json    the words by id
    metrics.json       figures by epoch
    weights/*.npz      epoch-NN.npz after each epoch; best.npz by validation
                       perplexity; last.npz from an interrupted epoch
    checkpoint.npz     where the run stood last, see `checkpoint`
    events.out.*       TensorBoard
    .lock              held by the process that trains

Every file is written beside its place and then moved there, and the manifest
knows the new one before it is. Nothing is read that the manifest does not know.
"""

import contextlib
import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import sys
from collections.abc import Iterator

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.run_dir import manifest
from tangshi_tf.run_dir.archive import Archive
from tangshi_tf.run_dir.manifest import MANIFEST, Manifest, clear_writing, write_bytes, write_file

RUNS = 'runs'
PRETRAINED = pathlib.Path(__file__).parent.parent / 'pretrained'
CONFIG, VOCABULARY, METRICS, WEIGHTS = 'config.json', 'vocabulary.json', 'metrics.json', 'weights'
CHECKPOINT = 'checkpoint.npz'
BEST, LAST = 'best', 'last'
LOCK = '.lock'
_GREATEST = 1e9  # of a weight; products of such ones stay finite in float32
_GATES = {'rnn': 1, 'lstm': 4, 'gru': 3}
_TRIES = 10  # reads of a run that is being written meanwhile
_FILES = (MANIFEST, CONFIG, VOCABULARY, METRICS, CHECKPOINT)
_OWN_NAMES = {*_FILES, *(name + manifest.PARTIAL for name in _FILES), WEIGHTS, LOCK}


@dataclasses.dataclass
class Run:
  """A loaded model, its vocabulary both ways, and what is known of it."""

  name: str
  model: object
  word2id: dict[str, int]
  id2word: dict[int, str]
  config: dict


@contextlib.contextmanager
def claim(path: str | os.PathLike, *, overwrite: bool = False, resume: bool = False) -> Iterator[pathlib.Path]:
  """Holds a directory for one training run, without touching a run in it.

  The directory is made if need be and locked while the context lasts; the lock
  goes with the process that holds it.

  Args:
    path: where the run will be written.
    overwrite: whether a run that stands there may be replaced.
    resume: whether a run must stand there, to go on with.

  Yields:
    The path.

  Raises:
    UserError: it cannot be written, another process holds it, it has a run and
      neither is set, it has none and `resume` is, or it has files and is
      no run.
  """
  path = pathlib.Path(path)
  if resume and not os.path.exists(path / CONFIG):
    raise UserError(f'{path}: holds no run to resume; expected a run directory, or no --resume to begin a run')
  with clear_writing(path):
    if path.exists() and not path.is_dir():
      raise UserError(f'{path}: is a file; expected a directory to write the run into')
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    names = {file.name for file in path.iterdir() if not fnmatch.fnmatch(file.name, 'events.out.*')}
    if not _is_ours(path, names):
      raise UserError(f'{path}: holds files that are no run; expected a new or empty directory')
    has_run = CONFIG in names or any(path.glob(_weights_file('*')))
    lock = open(path / LOCK, 'a+', encoding='ascii')
  try:
    with lock:
      _hold(lock, path, replace=overwrite or resume or not has_run)
      try:
        yield path
      finally:
        lock.truncate(0)
  finally:
    if made and path.is_dir() and [file.name for file in path.iterdir()] == [LOCK]:
      (path / LOCK).unlink()
      path.rmdir()


def _hold(lock, path: pathlib.Path, *, replace: bool):
  """Locks a claimed directory and notes which process has it."""
  if not _lock(lock):
    lock.seek(0)
    raise UserError(f'{path}: process {lock.read().strip() or "?"} is training into it; '
                    'expected a directory of its own for each run')
  if not replace:
    raise UserError(f'{path}: holds a run already; give --resume to go on with it, --overwrite to replace it, or '
                    'another --run_dir')
  lock.truncate(0)
  lock.write(str(os.getpid()))
  lock.flush()


def _is_ours(path: pathlib.Path, names: set[str]) -> bool:
  """Tells a run, damaged or not, from other people's files."""
  if CONFIG not in names and MANIFEST not in names:  # at most what a run leaves that was killed before its first file
    return names <= _OWN_NAMES and not any(path.glob(f'{WEIGHTS}/*'))
  if MANIFEST in names:
    value = _peek(path / MANIFEST)
    if value is not None:
      return isinstance(value, dict) and {'format_version', 'files'} <= set(value)
  # Version 1 had no manifest; a later one may be damaged, so that --overwrite may mend it.
  if CONFIG in names:
    value = _peek(path / CONFIG)
    if value is not None:
      return isinstance(value, dict) and 'model' in value and ('format_version' in value or VOCABULARY in names)
  return names <= _OWN_NAMES


def _peek(path: pathlib.Path):
  """Returns the value of a JSON file that need not be sound, or None."""
  try:
    with manifest.open_plain(path) as file:
      return manifest.parse_json(path, file.read(manifest.MAX_JSON), object)
  except (UserError, OSError):
    return None


def _lock(file) -> bool:
  """Locks an open file for as long as it is open; says whether that worked."""
  try:
    if sys.platform == 'win32':
      import msvcrt
      file.seek(1000)  # beyond the number, so that others can read it
      msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
      import fcntl
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    return False
  return True


def create(path: pathlib.Path, words: list[str], config: dict, *, again: bool = False):
  """Begins a run in a claimed directory; what is left of an earlier one goes.

  Args:
    path: the directory.
    words: the vocabulary by id.
    config: what `config.json` says.
    again: whether it is the run that stands there, which has no weights yet. A
      kill leaves its old `config.json` then, which says how to begin once more.

  Raises:
    UserError: it cannot be written.
  """
  with clear_writing(path):
    weights = path / WEIGHTS
    weights.mkdir(exist_ok=True)
    if not again:
      manifest.begin(path)  # first, so that the old run's files are never taken for the new one's
    for old in (*path.glob('events.out.tfevents.*'), *weights.glob('*.npz'), *weights.glob('*.partial'),
                *path.glob('*.partial'), path / METRICS, path / CHECKPOINT):
      old.unlink(missing_ok=True)
  write_file(path, CONFIG, encode_json(config))
  write_file(path, VOCABULARY, _to_json(words))


def encode_json(value) -> bytes:
  """Returns a value as the package writes JSON: a line a member, UTF-8, no NaN."""
  return _to_json(value, indent=1) + b'\n'


def _to_json(value, **options) -> bytes:
  text = json.dumps(value, ensure_ascii=False, allow_nan=False, **options)
  # A path that is not UTF-8 has surrogates; as an escape in a JSON string each is what it was.
  return text.encode('utf-8', 'backslashreplace')


def write_json(path: pathlib.Path, value):
  """Writes a JSON file that is none of a run's, see `write_bytes`; those of a run go through `write_file`."""
  write_bytes(path, encode_json(value))


def save_weights(path: pathlib.Path, name: str, model, dtype=np.float32):
  """Writes a model's weights to `weights/<name>.npz`."""
  arrays = {key: np.asarray(variable).astype(dtype) for key, variable in _variables(model).items()}
  write_file(path, _weights_file(name), lambda file: np.savez(file, **arrays))


def _weights_file(name: str) -> str:
  return f'{WEIGHTS}/{name}.npz'


def upgrade(path: str | os.PathLike):
  """Makes a run of format version 1 one of this version, as it is: gives it a manifest.

  Raises:
    UserError: it is none, another process holds it, or it cannot be written.
  """
  with claim(path, overwrite=True) as path:
    config = _peek(path / CONFIG)
    if not _is_version_1(config):
      raise UserError(f'{path / CONFIG}: expected one of format version 1')
    files = [path / name for name in (CONFIG, VOCABULARY, METRICS) if (path / name).exists()]
    files += sorted(path.glob(_weights_file('*')))
    Manifest(path, {file.relative_to(path).as_posix(): [manifest.measure(file)] for file in files}).write()
    del config['format_version']
    write_file(path, CONFIG, encode_json(config))


def _is_version_1(config) -> bool:
  return isinstance(config, dict) and config.get('format_version') == 1


def _variables(model) -> dict:
  """Returns the model's variables by a name that does not depend on Keras's counters."""
  named = {'embedding': model.embed_layer.embeddings, 'dense_bias': model.dense.bias}
  if not model.hyperparameters['tied']:
    named['dense_kernel'] = model.dense.kernel
  if model.projection is not None:
    named['projection_kernel'] = model.projection.kernel
  for i, layer in enumerate(model.rnn_layers):
    named.update((f'{_layer_name("cell", i)}_{variable.name}', variable) for variable in layer.trainable_variables)
  for i, norm in enumerate(model.norms):
    named.update((f'{_layer_name("norm", i)}_{variable.name}', variable) for variable in norm.trainable_variables)
  return named


def _layer_name(kind: str, index: int) -> str:
  return kind if not index else f'{kind}{index + 1}'


def shipped_names() -> list[str]:
  """Returns the names of the models in the package."""
  return sorted(path.parent.name for path in PRETRAINED.glob('*/' + MANIFEST))


def locate(model: str) -> pathlib.Path:
  """Returns the directory of a shipped name or of a run directory's path.

  Raises:
    UserError: there is neither.
  """
  if model in shipped_names() and not os.path.isdir(model):
    return PRETRAINED / model
  path = pathlib.Path(model)
  if not os.path.isdir(path):
    raise UserError(f'model {shorten(model, 100)}: no such directory; expected a run directory or one of '
                    f'the shipped models: {", ".join(shipped_names())}')
  if not os.path.lexists(path / MANIFEST) and not os.path.lexists(path / CONFIG):
    raise UserError(f'{path}: has no {MANIFEST}; expected a run directory made by tangshi_tf.train')
  return path


def for_training(given: str | None, recipe: str | None, cell: str) -> str:
  """Returns where a training writes its run: the directory it was given, else one by its recipe or its cell."""
  return given if given is not None else os.path.join(RUNS, recipe or cell)


def newest(runs: str | os.PathLike = RUNS) -> pathlib.Path | None:
  """Returns the run under `runs` whose weights are the newest, or None."""
  weights = [file for file in pathlib.Path(runs).glob(f'*/{WEIGHTS}/*.npz') if file.stem in (BEST, LAST)]
  return max(weights, key=lambda file: file.lstat().st_mtime).parent.parent if weights else None


def default() -> str:
  """Returns the model to take where none is named: the newest run under runs/, else a shipped one."""
  return str(newest() or ('best' if 'best' in shipped_names() else 'rnn'))


def load(model: str | os.PathLike, weights: str | None = None) -> Run:
  """Loads a trained model.

  Nothing in the directory is run, and nothing is taken from a file before it
  has been found to be the one in the manifest. Memory: at most three times the
  model's float32 size, or 130 MB where JSON is as large as it may be.

  Args:
    model: a shipped name or a run directory.
    weights: 'best', 'last' or 'epoch-NN'; by default the best there are, or
      the last of a run that was interrupted in its first epoch.

  Raises:
    UserError: the directory is missing or damaged, or of another version.
  """
  path = locate(os.fspath(model))
  listed = _read_manifest(path)
  for _ in range(_TRIES):
    try:
      return _load(str(model), path, listed, weights)
    except UserError:
      before, listed = listed, _read_manifest(path)
      if listed.files == before.files:  # else a training has just replaced a file
        raise
  raise UserError(f'{path / MANIFEST}: changes all the time; expected a run that is written to less often')


def _read_manifest(path: pathlib.Path) -> Manifest:
  if not os.path.lexists(path / MANIFEST) and _is_version_1(_peek(path / CONFIG)):
    raise UserError(f'{path}: is of format version 1, from a tangshi_tf that wrote no {MANIFEST}; expected one. To add '
                    f'it: python -c "from tangshi_tf import run_dir; run_dir.upgrade({str(path)!r})"')
  return Manifest.read(path)


def _load(name: str, path: pathlib.Path, listed: Manifest, weights: str | None) -> Run:
  weights = _weights_file(_choose(path, listed, weights))
  config = listed.read_json(CONFIG, dict)
  words = listed.read_json(VOCABULARY, list)
  if (not all(isinstance(word, str) and (len(word) == 1 or word in corpus.SPECIAL_TOKENS) for word in words)
      or len(set(words)) != len(words)
      or words[:2] != [corpus.pad_token, corpus.unknown_token]
      or not {corpus.start_token, corpus.end_token} <= set(words)):
    raise UserError(f'{path / VOCABULARY}: is no vocabulary; expected distinct characters and '
                    f'{", ".join(corpus.SPECIAL_TOKENS)}')
  word2id, id2word = corpus.word_tables(words)
  with listed.open(weights) as file:
    model = _rebuild(path, config, word2id, Archive(path / weights, file))
  return Run(name, model, word2id, id2word, config)


def _choose(path: pathlib.Path, listed: Manifest, weights: str | None) -> str:
  """Returns the name of the weights to load; the manifest alone decides what there is."""
  if weights is None:
    weights = next((name for name in (BEST, LAST) if listed.has(_weights_file(name))), None)
    if weights is None:
      raise UserError(f'{path / WEIGHTS}: holds neither {BEST}.npz nor {LAST}.npz; the run has not got that far')
  if not re.fullmatch(r'[\w-]+', weights):
    raise UserError(f'weights {shorten(weights)}: expected {BEST}, {LAST} or epoch-NN')
  if not listed.has(_weights_file(weights)):
    names = [name for name in listed.files if name.startswith(f'{WEIGHTS}/') and listed.has(name)]
    raise UserError(f'{path / _weights_file(weights)}: is not in {MANIFEST}; expected one of {_list(names)}')
  return weights


def read_json(path: pathlib.Path, name: str, kind: type = dict):
  """Returns what a JSON file of a run says, once it is known to be sound.

  Raises:
    UserError: it is missing, damaged, or no JSON of that kind.
  """
  return _read_manifest(path).read_json(name, kind)


def read_arrays(path: pathlib.Path, name: str) -> dict[str, np.ndarray]:
  """Returns the arrays of an `.npz` file of a run, once it is known to be sound.

  Raises:
    UserError: it is missing or damaged.
  """
  with _read_manifest(path).open(name) as file:
    archive = Archive(path / name, file)
    return {key: archive.read(key) for key in archive.headers}


def _rebuild(path, config, word2id, archive: Archive):
  """Returns the model of a configuration with the given weights in it."""
  from tangshi_tf.model import myRNNModel
  _check_shapes(path, config, len(word2id), archive.headers)
  try:
    model = myRNNModel(word2id, **config['model'], blank=True)
  except UserError as error:
    raise UserError(f'{path / CONFIG}: {error}') from None
  for key, variable in _variables(model).items():
    _fill(variable, key, archive)
  return model


def _fill(variable, key: str, archive: Archive):
  """Puts an array into a variable of its shape, a few rows at a time, so that there is no second copy of it."""
  import tensorflow as tf
  first = 0
  for block in archive.blocks(key):
    values = block.astype(np.float32)
    if not (np.abs(values) <= _GREATEST).all():
      raise UserError(f'{archive.path}: {key} has values that are not finite or beyond {_GREATEST:g}')
    # Not variable[...].assign: that reads the variable, and so has to copy all of it each time.
    tf.raw_ops.ResourceStridedSliceAssign(ref=variable.value.handle, begin=[first], end=[first + len(block)],
                                          strides=[1], value=values)
    first += len(block)


def _check_shapes(path, config, words: int, headers: dict[str, tuple]):
  """Checks that the arrays are those of the configuration, before anything of their size is allocated."""
  from tangshi_tf.model import HYPERPARAMETERS
  options = config.get('model')
  valid = isinstance(options, dict) and {'cell', 'embedding_size', 'units'} <= set(options) <= set(HYPERPARAMETERS)
  if valid:
    kinds = {name: (int, float) if type(default) is float else (type(default),)
             for name, default in HYPERPARAMETERS.items()}
    valid = all(type(value) in kinds[name] for name, value in options.items())
    valid = valid and options['cell'] in _GATES
    valid = valid and all(0 <= value < 2**31 for value in options.values() if not isinstance(value, str))
    valid = valid and min(options['embedding_size'], options['units'], options.get('layers', 1)) > 0
  if not valid:
    raise UserError(f'{path / CONFIG}: "model" is {shorten(json.dumps(options), 80)}; expected cell '
                    f'(rnn, lstm or gru), embedding_size, units and perhaps others of {", ".join(HYPERPARAMETERS)}')
  expected = _shapes({**HYPERPARAMETERS, **options}, words, most_layers=len(headers))
  weights = path / WEIGHTS
  if set(headers) != set(expected):
    raise UserError(f'{weights}: holds the arrays {_list(headers)}; expected {_list(expected)}')
  for key, shape in expected.items():
    actual, dtype = headers[key]
    if actual != shape or dtype not in (np.float16, np.float32):
      raise UserError(f'{weights}: {key} is {shorten(str(dtype))} {list(actual)}; '
                      f'expected floats {list(shape)} for {words} words and the sizes in {CONFIG}')


def _list(names) -> str:
  return shorten(', '.join(sorted(names)), 500)


def _shapes(options: dict, words: int, most_layers: int) -> dict[str, tuple[int, ...]]:
  """Returns the shapes of a model's variables, by `_variables`' names, without making it.

  `most_layers` bounds the work where the configuration names an absurd number.
  """
  width, units, gates = options['embedding_size'], options['units'], _GATES[options['cell']]
  projection = options['projection']
  if options['tied'] and units != width:
    projection = width
  shapes = {'embedding': (words, width), 'dense_bias': (words,)}
  if not options['tied']:
    shapes['dense_kernel'] = (projection or units, words)
  if projection:
    shapes['projection_kernel'] = (units, projection)
  for i in range(min(options['layers'], most_layers)):
    cell, norm = _layer_name('cell', i), _layer_name('norm', i)
    shapes[f'{cell}_kernel'] = (units if i else width, gates * units)
    shapes[f'{cell}_recurrent_kernel'] = (units, gates * units)
    two = options['cell'] == 'gru' and options['reset_after']
    shapes[f'{cell}_bias'] = (2, gates * units) if two else (gates * units,)
    if options['layer_norm']:
      shapes[f'{norm}_gamma'] = shapes[f'{norm}_beta'] = (units,)
  return shapes
