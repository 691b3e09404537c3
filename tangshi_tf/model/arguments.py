"""What makes a model: which arguments are in range, and how they are kept."""

import numbers

import numpy as np

from tangshi_tf.errors import UserError

CELLS = ('rnn', 'lstm', 'gru')
_MAX_EMBEDDING_RANGE = 100  # far beyond use, far below what float32 holds
_RATES = ('input_dropout', 'layer_dropout', 'output_dropout', 'weight_dropout')


def check(given):
  """Raises a `UserError` where a hyperparameter is out of range."""
  if given['cell'] not in CELLS:
    raise UserError(f'cell {given["cell"]!r} is unknown; expected one of {", ".join(CELLS)}')
  for name, least in (('embedding_size', 1), ('units', 1), ('layers', 1), ('projection', 0)):
    if not isinstance(given[name], numbers.Integral) or given[name] < least:
      raise UserError(f'{name} {given[name]}: expected a whole number from {least}')
  for name in _RATES:
    if not 0 <= given[name] < 1:
      raise UserError(f'{name} {given[name]}: expected a rate from 0 to below 1')
  if not 0 <= given['embedding_range'] <= _MAX_EMBEDDING_RANGE:
    raise UserError(f'embedding_range {given["embedding_range"]}: expected a number from 0 to {_MAX_EMBEDDING_RANGE}')
  if given['tied'] and given['projection'] not in (0, given['embedding_size']):
    raise UserError(f'projection {given["projection"]}: a tied output layer has the width of the embedding, '
                    f'{given["embedding_size"]}')


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
