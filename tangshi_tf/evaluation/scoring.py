"""How likely single texts are, character by character, in bits of surprisal."""

import dataclasses
import math
import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.evaluation.likelihood import token_nll
from tangshi_tf.settings import require_iterable
from tangshi_tf.short import short_repr, shown


@dataclasses.dataclass(frozen=True, eq=False)
class Score:
  """The surprisal of a text.

  Attributes:
    text: as it was measured, see `score`.
    bits: float32, -log2 of the probability of each character given those
      before it; where the text was measured as a whole poem, that of the end
      follows as one more.
    unknown: the characters that the model's vocabulary does not have, each
      once, sorted.
  """

  text: str
  bits: np.ndarray
  unknown: list[str]

  __repr__ = short_repr

  def __eq__(self, other):
    return isinstance(other, Score) and self.text == other.text and np.array_equal(self.bits, other.bits)

  def __hash__(self):
    return hash(self.text)

  @property
  def total(self) -> float:
    """The sum of the bits."""
    return float(self.bits.sum(dtype=float))

  @property
  def mean(self) -> float | None:
    """Bits a token, None for an empty text."""
    return self.total / len(self.bits) if len(self.bits) else None

  @property
  def perplexity(self) -> float | None:
    """2 to the power of `mean`; None also where that is greater than any float."""
    return 2 ** self.mean if self.mean is not None and self.mean < sys.float_info.max_exp else None

  @property
  def most_surprising(self) -> int | None:
    """The position of the token with the most bits, None for an empty text."""
    return int(self.bits.argmax()) if len(self.bits) else None

  def tokens(self) -> Iterator[tuple[str, float]]:
    """Yields each token with its bits; the end of a poem is 'eos'."""
    for first in range(0, len(self.bits), 4096):  # a text may be very long, its bits as a list would be longer
      names = self.text[first:first + 4096]
      values = self.bits[first:first + 4096].tolist()
      yield from zip([*names, corpus.end_token], values)

  def pieces(self) -> Iterator[str]:
    """Yields the line that `str` returns, piece by piece."""
    if self.mean is None:
      return
    yield f'{self.mean:.2f} bits a token, {self.total:.1f} in all:'
    most = self.most_surprising
    for i, (name, value) in enumerate(self.tokens()):
      yield f' *{name}*{value:.1f}' if i == most else f' {name}{value:.1f}'
    if self.unknown:
      yield f'  (outside the vocabulary: {"".join(self.unknown)})'

  def __str__(self):
    return ''.join(self.pieces())


def score(model, word2id: dict[str, int], texts: Iterable[str], *, whole: bool = False,
          told: Sequence[int] = ()) -> list[Score]:
  """Measures texts.

  Args:
    model: a `myRNNModel`.
    word2id: its vocabulary.
    texts: they are measured as `corpus.verse` makes them, with variants that the
      vocabulary has for characters that it does not have.
    whole: whether they are whole poems, so that their end counts, too.
    told: the ids of what comes before each of them, see `controls`.

  Raises:
    UserError: one is no Unicode text.
  """
  texts = require_iterable('texts', texts, 'a list of them')
  if not isinstance(whole, bool):
    raise UserError(f'whole {shown(whole)}: expected True or False')
  corpus.require_vocabulary(word2id)
  spelling = corpus.Spelling(word2id)
  poems = [corpus.Poem('', spelling.of(corpus.verse(text, whole=whole))[0]) for text in texts]
  ids, splits = corpus.encode_all(poems, word2id, [told] * len(poems))
  if not whole:
    ids, splits = np.delete(ids, splits[1:] - 1), splits - np.arange(len(splits))
  bits = token_nll(model, ids, splits) / math.log(2)
  found = []
  for poem, first, end in zip(poems, splits[:-1] + len(told), splits[1:]):
    unknown = sorted({character for character, i in zip(poem.content, ids[first + 1:end]) if i == corpus.UNK_ID})
    found.append(Score(poem.content, bits[first + 1:end], unknown))
  return found
