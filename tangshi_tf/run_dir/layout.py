"""What a run directory holds, and where the run directories are.

    manifest.json      format version; size and SHA-256 of the files that loading may read; which weights are the best
    config.json        the model's hyperparameters, how it was trained
    vocabulary.json    the words by id
    metrics.json       figures by epoch
    weights/*.npz      epoch-NN.npz after each epoch; last.npz from an
                       interrupted epoch, until the next one ends; in a
                       shipped model best.npz alone
    checkpoint.npz     where the run stopped last, see `training.checkpoint`
    events.out.*       TensorBoard
    projector*         its page of the embedding
    .lock              held by the process that trains
"""

import os
import pathlib

from tangshi_tf.errors import UserError, did_you_mean, shorten
from tangshi_tf.short import shown

RUNS = 'runs'
PRETRAINED = pathlib.Path(__file__).parent.parent / 'pretrained'
MANIFEST, CONFIG, VOCABULARY, METRICS = 'manifest.json', 'config.json', 'vocabulary.json', 'metrics.json'
CHECKPOINT, WEIGHTS, LOCK = 'checkpoint.npz', 'weights', '.lock'
PROJECTOR, PROJECTOR_CONFIG = 'projector', 'projector_config.pbtxt'
BEST, LAST = 'best', 'last'
KERAS = '.keras'  # what the name of a file ends in that `myRNNModel.save` writes


def weights_file(name: str) -> str:
  """Returns the file of the weights of that name: 'best', 'last' or 'epoch-NN'."""
  return f'{WEIGHTS}/{name}.npz'


def shipped_names() -> list[str]:
  """Returns the names of the models in the package."""
  return sorted(path.parent.name for path in PRETRAINED.glob('*/' + MANIFEST))


def locate(model: str | os.PathLike) -> pathlib.Path:
  """Returns the directory of a shipped name or of a run directory's path.

  Raises:
    UserError: there is neither.
  """
  path = as_path(model)
  model = os.fspath(model)
  if model in shipped_names() and not looks_like_a_run(path):
    return PRETRAINED / model
  if os.path.isfile(path):
    raise UserError(f'{path}: is a file; expected a run directory (from Python tangshi_tf.load takes a {KERAS} file)')
  if os.path.exists(path) and not os.path.isdir(path):
    raise UserError(f'{path}: is no directory; expected a run directory')
  if not model or not os.path.isdir(path):
    raise UserError(f'model {shorten(model, 100)}: no such directory; expected a run directory or one of '
                    f'the shipped models: {", ".join(shipped_names())}{did_you_mean(model, shipped_names())}')
  if not looks_like_a_run(path):
    raise UserError(f'{path}: has no {MANIFEST}; expected a run directory made by tangshi_tf.train')
  return path


def is_shipped(path: str | os.PathLike) -> bool:
  """Returns whether a path is that of a model in the package."""
  return PRETRAINED in pathlib.Path(os.path.realpath(as_path(path))).parents


def looks_like_a_run(path: pathlib.Path) -> bool:
  """Returns whether a directory has what tells a run from other directories, be it sound or not."""
  return os.path.lexists(path / MANIFEST) or os.path.lexists(path / CONFIG)


def as_path(path: str | os.PathLike) -> pathlib.Path:
  """Returns a path.

  Raises:
    UserError: it is none.
  """
  if not isinstance(path, (str, os.PathLike)):
    raise UserError(f'path {shown(path)}: expected that of a run directory')
  try:
    usable = b'\0' not in os.fsencode(path)
  except UnicodeError:  # a surrogate that stands for no byte
    usable = False
  if not usable:
    raise UserError(f'path {shown(os.fspath(path))}: no file can have this name; expected a run directory')
  return pathlib.Path(path)


def for_training(given: str | os.PathLike | None, recipe: str) -> str:
  """Returns where a training writes its run: the directory it was given, else one by its recipe."""
  return os.path.join(RUNS, recipe) if given is None else str(as_path(given))


def newest(runs: str | os.PathLike = RUNS) -> pathlib.Path | None:
  """Returns the run under `runs` whose weights are the newest, of an epoch if there are any, or None."""
  weights = as_path(runs).glob(f'*/{weights_file("*")}')
  try:
    found = max(filter(os.path.isfile, weights), default=None,
                key=lambda file: (file.stem != LAST, file.lstat().st_mtime))
  except OSError as error:  # the name is too long, for instance
    raise UserError(f'{runs}: cannot be read ({error.strerror})') from None
  return found and found.parent.parent


def default() -> str:
  """Returns the model to take where none is named: the newest run under runs/, else a shipped one."""
  return str(newest() or ('best' if 'best' in shipped_names() else 'rnn'))
