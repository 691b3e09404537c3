"""Character-level recurrent language models of Tang poems on TensorFlow and Keras 3.

The exercise's names are importable from here; TensorFlow is loaded when the
first one that needs it is used.
"""

import importlib

__version__ = '0.1.0'

_HOME = {
    'start_token': 'corpus', 'end_token': 'corpus',
    'process_dataset': 'data', 'poem_dataset': 'data',
    'myRNNModel': 'model', 'get_next_token': 'model', 'compute_loss': 'model', 'mkMask': 'model', 'reduce_avg': 'model',
    'train_one_step': 'training',
    'gen_poem': 'decoding',
    'UserError': 'errors',
}
_WINGS = ('corpus', 'data', 'decoding', 'evaluation', 'model', 'prosody', 'run_dir', 'training')
__all__ = list(_HOME)


def __getattr__(name):
  if name in _HOME:
    return getattr(importlib.import_module(f'tangshi_tf.{_HOME[name]}'), name)
  if name in _WINGS:
    return importlib.import_module(f'tangshi_tf.{name}')
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__():
  return sorted([*globals(), *_HOME])
