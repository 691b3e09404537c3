"""The exceptions that command lines turn into one line, and what their messages quote."""

from collections.abc import Iterable

HUNG_UP = 129  # exit status: 128 + SIGHUP, as shells count
INTERRUPTED = 130  # 128 + SIGINT
TERMINATED = 143  # 128 + SIGTERM
_LONGEST = 2000  # characters of a message


class UserError(ValueError):
  """Something the user gave cannot be used.

  The message is one line: what was found, where, and what is expected. Command
  lines print it and end with exit status 2; callers of the library may catch
  it as a `ValueError`.

  Attributes:
    status: the exit status.
  """

  status = 2

  def __init__(self, message: str = ''):
    super().__init__(one_line(message))


class PassingError(UserError):
  """Something that may be gone when it is tried again."""

  status = 75  # EX_TEMPFAIL of sysexits.h


class LostWorkerError(PassingError):
  """A worker of the cluster did not arrive, or does not answer any more."""


def one_line(message: str) -> str:
  """Returns a message on one line, without the middle of one that quotes something very long."""
  message = ' '.join(message.split())
  kept = _LONGEST // 2
  return message if len(message) <= _LONGEST else f'{message[:kept]} … {message[-kept:]}'


def shorten(text: str, limit: int = 20) -> str:
  """Quotes `text` for a message, cut to `limit` characters, on one line."""
  return repr(text if len(text) <= limit else text[:limit] + '…')


def did_you_mean(given: str, known: Iterable[str], *, before: str = '', likeness: float = 0.6) -> str:
  """Returns what a message about an unknown name ends with: the nearest of the known ones, or nothing.

      >>> did_you_mean('frm', ['form', 'num'], before='--')
      '; did you mean --form?'

  Args:
    given: the unknown name.
    known: the names that there are.
    before: what stands before each of them.
    likeness: from 0 to 1, at least.
  """
  import difflib
  if not isinstance(given, str):
    return ''
  names = {name.lower(): name for name in known}
  near = difflib.get_close_matches(given[:100].lower(), names, n=1, cutoff=likeness)
  return f'; did you mean {before}{names[near[0]]}?' if near else ''
