"""How well a model predicts poems: one definition of each figure.

TensorFlow is loaded with the first name that needs it.
"""

from typing import TYPE_CHECKING

from tangshi_tf import lazy

if TYPE_CHECKING:
  from tangshi_tf.evaluation.figures import evaluate, evaluate_run, summarize, table
  from tangshi_tf.evaluation.gradients import gradient_norms
  from tangshi_tf.evaluation.held_out import HeldOut, read_held_out
  from tangshi_tf.evaluation.kneser_ney import KneserNey
  from tangshi_tf.evaluation.likelihood import compiled_nll, token_nll, validate
  from tangshi_tf.evaluation.measures import perplexity
  from tangshi_tf.evaluation.scoring import Score, score

__getattr__, __dir__ = lazy.names(__name__, {
    'tangshi_tf.evaluation.figures': ('evaluate', 'evaluate_run', 'summarize', 'table'),
    'tangshi_tf.evaluation.gradients': ('gradient_norms',),
    'tangshi_tf.evaluation.held_out': ('HeldOut', 'read_held_out'),
    'tangshi_tf.evaluation.kneser_ney': ('KneserNey',),
    'tangshi_tf.evaluation.likelihood': ('compiled_nll', 'token_nll', 'validate'),
    'tangshi_tf.evaluation.measures': ('perplexity',),
    'tangshi_tf.evaluation.scoring': ('Score', 'score'),
})
__all__ = ['HeldOut', 'KneserNey', 'Score', 'compiled_nll', 'evaluate', 'evaluate_run', 'gradient_norms', 'perplexity',
           'read_held_out', 'score', 'summarize', 'table', 'token_nll', 'validate']
