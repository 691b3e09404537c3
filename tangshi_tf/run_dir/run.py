"""A run directory that is open, and the model that comes out of it."""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import layout, safe_files
from tangshi_tf.run_dir.layout import (
  BEST,
  CHECKPOINT,
  CONFIG,
  KERAS,
  LAST,
  MANIFEST,
  METRICS,
  VOCABULARY,
  WEIGHTS,
  weights_file,
)
from tangshi_tf.run_dir.manifest import Manifest, is_weights_name
from tangshi_tf.short import cut, short_repr, shown, tag

_TRIES = 10  # reads of a run that is being written meanwhile
_Value = TypeVar('_Value')


@dataclasses.dataclass
class Run:
  """A loaded model, its vocabulary both ways, and what is known of it."""

  name: str
  model: Any
  word2id: dict[str, int]
  id2word: dict[int, str]
  config: dict

  __repr__ = short_repr


class RunDir:
  """A run directory for reading.

  Its manifest is read and checked once, here, and decides from then on what
  there is and how it must read. Nothing in the directory is run, and nothing is
  taken from a file before it has been found to be the one in the manifest.
  Where a training has replaced a file since, the manifest is read again; what
  it has only added is seen when the directory is opened again.

  Attributes:
    path: the directory.
    name: what the user calls it.
  """

  def __init__(self, path: str | os.PathLike, *, name: str | None = None, manifest: Manifest | None = None):
    """Opens a directory.

    Args:
      path: the directory.
      name: what the user calls it; by default the path.
      manifest: the directory's, if it is known.

    Raises:
      UserError: there is no sound manifest.
    """
    self.path = layout.as_path(path)
    self.name = str(path) if name is None else name
    self._manifest = manifest or _read_manifest(self.path)

  def __repr__(self):
    return tag(type(self).__name__, self.name)

  @classmethod
  def open(cls, model: str | os.PathLike | None) -> 'RunDir':
    """Opens a shipped model by its name, or a run directory; with None the one of `layout.default`.

    Raises:
      UserError: there is neither, or there is no sound manifest.
    """
    model = layout.default() if model is None else model
    return cls(layout.locate(model), name=str(model))

  def has(self, name: str) -> bool:
    """Returns whether the run has a file of that name, relative to the directory."""
    return self._manifest.has(name)

  def weights(self) -> list[str]:
    """Returns the files of weights that there are."""
    return [name for name in self._manifest.files if name.startswith(f'{WEIGHTS}/') and self.has(name)]

  def is_unsaved(self) -> bool:
    """Returns whether the run was stopped before its first checkpoint, so that it can only begin again."""
    return self._manifest.awaits(CHECKPOINT) and set(self.weights()) <= {weights_file('epoch-01')}

  @property
  def best(self) -> str:
    """The name of the best weights: that of an epoch, or 'best' in a shipped model."""
    return self._manifest.best

  def read_json(self, name: str, kind: type = dict):
    """Returns what a JSON file says, once it is known to be sound.

    Raises:
      UserError: it is missing, damaged, or no JSON of that kind.
    """
    return self._read(lambda: self._manifest.read_json(name, kind))

  def config(self) -> dict:
    """Returns what `config.json` says: the model's hyperparameters, and how it was trained."""
    return self.read_json(CONFIG)

  def epochs(self) -> list[dict]:
    """Returns the figures of each epoch that is over.

    Raises:
      UserError: they are damaged.
    """
    epochs = self.read_json(METRICS).get('epochs') if self.has(METRICS) else []
    if not isinstance(epochs, list):
      raise UserError(f'{self.path / METRICS}: has no figures by epoch; expected a list of them as "epochs"')
    return epochs

  def vocabulary(self) -> list[str]:
    """Returns the words by id.

    Raises:
      UserError: it is missing, damaged or no vocabulary.
    """
    return self._read(self._vocabulary)

  def _vocabulary(self) -> list[str]:
    words = self._manifest.read_json(VOCABULARY, list)
    if (not all(isinstance(word, str) and (len(word) == 1 or word in corpus.SPECIAL_TOKENS or corpus.is_control(word))
                for word in words)
        or len(set(words)) != len(words)
        or words[:2] != [corpus.pad_token, corpus.unknown_token]
        or not {corpus.start_token, corpus.end_token} <= set(words)):
      raise UserError(f'{self.path / VOCABULARY}: is no vocabulary; expected distinct characters and '
                      f'{", ".join(corpus.SPECIAL_TOKENS)}')
    return words

  def digest(self, name: str) -> str:
    """Returns the SHA-256 of a file.

    Raises:
      UserError: it is missing or damaged.
    """
    def read():
      with self._manifest.open(name) as file:
        return safe_files.measure_open(self.path / name, file).sha256

    return self._read(read)

  def read_arrays(self, name: str) -> dict:
    """Returns the arrays of an `.npz` file by name, once it is known to be sound.

    Raises:
      UserError: it is missing or damaged.
    """
    from tangshi_tf.run_dir.archive import Archive  # here, so that --help does not wait for NumPy

    def read():
      with self._manifest.open(name) as file:
        archive = Archive(self.path / name, file)
        return {key: archive.read(key) for key in archive.headers}

    return self._read(read)

  def load(self, weights: str | None = None) -> Run:
    """Loads the model.

    Memory: at most three times the model's float32 size, or 130 MB where JSON
    is as large as it may be.

    Args:
      weights: 'best', 'last' or 'epoch-NN'; by default the best there are, or
        the last of a run that was interrupted in its first epoch.

    Raises:
      UserError: the directory is damaged, or has no such weights.
    """
    return self._read(lambda: self._load(weights))

  def _load(self, weights: str | None) -> Run:
    from tangshi_tf.run_dir.archive import Archive
    from tangshi_tf.run_dir.weights import rebuild
    file_name = weights_file(self.choose(weights))
    config = self._manifest.read_json(CONFIG, dict)
    word2id, id2word = corpus.word_tables(self._vocabulary())
    with self._manifest.open(file_name) as file:
      model = rebuild(self.path, config, word2id, Archive(self.path / file_name, file))
    return Run(self.name, model, word2id, id2word, config)

  def choose(self, weights: str | None = None) -> str:
    """Returns the name of the weights to load, which the manifest alone decides.

    Args:
      weights: see `load`.

    Raises:
      UserError: there are none of that name.
    """
    if weights is None:
      weights = BEST
      if self.best == BEST and not self.has(weights_file(BEST)):  # no epoch is over
        weights = LAST
        if not self.has(weights_file(LAST)):
          raise UserError(f'{self.path / WEIGHTS}: holds neither the weights of an epoch nor {LAST}.npz; the run has '
                          'not got that far')
    if not isinstance(weights, str) or not is_weights_name(weights):
      raise UserError(f'weights {shown(weights)}: expected {BEST}, {LAST} or epoch-NN')
    if weights == BEST:
      weights = self.best
    if not self.has(weights_file(weights)):
      known = dict.fromkeys([BEST, *(pathlib.PurePosixPath(one).stem for one in sorted(self.weights()))])
      raise UserError(f'{self.path}: has no weights {weights}; expected one of {cut(", ".join(known), 500)}')
    return weights

  def _read(self, read: Callable[[], _Value]) -> _Value:
    """Returns what `read` does; where it fails, it is called again if the manifest is another one by now.

    All of one call fits one manifest, so that it cannot mix two runs.
    """
    for _ in range(_TRIES):
      try:
        return read()
      except UserError:
        before, self._manifest = self._manifest, _read_manifest(self.path)
        if self._manifest == before:  # else a training has just replaced a file
          raise
    raise UserError(f'{self.path / MANIFEST}: changes all the time; expected a run that is written to less often')


