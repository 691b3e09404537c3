"""Tones, rhymes and verse forms, in plain Python.

A character is level (平), oblique (仄) or, in different words, both (中); its rhyme
groups are those of the Pingshui table, see `scripts/build_pingshui.py`. A regulated
poem follows one of four patterns. With the second and the fourth character of a line of
five (the second, fourth and sixth of seven) and the last one fixed, there are four kinds
of lines, as in Wang Li, 诗词格律 (1962):

    A 仄仄平平仄   B 平平仄仄平   C 平平平仄仄   D 仄仄仄平平

and with two more characters of the other tone before them those of seven. The lines of
a couplet are opposed (对: A B or C D), those of neighbouring couplets cling (粘: B C or
D A), and the first line may rhyme (then it is D for A, or B for C).

The odd positions are free (一三五不论), but `strict` forbids what makes a line ugly:

* 孤平: B whose first character (third of seven) is oblique, unless the third (fifth)
  is level in exchange (仄平平仄平);
* 三平尾: D that ends in three level characters;
* 三仄尾: C that ends in three oblique characters; 平平仄平仄 for C is allowed, as it was
  in Tang times.

`loose` lets all three pass. Rhymes are level, on the even lines and on the first one
where the pattern says so, and all of one group. A character that the table does not have
fits everywhere, and is told.
"""

import collections
import dataclasses
import functools
import itertools
import json
import pathlib
import re

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

TABLE = pathlib.Path(__file__).with_name('pingshui.json')
LEVEL, OBLIQUE, EITHER, UNKNOWN = '平', '仄', '中', '？'
TONES = ('strict', 'loose', 'off')
OTHER = 'other'
MOST_LINES, MOST_CHARACTERS = 64, 32  # of a form without a name


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


FORMS = {name: Form(name, lines, characters, True)
         for name, lines, characters in (('五绝', 4, 5), ('七绝', 4, 7), ('五律', 8, 5), ('七律', 8, 7))}
_LONG_NAMES = {'五言绝句': '五绝', '七言绝句': '七绝', '五言律诗': '五律', '七言律诗': '七律'}

# The odd positions, from the left of a line of five: what they are in `strict`. All others are fixed.
_KINDS = {'A': '中仄中平仄', 'B': '平平中仄平', 'C': '中平平仄仄', 'D': '中仄仄平平'}
_EXCHANGED = {'B': '仄平平仄平', 'C': '平平仄平仄'}  # a strict line may be this instead
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


@dataclasses.dataclass(frozen=True)
class Fault:
  """What is wrong at one place.

  Attributes:
    line, position: from 1; position 0 is the line as a whole, line 0 the poem.
    rule: 'form', 'tone', 'rhyme', '孤平', '三平尾' or '三仄尾'.
    text: what was found and what is expected.
  """

  line: int
  position: int
  rule: str
  text: str

  def __str__(self):
    place = f'line {self.line}' * bool(self.line) + f', character {self.position}' * bool(self.position)
    return f'{place}: {self.text}' if place else self.text


@dataclasses.dataclass(frozen=True)
class Check:
  """What `check` found.

  Attributes:
    form: the form that the poem was held against.
    pattern: the nearest tone pattern; None where tones were not looked at.
    rhyme: the group of the rhymes, None if there is none.
    faults: what is wrong.
    notes: what `loose` lets pass, and characters that are not in the table.
  """

  form: Form
  pattern: Pattern | None
  rhyme: str | None
  faults: list[Fault]
  notes: list[Fault]

  def keeps(self, *rules: str) -> bool:
    """Returns whether there is no fault, of these rules if any are named."""
    return not any(fault.rule in rules or not rules for fault in self.faults)


# Characters.


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
  """Returns the rhyme groups of a character, () if the table does not have it."""
  return _readings().get(character, ())


@functools.cache
def tone(character: str) -> str:
  """Returns 平, 仄, 中 for a character that can be either, or ？ for one that the table does not have."""
  found = {LEVEL if name[1] == '平' else OBLIQUE for name in readings(character)}
  return EITHER if len(found) == 2 else found.pop() if found else UNKNOWN


def fits(found: str, wanted: str) -> bool:
  """Returns whether a character's tone will do where a tone is wanted; ？ does."""
  return found == wanted or found in (EITHER, UNKNOWN) or wanted == EITHER


def rhymes_of(character: str) -> frozenset[str]:
  """Returns the level rhyme groups of a character."""
  return frozenset(name for name in readings(character) if name[1] == '平')


def usual_rhymes_of(character: str) -> frozenset[str]:
  """Returns the level rhyme groups that poets rhyme a character in, see `scripts/build_pingshui.py`."""
  return frozenset(name for name in rhymes_of(character) if character not in _table()['unused'].get(name, ''))


def find_group(name: str) -> str:
  """Returns the level rhyme group that a user means: its name, or its last character where that is enough.

  Raises:
    UserError: there is none; the message lists all.
  """
  found = [group for group in level_groups() if name in (group, group[-1], group[2:])]
  if len(found) != 1:
    raise UserError(f'rhyme group {name!r} is unknown; expected one of {" ".join(level_groups())}')
  return found[0]


# Forms.


def find_form(name: str) -> Form:
  """Returns the form of a name: 五绝, 七绝, 五律, 七律, or such as 6x5 for six lines of five characters.

  Raises:
    UserError: there is no such form.
  """
  if found := FORMS.get(_LONG_NAMES.get(name, name)):
    return found
  if match := re.fullmatch(r'(\d{1,4})[x×](\d{1,4})', name):
    lines, characters = int(match[1]), int(match[2])
    if 1 <= lines <= MOST_LINES and 1 <= characters <= MOST_CHARACTERS:
      return Form(f'{lines}x{characters}', lines, characters)
  raise UserError(f'form {name!r} is unknown; expected {", ".join(FORMS)}, or LINESxCHARACTERS such as 6x5, up to '
                  f'{MOST_LINES}x{MOST_CHARACTERS}')


