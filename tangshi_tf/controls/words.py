"""The words that stand for what a poem is told before it begins (control codes, Keskar et al. 2019, arXiv:1909.05858).

A poem of a model with controls is read as `controls bos content eos`. The controls are any of dynasty=唐, form=七绝,
poet=李白, and title= with the characters of the title after it. They are words of the vocabulary that are never next.
"""

from collections.abc import Container, Iterable, Sequence

from tangshi_tf import corpus

KINDS = ('dynasty', 'form', 'poet', 'title')  # in the order in which they are told
TITLE = 'title='
LONGEST_TITLE = 16  # characters of a title that are told


def control_word(kind: str, name: str) -> str:
  """Returns the word for a dynasty, form or poet."""
  return f'{kind}={name}'


def control_words(poems: Sequence[corpus.Poem], poets: int) -> list[str]:
  """Returns the words for the dynasties and forms of poems, and for the most prolific poets.

  Args:
    poems: those of the training part.
    poets: how many of each dynasty.
  """
  by_dynasty = corpus.poems_by_poet(poems)
  names = dict.fromkeys(name for counts in by_dynasty.values() for name in list(counts)[:poets])
  dynasties = dict.fromkeys(poem.dynasty for poem in poems if poem.dynasty)
  return [*(control_word('dynasty', name) for name in dynasties),
          *(control_word('form', name) for name in (*corpus.SHAPES, corpus.OTHER)),
          *(control_word('poet', name) for name in names), TITLE]


def kinds_of(words: Iterable[str]) -> list[str]:
  """Returns which kinds of controls a vocabulary has."""
  found = {word.partition('=')[0] for word in words if corpus.is_control(word)}
  return [kind for kind in KINDS if kind in found]


def names_of(words: Iterable[str], kind: str) -> list[str]:
  """Returns the names of a kind that a vocabulary has."""
  return [word.partition('=')[2] for word in words if word.startswith(f'{kind}=')]


def title_characters(title: str, words: Container[str]) -> tuple[str, str]:
  """Returns the Han characters of a title that a vocabulary has, and those that it does not have."""
  characters = [character for character in title if corpus.is_han(character)]
  return (''.join(character for character in characters if character in words),
          ''.join(character for character in characters if character not in words))
