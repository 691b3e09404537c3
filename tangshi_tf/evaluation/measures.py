"""Perplexity, without TensorFlow."""

import math


def perplexity(nll: float) -> float:
  """Returns exp(nats a token), infinity where that overflows."""
  return math.inf if nll > 700 else math.exp(nll)
