"""Verse forms and their tone patterns.

A regulated poem follows one of four patterns. With the second and the fourth character
of a line of five (the second, fourth and sixth of seven) and the last one fixed, there
are four kinds of lines, as in Wang Li, 诗词格律 (1962):

    A 仄仄平平仄   B 平平仄仄平   C 平平平仄仄   D 仄仄仄平平

and with two more characters of the other tone before them those of seven. The lines of
a couplet are opposed (对: A B or C D), those of neighbouring couplets cling (粘: B C or
D A), and the first line may rhyme (then it is D for A, or B for C). Rhymes are level, on
the even lines and on the first one where the pattern says so, and all of one group.
"""

import dataclasses
import functools
import itertools
import re

from tangshi_tf import corpus
from tangshi_tf.errors import UserError, did_you_mean, shorten
from tangshi_tf.prosody.tones import EITHER
from tangshi_tf.settings import WritingSettings, known, require
from tangshi_tf.short import shown

TONES = known(WritingSettings)['tones'].choices  # how tones are checked, see `checking`
MAX_LINES, MAX_CHARACTERS = 64, 32  # of a form without a name


@dataclasses.dataclass(frozen=True)
class Form:
  """A verse form.

  Attributes:
    name: as users write it.
    lines: how many.
    characters: how many each line has.
    regulated: whether there are tone patterns for it.
  """

  name: str
  lines: int
  characters: int
  regulated: bool = False


FORMS = {name: Form(name, lines, characters, True) for name, (lines, characters) in corpus.SHAPES.items()}
_LONG_NAMES = {'五言绝句': '五绝', '七言绝句': '七绝', '五言律诗': '五律', '七言律诗': '七律'}

# The odd positions, from the left of a line of five: what they are in `strict`. All others are fixed.
KINDS = {'A': '中仄中平仄', 'B': '平平中仄平', 'C': '中平平仄仄', 'D': '中仄仄平平'}
EXCHANGED = {'B': '仄平平仄平', 'C': '平平仄平仄'}  # a strict line may be this instead
_BEFORE = {'A': '中平', 'B': '中仄', 'C': '中仄', 'D': '中平'}  # the first two of seven


@dataclasses.dataclass(frozen=True)
class Pattern:
  """A tone pattern.

  Attributes:
    name: such as 仄起首句入韵.
    kinds: the kind of each line, such as 'DBCD'.
    first_rhymes: whether the first line rhymes, too.
  """

  name: str
  kinds: str
  first_rhymes: bool

  def rhymes(self, line: int) -> bool:
    """Returns whether line `line` (from 0) ends in a rhyme."""
    return line % 2 == 1 or (line == 0 and self.first_rhymes)


def find_form(name: str | Form) -> Form:
  """Returns the form of a name: 五绝 or 五言绝句, 七绝, 五律, 七律, or such as 6x5 for six lines of five characters.

  Raises:
    UserError: there is no such form.
  """
  if isinstance(name, Form):
    return name
  name = corpus.Spelling(set(''.join(_LONG_NAMES))).of(corpus.clean(name).strip())[0]
  if found := FORMS.get(_LONG_NAMES.get(name, name)):
    return found
  if match := re.fullmatch(r'([0-9]{1,4})[xX×]([0-9]{1,4})', name):
    lines, characters = int(match[1]), int(match[2])
    if 1 <= lines <= MAX_LINES and 1 <= characters <= MAX_CHARACTERS:
      return Form(f'{lines}x{characters}', lines, characters)
  raise UserError(f'form {shorten(name)} is unknown; expected {", ".join(FORMS)}, or LINESxCHARACTERS such as 6x5, up '
                  f'to {MAX_LINES}x{MAX_CHARACTERS}{did_you_mean(name, FORMS, likeness=0.5)}')


def patterns(form: Form | str) -> tuple[Pattern, ...]:
  """Returns the four tone patterns of a regulated form, () of another; see `find_form`."""
  return _patterns(find_form(form))


@functools.cache
def _patterns(form: Form) -> tuple[Pattern, ...]:
  if not form.regulated:
    return ()
  result = []
  # Where a first line could be either, it counts as rhyming.
  for first_rhymes, (couplets, rhyming) in itertools.product(
      (True, False), ((('AB', 'CD'), 'DB'), (('CD', 'AB'), 'BD'))):
    kinds = ''.join(itertools.islice(itertools.cycle(couplets), form.lines // 2))
    kinds = rhyming + kinds[2:] if first_rhymes else kinds
    start = line_pattern(kinds[0], form.characters, 'loose')[1]
    result.append(Pattern(f'{start}起首句{"" if first_rhymes else "不"}入韵', kinds, first_rhymes))
  return tuple(result)


def line_pattern(kind: str, characters: int, tones: str) -> str:
  """Returns the tone wanted at each position of a line of 5 or 7, such as 中平中仄仄平平.

  Every line that follows it keeps the rules; `strict` has a few more, see `check`.
  With 'off' all is 中.

  Raises:
    UserError: there is no such kind of lines, or `tones` is none of `TONES`.
  """
  require(WritingSettings, tones=tones)
  if not isinstance(kind, str) or kind not in KINDS or not isinstance(characters, int) or (
      characters not in (5, 7) and tones != 'off'):
    raise UserError(f'kind {shown(kind)}, characters {shown(characters)}: expected one of {", ".join(KINDS)}, 5 or 7')
  if tones == 'off':
    return EITHER * characters
  line = KINDS[kind]
  if tones == 'loose':
    line = EITHER + line[1] + EITHER + line[3:]
  return line if characters == 5 else _BEFORE[kind] + line
