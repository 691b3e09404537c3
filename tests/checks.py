"""What tests of more than one module assert."""

import re


def assert_one_line(done, message):
  """Asserts that a command ended with status 2 and one line that matches `message`."""
  assert done.returncode == 2
  assert not done.stdout
  assert len(done.stderr.splitlines()) == 1, done.stderr
  assert re.search(message, done.stderr), done.stderr
  assert done.stderr.startswith('python -m tangshi_tf.')
