"""A trained model on disk: plain JSON, and weights as NumPy arrays without pickle.

    config.json        format version, the model's hyperparameters, how it was trained
    vocabulary.json    the words by id
    metrics.json       figures by epoch
    weights/*.npz      epoch-NN.npz after each epoch; best.npz by validation
                       perplexity; last.npz from an interrupted epoch
    checkpoint.npz     where the run stood last, see `checkpoint`
    events.out.*       TensorBoard
    .lock              held by the process that trains

Every file is written beside its place and then moved there.
"""

import contextlib
import dataclasses
import fnmatch
import io
import json
import os
import pathlib
import re
from collections.abc import Iterator

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

FORMAT_VERSION = 1
PRETRAINED = pathlib.Path(__file__).parent / 'pretrained'
CONFIG, VOCABULARY, METRICS, WEIGHTS = 'config.json', 'vocabulary.json', 'metrics.json', 'weights'
CHECKPOINT = 'checkpoint.npz'
BEST, LAST = 'best', 'last'
LOCK = '.lock'
_GREATEST = 1e9  # of a weight; products of such ones stay finite in float32
_FILES = CONFIG, VOCABULARY, METRICS, CHECKPOINT
_OWN_NAMES = {WEIGHTS, LOCK, *_FILES, *(f'{name}.partial' for name in _FILES)}


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
      neither is set, it has none and `resume` is, or it has a `config.json`
      that is none of ours.
  """
  path = pathlib.Path(path)
  if resume and not os.path.exists(path / CONFIG):
    raise UserError(f'{path}: holds no run to resume; expected a run directory, or no --resume to begin a run')
  with _clear_errors(path):
    if path.exists() and not path.is_dir():
      raise UserError(f'{path}: is a file; expected a directory to write the run into')
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    names = {file.name for file in path.iterdir() if not fnmatch.fnmatch(file.name, 'events.out.*')}
    if CONFIG in names:
      ours = _is_ours(path / CONFIG)
    else:  # at most what a run leaves that was killed before its first file
      ours = names <= _OWN_NAMES and not any(path.glob(f'{WEIGHTS}/*'))
    if not ours:
      raise UserError(f'{path}: holds files that are no run; expected a new or empty directory')
    lock = open(path / LOCK, 'a+', encoding='ascii')
  try:
    with lock:
      _hold(lock, path, replace=overwrite or resume or CONFIG not in names)
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


def _is_ours(config: pathlib.Path) -> bool:
  try:
    value = json.loads(config.read_text(encoding='utf-8'))
  except ValueError:
    return True  # cut short, so that --overwrite may mend it
  return isinstance(value, dict) and {'format_version', 'model'} <= set(value)


def _lock(file) -> bool:
  """Locks an open file for as long as it is open; says whether that worked."""
  try:
    if os.name == 'nt':
      import msvcrt
      file.seek(1000)  # beyond the number, so that others can read it
      msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
      import fcntl
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    return False
  return True


@contextlib.contextmanager
def _clear_errors(path: pathlib.Path):
  """Says in one line that something could not be written."""
  try:
    yield
  except OSError as error:
    raise UserError(f'{path}: cannot be written ({error.strerror or error}); '
                    'expected a writable directory with room') from None


def create(path: pathlib.Path, words: list[str], config: dict):
  """Begins a run in a claimed directory; what is left of an earlier one goes.

  Args:
    path: the directory.
    words: the vocabulary by id.
    config: what `config.json` says beside the format version.

  Raises:
    UserError: it cannot be written.
  """
  with _clear_errors(path):
    weights = path / WEIGHTS
    weights.mkdir(exist_ok=True)
    for old in (*path.glob('events.out.tfevents.*'), *weights.glob('*.npz'), *weights.glob('*.partial'),
                *path.glob('*.partial'), path / METRICS, path / CHECKPOINT):
      old.unlink(missing_ok=True)
  write_json(path / CONFIG, {'format_version': FORMAT_VERSION, **config})
  write_bytes(path / VOCABULARY, _to_json(words))


def write_bytes(path: pathlib.Path, data: bytes):
  """Writes a file so that an interruption leaves the old one or the new one.

  Raises:
    UserError: it cannot be written.
  """
  partial = path.with_name(path.name + '.partial')
  with _clear_errors(path):
    try:
      with open(partial, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
      os.replace(partial, path)
    finally:
      partial.unlink(missing_ok=True)


def write_json(path: pathlib.Path, value):
  """Writes a JSON file, see `write_bytes`."""
  write_bytes(path, _to_json(value, indent=1) + b'\n')


def _to_json(value, **options) -> bytes:
  text = json.dumps(value, ensure_ascii=False, allow_nan=False, **options)
  # A path that is not UTF-8 has surrogates; as an escape in a JSON string each is what it was.
  return text.encode('utf-8', 'backslashreplace')


def save_weights(path: pathlib.Path, name: str, model, dtype=np.float32):
  """Writes a model's weights to `weights/<name>.npz`."""
  archive = io.BytesIO()
  np.savez(archive, **{key: np.asarray(variable).astype(dtype) for key, variable in _variables(model).items()})
  write_bytes(path / WEIGHTS / f'{name}.npz', archive.getvalue())


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
  return sorted(path.parent.name for path in PRETRAINED.glob('*/' + CONFIG))


