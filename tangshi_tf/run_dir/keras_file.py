"""A model that was saved with `model.save('….keras')`, read without running anything that the file names.

Such a file is a zip archive: the model's configuration, which has the vocabulary in it, and its weights.
"""

import math
import os
import pathlib
import zipfile

import numpy as np

from tangshi_tf.errors import UserError, shorten
from tangshi_tf.run_dir import safe_files, weights

_EXPECTED = 'what myRNNModel.save writes'
_CLASS, _CONFIG, _WEIGHTS = 'myRNNModel', 'config.json', 'model.weights.h5'


def load(path: pathlib.Path):
  """Returns the `myRNNModel` in a file.

  Raises:
    UserError: it is missing, damaged, or holds another model.
  """
  if not os.path.lexists(path):
    raise UserError(f'{path}: no such file; expected {_EXPECTED}')
  with safe_files.open_plain(path) as file:
    try:
      with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo(_CONFIG)
        safe_files.check_small(path, entry.file_size)
        data, size = archive.read(entry), archive.getinfo(_WEIGHTS).file_size
    except UserError:
      raise
    except Exception as error:  # damage shows in many types
      raise UserError(f'{path}: {shorten(str(error), 80)}; expected {_EXPECTED}') from None
  model = _blank(path, safe_files.parse_json(path, data, dict), size)
  try:
    model.load_weights(str(path))
  except Exception:  # of Keras, of the library for HDF5, ...
    raise UserError(f'{path}: its weights do not fit its configuration; expected {_EXPECTED}') from None
  for variable in model.trainable_variables:
    if not np.isfinite(variable).all():
      raise UserError(f'{path}: {variable.name} has values that are not finite')
  return model


def _blank(path: pathlib.Path, stored: dict, size: int):
  """Returns the model of a configuration, without its weights, for which the file has `size` bytes."""
  from tangshi_tf.model import HYPERPARAMETERS, myRNNModel
  name, config = stored.get('class_name'), stored.get('config')
  if name != _CLASS:
    raise UserError(f'{path}: holds a model of class {shorten(str(name))}; expected {_EXPECTED}')
  config = config if isinstance(config, dict) else {}
  word2id, options = config.get('word2id'), {name: config[name] for name in HYPERPARAMETERS if name in config}
  try:
    if isinstance(word2id, dict) and weights.are_options(options) and 4 * sum(map(math.prod, weights.shapes(
        {**HYPERPARAMETERS, **options}, len(word2id), most_layers=64).values())) <= size:
      return myRNNModel(word2id, **options, blank=True)
  except UserError as error:
    raise UserError(f'{path}: {error}') from None
  raise UserError(f'{path}: has no vocabulary, or sizes that its weights do not have; expected {_EXPECTED}')
