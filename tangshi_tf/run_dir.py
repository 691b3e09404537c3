"""A trained model on disk: plain JSON, and weights as NumPy arrays without pickle.

    config.json        format version, the model's hyperparameters, how it was trained
    vocabulary.json    the words by id
    metrics.json       figures by epoch
    weights/*.npz      epoch-NN.npz after each epoch; best.npz by validation
                       perplexity; last.npz from an interrupted epoch
    events.out.*       TensorBoard

Every file is written beside its place and then moved there.
"""

import dataclasses
import io
import json
import os
import pathlib
import shutil
import zipfile

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

FORMAT_VERSION = 1
PRETRAINED = pathlib.Path(__file__).parent / 'pretrained'
CONFIG, VOCABULARY, METRICS, WEIGHTS = 'config.json', 'vocabulary.json', 'metrics.json', 'weights'
BEST, LAST = 'best', 'last'


@dataclasses.dataclass
class Run:
  """A loaded model, its vocabulary both ways, and what is known of it."""

  name: str
  model: object
  word2id: dict[str, int]
  id2word: dict[int, str]
  config: dict


def create(path: str | os.PathLike, *, overwrite: bool = False) -> pathlib.Path:
  """Makes an empty run directory.

  Args:
    path: where; its parents are made too.
    overwrite: whether a run that stands there may be deleted.

  Raises:
    UserError: it cannot be written, holds a run and `overwrite` is false, or
      holds anything but a run.
  """
  path = pathlib.Path(path)
  try:
    if path.exists() and not path.is_dir():
      raise UserError(f'{path}: is a file; expected a directory to write the run into')
    if path.is_dir() and any(path.iterdir()):
      if not (path / CONFIG).exists():
        raise UserError(f'{path}: holds files that are no run; expected a new or empty directory')
      if not overwrite:
        raise UserError(f'{path}: holds a run already; give --overwrite to replace it, '
                        'or another --run_dir')
    (path / WEIGHTS).mkdir(parents=True, exist_ok=True)
    write_bytes(path / '.writable', b'')
    (path / '.writable').unlink()
    for name in (METRICS, VOCABULARY, CONFIG):
      (path / name).unlink(missing_ok=True)
    shutil.rmtree(path / WEIGHTS)
    (path / WEIGHTS).mkdir()
    for events in path.glob('events.out.tfevents.*'):
      events.unlink()
  except OSError as error:
    raise UserError(f'{path}: cannot be written ({error.strerror}); expected a writable directory') from None
  return path


def write_bytes(path: pathlib.Path, data: bytes):
  """Writes a file so that an interruption leaves the old one or the new one."""
  partial = path.with_name(path.name + '.partial')
  with open(partial, 'wb') as file:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
  os.replace(partial, path)


def write_json(path: pathlib.Path, value):
  """Writes a JSON file, see `write_bytes`."""
  write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=1) + '\n').encode('utf-8', 'surrogatepass'))


def write_description(path: pathlib.Path, words: list[str], config: dict):
  """Writes the vocabulary and the configuration of a new run."""
  write_bytes(path / VOCABULARY, json.dumps(words, ensure_ascii=False).encode('utf-8', 'surrogatepass'))
  write_json(path / CONFIG, {'format_version': FORMAT_VERSION, **config})


def save_weights(path: pathlib.Path, name: str, model, dtype=np.float32):
  """Writes a model's weights to `weights/<name>.npz`."""
  archive = io.BytesIO()
  np.savez(archive, **{key: np.asarray(variable).astype(dtype) for key, variable in _variables(model).items()})
  write_bytes(path / WEIGHTS / f'{name}.npz', archive.getvalue())


def _variables(model) -> dict:
  """Returns the model's variables by a name that does not depend on Keras's counters."""
  named = {'embedding': model.embed_layer.embeddings, 'dense_kernel': model.dense.kernel,
           'dense_bias': model.dense.bias}
  named.update((f'cell_{variable.name}', variable) for variable in model.rnncell.trainable_variables)
  return named


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
  if not path.is_dir():
    raise UserError(f'model {model!r}: no such directory; expected a run directory or one of the shipped '
                    f'models: {", ".join(shipped_names())}')
  if not (path / CONFIG).exists():
    raise UserError(f'{path}: has no {CONFIG}; expected a run directory made by tangshi_tf.train')
  return path


