"""Writes poems with a trained model.

    python -m tangshi_tf.generate --init=random
    python -m tangshi_tf.generate --model=runs/lstm --begin=春风 --temperature=0.8 --num=3
    python -m tangshi_tf.generate --form=七绝 --num=3
    python -m tangshi_tf.generate --exercise
    python -m tangshi_tf.generate --acrostic=春夏秋冬 --rhyme=东 --vertical
"""

import itertools
import json
import random
import sys

from absl import flags

from tangshi_tf import cli, corpus, presets, prosody, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.errors import UserError, shorten

_BARE = 'with --exercise, --beam or --interactive'  # these write as the exercise does


def _default(name: str, **cases: object) -> str:
  """Returns what --help says of a default that depends on other flags, by these flags."""
  values = [presets.FREE[name], *(f'{flag} {value}' for flag, value in cases.items())]
  return f'(default: {", ".join(map(str, values)).lower()})'


_MODEL = flags.DEFINE_string(
    'model', None, 'A run directory or the name of a shipped model '
    '(default: the newest run under runs/, else the shipped best).')
_WEIGHTS = flags.DEFINE_string(
    'weights', None, 'best, last (an interrupted epoch) or epoch-NN (default: best where there is one).')
_BEGIN = flags.DEFINE_multi_string('begin', list(corpus.SAMPLE_BEGINS), 'What a poem begins with, with --form up to '
                                   'two lines; may be repeated. By default those of the seven that the model knows, '
                                   'with --form nothing.')
_FORM = flags.DEFINE_string('form', None, f'{", ".join(prosody.FORMS)}, or LINESxCHARACTERS such as 6x5 '
                            '(default: as the model likes).')
_RHYME = flags.DEFINE_string(
    'rhyme', None, 'With --form: any, off, or a level group such as 上平一东 or 东 (default: any if it has a name).')
_TONES = flags.DEFINE_enum('tones', 'strict', prosody.TONES, 'With --form: as in tangshi_tf.prosody.')
_ACROSTIC = flags.DEFINE_string('acrostic', None, 'The first characters of the lines, up to eight '
                                '(藏头; --form is 七绝 then, or 七律 for more than four).')
_INIT = flags.DEFINE_enum('init', 'zero', ['zero', 'random'], 'Initial state.')
_STATE_STDDEV = cli.define_number('state_stddev', 0.5, 'Standard deviation of the random state.', low=0, high=100)
_EXERCISE = flags.DEFINE_bool('exercise', False, "The exercise's bare loop: from the begin word, the most likely "
                              'character at each step, up to 30, whatever comes.')
_MAX_LEN = flags.DEFINE_integer(
    'max_len', None, 'A poem without an end stops once it has more characters than this; not with --form. '
    + _default('max_len', **{_BARE: presets.EXERCISE['max_len']}), lower_bound=1, upper_bound=10_000)
_WHOLE_SENTENCES = flags.DEFINE_bool('whole_sentences', None, 'Leave out the sentence that --max_len cut. '
                                     + _default('whole_sentences', **{_BARE: False}))
_TEMPERATURE = cli.define_number(
    'temperature', None, '0: the most likely character; above: drawn from softmax(logits / temperature). '
    + _default('temperature', **{'with --form or --interactive': presets.FORM['temperature'], 'with --exercise': 0}),
    low=0, high=100)
_TOP_K = flags.DEFINE_integer('top_k', 0, 'Draw from the k most likely characters only; 0: from all.', lower_bound=0)
_TOP_P = cli.define_number('top_p', 1.0, 'Draw from the most likely characters that together have this probability.',
                           low=0, high=1, open_low=True)
_MIN_P = cli.define_number(
    'min_p', None, 'Draw from characters with at least this share of the greatest probability. '
    + _default('min_p', **{'with --form or --exercise': 0}), low=0, high=1)
_MAX_REPEAT = flags.DEFINE_integer(
    'max_repeat', None, 'How often a character may stand in a poem, 0: any number. '
    + _default('max_repeat', **{_BARE: 0}), lower_bound=0)
_SHORTEST_LINE = flags.DEFINE_integer(
    'shortest_line', None, 'How many characters a line has at least, and a poem ends after a mark alone; 0: whatever '
    'comes; not with --form. ' + _default('shortest_line', **{_BARE: 0}), lower_bound=0, upper_bound=100)
