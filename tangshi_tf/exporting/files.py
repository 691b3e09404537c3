"""The files that the formats have in common."""

import json
import pathlib

from tangshi_tf.errors import UserError

VOCABULARY = 'vocabulary.json'
QUANTIZATIONS = ('float16', 'int8')  # of weights, for LiteRT


def vocabulary(run) -> bytes:
  """Returns the words of a `run_dir.Run` by id, as JSON."""
  return json.dumps([run.id2word[i] for i in range(len(run.id2word))], ensure_ascii=False).encode()


def write_file(path: pathlib.Path, data: bytes):
  """Writes a file.

  Raises:
    UserError: it cannot be written.
  """
  try:
    path.write_bytes(data)
  except OSError as error:
    raise UserError(f'{path}: cannot be written ({error.strerror or error}); expected a folder with room') from None