def newest(runs: str | os.PathLike = 'runs') -> pathlib.Path | None:
  """Returns the run under `runs` whose weights are the newest, or None."""
  weights = [file for file in pathlib.Path(runs).glob(f'*/{WEIGHTS}/*.npz') if file.stem in (BEST, LAST)]
  return max(weights, key=lambda file: file.stat().st_mtime).parent.parent if weights else None


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
  config = _read_json(path / CONFIG, dict)
  if config.get('format_version') != FORMAT_VERSION:
    raise UserError(f'{path / CONFIG}: format version {config.get("format_version")!r}; '
                    f'this version of tangshi_tf reads {FORMAT_VERSION}')
  words = _read_json(path / VOCABULARY, list)
  if (not all(isinstance(word, str) for word in words) or len(set(words)) != len(words)
      or words[:2] != [corpus.pad_token, corpus.unknown_token]
      or not {corpus.start_token, corpus.end_token} <= set(words)):
    raise UserError(f'{path / VOCABULARY}: is no vocabulary; expected distinct words, '
                    f'{", ".join(corpus.SPECIAL_TOKENS)} among them')
  if weights is None:
    weights = BEST if (path / WEIGHTS / f'{BEST}.npz').exists() else LAST
  arrays = _read_weights(path / WEIGHTS / f'{weights}.npz')
  word2id, id2word = corpus.word_tables(words)
  return Run(str(model), _rebuild(path, config, word2id, arrays), word2id, id2word, config)


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


def _read_weights(path: pathlib.Path) -> dict[str, np.ndarray]:
  try:
    with np.load(path, allow_pickle=False) as archive:
      return {key: archive[key] for key in archive.files}
  except FileNotFoundError:
    raise UserError(f'{path}: is missing; the run has no such weights (yet)') from None
  except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile,
          NotImplementedError) as error:
    raise UserError(f'{path}: is damaged ({str(error).splitlines()[0] if str(error) else "truncated"}); '
                    'expected NumPy arrays') from None


def _rebuild(path, config, word2id, arrays):
  """Returns the model of a configuration with the given weights in it."""
  from tangshi_tf.model import myRNNModel
  expected = _expected_shapes(path, config, len(word2id))
  if set(arrays) != set(expected):
    raise UserError(f'{path / WEIGHTS}: holds the arrays {", ".join(sorted(arrays)) or "(none)"}; '
                    f'expected {", ".join(sorted(expected))}')
  for key, shape in expected.items():
    if arrays[key].shape != shape or arrays[key].dtype.kind != 'f':
      raise UserError(f'{path / WEIGHTS}: {key} is {arrays[key].dtype} {list(arrays[key].shape)}; expected '
                      f'floats {list(shape)} for {len(word2id)} words and the sizes in {CONFIG}')
    if not np.isfinite(arrays[key]).all():
      raise UserError(f'{path / WEIGHTS}: {key} has values that are not finite')
  model = myRNNModel(word2id, **config['model'])
  for key, variable in _variables(model).items():
    variable.assign(arrays[key].astype(np.float32))
  return model


def _expected_shapes(path, config, words: int) -> dict[str, tuple[int, ...]]:
  """Returns the arrays' shapes, so that a wrong size is found before it is allocated."""
  sizes = config.get('model')
  try:
    cell, width, units = sizes['cell'], sizes['embedding_size'], sizes['units']
    gates = {'rnn': 1, 'lstm': 4, 'gru': 3}[cell]
    known = set(sizes) <= {'cell', 'embedding_size', 'units', 'reset_after'}
    valid = known and all(type(size) is int and size > 0 for size in (width, units))
    valid &= type(sizes.get('reset_after', True)) is bool
  except (TypeError, KeyError):
    valid = False
  if not valid:
    raise UserError(f'{path / CONFIG}: "model" is {corpus.shorten(json.dumps(sizes), 80)}; expected cell '
                    '(rnn, lstm or gru), embedding_size, units and, for gru, reset_after')
  bias = (gates * units,) if cell != 'gru' or not sizes.get('reset_after', True) else (2, gates * units)
  return {'embedding': (words, width), 'dense_kernel': (units, words), 'dense_bias': (words,),
          'cell_kernel': (width, gates * units), 'cell_recurrent_kernel': (units, gates * units),
          'cell_bias': bias}
