"""The parts of the page about the models: at a glance, diagrams, equations, settings."""

from typing import Any

from tangshi_tf.report_page import diagrams, equations, markup
from tangshi_tf.report_page.facts import Facts, RunFacts
from tangshi_tf.report_page.markup import escape
from tangshi_tf.report_page.words import Words
from tangshi_tf.settings import Settings
from tangshi_tf.short import cut

_CELLS = ('rnn', 'lstm', 'gru')
_LONGEST = 60  # characters of a setting's value


def number(value: float | None, digits: int = 1) -> str:
  """Returns a number as the page shows it; a dash for none."""
  return '–' if value is None else f'{value:,.{digits}f}'


def _shape(run: RunFacts, words: Words) -> str:
  """Returns the cell and the sizes of a model in a few words."""
  options = run.options
  key = 'shape' if options['layers'] == 1 else 'shape_layers'
  return words(key, cell=diagrams.cell_name(options['cell']), units=options['units'], layers=options['layers'])


def summary(facts: Facts, words: Words) -> str:
  head = [words(key) for key in ('run', 'model', 'parameters', 'epochs', 'minutes', 'perplexity', 'sound', 'reach')]
  lowest = min(run.figures['perplexity'] for run in facts.runs)
  rows = []
  for run in facts.runs:
    some, every = run.sound('exercise')
    perplexity = number(run.figures['perplexity'])
    rows.append([
        escape(run.name), _shape(run, words), f'{run.parameters:,}', _epochs(run, words),
        number(None if run.curve.seconds is None else run.curve.seconds / 60),
        f'<b>{perplexity}</b>' if run.figures['perplexity'] == lowest else perplexity,
        words('of', some=some, all=every) if every else '–', reach_of(run, facts, words)])
  for order, figures in facts.ngrams:
    rows.append([words('ngram', order=order), 'Kneser-Ney', '–', '–', '–', number(figures['perplexity']), '–', '–'])
  return markup.section('summary', words('summary'), [
      markup.table(head, rows, 'summary', texts=2), markup.paragraph(_findings(facts, words)),
      markup.paragraph(words('summary_note'), 'note')])


def _epochs(run: RunFacts, words: Words) -> str:
  """Returns how many epochs a run has, and which one was measured if it is not the last."""
  best, epochs = run.weights.removeprefix('epoch-'), run.curve.epochs
  other = best.isdecimal() and epochs and int(best) != epochs[-1]
  return f'{len(epochs)}' + (f' <small>{words("best_epoch", epoch=int(best))}</small>' if other else '')


def reach_of(run: RunFacts, facts: Facts, words: Words) -> str:
  """Returns how far a run's gradients reach, as HTML."""
  if run.reach is None:
    return '–'
  return words('more_than', count=run.reach) if run.reach >= facts.distance else str(run.reach)


def _findings(facts: Facts, words: Words) -> str:
  """Returns what the summary says, in sentences."""
  ranked = sorted(facts.runs, key=lambda run: run.figures['perplexity'])
  best, worst = ranked[0], ranked[-1]
  value = best.figures['perplexity']
  said = [words('best_run' if len(ranked) > 1 else 'only_run', name=best.name, value=number(value))]
  if len(ranked) > 1:
    said.append(words('worst_run', name=worst.name, value=number(worst.figures['perplexity'])))
  if facts.ngrams:
    order, figures = min(facts.ngrams, key=lambda ngram: ngram[1]['perplexity'])
    other = figures['perplexity']
    said.append(words('below_ngram' if value < other else 'above_ngram', order=order, value=number(other),
                      share=f'{abs(value / other - 1):.0%}'))
  return words.sentences(said)


def models(facts: Facts, words: Words) -> str:
  parts = [markup.paragraph(words('models_text')),
           markup.figure(diagrams.unrolled(facts.opening, words), words('unrolled')),
           markup.paragraph(words('chains'))]
  for run in facts.runs:
    name = f'<p class="axis"><b>{escape(run.name)}</b> {words("parameters_of", count=f"{run.parameters:,}")}</p>'
    parts.append(markup.figure(name + diagrams.chain(run.name, run.layers, run.parameters, words), kind='model'))
  notes = []
  for key, has in (('tied', lambda options: options['tied']), ('layer_norm', lambda options: options['layer_norm']),
                   ('adaptive', lambda options: options['softmax'] == 'adaptive')):
    some = [run for run in facts.runs if has(run.options)]
    if some:
      notes.append(words(key, names=words.names([run.name for run in some])))
  return markup.section('models', words('models'), [
      *parts, markup.paragraph(words.sentences(notes)) if notes else ''])


def cells(facts: Facts, words: Words) -> str:
  parts = [markup.paragraph(words('equations_text'))]
  for cell in _CELLS:
    for after in (True, False):
      runs = [run for run in facts.runs if run.options['cell'] == cell
              and (cell != 'gru' and after or cell == 'gru' and run.options['reset_after'] == after)]
      if runs:
        text = words(f'{cell}_text' if after else 'gru_before_text', names=words.names([run.name for run in runs]))
        parts.append(_equations(words(cell), text, equations.cell_equations(cell, after)))
  parts.append(_equations(words('output_equations'), words('output_text'), equations.output_equations()))
  return markup.section('equations', words('equations'), parts)


def _equations(heading: str, text: str, content: str) -> str:
  return f'<div class="equations"><p><b>{heading}</b>{text}</p>{content}</div>'


def settings(facts: Facts, words: Words) -> str:
  defaults = Settings().values()
  given = [_flags(run) for run in facts.runs]
  rows, common = [], []
  for name, default in defaults.items():
    values = [flags.get(name, default) for flags in given]
    if all(value == default for value in values):
      if name != 'recipe':
        common.append(f'<code>{name}={_value(default)}</code>')
    else:
      rows.append([f'<code>{name}</code>', _value(default),
                   *(f'<b>{_value(value)}</b>' if value != default else _value(value) for value in values)])
  head = [words('setting'), words('default_value'), *(escape(run.name) for run in facts.runs)]
  parts = [markup.paragraph(words('settings_text')), markup.table(head, rows, 'settings', texts=len(head)),
           markup.paragraph(f'{words("common")} {words("list").join(common)}', 'common')]
  commands = [[escape(run.name), _command(run, words)] for run in facts.runs]
  return markup.section('settings', words('settings'), [
      *(parts if rows else [markup.paragraph(words('no_settings'))]),
      markup.table([words('run'), words('commands')], commands, 'commands', texts=2)])


def _flags(run: RunFacts) -> dict[str, Any]:
  flags = run.training.get('flags')
  if not isinstance(flags, dict):
    return {}
  return {name: None if name == 'stream' and value is False else value  # which is what None comes to without shards
          for name, value in flags.items()}


def _value(value: Any) -> str:
  if value is None:
    return '–'
  if isinstance(value, (list, tuple)):
    value = ','.join(map(str, value))
  return escape(cut(str(value), _LONGEST))


def _command(run: RunFacts, words: Words) -> str:
  command = run.training.get('command')
  made = [f'{name} {run.training[key]}' for name, key in (('TensorFlow', 'tensorflow'), ('Python', 'python'))
          if isinstance(run.training.get(key), str)]
  text = f'<code>{escape(command)}</code>' if isinstance(command, str) else words('unrecorded')
  return f'{text}<br><small>{escape(", ".join(made))}</small>' if made else text
