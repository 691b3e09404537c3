"""What is to be written: the settings of writing, checked against each other and completed; without TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tangshi_tf import controls, corpus, prosody
from tangshi_tf.decoding.text import BLANK
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.settings import ALWAYS, DIRECTED, EXERCISE, FORM, FREE, WritingSettings
from tangshi_tf.short import short_repr, shown

_MOST_ACROSTIC = 8  # the lines of 七律


@dataclasses.dataclass(frozen=True)
class Request:
  """What is to be written.

  Attributes:
    form: the verse form, or None.
    tones, rhyme: see `FormPlan`.
    acrostic: the first characters of the lines, without marks.
    template: a poem with blanks, or ''.
    direction: what the poems are told before they begin, as it was asked for; the
      form is told where the model can be told it.
    begins: what the poems begin with; None where that was not asked for.
    num: poems for each of them.
    seed: of the first poem, or None for a random one.
    beam: how many poems beam search keeps; 0 for drawing.
    best_of: candidates for each poem.
    original: whether poems with copied lines are drawn again.
    options: of `generate`, or of `beam_search` with `beam`.
    notes: what the person should know of how it was understood.
  """

  form: prosody.Form | None
  tones: str
  rhyme: str | None
  acrostic: str
  template: str
  direction: controls.Direction
  begins: list[str] | None
  num: int
  seed: int | None
  beam: int
  best_of: int
  original: bool
  options: dict[str, Any]
  notes: list[str]

  __repr__ = short_repr

  @classmethod
  def of(cls, settings: WritingSettings, *, interactive: bool = False) -> 'Request':
    """Completes settings.

    Args:
      settings: what was asked for.
      interactive: whether a person writes along.

    Raises:
      UserError: they contradict each other.
    """
    if not isinstance(settings, WritingSettings):
      raise UserError(f'settings {shown(settings)}: expected WritingSettings')
    template = _find_template(settings)
    form, acrostic, notes = _find_form(settings, template)
    options = _preset(settings, form, interactive)
    _check(settings, form, options, interactive)
    direction = _find_direction(settings, form)
    value = {name: preset if getattr(settings, name) is None else getattr(settings, name)
             for name, preset in (ALWAYS | (DIRECTED if direction.title or direction.poet else {})).items()}
    if value['beam']:
      options = {'width': value['beam']} | {name: option for name, option in options.items()
                                            if name not in ('temperature', 'min_p')}
    else:
      options |= {name: value[name] for name in ('init', 'state_stddev', 'top_k', 'top_p')}
    options['guidance'] = value['guidance']
    begins = None if settings.begin is None else [corpus.verse(begin, whole=False) for begin in settings.begin]
    if form is None and begins is not None and not all(begins):
      raise UserError('begin: the begin word is empty; expected at least one character')
    return cls(form, value['tones'], _find_rhyme(settings, form), acrostic, template, direction, begins, value['num'],
               settings.seed, value['beam'], value['best_of'], settings.original, options, notes)

  def told(self, word2id: Mapping[str, int], model: str) -> 'Request':
    """Returns the request with what the poems of a model are told, as the option `told`, and notes on it.

    Raises:
      UserError: the model cannot be told that.
    """
    if 'told' in self.options:
      return self
    direction, notes = dataclasses.replace(self.direction, form='').checked(word2id, model)
    direction = dataclasses.replace(direction, form=self.direction.form)
    ids = direction.ids(word2id)
    direction = direction if ids else controls.Direction()  # not even the form
    if self.options['guidance'] and not ids:
      raise UserError(f'guidance={self.options["guidance"]:g}: the poems of the model {model} are told nothing that '
                      'could be exaggerated; expected guidance=0, or a title, theme, poet or dynasty')
    return dataclasses.replace(self, direction=direction, options={**self.options, 'told': tuple(ids)},
                               notes=[*self.notes, *notes])

  def spelled(self, spelling: corpus.Spelling) -> 'Request':
    """Returns the request with the begin words and the acrostic spelled so, and a note where that changed them."""
    acrostic, changed = spelling.of(self.acrostic)
    template, also = spelling.of(self.template)
    changed = {**changed, **also}
    begins = self.begins
    if begins is not None:
      pairs = [spelling.of(begin) for begin in begins]
      begins = [begin for begin, _ in pairs]
      for _, also in pairs:
        changed |= also
    if not changed:
      return self
    return dataclasses.replace(self, acrostic=acrostic, template=template, begins=begins,
                               notes=[*self.notes, corpus.note_of(changed)])


def _find_template(settings: WritingSettings) -> str:
  """Returns the template that is asked for, with its marks, or ''."""
  if settings.template is None:
    return ''
  template = corpus.verse(settings.template)
  others = [name for name in ('begin', 'acrostic') if getattr(settings, name) is not None]
  if others:
    raise UserError(f'both template and {others[0]}; expected one of them')
  if BLANK not in template:
    raise UserError(f'template {shorten(template)} has no {BLANK}; expected one for each character that is to be '
                    'written')
  return template


def _find_form(settings: WritingSettings, template: str) -> tuple[prosody.Form | None, str, list[str]]:
  """Returns the form that is asked for, the acrostic without its punctuation, and notes."""
  acrostic = ''.join(corpus.clean(settings.acrostic or '').split())
  bare = ''.join(corpus.verse_lines(acrostic))
  if settings.acrostic is not None and not bare:
    raise UserError('acrostic: no characters in it; expected one to eight')
  notes = [f'acrostic: its punctuation is left out: {bare}'] if bare != acrostic else []
  if settings.form is not None:
    return prosody.find_form(settings.form), bare, notes
  if template:
    if corpus.form_of(template) == corpus.OTHER:
      raise UserError(f'template {shorten(template)} has the lines of none of {", ".join(prosody.FORMS)}; expected '
                      'those, or form, too')
    return prosody.FORMS[corpus.form_of(template)], bare, notes
  if not bare:
    return None, bare, notes
  if len(bare) > _MOST_ACROSTIC:
    raise UserError(f'acrostic {shorten(bare)}: {len(bare)} characters; expected at most {_MOST_ACROSTIC}, or '
                    'a form with as many lines')
  return prosody.FORMS['七绝' if len(bare) <= 4 else '七律'], bare, notes


def _find_direction(settings: WritingSettings, form: prosody.Form | None) -> controls.Direction:
  """Returns what the poems are to be told; the form where there is one."""
  given = {}
  for name in ('title', 'poet', 'dynasty'):
    values = getattr(settings, name)
    if values is not None and len(values) > 1:
      raise UserError(f'{name} is given {len(values)} times: {", ".join(map(shorten, values))}; expected one')
    given[name] = '' if values is None else values[0].strip()
    if values is not None and not given[name]:
      raise UserError(f'{name} is empty; expected a name' if name != 'title' else 'title is empty; expected characters')
  if settings.theme is not None:
    if given['title']:
      raise UserError(f'both title {shorten(given["title"])} and theme {shorten(settings.theme[0])}; expected one of '
                      'them')
    given['title'] = ''.join(settings.theme).strip()
    if not given['title']:
      raise UserError('theme is empty; expected words')
  if form is not None:
    given['form'] = form.name if form.regulated else corpus.OTHER
  return controls.Direction(**given)


def _find_rhyme(settings: WritingSettings, form: prosody.Form | None) -> str | None:
  """Returns 'any', a level group, or None for no rhymes."""
  if form is None or settings.rhyme is None:
    return 'any' if form is not None and form.regulated else None
  if settings.rhyme in ('any', 'off'):
    return {'any': 'any', 'off': None}[settings.rhyme]
  return prosody.find_group(settings.rhyme)


def _preset(settings: WritingSettings, form: prosody.Form | None, interactive: bool) -> dict[str, Any]:
  """Returns the options of writing: what was asked for, else what the preset says that goes with the rest."""
  if form is not None:
    preset = FORM
  elif interactive:
    preset = {**EXERCISE, 'temperature': FORM['temperature']}  # with which the model finishes the poem
  elif settings.exercise or settings.beam:
    preset = EXERCISE
  else:
    preset = FREE
  return {name: default if getattr(settings, name) is None else getattr(settings, name)
          for name, default in preset.items()}


def _check(settings: WritingSettings, form: prosody.Form | None, options: dict[str, Any], interactive: bool):
  """Raises a UserError for settings that contradict each other."""
  given = settings.given() | ({'interactive'} if interactive else set())
  _check_form(settings, form, given)
  longest = form.lines * (form.characters + 1) if form is not None else options['max_len'] + 1
  if settings.max_repeat is not None and settings.max_repeat > longest:
    raise UserError(f'max_repeat={settings.max_repeat}: no poem of at most {longest} characters has one more '
                    'often; expected a smaller number, or 0 for no guard')
  excluded = {
      'exercise': {'form', 'acrostic', 'bos_first', 'temperature', 'top_k', 'top_p', 'min_p', 'max_repeat',
                   'shortest_line', 'whole_sentences', 'beam', 'interactive'},
      'beam': {'init', 'state_stddev', 'temperature', 'top_k', 'top_p', 'min_p', 'num', 'seed', 'best_of', 'original'},
      'interactive': {'beam', 'best_of', 'original', 'num', 'init', 'top_k', 'top_p', 'min_p', 'shortest_line',
                      'whole_sentences'},
  }
  on = {'exercise': settings.exercise, 'beam': bool(settings.beam), 'interactive': interactive}
  for name, others in excluded.items():
    for other in sorted(others & given) if on[name] else ():
      reason = ', since a search draws nothing' if name == 'beam' else ''
      raise UserError(f'both {name} and {other}; expected one of them{reason}')
  for name in sorted({'top_k', 'top_p', 'min_p'} & given) if not options['temperature'] else ():
    raise UserError(f'{name} is for drawing; expected a temperature above 0, too')
  if 'state_stddev' in given and settings.init != 'random':
    raise UserError('state_stddev is for random states; expected init=random, too')
  if interactive and len(settings.begin or ()) > 1:
    raise UserError(f'interactive and {len(settings.begin or ())} begin words; expected one')


def _check_form(settings: WritingSettings, form: prosody.Form | None, given: set[str]):
  if form is None:
    for name in sorted({'rhyme', 'tones'} & given):
      raise UserError(f'{name} goes with a form; expected form, too')
    return
  for name in sorted({'max_len', 'bos_first', 'shortest_line', 'whole_sentences'} & given):
    raise UserError(f'{name} does not go with a form, which has its own length and begins with bos')
  if not form.regulated and settings.tones not in (None, 'off'):
    raise UserError(f'tones={settings.tones}: {form.name} has no tone pattern; expected one of '
                    f'{", ".join(prosody.FORMS)}')
