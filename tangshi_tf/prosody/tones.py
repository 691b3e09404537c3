"""Tones and rhyme groups of characters, by the Pingshui table.

A character is level (平), oblique (仄) or, in different words, both (中); its rhyme
groups are those of the table, see `scripts/build/build_pingshui.py`. A character that the
table does not have has an unknown tone (？), which fits everywhere.
"""

import collections
import functools
import json
import pathlib

from tangshi_tf import corpus
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import shown

TABLE = pathlib.Path(__file__).with_name('pingshui.json')
LEVEL, OBLIQUE, EITHER, UNKNOWN = '平', '仄', '中', '？'


@functools.cache
def _table() -> dict[str, dict[str, str]]:
  return json.loads(TABLE.read_text(encoding='utf-8'))


def rhyme_groups() -> dict[str, str]:
  """Returns the 106 rhyme groups with their characters, the 30 level ones first."""
  return _table()['groups']


@functools.cache
def level_groups() -> tuple[str, ...]:
  """Returns the names of the 30 groups of level tone."""
  return tuple(name for name in rhyme_groups() if name[1] == '平')


@functools.cache
def _readings() -> dict[str, tuple[str, ...]]:
  found = collections.defaultdict(list)
  for name, characters in rhyme_groups().items():
    for character in characters:
      found[character].append(name)
  return {character: tuple(names) for character, names in found.items()}


def readings(character: str) -> tuple[str, ...]:
  """Returns the rhyme groups of a character, () if the table does not have it.

  Raises:
    UserError: it is something else than one character.
  """
  if not isinstance(character, str) or len(character) != 1:
    raise UserError(f'{shown(character)}: expected one character')
  return _readings().get(character, ())


def tone(character: str) -> str:
  """Returns 平, 仄, 中 for a character that can be either, or ？ for one that the table does not have.

  Raises:
    UserError: it is something else than one character.
  """
  return _tone(readings(character))


@functools.cache
def _tone(groups: tuple[str, ...]) -> str:
  found = {LEVEL if name[1] == '平' else OBLIQUE for name in groups}
  return EITHER if len(found) == 2 else found.pop() if found else UNKNOWN


@functools.cache
def _spelling() -> corpus.Spelling:
  return corpus.Spelling(_readings())


def spelled(text: str) -> tuple[str, dict[str, str]]:
  """Returns a text with variants that the table has for what it does not have, and which they are."""
  return _spelling().of(text)


def fits(found: str, wanted: str) -> bool:
  """Returns whether a character's tone fits where a tone is wanted; ？ always does."""
  return found == wanted or found in (EITHER, UNKNOWN) or wanted == EITHER


def rhymes_of(character: str) -> frozenset[str]:
  """Returns the level rhyme groups of a character."""
  return frozenset(name for name in readings(character) if name[1] == '平')


def usual_rhymes_of(character: str) -> frozenset[str]:
  """Returns the level rhyme groups that poets rhyme a character in, see `scripts/build/build_pingshui.py`."""
  return frozenset(name for name in rhymes_of(character) if character not in _table()['unused'].get(name, ''))


def find_group(name: str) -> str:
  """Returns the level rhyme group that a user means: its name, or its last character where that is enough.

  Raises:
    UserError: there is none; the message lists all.
  """
  name = corpus.Spelling(set(''.join(level_groups()))).of(corpus.clean(name).strip())[0]
  found = [group for group in level_groups() if name in (group, group[-1], group[2:])]
  if len(found) != 1:
    raise UserError(f'rhyme group {shorten(name)} is unknown; expected one of {" ".join(level_groups())}, or its '
                    'last character, any or off')
  return found[0]
