"""A model's weights as named arrays, and a model rebuilt from them once they are known to fit."""

import json
import pathlib

import numpy as np

from tangshi_tf.errors import UserError, shorten
from tangshi_tf.run_dir.archive import Archive
from tangshi_tf.run_dir.layout import CONFIG, WEIGHTS
from tangshi_tf.settings import CLASS_UNITS, ModelSettings, require

_GREATEST = 1e9  # of a weight; products of such ones stay finite in float32
_GATES = {'rnn': 1, 'lstm': 4, 'gru': 3}
VOCABULARY_AXES = {'embedding': 0, 'dense_bias': 0, 'dense_kernel': 1}  # by array: the axis that has one entry a word


def arrays(model, dtype) -> dict[str, np.ndarray]:
  """Returns a copy of a model's weights by name."""
  return {key: np.asarray(variable).astype(dtype) for key, variable in _variables(model).items()}


def assign(model, arrays: dict[str, np.ndarray]):
  """Gives a model the weights that `arrays` returned for one of the same settings."""
  for key, variable in _variables(model).items():
    variable.assign(arrays[key])


def rebuild(path: pathlib.Path, config: dict, word2id: dict[str, int], archive: Archive):
  """Returns the model of a configuration with the given weights in it.

  Args:
    path: the run directory, for messages.
    config: what `config.json` says; nothing in it need be right.
    word2id: the vocabulary.
    archive: the weights.

  Raises:
    UserError: the configuration is none, or the weights are not those of it.
  """
  from tangshi_tf.model import myRNNModel
  _check_shapes(path, config, len(word2id), archive.headers)
  try:
    model = myRNNModel(word2id, **config['model'], blank=True)
  except UserError as error:
    raise UserError(f'{path / CONFIG}: {error}') from None
  for key, variable in _variables(model).items():
    _fill(variable, key, archive)
  return model


def _variables(model) -> dict:
  """Returns the model's variables by a name that does not depend on Keras's counters."""
  named = {'embedding': model.embed_layer.embeddings, 'dense_bias': model.dense.bias}
  if not model.hyperparameters['tied']:
    named['dense_kernel'] = model.dense.kernel
  if model.clusters is not None:
    named |= {f'clusters_{name}': getattr(model.clusters, name) for name in ('inner', 'kernel', 'bias')}
  if model.projection is not None:
    named['projection_kernel'] = model.projection.kernel
  for i, layer in enumerate(model.rnn_layers):
    named.update((f'{_layer_name("cell", i)}_{variable.name}', variable) for variable in layer.trainable_variables)
  for i, norm in enumerate(model.norms):
    named.update((f'{_layer_name("norm", i)}_{variable.name}', variable) for variable in norm.trainable_variables)
  return named


def _layer_name(kind: str, index: int) -> str:
  return kind if not index else f'{kind}{index + 1}'


def _fill(variable, key: str, archive: Archive):
  """Puts an array into a variable of its shape, a few rows at a time, so that there is no second copy of it."""
  from tangshi_tf.quiet import tf
  handle, first = variable.value.handle, 0
  for block in archive.blocks(key):
    values = block.astype(np.float32)
    if not (np.abs(values) <= _GREATEST).all():
      raise UserError(f'{archive.path}: {key} has values that are not finite or beyond {_GREATEST:g}')
    # Not variable[...].assign: that reads the variable, and so has to copy all of it each time.
    tf.raw_ops.ResourceStridedSliceAssign(ref=handle, begin=[first], end=[first + len(block)], strides=[1],
                                          value=values)
    first += len(block)
  tf.raw_ops.DisableCopyOnRead(resource=handle)  # which the assignments of parts turned on


def are_options(options) -> bool:
  """Returns whether something that was read can be a model's hyperparameters, of whatever size."""
  from tangshi_tf.model import HYPERPARAMETERS
  if not isinstance(options, dict) or not {'cell', 'embedding_size', 'units'} <= set(options) <= set(HYPERPARAMETERS):
    return False
  options = {**options}
  try:
    require(ModelSettings, cutoffs=options.pop('cutoffs', []))
  except UserError:
    return False
  kinds = {name: (int, float) if type(default) is float else (type(default),)
           for name, default in HYPERPARAMETERS.items()}
  return (all(type(value) in kinds[name] for name, value in options.items()) and options['cell'] in _GATES
          and all(0 <= value < 2**31 for value in options.values() if not isinstance(value, str))
          and min(options['embedding_size'], options['units'], options.get('layers', 1)) > 0)


def _check_shapes(path, config, words: int, headers: dict[str, tuple]):
  """Checks that the arrays are those of the configuration, before anything of their size is allocated."""
  from tangshi_tf.model import HYPERPARAMETERS
  options = config.get('model')
  if not are_options(options):
    raise UserError(f'{path / CONFIG}: "model" is {shorten(json.dumps(options), 80)}; expected cell '
                    f'(rnn, lstm or gru), embedding_size, units and perhaps others of {", ".join(HYPERPARAMETERS)}')
  try:
    expected = shapes({**HYPERPARAMETERS, **options}, words, most_layers=len(headers))
  except UserError as error:
    raise UserError(f'{path / CONFIG}: {error}') from None
  weights = path / WEIGHTS
  if set(headers) != set(expected):
    raise UserError(f'{weights}: holds the arrays {_list(headers)}; expected {_list(expected)}')
  for key, shape in expected.items():
    actual, dtype = headers[key]
    if actual != shape or dtype not in (np.float16, np.float32):
      raise UserError(f'{weights}: {key} is {shorten(str(dtype))} {list(actual)}; '
                      f'expected floats {list(shape)} for {words} words and the sizes in {CONFIG}')


def _list(names) -> str:
  return shorten(', '.join(sorted(names)), 500)


def shapes(options: dict, words: int, most_layers: int) -> dict[str, tuple[int, ...]]:
  """Returns the shapes of a model's variables, by `_variables`' names, without making it.

  `most_layers` bounds the work where the configuration names an absurd number.

  Raises:
    UserError: the cut-offs of the softmax do not go with the rest.
  """
  width, units, gates = options['embedding_size'], options['units'], _GATES[options['cell']]
  projection = options['projection']
  if options['tied'] and units != width:
    projection = width
  found = {'embedding': (words, width), 'dense_bias': (words,)}
  tails = ModelSettings(softmax=options['softmax'], cutoffs=options['cutoffs']).tails(words)
  if tails:
    below = projection or units
    found |= {'clusters_inner': (below, CLASS_UNITS), 'clusters_kernel': (below + CLASS_UNITS, len(tails)),
              'clusters_bias': (len(tails),)}
  if not options['tied']:
    found['dense_kernel'] = (projection or units, words)
  if projection:
    found['projection_kernel'] = (units, projection)
  for i in range(min(options['layers'], most_layers)):
    cell, norm = _layer_name('cell', i), _layer_name('norm', i)
    found[f'{cell}_kernel'] = (units if i else width, gates * units)
    found[f'{cell}_recurrent_kernel'] = (units, gates * units)
    two = options['cell'] == 'gru' and options['reset_after']
    found[f'{cell}_bias'] = (2, gates * units) if two else (gates * units,)
    if options['layer_norm']:
      found[f'{norm}_gamma'] = found[f'{norm}_beta'] = (units,)
  return found
