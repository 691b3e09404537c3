"""What makes a model: which arguments are in range, and how they are kept."""

import numbers
from collections.abc import Iterable, Mapping

import numpy as np

from tangshi_tf.errors import UserError
from tangshi_tf.settings import ModelSettings, known
from tangshi_tf.short import shown

CELLS = known(ModelSettings)['cell'].choices


def check(given):
  """Raises a `UserError` where a hyperparameter is out of range, or does not go with another."""
  ModelSettings(**given)


def words_by_id(word2id):
  """Returns the words by id."""
  if not isinstance(word2id, Mapping) or not all(isinstance(word, str) for word in word2id):
    raise UserError(f'word2id {shown(word2id)}: expected a dictionary of words and their ids')
  words = {i: word for word, i in word2id.items() if isinstance(i, numbers.Integral)}
  if not words or len(words) < len(word2id) or set(words) != set(range(len(words))):
    raise UserError(f'word2id: its {len(word2id)} words have other ids than 0, 1, 2, ...; expected each of these once')
  return [words[i] for i in range(len(words))]


def seeds(batch, seed):
  """Returns a seed for each of `batch` rows, of the first one or of all."""
  found = list(seed) if isinstance(seed, Iterable) else [seed]
  if not all(isinstance(number, numbers.Integral) and number >= 0 for number in (batch, *found)):
    raise UserError(f'batch {shown(batch)}, seed {shown(seed)}: expected whole numbers from 0')
  if not isinstance(seed, Iterable):
    return range(seed, seed + batch)
  if len(found) != batch:
    raise UserError(f'{len(found)} seeds for {batch} rows; expected one for each')
  return found


def plain(given):
  """Returns hyperparameters for JSON: numbers as Python has them, and none that says nothing."""
  return {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()
          if name != 'reset_after' or given['cell'] == 'gru'}
