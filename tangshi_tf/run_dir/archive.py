"""NumPy's .npz files from sources that need not be trusted: no pickle, and no more memory than the file has bytes."""

import contextlib
import math
import os
import pathlib
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from tangshi_tf.errors import UserError, shorten

_MOST_AT_ONCE = 2**20  # bytes


class Archive:
  """The arrays in an open file; none is read before it is asked for.

  Attributes:
    path: the file's.
    headers: shape and dtype by the array's name.
  """

  def __init__(self, path: pathlib.Path, file: BinaryIO):
    """Reads the headers.

    Raises:
      UserError: it is no such file, or an array in it claims another size
        than it has.
    """
    self.path, self.headers = path, {}
    with self._one_line():
      self._zip = zipfile.ZipFile(_ModestReader(file))
      entries = self._zip.infolist()
      if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
        raise ValueError('its entries claim more than it holds')
      for entry in entries:
        self.headers[entry.filename.removesuffix('.npy')] = self._read_header(entry)

  def _read_header(self, entry: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    if entry.compress_type != zipfile.ZIP_STORED:
      raise ValueError(f'{entry.filename} is compressed')
    with self._zip.open(entry) as stream:
      if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f'{entry.filename} is no array of NumPy format 1.0')
      shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
      claim = stream.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject or fortran_order and len(shape) > 1 or min(shape, default=0) < 0 or claim != entry.file_size:
      raise ValueError(f'{entry.filename} claims {dtype} {list(shape)} in {entry.file_size} bytes')
    return shape, dtype

  def blocks(self, name: str) -> Iterator[np.ndarray]:
    """Yields the rows of one of the arrays, about a megabyte at a time; a scalar as one row.

    Raises:
      UserError: its bytes are damaged.
    """
    with self._one_line():
      shape, dtype = self.headers[name]
      length, *rest = shape or (1,)
      row = math.prod(rest) * dtype.itemsize
      rows = max(_MOST_AT_ONCE // max(row, 1), 1)
      with self._zip.open(f'{name}.npy') as stream:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        for first in range(0, length, rows):
          count = min(rows, length - first)
          data = b''.join(stream.read(min(_MOST_AT_ONCE, count * row - done))
                          for done in range(0, count * row, _MOST_AT_ONCE))
          yield np.frombuffer(data, dtype).reshape(count, *rest)

  def read(self, name: str) -> np.ndarray:
    """Returns one of the arrays.

    Raises:
      UserError: its bytes are damaged.
    """
    shape, dtype = self.headers[name]
    array = np.empty(shape, dtype)
    if not shape:
      return next(self.blocks(name)).reshape(())
    first = 0
    for block in self.blocks(name):
      array[first:first + len(block)] = block
      first += len(block)
    return array

  @contextlib.contextmanager
  def _one_line(self):
    try:
      yield
    except Exception as error:  # damage shows in any of a dozen types, from zlib's to tokenize's
      raise UserError(f'{self.path}: is damaged ({type(error).__name__}: {shorten(str(error), 80)}); '
                      'expected NumPy arrays') from None


class _ModestReader:
  """An open file that refuses to return much at once, as for a list of entries larger than all arrays."""

  def __init__(self, file: BinaryIO):
    self._file = file
    self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

  def read(self, size: int = -1) -> bytes:
    data = self._file.read(size if 0 <= size <= _MOST_AT_ONCE else _MOST_AT_ONCE + 1)
    if len(data) > _MOST_AT_ONCE:
      raise ValueError(f'more than {_MOST_AT_ONCE} bytes at once')
    return data