def load(model: str | os.PathLike, weights: str | None = None) -> Run:
  """Loads a trained model.

  Args:
    model: a shipped name, a run directory, or a file that `model.save` wrote.
    weights: of a run directory, see `RunDir.load`.

  Raises:
    UserError: it is missing or damaged, or of another version.
  """
  if not isinstance(model, (str, os.PathLike)):
    raise UserError(f'model {shown(model)}: expected a shipped name, a run directory, a '
                    f'{KERAS} file or a myRNNModel')
  if os.fspath(model).endswith(KERAS) and not os.path.isdir(model):
    from tangshi_tf.run_dir import keras_file  # here, so that --help does not wait for NumPy
    if weights is not None:
      raise UserError(f'{model}: weights {shown(weights)} of a file, which has one set; expected None')
    made = keras_file.load(pathlib.Path(model))
    return Run(str(model), made, made.word2id, made.id2word, {'model': made.hyperparameters})
  return RunDir.open(model).load(weights)


def _read_manifest(path: pathlib.Path) -> Manifest:
  if not os.path.lexists(path / MANIFEST):
    config = safe_files.peek_json(path / CONFIG)
    if isinstance(config, dict) and config.get('format_version') == 1:
      raise UserError(f'{path}: is of format version 1, from a tangshi_tf that wrote no {MANIFEST}; expected a newer '
                      'run: train it again and overwrite it, as its config.json says')
  return Manifest.read(path)
