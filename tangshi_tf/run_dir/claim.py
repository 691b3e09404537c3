"""A run directory held by one process, which alone may write into it."""

import contextlib
import fnmatch
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import safe_files
from tangshi_tf.run_dir.layout import (
    BEST,
    CHECKPOINT,
    CONFIG,
    LOCK,
    MANIFEST,
    METRICS,
    PROJECTOR,
    PROJECTOR_CONFIG,
    VOCABULARY,
    WEIGHTS,
    as_path,
    weights_file,
)
from tangshi_tf.run_dir.manifest import Manifest
from tangshi_tf.run_dir.run import RunDir

_FILES = (MANIFEST, CONFIG, VOCABULARY, METRICS, CHECKPOINT)
_OWN_NAMES = {*_FILES, *(name + safe_files.PARTIAL for name in _FILES), WEIGHTS, LOCK, PROJECTOR,
              PROJECTOR_CONFIG}


class ClaimedRunDir(RunDir):
  """A run directory for reading and writing, see `claim`.

  A new run's manifest is empty until `create`, which puts it in the place of
  one that lies there.
  """

  def create(self, words: list[str], config: dict, *, checkpoint: dict | None = None):
    """Begins the run; what is left of an earlier one is removed.

    `config.json` comes last, so that all of a run is there which has one.

    Where the directory was claimed to resume a run, which has no weights yet, a
    kill leaves its old `config.json`, which says how to begin once more.

    Args:
      words: the vocabulary by id.
      config: what `config.json` says.
      checkpoint: arrays to begin from, if there are any.

    Raises:
      UserError: it cannot be written.
    """
    with safe_files.clear_writing(self.path):
      weights = self.path / WEIGHTS
      weights.mkdir(exist_ok=True)
      self._manifest.write()  # first, so that an old run's files are never taken for the new one's
      for old in (*self.path.glob('events.out.tfevents.*'), *weights.glob('*.npz'), *weights.glob('*.partial'),
                  *self.path.glob('*.partial'), *self.path.glob(f'{PROJECTOR}/*.*'), self.path / PROJECTOR_CONFIG,
                  self.path / METRICS, self.path / CHECKPOINT):
        old.unlink(missing_ok=True)
    if checkpoint is not None:
      self.write_arrays(CHECKPOINT, checkpoint)
    self.write_file(VOCABULARY, safe_files.encode_json(words, indent=None))
    self.write_json(CONFIG, config)

  def write_file(self, name: str, content: bytes | Callable[[BinaryIO], object]):
    """Writes a file of the run; a kill at any moment leaves the old one or the new one.

    Args:
      name: the file's, relative to the directory, with slashes.
      content: its bytes, or a function that writes them into an open file.

    Raises:
      UserError: it cannot be written.
    """
    self._manifest.write_file(name, content)

  def write_json(self, name: str, value):
    """Writes a JSON file of the run, see `write_file`."""
    self.write_file(name, safe_files.encode_json(value))

  def write_arrays(self, name: str, arrays: dict):
    """Writes arrays as an `.npz` file of the run, see `write_file`."""
    import numpy as np
    self.write_file(name, lambda file: np.savez(file, **arrays))

  def save_weights(self, name: str, model, dtype='float32'):
    """Writes a model's weights as those of that name: 'epoch-NN', 'last' or, in a shipped model, 'best'."""
    from tangshi_tf.run_dir import weights
    self.write_arrays(weights_file(name), weights.arrays(model, dtype))

  def mark_best(self, name: str):
    """Makes the weights of that name, which are written already, the best ones.

    Raises:
      UserError: it cannot be written.
    """
    self._remove(BEST, name)  # what format version 2 kept of the best epoch before

  def remove_weights(self, name: str):
    """Removes the weights of that name, if there are any; a kill at any moment leaves all of them or none.

    Raises:
      UserError: the manifest cannot be written.
    """
    if self.has(weights_file(name)):
      self._remove(name)

  def _remove(self, weights: str, best: str | None = None):
    """Removes weights, and makes others the best in the same write of the manifest."""
    file = weights_file(weights)
    self._manifest.change({name: states for name, states in self._manifest.files.items() if name != file}, best)
    with contextlib.suppress(OSError):  # some systems keep what another process reads
      (self.path / file).unlink(missing_ok=True)

  def _read(self, read):
    return read()  # nobody else changes the manifest


@contextlib.contextmanager
def claim(path: str | os.PathLike, *, overwrite: bool = False, resume: bool = False) -> Iterator[ClaimedRunDir]:
  """Holds a directory for one training run, without touching a run in it.

  The directory is made if need be and locked while the context lasts; the lock
  is released with the process that holds it.

  Args:
    path: where the run will be written.
    overwrite: whether a run there may be replaced.
    resume: whether a run must stand there, to be resumed.

  Yields:
    The directory; with `resume` the run in it may be read and written, else
    it has none before `ClaimedRunDir.create`.

  Raises:
    UserError: it cannot be written, another process holds it, it has a run and
      neither is set, it has none or a damaged manifest and `resume` is, or it
      has files and is no run.
  """
  path = as_path(path)
  if resume and not os.path.exists(path / CONFIG):
    raise UserError(f'{path}: holds no run to resume; expected a run directory')
  with safe_files.clear_writing(path):
    if path.exists() and not path.is_dir():
      raise UserError(f'{path}: is a file; expected a directory to write the run into')
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    if not _is_ours(path):
      raise UserError(f'{path}: holds files that are no run; expected a new or empty directory')
    lock = open(path / LOCK, 'a+', encoding='ascii')
  try:
    with lock:
      _hold(lock, path, replace=overwrite or resume)
      try:
        claimed = ClaimedRunDir(path, manifest=None if resume else Manifest(path))
        yield claimed
      except safe_files.NoRoomError as error:
        again = 'resume the run' if claimed.has(CHECKPOINT) else 'begin it again'
        raise UserError(f'{error}, then {again}') from None
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
  if not replace and _has_run(path):
    raise UserError(f'{path}: holds a run already; resume it, replace it with overwrite=True, or choose another '
                    'run_dir')
  with safe_files.clear_writing(path / LOCK):
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _has_run(path: pathlib.Path) -> bool:
  """Returns whether there is something in a directory that a new run would destroy."""
  if not (path / CONFIG).exists() and not any(path.glob(weights_file('*'))):
    return False
  try:
    return not RunDir(path).is_unsaved()
  except UserError:
    return True


def _is_ours(path: pathlib.Path) -> bool:
  """Tells a run, damaged or not, from other people's files."""
  names = {file.name for file in path.iterdir() if not fnmatch.fnmatch(file.name, 'events.out.*')}
  if CONFIG not in names and MANIFEST not in names:  # at most what a run leaves that was killed before its first file
    return names <= _OWN_NAMES and not any(path.glob(f'{WEIGHTS}/*'))
  if MANIFEST in names:
    value = safe_files.peek_json(path / MANIFEST)
    if value is not None:
      return isinstance(value, dict) and {'format_version', 'files'} <= set(value)
  # Version 1 had no manifest; a later one may be damaged, and --overwrite replaces it.
  if CONFIG in names:
    value = safe_files.peek_json(path / CONFIG)
    if value is not None:
      return isinstance(value, dict) and 'model' in value and ('format_version' in value or VOCABULARY in names)
  return names <= _OWN_NAMES


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
