"""A model for LiteRT, which was TensorFlow Lite: one step, its vocabulary, and a program that writes poems with them.

    step.tflite        ids, state -> logits, state; signature `step`; operators of LiteRT alone
    vocabulary.json    the words by id
    write_poem.py      the loop, with ai-edge-litert and NumPy
"""

import os
import pathlib
import tempfile

from tangshi_tf.errors import UserError
from tangshi_tf.exporting import step
from tangshi_tf.exporting.files import QUANTIZATIONS, VOCABULARY, vocabulary, write_file
from tangshi_tf.quiet import quiet_start, tf
from tangshi_tf.short import shown

WEIGHTS = QUANTIZATIONS
MODEL, EXAMPLE = 'step.tflite', 'write_poem.py'


def write(run, folder: str | os.PathLike, *, weights: str = 'float16'):
  """Writes the files of a model into a folder.

  Args:
    run: a `run_dir.Run`.
    folder: it exists.
    weights: see `convert`.

  Raises:
    UserError: there are no weights of that name, or a file cannot be written.
  """
  check_weights(weights)
  example = (pathlib.Path(__file__).parent / EXAMPLE).read_bytes()
  for name, data in ((MODEL, convert(run.model, weights)), (VOCABULARY, vocabulary(run)), (EXAMPLE, example)):
    write_file(pathlib.Path(folder) / name, data)


def check_weights(weights: str):
  """Raises a UserError where there are no weights of that name."""
  if weights not in WEIGHTS:
    raise UserError(f'weights {shown(weights)}: expected one of {", ".join(WEIGHTS)}')


def convert(model, weights: str = 'float16', *, rows: int = 1) -> bytes:
  """Returns one step of a model as a LiteRT file.

  Its signature `step` takes `ids`, int32 `[rows]`, and `state_0` …, float32 `[rows, units]`, and returns `logits`,
  float32 `[rows, V]`, and the new `state_0` …; see `step.function`. A tied matrix is in the file once.

  Args:
    model: a `myRNNModel`.
    weights: 'float16', which are made float32 when the file is loaded; or 'int8', with a scale for each row of a
      matrix, whose products take what they are multiplied with as int8, too. Small vectors stay float32 then.
    rows: how many there are: 1 to write a poem.

  Raises:
    UserError: there are no weights of that name.
  """
  check_weights(weights)
  whole = step.Int8Rows.of(model.embed_layer.embeddings.numpy()) if weights == 'int8' else None
  module = tf.Module()
  module.step = step.function(model, rows, embedding=whole)
  # Through a SavedModel, whose signature keeps its name and those of its tensors.
  with tempfile.TemporaryDirectory() as saved, quiet_start():
    tf.saved_model.save(module, saved, signatures={'step': module.step})
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=['step'])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if weights == 'float16':
      converter.target_spec.supported_types = [tf.float16]
    return converter.convert()