def form_of(content: str) -> str:
  """Returns the form whose line count and line lengths a poem has, whatever its tones and rhymes, or 'other'."""
  lengths = [len(line) for line in corpus.verse_lines(content)]
  for name, form in FORMS.items():
    if lengths == [form.characters] * form.lines:
      return name
  return OTHER


@functools.cache
def patterns(form: Form) -> tuple[Pattern, ...]:
  """Returns the four tone patterns of a regulated form, () of another."""
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
  """
  line = _KINDS[kind]
  if tones == 'loose':
    line = EITHER + line[1] + EITHER + line[3:]
  return line if characters == 5 else _BEFORE[kind] + line


# Checking.


def check(content: str, form: Form, tones: str = 'strict') -> Check:
  """Holds a poem against a form.

  Args:
    content: its text, with punctuation.
    form: see `find_form`.
    tones: 'strict', 'loose' or 'off'; only regulated forms have tones.

  Returns:
    A `Check`, by the pattern with the fewest faults. In a form without a name
    nothing but the lines' number and length can be wrong.
  """
  lines = corpus.verse_lines(content)
  faults = []
  if len(lines) != form.lines:
    faults.append(Fault(0, 0, 'form', f'{len(lines)} lines; expected {form.lines}'))
  # What is too many is told already; a fault each would fill the memory for a file that is no poem.
  for i, line in enumerate(lines[:form.lines], 1):
    if len(line) != form.characters:
      faults.append(Fault(i, 0, 'form', f'{len(line)} characters; expected {form.characters}'))
  if faults:
    return Check(form, None, None, faults, [])
  notes = [Fault(i, j, 'unknown', f'{mark} is not in the rhyme table') for i, line in enumerate(lines, 1)
           for j, mark in enumerate(line, 1) if not readings(mark)]
  candidates = patterns(form) if tones != 'off' else ()
  if not candidates:
    rhyme, wrong = _check_rhymes(lines, range(1, form.lines, 2))
    if not form.regulated:
      rhyme, wrong = None if wrong else rhyme, []
    return Check(form, None, rhyme, wrong, notes)

  def held_against(pattern: Pattern) -> Check:
    by_rule = [fault for i, (kind, line) in enumerate(zip(pattern.kinds, lines), 1)
               for fault in check_tones(line, kind, i)]
    rhyme, wrong = _check_rhymes(lines, [i for i in range(form.lines) if pattern.rhymes(i)])
    passed = [fault for fault in by_rule if fault.rule != 'tone'] if tones == 'loose' else []
    return Check(form, pattern, rhyme, [fault for fault in by_rule if fault not in passed] + wrong, notes + passed)

  best = min(map(held_against, candidates), key=lambda found: (len(found.faults), len(found.notes)))
  best.faults.sort(key=lambda fault: (fault.line, fault.position))
  return best


def check_tones(line: str, kind: str, number: int = 1):
  """Yields what is wrong with the tones of a line of some kind; the rule is 'tone' where `loose` forbids it, too."""
  found = [tone(mark) for mark in line]
  wanted = line_pattern(kind, len(line), 'loose')
  for j, (mark, is_tone, want) in enumerate(zip(line, found, wanted), 1):
    if not fits(is_tone, want) and not _is_exchange(found, kind, j, len(line)):
      yield Fault(number, j, 'tone', f'{mark} is {is_tone}; expected {want}')
  last = found[-5:]

  def matches(pattern):
    return all(map(fits, last, pattern))

  first = len(line) - 4
  if matches(_KINDS[kind]) or matches(_EXCHANGED.get(kind, _KINDS[kind])):
    return
  if kind == 'B' and not fits(last[0], LEVEL) and not fits(last[2], LEVEL):
    yield Fault(number, first, '孤平', f'{line[-5]} is 仄 (孤平); expected 平 here or at character {first + 2}')
  elif kind == 'D' and not fits(last[2], OBLIQUE) and matches('中中平平平'):
    yield Fault(number, first + 2, '三平尾', f'{line[-3]} is 平 (三平尾); expected 仄')
  elif kind == 'C' and not fits(last[2], LEVEL) and matches('中中仄仄仄'):
    yield Fault(number, first + 2, '三仄尾', f'{line[-3]} is 仄 (三仄尾); expected 平')


def _is_exchange(found: list[str], kind: str, position: int, characters: int) -> bool:
  """Returns whether C is 平平仄平仄, whose fourth character is out of pattern."""
  return kind == 'C' and position == characters - 1 and all(map(fits, found[-5:], _EXCHANGED['C']))


def _check_rhymes(lines: list[str], places) -> tuple[str | None, list[Fault]]:
  """Returns the group that most of the rhymes belong to, None where no two do, and a fault for each of the others."""
  ends = [(i, lines[i][-1]) for i in places]
  count = collections.Counter(name for _, mark in ends for name in rhymes_of(mark))
  if not count:
    return None, [Fault(i + 1, len(lines[i]), 'rhyme', f'{mark} has no level rhyme; expected one')
                  for i, mark in ends if readings(mark)]
  usual = collections.Counter(name for _, mark in ends for name in usual_rhymes_of(mark))
  first = rhymes_of(ends[0][1])
  rhyme = max(level_groups(), key=lambda name: (count[name], usual[name], name in first))
  faults = [Fault(i + 1, len(lines[i]), 'rhyme', f'{mark} is in {" ".join(readings(mark))}; expected {rhyme}')
            for i, mark in ends if readings(mark) and rhyme not in readings(mark)]
  return rhyme if count[rhyme] > 1 or not faults else None, faults