_NUM = flags.DEFINE_integer('num', 1, 'Poems for each begin word.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', None, 'Seed of the first poem, the next has one more (default: random).',
                             lower_bound=0, upper_bound=2**63 - 1)
_BOS_FIRST = flags.DEFINE_bool('bos_first', None, 'Feed bos before the begin word, as in most of training. '
                               + _default('bos_first', **{_BARE: False}))
_INTERACTIVE = flags.DEFINE_bool('interactive', False, 'Write a poem together: choose among the likeliest characters, '
                                 'type your own, undo, or let the model go on.')
_CHOICES = flags.DEFINE_integer('choices', 8, 'With --interactive: characters that are proposed.', lower_bound=1)
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')
_VERTICAL = flags.DEFINE_bool('vertical', False, 'Print a line of verse a column, from right to left.')
_BESIDE = flags.DEFINE_bool('beside', False, 'Print the columns of --vertical and beside them the plain poem.')
_BEAM = flags.DEFINE_integer('beam', 0, 'Instead of drawing, search for the likeliest poem and keep so many at a time '
                             '(beam search); 0: do not.', lower_bound=0, upper_bound=1024)
_BEST_OF = flags.DEFINE_integer('best_of', 1, 'Write so many candidates for each poem and keep the one that the model '
                                'finds likeliest, less a penalty for copied lines.', lower_bound=1, upper_bound=512)
_ORIGINAL = flags.DEFINE_bool('original', False, 'Draw poems with a line that stands in the corpus again.')
_CORPUS = flags.DEFINE_string('corpus', None, 'Where copied lines are looked up (default: the package\'s poems).')

_SPACE = '\u3000'  # as wide as a character
_MOST_ACROSTIC = 8  # the lines of 七律


def main() -> int:
  name = _MODEL.value if _MODEL.value is not None else run_dir.default()
  found = run_dir.RunDir.open(name)
  form, acrostic = _form()
  _check_flags(form)
  with cli.quiet_start():
    from tangshi_tf import decoding
    from tangshi_tf.model import devices
    devices.start()
    devices.has_xla()  # asked here for what older releases log when XLA starts
  run = found.load(_WEIGHTS.value)
  plan = decoding.FormPlan(form, run.word2id, tones=_TONES.value, rhyme=_rhyme(form)) if form is not None else None
  begins = _begins(run, form)
  rules = decoding.Rules(run.word2id, plan=plan, acrostic=acrostic)
  for begin in begins:
    rules.start(begin)
  if _INTERACTIVE.value:
    return _interact(run, plan, begins[0], acrostic)
  index = None
  if _ORIGINAL.value or _JSON.value or _BEST_OF.value > 1:
    index = originality.Index(corpus.read_poems(_CORPUS.value or corpus.default_corpus_path()))
  if _MODEL.value is None:
    print(f'model: {name}', file=sys.stderr)

  options = _settings(form)
  if _BEAM.value:
    options = {'width': _BEAM.value} | {name: value for name, value in options.items()
                                        if name not in ('temperature', 'min_p')}
  else:
    options |= {'init': _INIT.value, 'state_stddev': _STATE_STDDEV.value, 'top_k': _TOP_K.value, 'top_p': _TOP_P.value}
  total = _NUM.value * len(begins)
  first = _SEED.value if _SEED.value is not None else random.randrange(2**31)
  poems = decoding.write_best(
      ((begin, first + i * _NUM.value + k) for i, begin in enumerate(begins) for k in range(_NUM.value)),
      run=run, stride=total, measure=_JSON.value, best_of=_BEST_OF.value, original=_ORIGINAL.value, index=index,
      plan=plan, acrostic=acrostic, **options)
  for number, poem in enumerate(poems):
    if _ORIGINAL.value and poem.copied:
      print(f'Still copied after {decoding.MAX_ROUNDS} rounds: {" ".join(poem.copied)}', file=sys.stderr)
    if _JSON.value:
      assert index is not None  # made above for --json
      print(json.dumps({'model': name, 'weights': _WEIGHTS.value, **options, **_facts(poem, form, acrostic, index)},
                       ensure_ascii=False))
    else:
      print(('\n' if number else '') + _layout(poem.words))
  return 0


