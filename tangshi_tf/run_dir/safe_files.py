"""Single files: reading those that need not be trusted, and writing so that a kill leaves the old or the new one."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from tangshi_tf import plain_file
from tangshi_tf.errors import UserError

PARTIAL = '.partial'
MAX_JSON = 4 * 2**20  # bytes; parsed, JSON takes up to 25 times its size
_BLOCK = 2**20  # bytes
_FULL = {errno.ENOSPC: 'the disk is full', errno.EDQUOT: 'the quota is used up'}


class State(NamedTuple):
  """What is known of a file's bytes."""

  size: int
  sha256: str


# Reading.


def open_plain(path: pathlib.Path) -> BinaryIO:
  """Opens a file for reading that must be a plain one, see `plain_file.open_plain`.

  Raises:
    UserError: it is missing, something else, or cannot be read.
  """
  with _clear_reading(path):
    return plain_file.open_plain(path)


@contextlib.contextmanager
def _clear_reading(path: pathlib.Path):
  """Says in one line that something could not be read."""
  try:
    yield
  except FileNotFoundError:
    raise UserError(f'{path}: is missing; the run directory is incomplete') from None
  except OSError as error:
    raise UserError(f'{path}: cannot be read ({error.strerror or error}); expected a file') from None


def check_small(path: pathlib.Path, size: int, limit: int = MAX_JSON):
  """Raises a UserError where a file has more bytes than that."""
  if size > limit:
    raise UserError(f'{path}: holds {size:,} bytes; expected at most {limit:,}')


def read_small(path: pathlib.Path, file: BinaryIO) -> bytes:
  """Returns the bytes of an open file of at most `MAX_JSON` bytes."""
  with _clear_reading(path):
    check_small(path, os.fstat(file.fileno()).st_size)
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


def peek_json(path: pathlib.Path):
  """Returns the value of a JSON file that need not be sound, or None."""
  try:
    with open_plain(path) as file:
      return parse_json(path, file.read(MAX_JSON), object)
  except (UserError, OSError):
    return None


def measure(path: pathlib.Path) -> State:
  """Returns the state that a file is in.

  Raises:
    UserError: it is no plain file or cannot be read.
  """
  with open_plain(path) as file:
    return measure_open(path, file)


def measure_open(path: pathlib.Path, file: BinaryIO) -> State:
  """Returns the state of an open file, which is read in blocks."""
  digest, size = hashlib.sha256(), 0
  with _clear_reading(path):
    while block := file.read(_BLOCK):
      digest.update(block)
      size += len(block)
  return State(size, digest.hexdigest())


# Writing.


def write_bytes(path: pathlib.Path, data: bytes):
  """Writes a file, of a run or not, so that an interruption leaves the old one or the new one.

  Raises:
    UserError: it cannot be written.
  """
  with beside(path, data) as partial:
    move(partial, path)


def write_json(path: pathlib.Path, value):
  """Writes a JSON file that is none of a run's, see `write_bytes`; those of a run go through `ClaimedRunDir`."""
  write_bytes(path, encode_json(value))


def encode_json(value, *, indent: int | None = 1) -> bytes:
  """Returns a value as the package writes JSON: a line a member, UTF-8, no NaN; or all of it on one line."""
  text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent) + ('' if indent is None else '\n')
  # A path that is not UTF-8 has surrogates; as an escape in a JSON string each is what it was.
  return text.encode('utf-8', 'backslashreplace')


@contextlib.contextmanager
def beside(path: pathlib.Path, content: bytes | Callable[[BinaryIO], object]) -> Iterator[pathlib.Path]:
  """Writes a file's new content beside it; what is not moved away by the end of the context is removed."""
  partial = path.with_name(path.name + PARTIAL)
  with clear_writing(path):
    try:
      partial.unlink(missing_ok=True)  # a pipe of that name would be waited for
      with open(partial, 'xb') as file:
        content(file) if callable(content) else file.write(content)
        file.flush()
        os.fsync(file.fileno())
      yield partial
    finally:
      partial.unlink(missing_ok=True)


def move(partial: pathlib.Path, path: pathlib.Path):
  """Puts a file that lies beside another in its place, for good."""
  os.replace(partial, path)
  # So that a power cut does not undo the move after what relies on it; not every platform opens directories.
  with contextlib.suppress(OSError):
    folder = os.open(path.parent, os.O_RDONLY)
    try:
      os.fsync(folder)
    finally:
      os.close(folder)


class NoRoomError(UserError):
  """The disk is full."""


@contextlib.contextmanager
def clear_writing(path: pathlib.Path):
  """Says in one line that something could not be written."""
  try:
    yield
  except OSError as error:
    if error.errno in _FULL:
      raise NoRoomError(f'{path}: cannot be written ({error.strerror}); {_FULL[error.errno]}: make room') from None
    raise UserError(f'{path}: cannot be written ({error.strerror or error}); '
                    'expected a writable directory with room') from None
