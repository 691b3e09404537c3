"""How well a model predicts poems: one definition of each figure.

TensorFlow is loaded with the first name that needs it.
"""

from typing import TYPE_CHECKING

from tangshi_tf import lazy

if TYPE_CHECKING:
  from tangshi_tf.evaluation.figures import evaluate, summarize, table
  from tangshi_tf.evaluation.likelihood import compiled_nll, token_nll, validate
  from tangshi_tf.evaluation.measures import perplexity

__getattr__, __dir__ = lazy.names(__name__, {
    'tangshi_tf.evaluation.figures': ('evaluate', 'summarize', 'table'),
    'tangshi_tf.evaluation.likelihood': ('compiled_nll', 'token_nll', 'validate'),
    'tangshi_tf.evaluation.measures': ('perplexity',),
})
__all__ = ['compiled_nll', 'evaluate', 'perplexity', 'summarize', 'table', 'token_nll', 'validate']
