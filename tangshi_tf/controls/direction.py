"""What one poem is told."""

import dataclasses
from collections.abc import Iterable, Mapping

from tangshi_tf import corpus
from tangshi_tf.controls.words import KINDS, LONGEST_TITLE, TITLE, control_word, kinds_of, names_of, title_characters
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import short_repr

_MOST_TITLE = 100  # characters that a person may give
_NEAREST = 5  # names that are proposed for an unknown one


@dataclasses.dataclass(frozen=True)
class Direction:
  """What a poem is told before it begins; '' for what it is not told.

  Attributes:
    dynasty: such as 唐.
    form: 五绝, 七绝, 五律, 七律, or other.
    poet: the name, in simplified characters.
    title: the title, or words for what the poem is to be about.
  """

  dynasty: str = ''
  form: str = ''
  poet: str = ''
  title: str = ''

  __repr__ = short_repr

  def __bool__(self):
    return any(dataclasses.astuple(self))

  @classmethod
  def of_poem(cls, poem: corpus.Poem, kinds: Iterable[str] = KINDS) -> 'Direction':
    """Returns what there is to tell of a poem, of these kinds."""
    every = {'dynasty': poem.dynasty, 'form': corpus.form_of(poem.content), 'poet': poem.poet, 'title': poem.title}
    return cls(**{kind: every[kind] for kind in kinds})

  def ids(self, word2id: Mapping[str, int]) -> list[int]:
    """Returns the ids of the words that tell it, without those that a vocabulary does not have."""
    words = [control_word(kind, name) for kind, name in dataclasses.asdict(self).items() if name and kind != 'title']
    found = [word2id[word] for word in words if word in word2id]
    if TITLE not in word2id:
      return found
    characters, _ = title_characters(self.title, word2id)
    return found + [word2id[word] for word in (TITLE, *characters[:LONGEST_TITLE])] if characters else found

  def checked(self, word2id: Mapping[str, int], model: str) -> tuple['Direction', list[str]]:
    """Returns what a person asked for as a model knows it, and notes on what was changed.

    Args:
      word2id: the model's vocabulary.
      model: what messages call it.

    Raises:
      UserError: the model has no such control, or does not know a name.
    """
    kinds, known = kinds_of(word2id), {}
    notes: list[str] = []
    for kind, name in dataclasses.asdict(self).items():
      if not name:
        continue
      if kind not in kinds:
        raise UserError(f'{kind} {shorten(name)}: the model {model} is not told one; expected a model with controls, '
                        'such as best')
      known[kind] = _title(name, word2id, notes) if kind == 'title' else _name(kind, name, word2id)
    return Direction(**known), notes


def _name(kind: str, name: str, word2id: Mapping[str, int]) -> str:
  """Returns a name as the vocabulary has it."""
  names = names_of(word2id, kind)
  found = corpus.Spelling(set(''.join(names))).of(''.join(corpus.clean(name).split()))[0]
  if found in names:
    return found
  raise UserError(f'{kind} {shorten(name)} is unknown; expected one of {", ".join(_nearest(found, names))}'
                  + (f' or {len(names) - _NEAREST:,} others' if len(names) > _NEAREST else ''))


def _nearest(name: str, names: list[str]) -> list[str]:
  """Returns the names that share most with one, of equal ones the first."""
  def shared(other):
    return len(set(other) & set(name)) / len(set(other) | set(name))

  return sorted(names, key=shared, reverse=True)[:_NEAREST]


def _title(title: str, word2id: Mapping[str, int], notes: list[str]) -> str:
  """Returns the characters of a title that are told."""
  if len(title) > _MOST_TITLE:
    raise UserError(f'title {shorten(title)} has {len(title):,} characters; expected at most {LONGEST_TITLE}')
  spelled = corpus.Spelling(word2id).of(corpus.clean(title))[0]
  characters, unknown = title_characters(spelled, word2id)
  if not characters:
    raise UserError(f'title {shorten(title)}: '
                    + (f'{unknown} is not in the vocabulary' if unknown else 'has no Han character')
                    + '; expected characters that the model knows')
  if unknown:
    notes.append(f'title: left out {unknown}, which the model does not know')
  if len(characters) > LONGEST_TITLE:
    notes.append(f'title: the first {LONGEST_TITLE} characters count: {characters[:LONGEST_TITLE]}')
  return characters[:LONGEST_TITLE]
