"""The manifest of a run directory: which files it has, and how each of them must read.

    {"format_version": 3, "tangshi_tf": "1.0.0", "best": "epoch-07",
     "files": {"config.json": [{"size": 1537, "sha256": "5f0c..."}], ...},
     "sha256": "91ab..."}

A file is listed with the states that it may be in: one at rest; while it is
replaced the old one and the new one, so that a kill at any moment leaves a
directory that fits its manifest. `null` is the state of a file that is not
there yet. `best` names the weights that are the best ones; format version 2 had
a second copy of them instead, best.npz, which is what `best` means without it.

The last member is the SHA-256 of the bytes before it. All later versions keep
to that, so that an older program can tell them from damage.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Callable
from typing import BinaryIO

from tangshi_tf import __version__
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.run_dir import safe_files
from tangshi_tf.run_dir.layout import BEST, MANIFEST
from tangshi_tf.run_dir.safe_files import State

FORMAT_VERSION = 3
_READ = (2, FORMAT_VERSION)
_SEAL = b'"sha256"'


@dataclasses.dataclass
class Manifest:
  """The files of a directory.

  Attributes:
    folder: the directory.
    files: the states that a file may be in, by its name relative to the
      directory, with slashes; None stands for no file.
    best: the name of the best weights.
  """

  folder: pathlib.Path
  files: dict[str, list[State | None]] = dataclasses.field(default_factory=dict)
  best: str = BEST

  @classmethod
  def read(cls, folder: pathlib.Path) -> 'Manifest':
    """Reads and checks the manifest of a directory.

    Raises:
      UserError: it is missing, damaged, or of another version.
    """
    path = folder / MANIFEST
    with safe_files.open_plain(path) as file:
      data = safe_files.read_small(path, file)
    if _sealed(data[:max(data.rfind(_SEAL), 0)]) != data:
      raise UserError(f'{path}: is damaged: its own SHA-256 does not fit')
    value = safe_files.parse_json(path, data, dict)
    version = value.get('format_version')
    if type(version) is int and version > FORMAT_VERSION:
      raise UserError(f'{path}: format version {shorten(str(version))}, made by tangshi_tf '
                      f'{shorten(str(value.get("tangshi_tf")))}; this is tangshi_tf {__version__}, which reads up to '
                      f'{FORMAT_VERSION}; expected a newer tangshi_tf')
    listed, best = value.get('files'), value.get('best', BEST)
    if (type(version) is not int or version not in _READ or not isinstance(listed, dict)
        or not all(map(_is_states, listed.values())) or not isinstance(best, str) or not is_weights_name(best)):
      raise UserError(f'{path}: is no manifest; expected format version {" or ".join(map(str, _READ))}, sizes and '
                      'SHA-256 of files')
    return cls(folder, {name: [state and State(**state) for state in states] for name, states in listed.items()}, best)

  def write(self):
    """Writes the manifest itself.

    Raises:
      UserError: it cannot be written, or lists too many files to be read again.
    """
    path = self.folder / MANIFEST
    head = json.dumps({
        'format_version': FORMAT_VERSION, 'tangshi_tf': __version__, 'best': self.best,
        'files': {name: [state and state._asdict() for state in states] for name, states in self.files.items()},
    }, ensure_ascii=False, indent=1).removesuffix('\n}') + ',\n '
    data = _sealed(head.encode())
    if len(data) > safe_files.MAX_JSON:
      raise UserError(f'{path}: would list {len(self.files):,} files; '
                      f'expected at most {safe_files.MAX_JSON:,} bytes of them')
    safe_files.write_bytes(path, data)

  def change(self, listed: dict[str, list[State | None]], best: str | None = None):
    """Writes the manifest with other files or another best; this object is as before where that fails.

    Raises:
      UserError: as `write`.
    """
    changed = dataclasses.replace(self, files=listed, best=best or self.best)
    changed.write()
    self.files, self.best = changed.files, changed.best

  def awaits(self, name: str) -> bool:
    """Returns whether a file was never there: it is not listed, or its first writing was not brought to an end."""
    return None in self.files.get(name, [None]) and not self.has(name)

  def has(self, name: str) -> bool:
    """Returns whether a listed file should be there; one that is still to come counts once it is."""
    return name in self.files and (None not in self.files[name] or os.path.lexists(self.folder / name))

  def open(self, name: str, *, limit: int | None = None) -> BinaryIO:
    """Opens a file for reading that is in one of its states.

    The file is read once for that, in blocks.

    Args:
      name: relative to the directory.
      limit: a size in bytes beyond which it is not even read.

    Raises:
      UserError: it is not listed, missing, no plain file, or not in one of its
        states.
    """
    path = self.folder / name
    states = [state for state in self.files.get(name, []) if state]
    if not states:
      raise UserError(f'{path}: is not in {MANIFEST}; expected one of the files that are')
    file = safe_files.open_plain(path)
    try:
      size = os.fstat(file.fileno()).st_size
      if size not in [state.size for state in states]:
        expected = ' or '.join(f'{state.size:,}' for state in states)
        raise UserError(f'{path}: is damaged: it holds {size:,} bytes; expected {expected}, as in {MANIFEST}')
      if limit is not None:
        safe_files.check_small(path, size, limit)
      if safe_files.measure_open(path, file) not in states:
        raise UserError(f'{path}: is damaged: its SHA-256 is not the one in {MANIFEST}')
      file.seek(0)
    except BaseException:
      file.close()
      raise
    return file

  def read_json(self, name: str, kind: type):
    """Returns the value of a JSON file.

    Raises:
      UserError: as `open`, or it is no JSON of that kind.
    """
    with self.open(name, limit=safe_files.MAX_JSON) as file:
      return safe_files.parse_json(self.folder / name, safe_files.read_small(self.folder / name, file), kind)

  def write_file(self, name: str, content: bytes | Callable[[BinaryIO], object]):
    """Writes a file of the directory, and what the manifest says of it.

    A kill at any moment leaves the old file or the new one, and a manifest that
    knows it. Only one object may write into a directory at a time
    (`run_dir.claim`): of two, one would undo the other's entries.

    Args:
      name: the file's, relative to the directory, with slashes.
      content: its bytes, or a function that writes them into an open file.

    Raises:
      UserError: something cannot be written.
    """
    path = self.folder / name
    with safe_files.beside(path, content) as partial:
      new = safe_files.measure(partial)
      if name not in self.files:
        path.unlink(missing_ok=True)  # of an earlier run; the new entry would call it damaged
      self.change({**self.files, name: list(dict.fromkeys([*self.files.get(name, [None]), new]))})
      safe_files.move(partial, path)
    self.change({**self.files, name: [new]})


def is_weights_name(name: str) -> bool:
  """Returns whether weights may have that name, which is part of a file's."""
  return re.fullmatch(r'[\w-]+', name) is not None


def _is_states(value) -> bool:
  return isinstance(value, list) and bool(value) and all(
      state is None or isinstance(state, dict) and set(state) == set(State._fields)
      and type(state['size']) is int and isinstance(state['sha256'], str) for state in value)


def _sealed(head: bytes) -> bytes:
  """Returns a manifest's bytes: all before its own SHA-256, and that."""
  return head + _SEAL + f': "{hashlib.sha256(head).hexdigest()}"\n}}\n'.encode()
