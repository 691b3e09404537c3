"""What makes a model: which arguments are in range, and how they are kept."""

import numpy as np

from tangshi_tf.errors import UserError
from tangshi_tf.settings import ModelSettings, known

CELLS = known(ModelSettings)['cell'].choices


def check(given):
  """Raises a `UserError` where a hyperparameter is out of range, or does not go with another."""
  ModelSettings(**given)


def words_by_id(word2id):
  """Returns the words by id."""
  words = sorted(word2id, key=word2id.get)
  if not words or any(word2id[word] != i for i, word in enumerate(words)):
    raise UserError(f'word2id: its {len(words)} words have other ids than 0, 1, 2, ...; expected each of these once')
  return words


def plain(given):
  """Returns hyperparameters for JSON: numbers as Python has them, and none that says nothing."""
  return {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()
          if name != 'reset_after' or given['cell'] == 'gru'}
