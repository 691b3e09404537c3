"""Texts in a graph: from strings to ids, and back."""

import collections
import functools
from collections.abc import Iterable

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.quiet import tf

DROPPED = -2  # among ids: white space, quotation marks and what else is no character of a poem
UNKNOWN = -1  # among ids: not in the vocabulary
_CODES = 0x30000  # of Unicode's planes that have characters of Chinese


class Words:
  """A vocabulary in a graph.

  Attributes:
    characters: string `[V]`, each word as a poem has it.
    ids_of: int32 `[0x30000]`, the id of each code point; `UNKNOWN` or `DROPPED` for others. A character that the
      vocabulary does not have has that of a variant which it has, as in `corpus.Spelling`.
  """

  def __init__(self, word2id: dict[str, int]):
    ids, spelling = np.full(_CODES, UNKNOWN, np.int32), corpus.Spelling(word2id)
    for code, character in _characters():
      character = spelling.of(character)[0] if character else ''
      ids[code] = word2id.get(character, UNKNOWN) if character else DROPPED
    self.characters = tf.constant(sorted(word2id, key=word2id.__getitem__))
    self.ids_of = tf.constant(ids)

  def ids(self, texts) -> tf.RaggedTensor:
    """Returns the ids of the characters of texts, int32 `[rows, (characters)]`, `UNKNOWN` for some."""
    codes = tf.strings.unicode_decode(texts, 'UTF-8')
    ids = tf.ragged.map_flat_values(lambda flat: tf.gather(self.ids_of, tf.minimum(flat, _CODES - 1)), codes)
    return tf.ragged.boolean_mask(ids, ids != DROPPED)

  def texts(self, ids):
    """Returns texts, string `[rows]`, of ids `[rows, n]`; negative ones are left out."""
    words = tf.where(ids >= 0, tf.gather(self.characters, tf.maximum(ids, 0)), '')
    return tf.strings.reduce_join(words, axis=1)

  def require_known(self, name: str, texts, ids):
    """Fails where a text has a character that is not in the vocabulary; returns the ids."""
    unknown = tf.concat([tf.reduce_any(ids == UNKNOWN, axis=1), [False]], 0)  # a row more, as there may be none
    first = tf.gather(tf.concat([texts, ['']], 0), tf.argmax(tf.cast(unknown, tf.int32)))
    return checked(~tf.reduce_any(unknown), (name, ' ', first, ': a character is not in the vocabulary; '
                                             'expected simplified characters that occur in its corpus'), ids)


@functools.cache
def _characters() -> list[tuple[int, str]]:
  """Returns each code point, and what of it is in a poem: a character, or nothing."""
  return [(code, corpus.clean(chr(code)).strip()) for code in range(_CODES) if not 0xD800 <= code < 0xE000]


def spellings(names: Iterable[str]) -> dict[str, str]:
  """Returns names by all the ways in which one of their characters may be written: 七绝 by 七绝 and 七絕."""
  names = list(names)
  spelling, written = corpus.Spelling(set(''.join(names))), collections.defaultdict(list)
  for code, character in _characters():
    written[spelling.of(character)[0]].append(chr(code))
  found = {name[:i] + other + name[i + 1:]: name for name in names for i in range(len(name))
           for other in written[name[i]]}
  return found | {name: name for name in names}


def checked(holds, message: tuple, *values):
  """Returns the values, and fails with a message, strings and string tensors, where something does not hold.

  TensorFlow shows a ' in it as \\'.
  """
  # The bare operation: around it `tf.debugging.Assert` puts two functions, and there are many here.
  message = tf.strings.unicode_transcode(tf.strings.join(list(message)), 'UTF-8', 'UTF-8')  # else Python fails on it
  check = tf.raw_ops.Assert(condition=holds, data=[message], summarize=1)
  with tf.control_dependencies([check]):
    values = tuple(tf.nest.map_structure(tf.identity, value, expand_composites=True) for value in values)
  return values[0] if len(values) == 1 else values
