"""The one exception that a user's own input can cause."""


class UserError(ValueError):
  """Something the user gave cannot be used.

  The message is one line: what was found, where, and what is expected. Command
  lines print it and end with exit status 2; callers of the library may catch
  it as a `ValueError`.

  Attributes:
    status: the exit status.
  """

  status = 2
