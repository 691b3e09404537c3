"""Whether a poem keeps its form.

The odd positions of a line are free (一三五不论), but `strict` forbids what makes a line
ugly (see `forms` for the kinds of lines):

* 孤平: B whose first character (third of seven) is oblique, unless the third (fifth)
  is level in exchange (仄平平仄平);
* 三平尾: D that ends in three level characters;
* 三仄尾: C that ends in three oblique characters; 平平仄平仄 for C is allowed, as it was
  in Tang times.

`loose` allows all three and notes them. A character that the table of tones does not
have fits everywhere, and is noted.
"""

import collections
import dataclasses

from tangshi_tf import corpus
from tangshi_tf.corpus import OTHER, form_of
from tangshi_tf.errors import shorten
from tangshi_tf.prosody.forms import EXCHANGED, FORMS, KINDS, Form, Pattern, find_form, line_pattern, patterns
from tangshi_tf.prosody.tones import (
  LEVEL,
  OBLIQUE,
  fits,
  level_groups,
  readings,
  rhymes_of,
  spelled,
  tone,
  usual_rhymes_of,
)
from tangshi_tf.settings import WritingSettings, require
from tangshi_tf.short import tag

_LONGEST = 10_000  # characters of a poem in a form of its own, each of which may be noted
_MOST_LENGTHS = 10  # that a message lists


