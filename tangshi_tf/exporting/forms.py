"""The verse forms in a graph: their tables, and what a poem in one of them begins with.

This is `FormPlan` for all forms at once, of which the caller of a graph chooses one, with strict tones.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from tangshi_tf import prosody
from tangshi_tf.decoding.form_plan import TONE_ORDER, FormPlan
from tangshi_tf.decoding.rules import UNFIXED, FormTables, form_tables
from tangshi_tf.errors import UserError
from tangshi_tf.exporting.texts import checked, spellings
from tangshi_tf.quiet import tf

_PATTERNS = 4
_LEVEL, _OBLIQUE, _EITHER, _UNKNOWN = map(TONE_ORDER.index, (
    prosody.LEVEL, prosody.OBLIQUE, prosody.EITHER, prosody.UNKNOWN))
_ANY, _OFF = -1, -2  # instead of a rhyme group


class Started(NamedTuple):
  """What poems in a form begin with.

  Attributes:
    fixed: int32 `[rows, length]`, the ids that are fixed, `UNFIXED` for the others; bos not counted.
    patterns, group: see `rules.RuleState`.
    tables: of `rules.GraphRules`.
  """

  fixed: tf.Tensor
  patterns: tf.Tensor
  group: tf.Tensor
  tables: FormTables


class Forms:
  """The forms that can be written with a vocabulary.

  Attributes:
    names: of them.
    missing: why the others cannot, by name.
  """

  def __init__(self, word2id: dict[str, int]):
    plans, self.missing = [], {}
    for name in prosody.FORMS:
      try:
        plans.append(FormPlan(name, word2id))
      except UserError as error:
        self.missing[name] = str(error)
    self.names = [plan.form.name for plan in plans]
    if plans:
      self._tabulate(plans, word2id)

  def _tabulate(self, plans: list[FormPlan], word2id: dict[str, int]):
    longest = max(plan.length for plan in plans)
    self._characters, self._lines, self._lengths = (tf.constant(values, tf.int32) for values in zip(*(
        (plan.form.characters, plan.form.lines, plan.length) for plan in plans)))
    tables = [form_tables(plan) for plan in plans]

    def stacked(name, axis):
      arrays = [getattr(table, name).numpy() for table in tables]
      padding = [[(0, longest - array.shape[axis] if i == axis else 0) for i in range(array.ndim)] for array in arrays]
      return tf.constant(np.stack([np.pad(array, pad, mode='edge') for array, pad in zip(arrays, padding)]))

    self._tone_classes, self._rhymes = stacked('tone_classes', 1), stacked('rhymes', 1)
    self._kept_patterns = stacked('kept_patterns', 0)
    self._shared = tables[0]
    self._not_rhyming = tf.constant(np.stack([table.not_rhyming.numpy()[-1] for table in tables]))
    self._marks = tf.constant(np.stack([np.pad(plan.marks, (0, longest - plan.length), constant_values=UNFIXED)
                                        for plan in plans]))
    self._needed = tf.constant([plan.needed for plan in plans], tf.int32)
    self._sizes = tf.constant(plans[0].sizes, tf.int32)
    # By form, pattern and place: the tone that is wanted, and whether a rhyme must stand there; by line its kind.
    wanted = np.full((len(plans), _PATTERNS, longest), _EITHER, np.int32)
    rhymes = np.zeros((len(plans), _PATTERNS, longest), bool)
    kinds = np.zeros((len(plans), _PATTERNS, 8), np.int32)
    for f, plan in enumerate(plans):
      for p, line in itertools.product(range(_PATTERNS), range(plan.form.lines)):
        first = line * (plan.form.characters + 1)
        wanted[f, p, first:first + plan.form.characters] = list(map(TONE_ORDER.index, plan.wanted_tones(p, line)))
        rhymes[f, p, first + plan.form.characters - 1] = plan.rhymes_at(p, line)
        kinds[f, p, line] = list(prosody.KINDS).index(plan.patterns[p].kinds[line])
    self._wanted, self._rhyming, self._kinds = map(tf.constant, (wanted, rhymes, kinds))
    self._keeps = {characters: tf.constant(_kept_lines(characters)) for characters in (5, 7)}
    groups = prosody.level_groups()
    usual, every = (np.array([[group in of(word) if len(word) == 1 else False for group in groups]
                              for word in sorted(word2id, key=word2id.__getitem__)])
                    for of in (prosody.usual_rhymes_of, prosody.rhymes_of))
    self._usual, self._every = tf.constant(usual), tf.constant(every)
    aliases = [(alias, i) for i, group in enumerate(groups) for alias in (group, group[2:], group[-1])]
    names = [alias for alias, _ in aliases]
    known = dict(pair for pair in aliases if names.count(pair[0]) == 1 or pair[0] == groups[pair[1]])
    known = {written: known[name] for written, name in spellings(known).items()} | {'': _ANY, 'any': _ANY, 'off': _OFF}
    self._rhyme_names, self._rhyme_ids = tf.constant(list(known)), tf.constant(list(known.values()), tf.int32)
    written = spellings(self.names)
    self._form_names = tf.constant(list(written))
    self._form_numbers = tf.constant(list(map(self.names.index, written.values())), tf.int32)

  def number_of(self, name):
    """Returns which form a name means, int32 `[]`, and fails where it is none."""
    same = self._form_names == name
    return checked(tf.reduce_any(same), ('form ', name, ' is unknown; expected one of ', ', '.join(self.names),
                                         ', or an empty string'), tf.gather(self._form_numbers, tf.argmax(same)))

  def length(self, form):
    """Returns how many tokens a poem has, marks included, int32 `[]`."""
    return self._lengths[form]

  def start(self, form, rhyme, begin, acrostic, marks) -> Started:
    """Returns what poems in a form begin with, and fails where they cannot.

    Args:
      form: of `number_of`.
      rhyme: string `[]`: a level group, 'any' or '' for any, or 'off'.
      begin, acrostic: ids, ragged int32 `[rows, (characters)]`.
      marks: int32 `[m]`, the ids of marks.
    """
    same = self._rhyme_names == rhyme
    group = checked(tf.reduce_any(same), (
        'rhyme ', rhyme, ' is unknown; expected one of ', ' '.join(prosody.level_groups()),
        ', or its last character, any or off'), tf.gather(self._rhyme_ids, tf.argmax(same)))
    size = tf.gather(self._sizes, tf.maximum(group, 0))
    group = checked((group < 0) | (size >= self._needed[form]), (
        'rhyme ', rhyme, ': the vocabulary has too few of its characters'), group)
    fixed = self._fixed(form, begin, acrostic, marks)
    patterns, first_group = self._patterns(form, group, fixed)
    tables = self._shared._replace(
        tone_classes=self._tone_classes[form], kept_patterns=self._kept_patterns[form],
        rhymes=tf.where(group == _OFF, 0, self._rhymes[form]),
        not_rhyming=tf.concat([self._shared.not_rhyming[:-1], self._not_rhyming[form][None]], 0))
    return Started(fixed, patterns, first_group, tables)

  def _fixed(self, form, begin, acrostic, marks):
    """Returns the ids that are fixed, int32 `[rows, length]`."""
    characters, lines, length = self._characters[form], self._lines[form], self._lengths[form]
    is_mark = tf.ragged.map_flat_values(lambda flat: tf.reduce_any(flat[:, None] == marks, axis=1), begin)
    before = tf.ragged.map_flat_values(tf.cast, ~is_mark, tf.int32).to_tensor()
    before = tf.cumsum(before, axis=1)
    whole = ~is_mark.to_tensor() | (before % characters == 0)
    ids = tf.ragged.boolean_mask(begin, ~is_mark)
    name, count = _name_of(self.names, form), ids.row_lengths()
    ids = checked(tf.reduce_all(whole), ('begin: a line has not the length of those of ', name), ids)
    ids = checked(tf.reduce_all(count <= tf.cast(lines * characters, count.dtype)), (
        'begin has too many characters for ', name), ids)
    acrostic = checked(tf.reduce_all(acrostic.row_lengths() <= tf.cast(lines, tf.int64)), (
        'acrostic has more characters than ', name, ' has lines'), acrostic)
    rows, more = begin.nrows(), characters + 1
    order = tf.range(lines * characters)
    fixed = _scattered(ids.to_tensor(UNFIXED), order // characters * more + order % characters, rows,
                       length)
    firsts = _scattered(acrostic.to_tensor(UNFIXED), tf.range(lines) * more, rows, length)
    fixed = checked(~tf.reduce_any((fixed >= 0) & (firsts >= 0) & (fixed != firsts)), (
        'a line begins with one character in begin and with another in the acrostic; expected the same',), fixed)
    fixed = tf.maximum(fixed, firsts)
    return tf.maximum(fixed, self._marks[form][None, :length])

  def _patterns(self, form, asked, fixed):
    """Returns the set of tone patterns and the rhyme group that poems begin with; see `FormPlan.start`."""
    given = tf.pad(fixed, [[0, 0], [0, tf.shape(self._wanted)[2] - tf.shape(fixed)[1]]], constant_values=UNFIXED)
    given = tf.where(self._marks[form][None] >= 0, UNFIXED, given)
    tone = tf.where(given >= 0, tf.gather(self._shared.tone_of, tf.maximum(given, 0)), _UNKNOWN)
    kept, bound, free = 0, tf.constant(True), tf.constant(False)
    for pattern in range(_PATTERNS):
      fits, groups = self._under(form, pattern, asked, given, tone)
      kept += tf.where(fits, 1 << pattern, 0)
      bound &= ~fits[:, None] | groups
      free |= fits & tf.reduce_all(groups, axis=1)
    kept = checked(tf.reduce_all(kept > 0), (
        'begin or acrostic keeps no tone pattern and rhyme of ', _name_of(self.names, form)), kept)
    no_group = len(prosody.level_groups())
    largest = tf.argmax(tf.where(bound, self._sizes, -1), axis=1, output_type=tf.int32)
    unbound = free | ~tf.reduce_any(bound, axis=1)
    largest = checked(tf.reduce_all(unbound | (tf.gather(self._sizes, largest) >= self._needed[form])), (
        'begin or acrostic needs a rhyme of which the vocabulary has too few characters',), largest)
    found = tf.where(unbound, no_group, largest)
    return kept, tf.where(asked >= 0, asked, found)

  def _under(self, form, pattern: int, asked, given, tone):
    """Returns which poems keep a pattern, bool `[rows]`, and what rhyme groups they may have then, `[rows, groups]`."""
    characters, wanted = self._characters[form], self._wanted[form, pattern]
    fits = (tone >= _EITHER) | (wanted == _EITHER) | (tone == wanted)
    every = tf.range(len(prosody.level_groups()))
    groups = tf.tile(((asked < 0) | (every == asked))[None], [tf.shape(given)[0], 1])
    keeps = tf.fill(tf.shape(given)[:1], True)
    for line in range(8):
      line = tf.minimum(line, self._lines[form] - 1)
      first = line * (characters + 1)
      inside = slice(first, first + characters)
      whole = tf.reduce_all(given[:, inside] >= 0, axis=1) & self._makes_up(form, pattern, line, tone[:, inside])
      keeps &= tf.reduce_all(fits[:, inside], axis=1) | whole
      last = first + characters - 1
      word = tf.maximum(given[:, last], 0)
      usual, other = groups & tf.gather(self._usual, word), groups & tf.gather(self._every, word)
      left = tf.where(tf.reduce_any(usual, axis=1, keepdims=True), usual, other)
      rhymes = (given[:, last] >= 0) & self._rhyming[form, pattern, last] & (asked != _OFF)
      groups = tf.where(rhymes[:, None], left, groups)
      keeps &= ~rhymes | tf.reduce_any(left, axis=1)
    return keeps, groups

  def _makes_up(self, form, pattern: int, line, tone):
    """Returns which whole lines keep their kind, perhaps since they make up for what they break; bool `[rows]`."""
    kind, characters = self._kinds[form, pattern, line], self._characters[form]
    code = tf.reduce_sum(tone * 4**tf.range(characters), axis=1)
    return tf.cond(characters == 5, lambda: tf.gather(self._keeps[5][kind], code),
                   lambda: tf.gather(self._keeps[7][kind], code))


def _name_of(names: list[str], form):
  """Returns the name of a form, string `[]`."""
  return tf.gather(tf.constant(names), form)


def _scattered(ids, places, rows, length):
  """Returns `[rows, length]` with the columns of ids, `[rows, n]`, at so many of the places, `UNFIXED` elsewhere."""
  count = tf.shape(ids)[1]
  columns = tf.scatter_nd(places[:count, None], tf.transpose(ids) + 1, tf.stack([length, tf.cast(rows, tf.int32)]))
  return tf.transpose(columns) - 1


@functools.cache
def _kept_lines(characters: int) -> np.ndarray:
  """Returns by kind of line, and tones of a line (its number to the base 4), whether it has no fault; bool."""
  shown = _examples()
  found = np.zeros((len(prosody.KINDS), 4**characters), bool)
  for code in range(4**characters):
    line = ''.join(shown[code // 4**i % 4] for i in range(characters))
    for kind, name in enumerate(prosody.KINDS):
      found[kind, code] = not any(prosody.check_tones(line, name))
  return found


def _examples() -> str:
  """Returns a character of each tone, in the order of `TONE_ORDER`."""
  every = list(map(chr, range(0x4E00, 0x9FFF)))
  return ''.join(next(character for character in every if prosody.tone(character) == tone) for tone in TONE_ORDER)
