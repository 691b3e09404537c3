"""What the processes that benchmark.py starts have in common."""

import json
import sys
import time

from tangshi_tf import corpus

UNITS = 128  # the exercise's


def report(**figures):
  print(json.dumps(figures), flush=True)


class Windows:
  """Cuts a training loop into the windows that the parent asks for."""

  def __init__(self):
    self._deadline = None

  def after_step(self, tokens: int) -> bool:
    """Counts a step's tokens; returns True once the parent wants no more."""
    if self._deadline is None:
      return self._next()
    self._tokens += tokens
    now = time.perf_counter()
    if now < self._deadline:
      return False
    report(tokens_per_s=self._tokens / (now - self._start))
    return self._next()

  def _next(self):
    line = sys.stdin.readline().strip()
    if not line:
      return True
    self._tokens, self._start = 0, time.perf_counter()
    self._deadline = self._start + float(line)
    return False


def peak_rss_mb() -> float | None:
  """Returns the largest resident memory of this process so far; None where it is not known."""
  try:
    import resource
  except ImportError:
    return None
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)


def package_poems(path=None, size=None):
  """Returns the training poems of a corpus, encoded, and the vocabulary, as `tangshi_tf.train` makes them."""
  path = corpus.default_corpus_path() if path is None else path
  parts = corpus.training_parts(corpus.read_poems(path), path)
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(parts['train'], size=size))
  return corpus.encode_all(parts['train'], word2id), word2id