def locate(model: str) -> pathlib.Path:
  """Returns the directory of a shipped name or of a run directory's path.

  Raises:
    UserError: there is neither.
  """
  if model in shipped_names() and not os.path.isdir(model):
    return PRETRAINED / model
  path = pathlib.Path(model)
  if not os.path.isdir(path):
    raise UserError(f'model {corpus.shorten(model, 100)}: no such directory; expected a run directory or one of '
                    f'the shipped models: {", ".join(shipped_names())}')
  if not os.path.exists(path / CONFIG):
    raise UserError(f'{path}: has no {CONFIG}; expected a run directory made by tangshi_tf.train')
  return path


def newest(runs: str | os.PathLike = 'runs') -> pathlib.Path | None:
  """Returns the run under `runs` whose weights are the newest, or None."""
  weights = [file for file in pathlib.Path(runs).glob(f'*/{WEIGHTS}/*.npz') if file.stem in (BEST, LAST)]
  return max(weights, key=lambda file: file.stat().st_mtime).parent.parent if weights else None


def default() -> str:
  """Returns the model to take where none is named: the newest run under runs/, else a shipped one."""
  return str(newest() or ('best' if 'best' in shipped_names() else 'rnn'))


def load(model: str | os.PathLike, weights: str | None = None) -> Run:
  """Loads a trained model.

  Args:
    model: a shipped name or a run directory.
    weights: 'best', 'last' or 'epoch-NN'; by default the best there are, or
      the last of a run that was interrupted in its first epoch.

  Raises:
    UserError: the directory is missing or damaged.
  """
  path = locate(os.fspath(model))
  config = read_config(path)
  words = read_vocabulary(path)
  if weights is None:
    weights = next((name for name in (BEST, LAST) if os.path.exists(path / WEIGHTS / f'{name}.npz')), None)
    if weights is None:
      raise UserError(f'{path / WEIGHTS}: holds neither {BEST}.npz nor {LAST}.npz; the run has not got that far')
  if not re.fullmatch(r'[\w-]+', weights):
    raise UserError(f'weights {corpus.shorten(weights)}: expected {BEST}, {LAST} or epoch-NN')
  arrays = read_arrays(path / WEIGHTS / f'{weights}.npz')
  word2id, id2word = corpus.word_tables(words)
  return Run(str(model), _rebuild(path, config, word2id, arrays), word2id, id2word, config)


def read_config(path: pathlib.Path) -> dict:
  """Returns what a run directory's `config.json` says.

  Raises:
    UserError: it is missing, damaged or of another version.
  """
  config = _read_json(path / CONFIG, dict)
  if config.get('format_version') != FORMAT_VERSION:
    raise UserError(f'{path / CONFIG}: format version {config.get("format_version")!r}; '
                    f'this version of tangshi_tf reads {FORMAT_VERSION}')
  return config


def read_vocabulary(path: pathlib.Path) -> list[str]:
  """Returns the words of a run directory's `vocabulary.json` by id.

  Raises:
    UserError: it is missing, damaged or no vocabulary.
  """
  words = _read_json(path / VOCABULARY, list)
  if (not all(isinstance(word, str) and (len(word) == 1 or word in corpus.SPECIAL_TOKENS) for word in words)
      or len(set(words)) != len(words)
      or words[:2] != [corpus.pad_token, corpus.unknown_token]
      or not {corpus.start_token, corpus.end_token} <= set(words)):
    raise UserError(f'{path / VOCABULARY}: is no vocabulary; expected distinct characters and '
                    f'{", ".join(corpus.SPECIAL_TOKENS)}')
  return words


def read_metrics(path: pathlib.Path) -> dict:
  """Returns what a run directory's `metrics.json` says.

  Raises:
    UserError: it is missing or damaged.
  """
  return _read_json(path / METRICS, dict)


