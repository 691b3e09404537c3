"""A model for ONNX: one step, and its vocabulary.

    step.onnx          ids, state -> logits, new state, of any number of rows
    vocabulary.json    the words by id
"""

import importlib
import os
import pathlib

import numpy as np

from tangshi_tf.errors import UserError
from tangshi_tf.exporting import step
from tangshi_tf.exporting.files import VOCABULARY, vocabulary, write_file
from tangshi_tf.quiet import quiet_start, tf

MODEL = 'step.onnx'
_OPSET = 18  # the newest of tf2onnx 1.17


def write(run, folder: str | os.PathLike):
  """Writes the files of a model into a folder.

  Args:
    run: a `run_dir.Run`.
    folder: it exists.

  Raises:
    UserError: tf2onnx is not installed, or a file cannot be written.
  """
  write_file(pathlib.Path(folder) / MODEL, convert(run.model))
  write_file(pathlib.Path(folder) / VOCABULARY, vocabulary(run))


def convert(model) -> bytes:
  """Returns one step of a model as an ONNX file.

  It takes `ids`, int32 `[rows]`, and `state_0` …, float32 `[rows, units]`, and returns `logits`, float32 `[rows, V]`,
  and `new_state_0` …; see `step.function`. In ONNX a result cannot have the name of an input.

  Args:
    model: a `myRNNModel`.

  Raises:
    UserError: tf2onnx is not installed.
  """
  tf.constant(0)  # TensorFlow is there, and quiet, before tf2onnx asks for it
  try:
    with quiet_start():
      converter = importlib.import_module('tf2onnx')
  except ModuleNotFoundError as error:
    raise UserError(f"{error.name} is not installed; run: pip install 'tangshi_tf[onnx]'") from None
  taken = step.function(model, None, state_after='new_state')
  with quiet_start():
    made, _ = converter.convert.from_function(taken, taken.input_signature, opset=_OPSET)
  for value in (*made.graph.input, *made.graph.output):
    value.type.tensor_type.shape.dim[0].dim_param = 'rows'
  _store_once(made.graph)
  return made.SerializeToString()


def _store_once(graph):
  """Takes out of the graph of a tied model the output layer's kernel, which is a transpose of the embedding there."""
  import onnx
  matrices = {stored.name: onnx.numpy_helper.to_array(stored) for stored in graph.initializer if len(stored.dims) == 2}
  looked_up = [node.input[0] for node in graph.node if node.op_type == 'Gather' and node.input[0] in matrices]
  for node in graph.node:
    if node.op_type != 'MatMul' or node.input[1] not in matrices:
      continue
    for name in looked_up:
      if np.array_equal(matrices[name].T, matrices[node.input[1]]):
        transposed, = (stored for stored in graph.initializer if stored.name == node.input[1])
        graph.initializer.remove(transposed)
        node.op_type, node.input[1] = 'Gemm', name
        node.attribute.append(onnx.helper.make_attribute('transB', 1))
        break
