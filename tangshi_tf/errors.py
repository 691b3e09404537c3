"""The exceptions that command lines turn into one line, and what their messages quote."""

INTERRUPTED = 130  # exit status: 128 + SIGINT, as shells count
TERMINATED = 143  # 128 + SIGTERM


class UserError(ValueError):
  """Something the user gave cannot be used.

  The message is one line: what was found, where, and what is expected. Command
  lines print it and end with exit status 2; callers of the library may catch
  it as a `ValueError`.

  Attributes:
    status: the exit status.
  """

  status = 2


class PassingError(UserError):
  """Something that may be gone when it is tried again."""

  status = 75  # EX_TEMPFAIL of sysexits.h


class LostWorkerError(PassingError):
  """A worker of the cluster did not arrive, or does not answer any more."""


def shorten(text: str, limit: int = 20) -> str:
  """Quotes `text` for a message, cut to `limit` characters, on one line."""
  return repr(text if len(text) <= limit else text[:limit] + '…')
