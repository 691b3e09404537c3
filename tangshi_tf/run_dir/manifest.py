"""The manifest of a run directory: which files it has, and how each of them must read.

    {"format_version": 2, "tangshi_tf": "0.1.0",
     "files": {"config.json": [{"size": 1537, "sha256": "5f0c..."}], ...},
     "sha256": "91ab..."}

A file is listed with the states that it may be in: one at rest; while it is
replaced the old one and the new one, so that a kill at any moment leaves a
directory that fits its manifest. `null` is the state of a file that is not
there yet.

The last member is the SHA-256 of the bytes before it. All later versions keep
to that, so that an older program can tell them from damage.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from tangshi_tf import __version__
from tangshi_tf.errors import UserError, shorten

FORMAT_VERSION = 2
MANIFEST = 'manifest.json'
PARTIAL = '.partial'
MAX_JSON = 4 * 2**20  # bytes; parsed, JSON takes up to 25 times its size
_BLOCK = 2**20  # bytes
_SEAL = b'"sha256"'
_KINDS = {stat.S_IFDIR: 'a directory', stat.S_IFIFO: 'a pipe'}


class State(NamedTuple):
  """What is known of a file's bytes."""

  size: int
  sha256: str


class Manifest:
  """The files of a directory.

  Attributes:
    folder: the directory.
    files: the states that a file may be in, by its name relative to the
      directory, with slashes; None stands for no file.
  """

  def __init__(self, folder: pathlib.Path, files: dict[str, list[State | None]]):
    self.folder, self.files = folder, files

  @classmethod
  def read(cls, folder: pathlib.Path) -> 'Manifest':
    """Reads and checks the manifest of a directory.

    Raises:
      UserError: it is missing, damaged, or of another version.
    """
    path = folder / MANIFEST
    with open_plain(path) as file:
      data = _read_small(path, file)
    if _sealed(data[:max(data.rfind(_SEAL), 0)]) != data:
      raise UserError(f'{path}: is damaged: its own SHA-256 does not fit')
    value = parse_json(path, data, dict)
    version = value.get('format_version')
    if type(version) is int and version > FORMAT_VERSION:
      raise UserError(f'{path}: format version {shorten(str(version))}, made by tangshi_tf '
                      f'{shorten(str(value.get("tangshi_tf")))}; this is tangshi_tf {__version__}, which reads '
                      f'{FORMAT_VERSION}; expected a newer tangshi_tf')
    files = value.get('files')
    if version != FORMAT_VERSION or not isinstance(files, dict) or not all(map(_is_states, files.values())):
      raise UserError(f'{path}: is no manifest; expected format version {FORMAT_VERSION}, sizes and SHA-256 of files')
    return cls(folder, {name: [state and State(**state) for state in states] for name, states in files.items()})

  def write(self):
    """Writes the manifest itself.

    Raises:
      UserError: it cannot be written, or lists too many files to be read again.
    """
    path = self.folder / MANIFEST
    head = json.dumps({
        'format_version': FORMAT_VERSION, 'tangshi_tf': __version__,
        'files': {name: [state and state._asdict() for state in states] for name, states in self.files.items()},
    }, ensure_ascii=False, indent=1).removesuffix('\n}') + ',\n '
    data = _sealed(head.encode())
    if len(data) > MAX_JSON:
      raise UserError(f'{path}: would list {len(self.files):,} files; expected at most {MAX_JSON:,} bytes of them')
    write_bytes(path, data)

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
    file = open_plain(path)
    try:
      size = os.fstat(file.fileno()).st_size
      if size not in [state.size for state in states]:
        expected = ' or '.join(f'{state.size:,}' for state in states)
        raise UserError(f'{path}: is damaged: it holds {size:,} bytes; expected {expected}, as in {MANIFEST}')
      if limit is not None:
        _check_small(path, size, limit)
      if _measure(path, file) not in states:
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
    with self.open(name, limit=MAX_JSON) as file:
      return parse_json(self.folder / name, _read_small(self.folder / name, file), kind)


def _is_states(value) -> bool:
  return isinstance(value, list) and bool(value) and all(
      state is None or isinstance(state, dict) and set(state) == set(State._fields)
      and type(state['size']) is int and isinstance(state['sha256'], str) for state in value)


def _sealed(head: bytes) -> bytes:
  """Returns a manifest's bytes: all before its own SHA-256, and that."""
  return head + _SEAL + f': "{hashlib.sha256(head).hexdigest()}"\n}}\n'.encode()


# Reading.


