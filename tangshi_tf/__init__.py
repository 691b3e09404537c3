"""Character-level recurrent language models of Tang poems on TensorFlow and Keras 3.

    >>> import tangshi_tf
    >>> writer = tangshi_tf.load('gru')                 # a shipped name or a run directory
    >>> poem = writer.write('七绝', begin='月', seed=1)
    >>> print(poem)                                     # doctest: +SKIP

The exercise's names are importable from here, too; TensorFlow is loaded when the first name that needs it is used.
"""

from typing import TYPE_CHECKING

from tangshi_tf import lazy

if TYPE_CHECKING:
  from tangshi_tf import corpus, data, decoding, evaluation, model, prosody, recipes, run_dir, settings, training
  from tangshi_tf.corpus import end_token, start_token
  from tangshi_tf.data import poem_dataset, process_dataset
  from tangshi_tf.decoding import Writer, WrittenPoem, gen_poem, load
  from tangshi_tf.errors import UserError
  from tangshi_tf.model import compute_loss, get_next_token, mkMask, myRNNModel, reduce_avg
  from tangshi_tf.training import train_one_step

__version__ = '1.0.0'
__getattr__, __dir__ = lazy.names(__name__, {
    'tangshi_tf.corpus': ('end_token', 'start_token'),
    'tangshi_tf.data': ('poem_dataset', 'process_dataset'),
    'tangshi_tf.decoding': ('Writer', 'WrittenPoem', 'gen_poem', 'load'),
    'tangshi_tf.errors': ('UserError',),
    'tangshi_tf.model': ('compute_loss', 'get_next_token', 'mkMask', 'myRNNModel', 'reduce_avg'),
    'tangshi_tf.training': ('train_one_step',),
}, wings=('corpus', 'data', 'decoding', 'evaluation', 'model', 'prosody', 'recipes', 'run_dir', 'settings', 'training'),
   own=('__version__',))
__all__ = [
    'UserError', 'Writer', 'WrittenPoem', 'compute_loss', 'corpus', 'data', 'decoding', 'end_token', 'evaluation',
    'gen_poem', 'get_next_token', 'load', 'mkMask', 'model', 'myRNNModel', 'poem_dataset', 'process_dataset', 'prosody',
    'recipes', 'reduce_avg', 'run_dir', 'settings', 'start_token', 'train_one_step', 'training',
]
