"""Training: steps, whole runs, and what is kept of them.

TensorFlow is loaded with the first name that needs it.
"""

from typing import TYPE_CHECKING

from tangshi_tf import lazy

if TYPE_CHECKING:
  from tangshi_tf.training.averages import Averages
  from tangshi_tf.training.callback import Callback
  from tangshi_tf.training.fitting import fit
  from tangshi_tf.training.optimizers import OPTIMIZERS, make_optimizer
  from tangshi_tf.training.progress import Progress
  from tangshi_tf.training.runs import Result, resume, run
  from tangshi_tf.training.step import StepOptions, StepResult, compiled_step, train, train_one_step

__getattr__, __dir__ = lazy.names(__name__, {
    'tangshi_tf.training.averages': ('Averages',),
    'tangshi_tf.training.progress': ('Progress',),
    'tangshi_tf.training.callback': ('Callback',),
    'tangshi_tf.training.fitting': ('fit',),
    'tangshi_tf.training.optimizers': ('OPTIMIZERS', 'make_optimizer'),
    'tangshi_tf.training.runs': ('Result', 'resume', 'run'),
    'tangshi_tf.training.step': ('StepOptions', 'StepResult', 'compiled_step', 'train', 'train_one_step'),
})
__all__ = ['OPTIMIZERS', 'Averages', 'Callback', 'Progress', 'Result', 'StepOptions', 'StepResult', 'compiled_step',
           'fit', 'make_optimizer', 'resume', 'run', 'train', 'train_one_step']