def open_plain(path: pathlib.Path) -> BinaryIO:
  """Opens a file for reading that must be a plain one, or a link to one; waits for no pipe.

  Raises:
    UserError: it is missing, something else, or cannot be read.
  """
  with _clear_reading(path):
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind != stat.S_IFREG:
      raise UserError(f'{path}: is {_KINDS.get(kind, "no plain file")}; expected a file')
    return open(path, 'rb', opener=lambda name, mode: os.open(name, mode | getattr(os, 'O_NONBLOCK', 0)))


@contextlib.contextmanager
def _clear_reading(path: pathlib.Path):
  """Says in one line that something could not be read."""
  try:
    yield
  except FileNotFoundError:
    raise UserError(f'{path}: is missing; the run directory is incomplete') from None
  except OSError as error:
    raise UserError(f'{path}: cannot be read ({error.strerror or error}); expected a file') from None


def _check_small(path: pathlib.Path, size: int, limit: int = MAX_JSON):
  if size > limit:
    raise UserError(f'{path}: holds {size:,} bytes; expected at most {limit:,}')


def _read_small(path: pathlib.Path, file: BinaryIO) -> bytes:
  with _clear_reading(path):
    _check_small(path, os.fstat(file.fileno()).st_size)
    return file.read(MAX_JSON)


def parse_json(path: pathlib.Path, data: bytes, kind: type):
  """Returns the value of JSON read from a file.

  Raises:
    UserError: it is none, or of another kind.
  """
  try:
    value = json.loads(data.decode('utf-8', 'surrogatepass'))
  except (ValueError, RecursionError) as error:
    raise UserError(f'{path}: is damaged ({str(error).splitlines()[0]}); expected JSON') from None
  if not isinstance(value, kind):
    raise UserError(f'{path}: holds a JSON {type(value).__name__}; expected a {kind.__name__}')
  return value


def _measure(path: pathlib.Path, file: BinaryIO) -> State:
  digest, size = hashlib.sha256(), 0
  with _clear_reading(path):
    while block := file.read(_BLOCK):
      digest.update(block)
      size += len(block)
  return State(size, digest.hexdigest())


def measure(path: pathlib.Path) -> State:
  """Returns the state that a file is in.

  Raises:
    UserError: it is no plain file or cannot be read.
  """
  with open_plain(path) as file:
    return _measure(path, file)


# Writing.


def begin(folder: pathlib.Path):
  """Writes a manifest without files; from here on, those that lie there count no more.

  Raises:
    UserError: it cannot be written.
  """
  Manifest(folder, {}).write()


def write_file(folder: pathlib.Path, name: str, content: bytes | Callable[[BinaryIO], object]):
  """Writes a file of a run directory, and what the manifest says of it.

  A kill at any moment leaves the old file or the new one, and a manifest that
  knows it. The caller holds the directory (`run_dir.claim`): of two writers at
  a time one would undo the other's entry.

  Args:
    folder: the directory, with a manifest.
    name: the file's, relative to the directory, with slashes.
    content: its bytes, or a function that writes them into an open file.

  Raises:
    UserError: there is no sound manifest, or something cannot be written.
  """
  path, manifest = folder / name, Manifest.read(folder)
  with _beside(path, content) as partial:
    new = measure(partial)
    if name not in manifest.files:
      path.unlink(missing_ok=True)  # of an earlier run; the new entry would call it damaged
    manifest.files[name] = list(dict.fromkeys([*manifest.files.get(name, [None]), new]))
    manifest.write()
    _move(partial, path)
  manifest.files[name] = [new]
  manifest.write()


def write_bytes(path: pathlib.Path, data: bytes):
  """Writes a file, of a run or not, so that an interruption leaves the old one or the new one.

  Raises:
    UserError: it cannot be written.
  """
  with _beside(path, data) as partial:
    _move(partial, path)


@contextlib.contextmanager
def _beside(path: pathlib.Path, content: bytes | Callable[[BinaryIO], object]) -> Iterator[pathlib.Path]:
  """Writes a file's new content beside it; what is not moved away by the end of the context goes."""
  partial = path.with_name(path.name + PARTIAL)
  with clear_writing(path):
    try:
      with open(partial, 'wb') as file:
        content(file) if callable(content) else file.write(content)
        file.flush()
        os.fsync(file.fileno())
      yield partial
    finally:
      partial.unlink(missing_ok=True)


def _move(partial: pathlib.Path, path: pathlib.Path):
  os.replace(partial, path)
  # So that a power cut does not undo the move after what relies on it; not every platform opens directories.
  with contextlib.suppress(OSError):
    folder = os.open(path.parent, os.O_RDONLY)
    try:
      os.fsync(folder)
    finally:
      os.close(folder)


@contextlib.contextmanager
def clear_writing(path: pathlib.Path):
  """Says in one line that something could not be written."""
  try:
    yield
  except OSError as error:
    raise UserError(f'{path}: cannot be written ({error.strerror or error}); '
                    'expected a writable directory with room') from None
