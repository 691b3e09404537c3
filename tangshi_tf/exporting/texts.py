"""Texts in a graph: from strings to ids, and back."""

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
    for code in range(_CODES):
      if 0xD800 <= code < 0xE000:
        continue
      character = corpus.clean(chr(code)).strip()
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
    unknown = tf.reduce_any(ids == UNKNOWN, axis=1)
    first = tf.gather(texts, tf.argmax(tf.cast(unknown, tf.int32)))
    return checked(~tf.reduce_any(unknown), (name, ' ', first, ': a character is not in the vocabulary; '
                                             'expected simplified characters that occur in its corpus'), ids)


def checked(holds, message: tuple, *values):
  """Returns the values, and fails with a message, strings and string tensors, where something does not hold.

  TensorFlow shows a ' in it as \\'.
  """
  # The bare operation: around it `tf.debugging.Assert` puts two functions, and there are many here.
  check = tf.raw_ops.Assert(condition=holds, data=[tf.strings.join(list(message))], summarize=1)
  with tf.control_dependencies([check]):
    values = tuple(tf.nest.map_structure(tf.identity, value, expand_composites=True) for value in values)
  return values[0] if len(values) == 1 else values
