"""Interpolated modified Kneser-Ney n-gram models: the baseline of the neural ones.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language
modeling", equations 26 to 28, each order interpolated with the next lower one and the
unigrams with the uniform distribution. An n-gram does not reach beyond the bos of its
poem; one that begins with bos has nothing to its left, so its count stays as it is.
"""

import numpy as np


class KneserNey:
  """An interpolated modified Kneser-Ney model over word ids."""

  def __init__(self, ids: np.ndarray, splits: np.ndarray, classes: int, order: int = 5):
    """Counts.

    Args:
      ids: int `[tokens]`, text after text, each beginning with bos.
      splits: int `[texts + 1]`, where each text begins and the last one ends.
      classes: how many ids there are.
      order: length of the longest n-gram.
    """
    self._classes, self._order = classes, order
    self._known = []  # by order - 1: the sorted keys of the n-grams: number of the context * classes + last id
    self._tables = []  # by order - 1: see _table
    place = _places(splits)
    # Numbers of the (n - 1)-grams that end before, and at, each token.
    context = np.zeros(len(ids), np.int64)
    grams = []
    for n in range(1, order + 1):
      keys = context * classes + ids
      valid = place >= n - 1
      known, number = np.unique(keys[valid], return_inverse=True)
      grams.append((keys, valid, known))
      self._known.append(known)
      ending = np.full(len(ids), -1, np.int64)
      ending[valid] = number
      context = np.concatenate([[-1], ending[:-1]])
    for n in range(1, order + 1):
      keys, valid, known = grams[n - 1]
      counts = self._counts(n, ids, place, grams)
      self._tables.append(self._table(n, known, counts))

  def _counts(self, n, ids, place, grams):
    """Returns how often each n-gram of order n counts: occurrences, or for lower orders distinct tokens before it."""
    keys, valid, known = grams[n - 1]
    number = np.searchsorted(known, keys)
    if n == self._order:
      counts = np.bincount(number[valid], minlength=len(known))
    else:
      # One of each longer n-gram, which says what comes before this one.
      longer_keys, longer_valid, _ = grams[n]
      _, first = np.unique(longer_keys[longer_valid], return_index=True)
      counts = np.bincount(number[longer_valid][first], minlength=len(known))
      counts += np.bincount(number[valid & (place == n - 1)], minlength=len(known))
    if n == 1:
      counts[known == ids[0]] = 0  # bos is never predicted
    return counts

  def _table(self, n, known, counts):
    """Returns the discounted share of each n-gram, and by context the mass that is left for the lower order."""
    of_counts = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    y = of_counts[1] / (of_counts[1] + 2 * of_counts[2]) if of_counts[1] else 0.0
    ratios = np.divide(of_counts[2:5], of_counts[1:4], out=np.zeros(3), where=of_counts[1:4] > 0)
    discounts = np.array([0.0, *np.clip(np.arange(1, 4) - np.arange(2, 5) * y * ratios, 0, np.arange(1, 4))])
    discount = discounts[np.minimum(counts, 3)]
    context = known // self._classes
    contexts = int(context.max()) + 1
    total = np.bincount(context, counts, contexts)
    left = np.bincount(context, discount, contexts)
    with np.errstate(invalid='ignore'):
      return (counts - discount) / total[context], np.where(total > 0, left / np.maximum(total, 1), 1.0)

  def nll(self, ids: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Returns the negative log-likelihood in nats of each token, `[tokens]`; 0 for the first of each text."""
    place = _places(splits)
    probability = np.full(len(ids), 1 / (self._classes - 1))  # all but bos
    context = np.zeros(len(ids), np.int64)
    for n, (known, (share, left)) in enumerate(zip(self._known, self._tables), 1):
      keys = context * self._classes + ids
      number = np.minimum(np.searchsorted(known, keys), len(known) - 1)
      found = (context >= 0) & (known[number] == keys) & (place >= n - 1)
      # A context that was never seen, or ends its texts, leaves all to the lower order.
      seen = (context >= 0) & (context < len(left)) & (place >= n - 1)
      kept = np.where(seen, left[np.where(seen, context, 0)], 1.0)
      probability = kept * probability + np.where(found, share[number], 0.0)
      ending = np.where(found, number, -1)
      context = np.concatenate([[-1], ending[:-1]])
    result = -np.log(probability)
    result[splits[:-1]] = 0
    return result


def _places(splits):
  """Returns each token's place in its text, from 0."""
  return np.arange(splits[-1]) - np.repeat(splits[:-1], np.diff(splits))
