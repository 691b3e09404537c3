"""The settings of writing. None is what was not asked for: then a preset decides that goes with the others."""

import dataclasses
from typing import Any

from tangshi_tf.settings.base import Checked, setting
from tangshi_tf.short import short_repr

LONGEST = 10_000  # greatest max_len
# The exercise's bare loop.
EXERCISE: dict[str, Any] = {'bos_first': False, 'temperature': 0.0, 'min_p': 0.0, 'max_repeat': 0, 'shortest_line': 0,
                            'max_len': 30, 'whole_sentences': False}
# Poems without a form: chosen by scripts/reports/verse_report.py. 32 are four lines of seven with their marks;
# the 33rd, with which a poem without an end stops, belongs to a sentence that is left out.
FREE: dict[str, Any] = {'bos_first': True, 'temperature': 0.5, 'min_p': 0.02, 'max_repeat': 1, 'shortest_line': 3,
                        'max_len': 32, 'whole_sentences': True}
# Poems in a form, which has its own length and begins with bos.
FORM: dict[str, Any] = {'temperature': 0.8, 'min_p': 0.0, 'max_repeat': 1}
# Poems on a title or a theme, or in a poet's manner: chosen by scripts/reports/direction_report.py.
DIRECTED: dict[str, Any] = {'guidance': 3.0}
# What no other preset changes.
ALWAYS: dict[str, Any] = {'init': 'zero', 'state_stddev': 0.5, 'top_k': 0, 'top_p': 1.0, 'tones': 'strict', 'num': 1,
                          'beam': 0, 'best_of': 1, 'guidance': 0.0}

_BARE = 'with --exercise, --beam or --interactive'  # these write as the exercise does, where there is no form


def _default(name: str, **cases: object) -> str:
  """Returns what --help says of a default that depends on other flags, by these flags."""
  values = [FREE[name], *(f'{flag} {value}' for flag, value in cases.items())]
  return f'(default: {", ".join(map(str, values)).lower()})'


@dataclasses.dataclass(frozen=True, kw_only=True)
class WritingSettings(Checked):
  """What is to be written, and how."""

  __repr__ = short_repr

  begin: list[str] | None = setting(
      None, "What a poem begins with; may be repeated (default: those of the exercise's seven, 日 红 山 夜 湖 海 月, "
      'that the model knows; with --form nothing).')
  form: str | None = setting(None, '五绝, 七绝, 五律, 七律, or LINESxCHARACTERS such as 6x5 (default: as the model '
                             'likes).')
  rhyme: str | None = setting(
      None, 'With --form: any, off, or a level group such as 上平一东 or 东 (default: any if it has a name).')
  tones: str | None = setting(None, 'With --form: as in tangshi_tf.prosody (default: strict).',
                              choices=('strict', 'loose', 'off'))
  title: list[str] | None = setting(None, 'The title, such as 春望; of a model with controls, such as best.')
  theme: list[str] | None = setting(None, 'Words instead of a title, such as 边塞; may be repeated.')
  poet: list[str] | None = setting(None, 'In whose manner, such as 李白; of a model with controls.')
  dynasty: list[str] | None = setting(None, 'Of which time, 唐 or 宋; of a model with controls.')
  guidance: float | None = setting(None, 'How much title, poet and form are exaggerated; 0: not (default: with a '
                                   'title, theme or poet 3, else 0).', low=0, high=10)
  acrostic: str | None = setting(None, 'The first characters of the lines, up to eight (藏头; --form is 七绝 then, or '
                                 '七律 for more than four).')
  template: str | None = setting(None, 'A poem in a form with □ for the characters that are to be written; the others '
                                 'stay.')
  init: str | None = setting(None, 'Initial state (default: zero).', choices=('zero', 'random'))
  state_stddev: float | None = setting(None, 'Standard deviation of the random state (default: 0.5).', low=0, high=100)
  exercise: bool = setting(False, "The exercise's bare loop: from the begin word, the most likely character at each "
                           'step, up to 31, with no rules.')
  max_len: int | None = setting(
      None, 'A poem without an end stops with one character more than this, as the exercise counts; not with --form. '
      + _default('max_len', **{_BARE: EXERCISE['max_len']}), low=1, high=LONGEST)
  whole_sentences: bool | None = setting(None, 'Leave out the sentence that --max_len cut. '
                                         + _default('whole_sentences', **{_BARE: False}))
  temperature: float | None = setting(
      None, '0: the most likely character; above: drawn from softmax(logits / temperature). '
      + _default('temperature', **{'with --form or --interactive': FORM['temperature'], 'with --exercise': 0}),
      low=0, high=100)
  top_k: int | None = setting(None, 'Draw from the k most likely characters only; 0, the default: from all.', low=0)
  top_p: float | None = setting(
      None, 'Draw from the most likely characters that together have this probability (default: 1).',
      low=0, high=1, open_low=True)
  min_p: float | None = setting(
      None, 'Draw from characters with at least this share of the greatest probability. '
      + _default('min_p', **{'with --form or --exercise': 0}), low=0, high=1)
  max_repeat: int | None = setting(None, 'How often a character may occur in a poem, 0: any number. '
                                   f'(default: {FREE["max_repeat"]}; {EXERCISE["max_repeat"]} with --exercise, and '
                                   'without --form also with --beam or --interactive)', low=0)
  shortest_line: int | None = setting(
      None, 'How many characters a line has at least, and a poem ends only after a mark; 0: whatever comes; not with '
      '--form. ' + _default('shortest_line', **{_BARE: 0}), low=0, high=100)
  num: int | None = setting(None, 'Poems for each begin word (default: 1).', low=1, high=10**6)
  seed: int | None = setting(None, 'Seed of the first poem, the next has one more (default: random).',
                             low=0, high=2**63 - 1)
  bos_first: bool | None = setting(None, 'Feed bos before the begin word, as in most of training. '
                                   + _default('bos_first', **{_BARE: False}))
  beam: int | None = setting(None, 'Instead of drawing, search for the most likely poem, keep this many at a time '
                             '(beam search); 0, the default: do not.', low=0, high=1024)
  best_of: int | None = setting(
      None, 'Write this many candidates for each poem and keep the most likely one, less a penalty '
      'for copied lines (default: 1).', low=1, high=512)
  original: bool = setting(False, 'Draw poems again that have a line of the corpus.')

  def given(self) -> set[str]:
    """Returns the names of the settings that were asked for."""
    return {field.name for field in dataclasses.fields(self) if getattr(self, field.name) is not field.default}