@dataclasses.dataclass(frozen=True)
class Fault:
  """What is wrong at one place.

  Attributes:
    line, position: from 1; position 0 is the line as a whole, line 0 the poem.
    rule: 'form', 'tone', 'rhyme', '孤平', '三平尾' or '三仄尾'; of a note also
      'unknown', for a character that is not in the table.
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
  """What `check` found; `str` of it is a report for people.

  Attributes:
    text: the poem as it was checked.
    form: the form that the poem was checked against.
    pattern: the nearest tone pattern; None where tones were not checked.
    rhyme: the group of the rhymes, None if there is none.
    faults: what is wrong.
    notes: what `loose` allows, characters that are not in the table, rhymes
      that poets do not use, and a form without rules.
  """

  text: str
  form: Form
  pattern: Pattern | None
  rhyme: str | None
  faults: list[Fault]
  notes: list[Fault]

  def __repr__(self):
    return tag('Check', self._facts(), f'{len(self.faults)} faults, {len(self.notes)} notes')

  def __str__(self):
    lines = [self._facts()]
    for line in corpus.verse_lines(self.text):
      lines += [f'  {line}', f'  {"".join(map(tone, line))}']
    judged = all(note.rule != 'form' for note in self.notes)
    lines += [str(fault) for fault in self.faults] or ['no faults'] * judged
    return '\n'.join(lines + [f'note: {note}' for note in self.notes])

  def _facts(self) -> str:
    known = [self.form.name, self.pattern.name if self.pattern else None, self.rhyme and f'rhyme {self.rhyme}']
    return ', '.join(filter(None, known))

  def keeps(self, *rules: str) -> bool:
    """Returns whether there is no fault, of these rules if any are named."""
    return not any(fault.rule in rules or not rules for fault in self.faults)


def check(content: str, form: Form | str, tones: str = 'strict') -> Check:
  """Checks a poem against a form.

  Args:
    content: its text, with punctuation.
    form: a form or its name, see `find_form`.
    tones: 'strict', 'loose' or 'off'; only regulated forms have tones.

  Returns:
    A `Check`, by the pattern with the fewest faults. In a form without a name
    nothing but the lines' number and length can be wrong.

  Raises:
    UserError: an argument is something else.
  """
  require(WritingSettings, tones=tones)
  form = find_form(form)
  lines = corpus.verse_lines(content)
  faults = []
  if len(lines) != form.lines:
    faults.append(Fault(0, 0, 'form', f'{len(lines)} lines; expected {form.lines}'))
  # Lines beyond the form are one fault; a fault each would fill the memory for a file that is no poem.
  for i, line in enumerate(lines[:form.lines], 1):
    if len(line) != form.characters:
      faults.append(Fault(i, 0, 'form', f'{len(line)} characters; expected {form.characters}'))
  if faults:
    return Check(content, form, None, None, faults, [])
  notes = [Fault(i, j, 'unknown', f'{mark} is not in the rhyme table') for i, line in enumerate(lines, 1)
           for j, mark in enumerate(line, 1) if not readings(mark)]
  candidates = patterns(form) if tones != 'off' else ()
  if not candidates:
    rhyme, wrong = _check_rhymes(lines, range(1, form.lines, 2))
    if not form.regulated:
      rhyme, wrong = None if wrong else rhyme, []
    return Check(content, form, None, rhyme, wrong, notes)

  def check_against(pattern: Pattern) -> Check:
    by_rule = [fault for i, (kind, line) in enumerate(zip(pattern.kinds, lines), 1)
               for fault in check_tones(line, kind, i)]
    places = [i for i in range(form.lines) if pattern.rhymes(i)]
    rhyme, wrong = _check_rhymes(lines, places)
    rare = [Fault(i + 1, form.characters, 'rhyme', f'{mark} is hardly ever a rhyme of {rhyme}')
            for i in places if rhyme in rhymes_of(mark := lines[i][-1]) - usual_rhymes_of(mark)]
    passed = [fault for fault in by_rule if fault.rule != 'tone'] if tones == 'loose' else []
    faults = [fault for fault in by_rule if fault not in passed] + wrong
    return Check(content, form, pattern, rhyme, faults, notes + rare + passed)

  best = min(map(check_against, candidates), key=lambda found: (len(found.faults), len(found.notes)))
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
  if matches(KINDS[kind]) or matches(EXCHANGED.get(kind, KINDS[kind])):
    return
  if kind == 'B' and not fits(last[0], LEVEL) and not fits(last[2], LEVEL):
    yield Fault(number, first, '孤平', f'{line[-5]} is 仄 (孤平); expected 平 here or at character {first + 2}')
  elif kind == 'D' and not fits(last[2], OBLIQUE) and matches('中中平平平'):
    yield Fault(number, first + 2, '三平尾', f'{line[-3]} is 平 (三平尾); expected 仄')
  elif kind == 'C' and not fits(last[2], LEVEL) and matches('中中仄仄仄'):
    yield Fault(number, first + 2, '三仄尾', f'{line[-3]} is 仄 (三仄尾); expected 平')


def _is_exchange(found: list[str], kind: str, position: int, characters: int) -> bool:
  """Returns whether C is 平平仄平仄, whose fourth character is out of pattern."""
  return kind == 'C' and position == characters - 1 and all(map(fits, found[-5:], EXCHANGED['C']))


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


def as_checked(text: str) -> str:
  """Returns the content of a poem as it is checked: see `corpus.to_poem` and `tones.spelled`."""
  return spelled(corpus.to_poem(text).content)[0]


def check_text(text: str, form: Form | str | None = None, tones: str = 'strict') -> Check:
  """Checks a poem against a form, or against the form that its own lines have.

      >>> check_text('白日依山尽，黄河入海流。欲穷千里目，更上一层楼。').rhyme
      '下平十一尤'

  Args:
    text: the poem, with or without a title and marks, see `corpus.to_poem`.
    form: a form or its name, see `find_form`; by default the one with the
      poem's lines, with or without a name.
    tones: see `check`.

  Returns:
    A `Check`; where the lines have no form, with a fault that says so.

  Raises:
    UserError: as `check`.
  """
  require(WritingSettings, tones=tones)
  form = None if form is None else find_form(form)
  content = as_checked(text)
  if content and not any(map(readings, content)):
    return Check(content, Form(OTHER, 0, 0), None, None, [Fault(
        0, 0, 'form', f'no character of {shorten(content)} is in the rhyme table; expected a poem in Chinese')], [])
  if form is None and (name := form_of(content)) != OTHER:
    form = FORMS[name]
  lines = [len(line) for line in corpus.verse_lines(content)]
  lengths = sorted(set(lines))
  if form is None and len(lengths) == 1 and len(content) <= _LONGEST:
    form = Form(f'{len(lines)}x{lengths[0]}', len(lines), lengths[0])
    checked = check(content, form, tones)
    return dataclasses.replace(checked, notes=[*checked.notes, Fault(
        0, 0, 'form', f'{form.name} is not one of {", ".join(FORMS)}; tones and rhymes are not checked')])
  if form is not None:
    return check(content, form, tones)
  listed = ', '.join(map(str, lengths[:_MOST_LENGTHS])) + ', …' * (len(lengths) > _MOST_LENGTHS)
  found = f'{len(lines)} line{"s" * (len(lines) != 1)} of {listed} characters' if lines else 'no lines'
  return Check(content, Form(OTHER, 0, 0), None, None, [Fault(
      0, 0, 'form', f'{found}; expected lines of one length')], [])
