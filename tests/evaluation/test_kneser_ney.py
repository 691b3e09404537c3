"""The n-gram baseline against a plain reading of its equations."""

import collections

import numpy as np
import pytest

from tangshi_tf.evaluation.kneser_ney import KneserNey

BOS, EOS = 2, 3


def texts(seed, count, words=9):
  rng = np.random.default_rng(seed)
  made = [[BOS, *rng.choice(np.arange(4, 4 + words), rng.integers(1, 9), p=np.arange(1, words + 1) * 2 / words
                            / (words + 1)).tolist(), EOS] for _ in range(count)]
  return made, np.concatenate(made), np.cumsum([0, *map(len, made)])


class Plain:
  """Dictionaries and loops."""

  def __init__(self, training, classes, order):
    self.classes, self.order = classes, order
    occurrences = collections.Counter(
        tuple(text[i - n + 1:i + 1]) for text in training for n in range(1, order + 1) for i in range(n - 1, len(text)))
    self.counts = {}
    for gram, count in occurrences.items():
      if len(gram) < order and gram[0] != BOS:
        count = sum(longer[1:] == gram for longer in occurrences if len(longer) == len(gram) + 1)
      self.counts[gram] = 0 if gram == (BOS,) else count
    self.discounts = {}
    for n in range(1, order + 1):
      of = collections.Counter(count for gram, count in self.counts.items() if len(gram) == n)
      y = of[1] / (of[1] + 2 * of[2]) if of[1] else 0
      self.discounts[n] = [0] + [min(max(k - (k + 1) * y * of[k + 1] / of[k], 0), k) if of[k] else k
                                 for k in (1, 2, 3)]

  def probability(self, history, word):
    lower = self.probability(history[1:], word) if history else 1 / (self.classes - 1)
    following = {gram: count for gram, count in self.counts.items()
                 if len(gram) == len(history) + 1 and gram[:-1] == history}
    total = sum(following.values())
    if not total:
      return lower
    discounts = self.discounts[len(history) + 1]
    left = sum(discounts[min(count, 3)] for count in following.values())
    count = following.get((*history, word), 0)
    return (count - discounts[min(count, 3)]) / total + left / total * lower


@pytest.mark.parametrize('order', [1, 2, 3, 5])
def test_against_the_plain_model(order):
  training, ids, splits = texts(0, 60)
  held_out, held_ids, held_splits = texts(1, 20, words=11)  # two words were never seen
  model = KneserNey(ids, splits, 15, order)
  plain = Plain(training, 15, order)
  expected = [-np.log(plain.probability(tuple(text[max(i - order + 1, 0):i]), text[i])) if i else 0.0
              for text in held_out for i in range(len(text))]
  np.testing.assert_allclose(model.nll(held_ids, held_splits), expected, rtol=1e-9)


def test_probabilities_sum_to_one():
  _, ids, splits = texts(0, 60)
  model = KneserNey(ids, splits, 15, 4)
  for history in ([BOS], [BOS, 5], [BOS, 12, 12, 11], [BOS, 14, 14]):
    every = np.concatenate([[*history, word] for word in range(15) if word != BOS])
    width = len(history) + 1
    nll = model.nll(every, np.arange(0, len(every) + 1, width))
    assert np.exp(-nll[width - 1::width]).sum() == pytest.approx(1)