def _layout(words: list[str]) -> str:
  """Returns a poem as it is to be printed."""
  from tangshi_tf import decoding
  plain = decoding.split_sentences(words)
  if _BESIDE.value:
    return beside(vertical(''.join(words)), plain)
  return vertical(''.join(words)) if _VERTICAL.value else plain


def _interact(run, plan, begin: str, acrostic: str) -> int:
  """Writes one poem with the person at the terminal."""
  import numpy as np

  from tangshi_tf import decoding
  settings = _settings(plan and plan.form)
  session = decoding.Session(run, plan=plan, begin=begin, acrostic=acrostic, **{
      name: settings[name] for name in ('max_repeat', 'max_len', 'bos_first') if name in settings})
  temperature = _TEMPERATURE.value if _TEMPERATURE.value is not None else presets.FORM['temperature']
  complete = decoding.converse(session, read=lambda: input('> '), say=print, shown=_CHOICES.value,
                                  temperature=temperature, generator=np.random.default_rng(_SEED.value))
  print('\n' + _layout(list(session.text)))
  return 0 if complete else cli.INTERRUPTED


def _settings(form: prosody.Form | None) -> dict:
  """Returns the options of writing: what flags say, else the preset that goes with the others."""
  if form is not None:
    preset = presets.FORM
  elif _EXERCISE.value or _BEAM.value or _INTERACTIVE.value:
    preset = presets.EXERCISE
  else:
    preset = presets.FREE
  return {name: default if flags.FLAGS[name].value is None else flags.FLAGS[name].value
          for name, default in preset.items()}


def _form() -> tuple[prosody.Form | None, str]:
  """Returns the form that is asked for, None without one, and the acrostic without its punctuation."""
  acrostic = ''.join((_ACROSTIC.value or '').split())
  bare = ''.join(mark for mark in acrostic if mark not in corpus.PUNCTUATION)
  if _ACROSTIC.value is not None and not bare:
    raise UserError('flag --acrostic: no characters in it; expected one to eight')
  if bare != acrostic:
    print(f'--acrostic: its punctuation is left out: {bare}', file=sys.stderr)
  if _FORM.value is not None:
    return prosody.find_form(_FORM.value), bare
  return (_form_for_acrostic(bare) if bare else None), bare


def _form_for_acrostic(acrostic: str) -> prosody.Form:
  """Returns the form of an acrostic for which none is asked."""
  if len(acrostic) > _MOST_ACROSTIC:
    raise UserError(f'flag --acrostic={shorten(acrostic)}: {len(acrostic)} characters; expected at most '
                    f'{_MOST_ACROSTIC}, or a --form with as many lines')
  return prosody.FORMS['七绝' if len(acrostic) <= 4 else '七律']


