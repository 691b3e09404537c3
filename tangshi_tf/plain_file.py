"""Opening files that the user names, without waiting for what may never come."""

import errno
import os
import stat
from typing import BinaryIO

_KINDS = {stat.S_IFDIR: 'a directory', stat.S_IFIFO: 'a pipe', stat.S_IFSOCK: 'a socket', stat.S_IFCHR: 'a device',
          stat.S_IFBLK: 'a device'}


def open_plain(path: str | os.PathLike) -> BinaryIO:
  """Opens a file for reading that must be a plain one, or a link to one.

  Raises:
    OSError: it is something else, or cannot be opened; its `strerror` says why.
    ValueError: the name has a NUL in it.
  """
  kind = stat.S_IFMT(os.stat(path).st_mode)
  if kind != stat.S_IFREG:
    raise OSError(errno.EINVAL, f'{_KINDS.get(kind, "something else")}, not a file', os.fspath(path))
  # Not waited for, should it have become a pipe by now.
  return open(path, 'rb', opener=lambda name, mode: os.open(name, mode | getattr(os, 'O_NONBLOCK', 0)))
