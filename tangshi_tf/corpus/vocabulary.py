"""Vocabularies: words by id, and poems as ids."""

import collections
import numbers
import sys
from collections.abc import Iterable, Mapping, Sequence

from tangshi_tf import long_work
from tangshi_tf.corpus.poems import Poem
from tangshi_tf.corpus.text import require_text
from tangshi_tf.errors import UserError
from tangshi_tf.short import shown

start_token = 'bos'
end_token = 'eos'
pad_token = 'PAD'
unknown_token = 'UNK'
SPECIAL_TOKENS = (pad_token, unknown_token, start_token, end_token)
PAD_ID = 0
UNK_ID = 1


def is_control(word: str) -> bool:
  """Returns whether a word stands for what a poem is told before it begins, such as poet=李白; see `controls`."""
  return len(word) > 1 and '=' in word


def tokenize(content: str) -> list[str]:
  """Returns `[bos] + characters + [eos]`."""
  return [start_token, *content, end_token]


def count_words(poems: Iterable[Poem]) -> collections.Counter[str]:
  """Returns how often each token occurs, in the order of their first occurrence."""
  counts: collections.Counter[str] = collections.Counter()
  for poem in poems:
    counts[start_token] += 1
    counts.update(poem.content)
    counts[end_token] += 1
  return counts


def vocabulary_of(counts: collections.Counter[str], *, size: int | None = None,
                  known: Sequence[str] | None = None) -> list[str]:
  """Returns the words by id: the known ones, then all tokens by falling frequency.

  Tokens of equal frequency stand in the order of their first occurrence.

  Args:
    counts: see `count_words`.
    size: keep this many words at most, the special ones included; of the
      characters that are not known the rarest go and become UNK.
    known: words that come first, by default PAD and UNK.
  """
  known = (pad_token, unknown_token) if known is None else known
  ours = set(known)
  first = {*known, *SPECIAL_TOKENS}
  words = [word for word, _ in counts.most_common() if word not in ours]
  if size is not None:
    characters = [word for word in words if word not in first]
    dropped = set(characters[max(size - len(first), 0):])
    words = [word for word in words if word not in dropped]
  return [*known, *words]


def build_vocabulary(poems: Iterable[Poem], *, size: int | None = None) -> list[str]:
  """Returns the words of poems by id, PAD and UNK first; see `vocabulary_of`.

  Raises:
    UserError: the arguments are something else.
  """
  poems = require_poems(poems)
  if size is not None and not isinstance(size, numbers.Integral):
    raise UserError(f'size {shown(size)}: expected a whole number, or None')
  return vocabulary_of(count_words(poems), size=size)


def word_tables(words: list[str]) -> tuple[dict[str, int], dict[int, str]]:
  """Returns `word2id` and `id2word` for words listed by id."""
  id2word = dict(enumerate(words))
  return {word: i for i, word in id2word.items()}, id2word


def require_vocabulary(word2id):
  """Checks a vocabulary that a caller gives.

  Raises:
    UserError: it is no dictionary of words and their ids, or has no bos or eos.
  """
  if not isinstance(word2id, Mapping) or start_token not in word2id or end_token not in word2id:
    raise UserError(f'word2id {shown(word2id)}: expected a dictionary of words and their ids with '
                    f'{", ".join(SPECIAL_TOKENS)} among them')


def require_poems(poems) -> list[Poem]:
  """Returns the poems of an iterable.

  Raises:
    UserError: it is none, or holds something else.
  """
  try:
    found = list(poems)
  except TypeError:
    found = [None]
  if not all(isinstance(poem, Poem) for poem in found):
    raise UserError(f'poems {shown(poems)}: expected a list of corpus.Poem, as corpus.read_poems returns it')
  return found


def encode(content: str, word2id: dict[str, int]) -> list[int]:
  """Returns the ids of `[bos] + characters + [eos]`, UNK for unknown ones.

  Raises:
    UserError: it is no text, or there is no such vocabulary.
  """
  require_text(content)
  require_vocabulary(word2id)
  return [word2id.get(word, UNK_ID) for word in tokenize(content)]


def id_table(word2id: dict[str, int]):
  """Returns the ids by code point, int32 `[0x110000]`, UNK where there is none."""
  import numpy as np
  table = np.full(sys.maxunicode + 1, UNK_ID, np.int32)
  for word, i in word2id.items():
    if len(word) == 1:
      table[ord(word)] = i
  return table


def encode_all(poems: Sequence[Poem], word2id: dict[str, int], told: Sequence[Sequence[int]] | None = None):
  """Encodes many poems as two NumPy arrays.

  Args:
    poems, word2id: as of `encode`.
    told: the ids that come before each of them, see `controls`; none by default.

  Returns:
    The ids, int32 `[tokens]`, which are those of `encode` poem after poem, each
    after what it is told, and where each begins and the last one ends, int64
    `[poems + 1]`.

  Raises:
    UserError: there is no such vocabulary.
  """
  import numpy as np  # here, so that a command's --help does not wait for it
  require_vocabulary(word2id)
  table = id_table(word2id)
  before = np.zeros(len(poems), np.int64) if told is None else np.array(list(map(len, told)), np.int64)
  splits = np.zeros(len(poems) + 1, np.int64)
  np.cumsum(before + [len(poem.content) + 2 for poem in poems], out=splits[1:])
  ids = np.empty(splits[-1], np.int32)
  starts = splits[:-1] + before
  ids[starts] = word2id[start_token]
  ids[splits[1:] - 1] = word2id[end_token]
  for start, first, words in zip(splits, starts, told or ()):
    ids[start:first] = words
  for first, poem in zip(starts, long_work.told(poems, 'poems encoded', len(poems))):
    codes = np.frombuffer(poem.content.encode('utf-32-le', 'surrogatepass'), np.uint32)
    ids[first + 1:first + 1 + len(codes)] = table[codes]
  return ids, splits
