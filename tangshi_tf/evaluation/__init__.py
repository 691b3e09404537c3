"""How well a model predicts poems: one definition of each figure."""

from tangshi_tf.evaluation.figures import evaluate, summarize, table
from tangshi_tf.evaluation.likelihood import compiled_nll, perplexity, token_nll, validate

__all__ = [
    'compiled_nll', 'evaluate', 'perplexity', 'summarize', 'table', 'token_nll', 'validate',
]