def _check_flags(form: prosody.Form | None):
  """Raises a UserError for flags that contradict each other."""
  given = {name for name in flags.FLAGS if flags.FLAGS[name].present}
  if form is None:
    for name in sorted({'rhyme', 'tones'} & given):
      raise UserError(f'flag --{name} goes with a form; expected --form, too')
    if not all(_BEGIN.value):
      raise UserError('flag --begin: the begin word is empty; expected at least one character')
  else:
    for name in sorted({'max_len', 'bos_first', 'shortest_line', 'whole_sentences'} & given):
      raise UserError(f'flag --{name} does not go with a form, which has its own length and begins with bos')
    if not form.regulated and 'tones' in given and _TONES.value != 'off':
      raise UserError(f'flag --tones={_TONES.value}: {form.name} has no tone pattern; expected one of '
                      f'{", ".join(prosody.FORMS)}')
    _rhyme(form)
  for name in sorted({'form', 'acrostic', 'bos_first', 'temperature', 'top_k', 'top_p', 'min_p', 'max_repeat',
                      'shortest_line', 'whole_sentences', 'beam', 'interactive'} & given) if _EXERCISE.value else ():
    raise UserError(f'both --exercise and --{name}; expected one of them')
  longest = form.lines * (form.characters + 1) if form is not None else _settings(form)['max_len'] + 1
  if 'max_repeat' in given and _MAX_REPEAT.value > longest:
    raise UserError(f'flag --max_repeat={_MAX_REPEAT.value}: no poem of at most {longest} characters has one more '
                    'often; expected a smaller number, or 0 for no guard')
  for name in sorted({'init', 'state_stddev', 'temperature', 'top_k', 'top_p', 'min_p', 'num', 'seed', 'best_of',
                      'original'} & given) if _BEAM.value else ():
    raise UserError(f'both --beam and --{name}; expected one of them, since a search draws nothing')
  for name in sorted({'json', 'beam', 'best_of', 'original', 'num', 'init', 'top_k', 'top_p', 'min_p',
                      'shortest_line', 'whole_sentences'} & given) if _INTERACTIVE.value else ():
    raise UserError(f'both --interactive and --{name}; expected one of them')
  for name in sorted({'top_k', 'top_p', 'min_p'} & given) if not _settings(form)['temperature'] else ():
    raise UserError(f'flag --{name} is for drawing; expected a --temperature above 0, too')
  if 'state_stddev' in given and _INIT.value != 'random':
    raise UserError('flag --state_stddev is for random states; expected --init=random, too')
  if 'choices' in given and not _INTERACTIVE.value:
    raise UserError('flag --choices is for --interactive; expected it, too')
  if 'corpus' in given and not (_JSON.value or _ORIGINAL.value or _BEST_OF.value > 1):
    raise UserError('flag --corpus is for looking up copied lines; expected --json, --original or --best_of, too')
  if _INTERACTIVE.value and len(_BEGIN.value) > 1 and 'begin' in given:
    raise UserError(f'--interactive and {len(_BEGIN.value)} begin words; expected one')
  layouts = sorted({'json', 'vertical', 'beside'} & given)
  if len([name for name in layouts if flags.FLAGS[name].value]) > 1:
    raise UserError(f'both --{layouts[0]} and --{layouts[1]}; expected one of them')


def _rhyme(form: prosody.Form) -> str | None:
  if _RHYME.value is None:
    return 'any' if form.regulated else None
  if _RHYME.value in ('any', 'off'):
    return {'any': 'any', 'off': None}[_RHYME.value]
  return prosody.find_group(_RHYME.value)


def _begins(run, form: prosody.Form | None) -> list[str]:
  if flags.FLAGS['begin'].present:
    return _BEGIN.value
  if form is not None:
    return ['']
  return [begin for begin in _BEGIN.value if begin in run.word2id] or _BEGIN.value


def _facts(poem, form: prosody.Form | None, acrostic: str, index: originality.Index) -> dict:
  """Returns what --json says of a poem beside its options."""
  facts = {'text': poem.text, 'begin': poem.begin, 'seed': None if _BEAM.value else poem.seed,
           'log_probability': poem.log_probability, 'perplexity': poem.perplexity,
           'copied_lines': poem.copied, 'copied_run': index.longest_run(poem.text)}
  if form is not None:
    checked = prosody.check(poem.text, form, _TONES.value)
    asked = _rhyme(form)
    facts |= {'form': form.name, 'tones': _TONES.value if form.regulated else None, 'acrostic': acrostic,
              'rhyme_asked': asked or 'off', 'rhyme': asked and checked.rhyme,
              'pattern': checked.pattern and checked.pattern.name,
              'line_tones': [''.join(map(prosody.tone, line)) for line in corpus.verse_lines(poem.text)]}
  return facts


def vertical(text: str) -> str:
  """Returns a poem in columns from right to left, without marks, as it was once written."""
  lines = corpus.verse_lines(text)
  return '\n'.join(_SPACE.join(line[i] if i < len(line) else _SPACE for line in reversed(lines)).rstrip(_SPACE)
                   for i in range(max(map(len, lines), default=0)))


def beside(columns: str, lines: str) -> str:
  """Returns two texts of full-width characters side by side, separated by two of them."""
  width = max(map(len, columns.split('\n')))
  return '\n'.join(f'{row.ljust(width, _SPACE)}{2 * _SPACE}{line}'.rstrip(_SPACE) for row, line in
                   itertools.zip_longest(columns.split('\n'), lines.split('\n'), fillvalue=''))


if __name__ == '__main__':
  cli.run(main)
