"""The standard streams as a shell hands them over: each may be closed, full, or have lost its reader."""

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import Any

BROKEN_PIPE = 141  # exit status: 128 + SIGPIPE
UNWRITABLE = 74  # EX_IOERR of sysexits.h
_MODES = os.O_RDWR, os.O_RDONLY, os.O_RDWR  # so that writing to a closed standard output fails, and else nothing does


class OutputError(OSError):
  """Standard output cannot be written."""

  def __str__(self):
    known = {errno.EBADF: 'standard output is closed', errno.EPIPE: 'nobody reads standard output any more'}
    return known.get(self.errno or 0, f'standard output: cannot be written ({self.strerror})')


class _Descriptor(io.FileIO):
  """A file descriptor for writing.

  Attributes:
    needed: whether what cannot be written is an `OutputError`. Otherwise, and after the first one, it is dropped.
    lost: the first error, or None.
    on_loss: called with it where the descriptor is not needed.
  """

  def __init__(self, number: int, *, needed: bool):
    super().__init__(number, 'wb', closefd=False)
    self.needed = needed
    self.lost: OutputError | None = None
    self.on_loss: Callable[[OutputError], None] = lambda error: None

  def write(self, data) -> int:
    left = memoryview(data).cast('B')
    try:
      while len(left):
        written = super().write(left)
        if written is None:  # somebody made the descriptor non-blocking, and it is full
          select.select([], [self], [])
        left = left[written or 0:]
    except OSError as error:
      first, needed = self.lost is None, self.needed
      self.lost, self.needed = self.lost or OutputError(error.errno, error.strerror), False
      if needed:
        raise self.lost from None
      if first:
        self.on_loss(self.lost)
    return len(data)


class Streams:
  """The standard streams of this process, where they are not something else already, as in a notebook."""

  def __init__(self):
    """Opens what is closed and takes the place of Python's own streams."""
    self._closed = {number for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)) if stream is None}
    # At once, so that no file that is opened later gets one of these numbers, and what libraries print ends up in it.
    for number, mode in enumerate(_MODES):
      try:
        os.fstat(number)
      except OSError:
        os.set_inheritable(os.open(os.devnull, mode), True)  # takes the lowest number that is free: this one
    self._needs_output = True
    sys.stdout, self._output = _guarded(sys.stdout, 1)
    sys.stderr, self._error = _guarded(sys.stderr, 2)

  def begin(self, program: str, needs_output: bool):
    """Makes ready for the command itself; `program` is what messages call it.

    Raises:
      OutputError: it needs standard output, which was closed.
    """
    self._needs_output = needs_output
    if self._output is None:
      return
    self._output.needed = needs_output
    self._output.on_loss = lambda error: print(f'{program}: {error}; going on without it', file=sys.stderr, flush=True)
    if needs_output and 1 in self._closed:
      self._output.write(b'.')

  def finish(self):
    """Writes what is left.

    Raises:
      OutputError: it cannot be written, or something could not be that was needed.
    """
    sys.stdout.flush()
    if self._needs_output and self._output is not None and self._output.lost:
      raise self._output.lost

  def complain(self, line: str):
    """Shows a line on standard error, or on standard output if that is all there is; raises nothing."""
    with contextlib.suppress(OSError):
      sys.stdout.flush()  # what can still be written comes before it
    print(line, file=sys.stderr, flush=True)
    if 2 in self._closed or self._error is not None and self._error.lost:
      with contextlib.suppress(OSError):
        print(line, flush=True)


def _guarded(stream: Any, number: int) -> tuple[Any, _Descriptor | None]:
  """Returns a stream of UTF-8, and its descriptor if it is the one of that number."""
  if stream is not None and not _is_descriptor(stream, number):
    # What a notebook puts in its place has no encoding to set.
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8', errors='backslashreplace')
    return stream, None
  descriptor = _Descriptor(number, needed=number == 1)
  unbuffered = stream is not None and stream.write_through  # python -u
  return io.TextIOWrapper(
      descriptor if unbuffered else io.BufferedWriter(descriptor),  # type: ignore[arg-type]
      encoding='utf-8', errors='backslashreplace', write_through=unbuffered,
      line_buffering=number == 2 or stream is not None and stream.line_buffering), descriptor


def _is_descriptor(stream, number: int) -> bool:
  """Returns whether a stream is Python's own for a file descriptor; a Windows console is none."""
  buffered = getattr(stream, 'buffer', None)
  raw = getattr(buffered, 'raw', buffered)
  return isinstance(stream, io.TextIOWrapper) and isinstance(raw, io.FileIO) and raw.fileno() == number
