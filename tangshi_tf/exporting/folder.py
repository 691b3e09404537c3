"""The folder of an exported model, which is there as a whole or not at all."""

import contextlib
import itertools
import os
import pathlib
import shutil
from collections.abc import Iterator

import tangshi_tf
from tangshi_tf.errors import UserError
from tangshi_tf.exporting.files import QUANTIZATIONS
from tangshi_tf.run_dir import safe_files
from tangshi_tf.short import shown

FORMATS = ('saved_model', 'litert', 'onnx')
MARK = 'export.json'  # the file by which an exported folder is known


def export(run, out: str | os.PathLike, *, format: str = 'saved_model', quantization: str = 'float16',
           overwrite: bool = False) -> pathlib.Path:
  """Exports a model.

      >>> folder = export(tangshi_tf.run_dir.load('rnn'), 'exported', format='litert')
      >>> sorted(path.name for path in folder.iterdir())
      ['export.json', 'step.tflite', 'vocabulary.json', 'write_poem.py']

  Args:
    run: a `run_dir.Run`.
    out: the folder to write.
    format: 'saved_model', 'litert' or 'onnx'; see the folder's README for what they hold.
    quantization: of the weights of 'litert', 'float16' or 'int8'.
    overwrite: whether to replace a folder that holds an export already.

  Returns:
    The folder.

  Raises:
    UserError: the folder exists, or cannot be written; an argument is unknown, or what converts is not installed.
  """
  for name, value, known in (('format', format, FORMATS), ('quantization', quantization, QUANTIZATIONS)):
    if value not in known:
      raise UserError(f'{name} {shown(value)} is unknown; expected one of {", ".join(known)}')
  out = pathlib.Path(out)
  _old(out, overwrite)
  with safe_files.clear_writing(out), _folder_beside(out) as partial:
    _write(run, partial, format, quantization)
    if _old(out, overwrite):
      with _folder_beside(out) as aside:
        os.replace(out, aside)
        try:
          os.replace(partial, out)
        except OSError:
          os.replace(aside, out)
          raise
    else:
      os.replace(partial, out)
  return out


@contextlib.contextmanager
def _folder_beside(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields a new, empty folder next to another, and removes it in the end."""
  out.parent.mkdir(parents=True, exist_ok=True)
  number = itertools.count()
  while True:
    made = out.with_name(f'{out.name}.{os.getpid()}-{next(number)}{safe_files.PARTIAL}')
    with contextlib.suppress(FileExistsError):
      made.mkdir()
      break
  try:
    yield made
  finally:
    shutil.rmtree(made, ignore_errors=True)


def require_room(out: str | os.PathLike, overwrite: bool):
  """Checks that a folder may be written, before anything is computed; see `export`."""
  _old(pathlib.Path(out), overwrite)


def _old(out: pathlib.Path, overwrite: bool) -> bool:
  """Returns whether there is a folder to replace."""
  if not out.name:
    raise UserError(f'out {shown(str(out))}: expected the name of a new folder')
  if not os.path.lexists(out):
    return False
  if out.is_symlink() or not out.is_dir() or any(out.iterdir()) and not (out / MARK).is_file():
    raise UserError(f'{out}: is no folder that an export has written (it has no {MARK}), and is kept; expected '
                    'a new folder')
  if not overwrite:
    raise UserError(f'{out}: exists already; expected a new folder, or overwrite=True')
  return True


def _write(run, folder: pathlib.Path, format: str, quantization: str):
  if format == 'saved_model':
    from tangshi_tf.exporting import saved_model
    (folder / '1').mkdir()  # the version, as TensorFlow Serving has it
    saved_model.write(run, folder / '1')
  elif format == 'litert':
    from tangshi_tf.exporting import litert
    litert.write(run, folder, weights=quantization)
  else:
    from tangshi_tf.exporting import onnx
    onnx.write(run, folder)
  facts = {'tangshi_tf': tangshi_tf.__version__, 'model': str(run.name), 'format': format,
           'hyperparameters': run.model.hyperparameters, 'words': len(run.word2id),
           **({'quantization': quantization} if format == 'litert' else {})}
  (folder / MARK).write_bytes(safe_files.encode_json(facts))
