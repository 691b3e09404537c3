"""What a verse form allows at each place of a poem, as tables for `rules`."""

from collections.abc import Sequence

import numpy as np

from tangshi_tf import corpus, prosody
from tangshi_tf.decoding.text import BLANK
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.settings import WritingSettings, require
from tangshi_tf.short import tag

ANY_ROW, KNOWN_ROW, LEVEL_ROW, OBLIQUE_ROW = range(4)  # tone classes: rows of `FormPlan.allowed`
_CLASS = {frozenset('平'): LEVEL_ROW, frozenset('仄'): OBLIQUE_ROW, frozenset('平仄'): KNOWN_ROW}
TONE_ORDER = prosody.LEVEL + prosody.OBLIQUE + prosody.EITHER + prosody.UNKNOWN  # in the order of `FormPlan.tone_of`
NO_RHYME, MAY_RHYME, MUST_RHYME = range(3)  # entries of `FormPlan.rhymes`


class FormPlan:
  """A verse form as the rules need it, for one vocabulary.

  While a poem is written, two numbers are kept: the set of tone patterns that it
  still follows (one bit each) and its rhyme group (`no_group` before the first
  rhyme). A token is allowed if some pattern of the set admits it, and the set
  then loses the patterns that do not. All lines end with a mark, ， and 。 in
  turn. Places count from 0, bos not counted.

  Attributes:
    form, tones, rhyme: the arguments.
    length: tokens of a poem, marks included, bos and eos not.
    marks: int32 `[length]`, the id of the mark at a place, -1 for a character.
    tone_classes: int32 `[sets, length]`, which row of `allowed` holds at a place
      for a set of patterns.
    kept_patterns: int32 `[length, 4]`, the set of patterns that a tone keeps.
    rhymes: int32 `[sets, length]`, whether a place rhymes.
    allowed: bool `[4, V]`, the tokens of each tone class.
    tone_of: int32 `[V]`, the tone of each token, a column of `kept_patterns`.
    group_of: int32 `[V]`, the rhyme group that a level character begins.
    not_rhyming: bool `[groups + 1, V]`, the characters that may not rhyme in each
      group; the last row is for the first rhyme.
    sizes: int `[groups]`, how many characters of a level group the vocabulary has.
    needed: how many a group needs for a poem that repeats none.
  """

  def __init__(self, form: prosody.Form | str, word2id: dict[str, int], *, tones: str = 'strict',
               rhyme: str | None = 'any'):
    """Makes the tables.

    Args:
      form: a form or its name, see `prosody.find_form`.
      word2id: the model's vocabulary.
      tones: 'strict', 'loose' or 'off'.
      rhyme: 'any', the name of a level group, or None for no rhymes.

    Raises:
      UserError: an argument is unknown, or the vocabulary lacks a mark or
        enough characters for a rhyme.
    """
    require(WritingSettings, tones=tones)
    corpus.require_vocabulary(word2id)
    missing = [mark for mark in '，。' if mark not in word2id]
    if missing:
      raise UserError(f"the model's vocabulary has no {' '.join(missing)}; expected one made from punctuated poems")
    form = prosody.find_form(form)
    if rhyme is not None and not (isinstance(rhyme, str) and rhyme == 'any'):
      rhyme = prosody.find_group(rhyme)
    self.form, self.tones, self.rhyme = form, tones, rhyme
    self._word2id = word2id
    self.patterns = prosody.patterns(form) if tones != 'off' else ()
    self.length = form.lines * (form.characters + 1)
    self.no_group = len(prosody.level_groups())
    self._tabulate_vocabulary()
    self._tabulate_places()

  def __repr__(self):
    return tag('FormPlan', self.form.name, f'tones {self.tones}, rhyme {self.rhyme or "off"}')

  def _tabulate_vocabulary(self):
    size = len(self._word2id)
    content = np.zeros(size, bool)
    self.tone_of = np.full(size, TONE_ORDER.index(prosody.UNKNOWN), np.int32)
    member = np.zeros((self.no_group, size), bool)
    for word, i in self._word2id.items():
      if len(word) == 1 and word not in corpus.PUNCTUATION:
        content[i] = True
        self.tone_of[i] = TONE_ORDER.index(prosody.tone(word))
        member[[prosody.level_groups().index(group) for group in prosody.usual_rhymes_of(word)], i] = True
    sizes = self.sizes = member.sum(1)
    self.group_of = np.argmax(member * sizes[:, None], axis=0).astype(np.int32)
    level, oblique = (np.isin(self.tone_of, [TONE_ORDER.index(tone), TONE_ORDER.index(prosody.EITHER)])
                      for tone in (prosody.LEVEL, prosody.OBLIQUE))
    self.allowed = np.stack([content, level | oblique, level, oblique])
    # A first rhyme must be one that poets use, of a group that has enough characters.
    self.needed = 2 * (self.form.lines // 2 + 1)
    first = level & (~member.any(0) | (sizes < self.needed)[self.group_of])
    self.not_rhyming = np.concatenate([level & ~member, first[None]])
    if self.rhyme not in (None, 'any'):
      self._check_size(self.rhyme)
    elif self.rhyme is not None:
      self._check_size(prosody.level_groups()[sizes.argmax()])

  def _check_size(self, name: str):
    found = self.sizes[prosody.level_groups().index(name)]
    if found < self.needed:
      raise UserError(f"rhyme group {name}: the model's vocabulary has {found} of its characters; {self.form.name} "
                      f'needs at least {self.needed}')

  def _tabulate_places(self):
    """Makes what holds at each place under each set of patterns."""
    form, width = self.form, self.form.characters + 1
    marks = [self._word2id['，'], self._word2id['。']]
    self.marks = np.full(self.length, -1, np.int32)
    for line in range(form.lines):
      self.marks[line * width + form.characters] = marks[line % 2 or line == form.lines - 1]
    sets = 2 ** max(len(self.patterns), 1)
    self.tone_classes = np.full((sets, self.length), ANY_ROW, np.int32)
    self.rhymes = np.zeros((sets, self.length), np.int32)
    self.kept_patterns = np.full((self.length, len(TONE_ORDER)), sets - 1, np.int32)
    for place in np.flatnonzero(self.marks < 0):
      line, position = divmod(int(place), width)
      ends = position == form.characters - 1
      wanted = [self.wanted_tones(i, line)[position] for i in range(max(len(self.patterns), 1))]
      for tone, found in enumerate(TONE_ORDER):
        self.kept_patterns[place, tone] = sum(1 << i for i, want in enumerate(wanted) if _is_sure(found, want))
      for members in range(1, sets):
        inside = [i for i in range(len(wanted)) if members >> i & 1]
        if not any(wanted[i] == prosody.EITHER for i in inside):
          self.tone_classes[members, place] = _CLASS[frozenset(wanted[i] for i in inside)]
        if ends and self.rhyme is not None:
          rhyming = [self.rhymes_at(i, line) for i in inside]
          self.rhymes[members, place] = MUST_RHYME if all(rhyming) else MAY_RHYME if any(rhyming) else NO_RHYME

  def rhymes_at(self, pattern: int, line: int) -> bool:
    """Returns whether a line (from 0) rhymes under a pattern."""
    return self.patterns[pattern].rhymes(line) if self.patterns else line % 2 == 1

  def wanted_tones(self, pattern: int, line: int) -> str:
    """Returns the tones wanted of a line (from 0) under a pattern, such as 中平中仄仄平平."""
    if self.patterns:
      return prosody.line_pattern(self.patterns[pattern].kinds[line], self.form.characters, self.tones)
    rhymes = self.rhyme is not None and self.rhymes_at(pattern, line)
    return prosody.EITHER * (self.form.characters - 1) + (prosody.LEVEL if rhymes else prosody.EITHER)

  def fixed_words(self, begin: str = '', acrostic: str = '', template: str = '') -> list[str | None]:
    """Returns what is fixed at each place before a poem is written: the character or mark, or None.

    Args:
      begin: what the poem begins with; its punctuation is the form's and may be
        left out.
      acrostic: the first characters of the lines.
      template: a poem with `BLANK` for what is to be written, instead of both.

    Raises:
      UserError: they do not go with the form or with each other.
    """
    form, width = self.form, self.form.characters + 1
    names = {-1: None, **{self._word2id[mark]: mark for mark in '，。'}}
    words = [names[int(mark)] for mark in self.marks]
    if template:
      self._check_lines('template', template, corpus.verse_lines(template), form.lines)
    self._check_begin(begin)
    if len(acrostic) > form.lines:
      raise UserError(f'acrostic {shorten(acrostic)} has {len(acrostic)} characters; expected at most '
                      f'{form.lines}, the lines of {form.name}')
    characters = ''.join(corpus.verse_lines(template or begin))
    for word in (*characters, *acrostic):
      if word not in self._word2id and word != BLANK:
        raise UserError(f"character {word!r} is not in the model's vocabulary; expected simplified characters that "
                        'occur in its corpus')
    for i, character in enumerate(characters):
      if character != BLANK:
        words[i // form.characters * width + i % form.characters] = character
    for i, character in enumerate(acrostic):
      place = i * width
      if words[place] not in (None, character):
        raise UserError(f'line {i + 1} begins with {words[place]} in begin and with {character} in the acrostic; '
                        'expected the same')
      words[place] = character
    return words

  def _check_begin(self, begin: str):
    form, lines = self.form, corpus.verse_lines(begin)
    count = sum(map(len, lines))
    if count > form.lines * form.characters:
      raise UserError(f'begin {shorten(begin)} has {count} characters; expected at most '
                      f'{form.lines * form.characters}, those of {form.name}')
    if begin and not lines:
      raise UserError(f'begin {shorten(begin)} has no characters; expected some, or none at all')
    self._check_lines('begin', begin, lines if begin[-1:] in corpus.PUNCTUATION else lines[:-1])

  def _check_lines(self, name: str, text: str, lines: list[str], count: int | None = None):
    form = self.form
    if count is not None and len(lines) != count:
      raise UserError(f'{name} {shorten(text)} has {len(lines)} lines; expected {count}, those of {form.name}')
    for i, line in enumerate(lines):
      if len(line) != form.characters:
        raise UserError(f'{name} {shorten(text)}: line {i + 1} has {len(line)} characters; expected '
                        f'{form.characters} as in {form.name}')

  def start(self, words: Sequence[str | None]) -> tuple[int, int]:
    """Returns the set of patterns and the rhyme group that a poem begins with.

    Args:
      words: the fixed ones, see `fixed_words`.

    Raises:
      UserError: no pattern goes with what is fixed; the message says what
        would.
    """
    everything = frozenset(prosody.level_groups())
    asked = everything if self.rhyme in (None, 'any') else frozenset([self.rhyme])
    kept, groups, refusals = 0, [], []
    for i in range(max(len(self.patterns), 1)):
      conflicts, rhymes = self._conflicts(i, words, asked)
      if conflicts:
        refusals.append(conflicts)
      else:
        kept |= 1 << i
        groups.append(rhymes)
    if not kept:
      raise UserError(min(refusals, key=len)[0])
    if asked != everything:
      name, = asked
      return kept, prosody.level_groups().index(name)
    bound = frozenset.intersection(*groups)
    if everything in groups or not bound:
      return kept, self.no_group
    group = max(map(prosody.level_groups().index, bound), key=self.sizes.__getitem__)
    self._check_size(prosody.level_groups()[group])
    return kept, group

  def _conflicts(self, pattern: int, words, groups) -> tuple[list[str], frozenset[str]]:
    """Returns what is wrong with fixed characters under a pattern, and the rhyme groups that they leave."""
    width, found = self.form.characters + 1, []
    name = f' ({self.patterns[pattern].name})' if self.patterns else ''
    for line in range(self.form.lines):
      fixed = words[line * width:(line + 1) * width - 1]
      wanted = self.wanted_tones(pattern, line)
      # A whole line may also be one that makes up for what it breaks.
      whole = self.patterns and None not in fixed and self._keeps(''.join(fixed), pattern, line)
      for position, word in enumerate(fixed):
        if word is None:
          continue
        where, tone = f'line {line + 1}, character {position + 1}: {word}', prosody.tone(word)
        if not whole and not prosody.fits(tone, wanted[position]):
          found.append(f'{where} is {tone}; expected {wanted[position]}{name}'
                       + self._advice(pattern, line, position, tone))
        elif position == self.form.characters - 1 and self.rhyme is not None and self.rhymes_at(pattern, line):
          left = groups & prosody.usual_rhymes_of(word) or groups & prosody.rhymes_of(word)
          if not left:
            expected = next(iter(groups)) if len(groups) == 1 else 'a level rhyme'
            rhymes = ' '.join(sorted(prosody.rhymes_of(word)))
            found.append(f'{where} is in {rhymes or "no level group"}; expected {expected}{name}, or rhyme=off')
          groups = left or groups
    return found, groups

  def _keeps(self, line: str, pattern: int, number: int) -> bool:
    faults = prosody.check_tones(line, self.patterns[pattern].kinds[number])
    return not any(self.tones == 'strict' or fault.rule == 'tone' for fault in faults)

  def _advice(self, pattern: int, line: int, position: int, tone: str) -> str:
    """Returns which setting would let a character of some tone pass, ready to follow what is expected."""
    if not self.patterns:
      return ', or rhyme=off'
    loose = prosody.line_pattern(self.patterns[pattern].kinds[line], self.form.characters, 'loose')
    return ', or tones=loose' if prosody.fits(tone, loose[position]) else ', or tones=off'


def _is_sure(found: str, want: str) -> bool:
  """Returns whether a character of tone `found` is sure to keep a pattern."""
  return want == prosody.EITHER or found in (want, prosody.EITHER)
