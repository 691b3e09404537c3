"""Files by their path, or by one with a scheme that TensorFlow's file systems know (gs://, file://, ...)."""

import contextlib
import glob
import os
from collections.abc import Iterator
from typing import BinaryIO

from tangshi_tf.errors import UserError


def has_scheme(path: str | os.PathLike) -> bool:
  """Returns whether TensorFlow must open a path."""
  return '://' in os.fspath(path)


@contextlib.contextmanager
def open_binary(path: str | os.PathLike) -> Iterator[BinaryIO]:
  """Opens a file to read its bytes.

  Raises:
    OSError, ValueError: it cannot be opened or read.
  """
  if not has_scheme(path):
    with open(path, 'rb') as file:
      yield file
    return
  import tensorflow as tf
  try:
    with tf.io.gfile.GFile(os.fspath(path), 'rb') as file:
      yield file
  except tf.errors.OpError as error:
    raise OSError(error.error_code, error.message) from None


def expand(patterns: list[str]) -> list[str]:
  """Returns the paths that are meant by paths and globs, each once, those of a glob sorted.

  Raises:
    UserError: a glob matches nothing.
  """
  paths = []
  for pattern in patterns:
    if not glob.has_magic(pattern) or os.path.lexists(pattern):
      paths.append(pattern)
      continue
    matches = sorted(_matches(pattern))
    if not matches:
      raise UserError(f'{pattern}: matches no file; expected a path, or a glob such as "poems/*.txt"')
    paths += matches
  return list(dict.fromkeys(paths))


def _matches(pattern: str) -> list[str]:
  if not has_scheme(pattern):
    return glob.glob(pattern, recursive=True)
  import tensorflow as tf
  try:
    return tf.io.gfile.glob(pattern)
  except tf.errors.OpError as error:
    raise UserError(f'{pattern}: cannot be listed ({error.message}); expected a path that TensorFlow can '
                    'read') from None
