"""What a poem begins with, as ids, and what it looks like as text."""

from collections.abc import Iterable

from tangshi_tf import corpus
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import shown

SENTENCE_ENDS = '。？！；'
BLANK = '□'  # in a template, a character that is to be written


def encode_begin(begin: str, word2id: dict[str, int], *, bos_first: bool = False) -> list[int]:
  """Returns the ids of a begin word.

  Raises:
    UserError: it is empty, a special token, or not in the vocabulary.
  """
  if not isinstance(begin, str):
    raise UserError(f'begin word {shown(begin)}: expected a text')
  if not begin:
    raise UserError('the begin word is empty; expected at least one character')
  if begin in corpus.SPECIAL_TOKENS:
    raise UserError(f'begin word {begin!r} is a special token; expected characters of a poem')
  for character in begin:
    if character not in word2id:
      raise UserError(f'begin word {shorten(begin)}: character {character!r} is not in the '
                      "model's vocabulary; expected simplified characters that occur in its corpus")
  return [word2id[corpus.start_token]] * bos_first + [word2id[character] for character in begin]


def without_cut_sentence(words: list[str], fixed: int) -> list[str]:
  """Returns a poem up to the end of its last whole sentence.

  Args:
    words: of a poem that did not end by itself.
    fixed: how many of them are the begin word's, which stay.

  Returns:
    The words up to the last of 。？！； after those that are fixed, all of them
    where there is none.
  """
  for end in range(len(words), max(fixed, 1) - 1, -1):
    if words[end - 1] in SENTENCE_ENDS:
      return words[:end]
  return words


def split_sentences(words: Iterable[str]) -> str:
  """Returns a poem's text, a sentence a line."""
  text = ''.join(words)
  for mark in SENTENCE_ENDS:
    text = text.replace(mark, mark + '\n')
  return text.rstrip('\n')