def _read_json(path: pathlib.Path, kind: type):
  try:
    value = json.loads(path.read_text(encoding='utf-8', errors='surrogatepass'))
  except FileNotFoundError:
    raise UserError(f'{path}: is missing; the run directory is incomplete') from None
  except (OSError, ValueError, RecursionError) as error:
    raise UserError(f'{path}: is damaged ({str(error).splitlines()[0]}); expected JSON') from None
  if not isinstance(value, kind):
    raise UserError(f'{path}: holds a JSON {type(value).__name__}; expected a {kind.__name__}')
  return value


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Reads the arrays of an `.npz` file by name.

  Raises:
    UserError: it is missing or damaged.
  """
  try:
    with np.load(path, allow_pickle=False) as archive:
      unpacked = sum(member.file_size for member in archive.zip.infolist())
      if unpacked > path.stat().st_size:  # nothing that a run wrote: so small a file could fill the memory
        raise ValueError(f'{unpacked} bytes when unpacked')
      arrays = {key: archive[key] for key in archive.files}
      if foreign := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise ValueError(f'no array: {foreign[0]}')
      return arrays
  except FileNotFoundError:
    raise UserError(f'{path}: is missing; expected one of the names in {path.parent}') from None
  except Exception as error:  # damage shows in any of a dozen types, from zlib's to tokenize's
    raise UserError(f'{path}: is damaged ({type(error).__name__}: {corpus.shorten(str(error), 80)}); '
                    'expected NumPy arrays') from None


def _rebuild(path, config, word2id, arrays):
  """Returns the model of a configuration with the given weights in it."""
  from tangshi_tf.model import myRNNModel
  _check_sizes(path, config, len(word2id), arrays)
  try:
    model = myRNNModel(word2id, **config['model'])
  except UserError as error:
    raise UserError(f'{path / CONFIG}: {error}') from None
  variables = _variables(model)
  if set(arrays) != set(variables):
    raise UserError(f'{path / WEIGHTS}: holds the arrays {_listed(arrays)}; '
                    f'expected {", ".join(sorted(variables))}')
  for key, variable in variables.items():
    _check_shape(path, key, arrays[key], tuple(variable.shape), len(word2id))
    with np.errstate(over='ignore'):
      values = arrays[key].astype(np.float32)
    if not (np.abs(values) <= _GREATEST).all():
      raise UserError(f'{path / WEIGHTS}: {key} has values that are not finite or beyond {_GREATEST:g}')
    variable.assign(values)
  return model


def _listed(arrays) -> str:
  # Quoted, because a damaged file's names may hold anything.
  return ', '.join(corpus.shorten(key, 40) for key in sorted(arrays)) or '(none)'


def _check_sizes(path, config, words: int, arrays: dict[str, np.ndarray]):
  """Checks what decides how large the model is against the arrays, before anything is allocated."""
  from tangshi_tf.model import HYPERPARAMETERS
  options = config.get('model')
  valid = isinstance(options, dict) and {'cell', 'embedding_size', 'units'} <= set(options) <= set(HYPERPARAMETERS)
  if valid:
    kinds = {name: (int, float) if type(default) is float else (type(default),)
             for name, default in HYPERPARAMETERS.items()}
    valid = all(type(value) in kinds[name] for name, value in options.items())
    valid = valid and all(value >= 0 for value in options.values() if not isinstance(value, str))
    valid = valid and min(options['embedding_size'], options['units'], options.get('layers', 1)) > 0
  if not valid:
    raise UserError(f'{path / CONFIG}: "model" is {corpus.shorten(json.dumps(options), 80)}; expected cell '
                    f'(rnn, lstm or gru), embedding_size, units and perhaps others of {", ".join(HYPERPARAMETERS)}')
  width, units = options['embedding_size'], options['units']
  expected = {'embedding': (words, width)}
  for i in range(min(options.get('layers', 1), len(arrays) + 1)):
    expected[f'{_layer_name("cell", i)}_recurrent_kernel'] = (units, None)
  if options.get('projection'):
    expected['projection_kernel'] = (units, options['projection'])
  for key, shape in expected.items():
    if key not in arrays:
      raise UserError(f'{path / WEIGHTS}: holds the arrays {_listed(arrays)}; expected {key} '
                      'among them')
    _check_shape(path, key, arrays[key], shape, words)


def _check_shape(path, key: str, array: np.ndarray, shape: tuple[int | None, ...], words: int):
  fits = array.ndim == len(shape) and all(size in (None, actual) for size, actual in zip(shape, array.shape))
  if not fits or array.dtype.kind != 'f':
    raise UserError(f'{path / WEIGHTS}: {key} is {array.dtype} {list(array.shape)}; expected floats '
                    f'{["?" if size is None else size for size in shape]} for {words} words and the sizes in {CONFIG}')
