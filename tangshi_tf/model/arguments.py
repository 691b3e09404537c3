"""What makes a model: which arguments are in range, and how they are kept."""

import inspect
import numbers
from collections.abc import Mapping

from tangshi_tf.errors import UserError
from tangshi_tf.quiet import keras
from tangshi_tf.settings import ModelSettings, TrainingSettings, known, require_iterable
from tangshi_tf.short import shown

CELLS = known(ModelSettings)['cell'].choices
TYPE = 'float32'  # of all weights, whatever Keras's policy is
_MOST_ROWS = known(TrainingSettings)['batch_size'].high


def checked(given, words: int):
  """Returns hyperparameters, their numbers as Python has them, and the cut-offs for so many words.

  Raises:
    UserError: one is out of range, or does not go with another.
  """
  settings = ModelSettings(**given)
  return {**{name: getattr(settings, name) for name in given}, 'cutoffs': settings.tails(words)}


def words_by_id(word2id):
  """Returns the words by id."""
  if not isinstance(word2id, Mapping) or not all(isinstance(word, str) for word in word2id):
    raise UserError(f'word2id {shown(word2id)}: expected a dictionary of words and their ids')
  words = {i: word for word, i in word2id.items() if isinstance(i, numbers.Integral)}
  if not words or len(words) < len(word2id) or set(words) != set(range(len(words))):
    raise UserError(f'word2id: its {len(word2id)} words have other ids than 0, 1, 2, ...; expected each of these once')
  return [words[i] for i in range(len(words))]


def check_batch(batch):
  """Raises a `UserError` where a number of rows is none, or out of all proportion."""
  if not isinstance(batch, numbers.Integral) or not 0 <= batch <= _MOST_ROWS:
    raise UserError(f'batch {shown(batch)}: expected a whole number from 0 to {_MOST_ROWS}')


def seeds(batch, seed):
  """Returns a seed for each of `batch` rows, of the first one or of all."""
  check_batch(batch)
  several = not isinstance(seed, numbers.Integral)
  expected = 'a whole number from 0, or one for each row'
  found = list(require_iterable('seed', seed, expected)) if several else [seed]
  if not all(isinstance(number, numbers.Integral) and number >= 0 for number in found):
    raise UserError(f'seed {shown(seed)}: expected {expected}')
  if not several:
    return range(seed, seed + batch)
  if len(found) != batch:
    raise UserError(f'{len(found)} seeds for {batch} rows; expected one for each')
  return found


def telling(given):
  """Returns hyperparameters without those that say nothing."""
  silent = {'reset_after': given['cell'] != 'gru', 'cutoffs': given['softmax'] == 'full'}
  return {name: value for name, value in given.items() if not silent.get(name)}


def check_type(dtype):
  """Raises a `UserError` where something is another policy of Keras than a model's, or its name or configuration."""
  try:
    found = keras.dtype_policies.get(dtype).name
  except (TypeError, ValueError):
    found = None
  if found != TYPE:
    raise UserError(f'dtype {shown(dtype)}: expected {TYPE} (for 16 bits see precision of training)')


def named(function) -> dict:
  """Returns the arguments of a function that are given by name, and their defaults."""
  return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()
          if parameter.kind == inspect.Parameter.KEYWORD_ONLY}
