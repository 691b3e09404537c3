"""The parts of the page about what came out: curves, perplexities, poems, gradients."""

import math

from tangshi_tf import corpus, prosody
from tangshi_tf.report_page import markup, plots
from tangshi_tf.report_page.facts import REACHED, STATES, WAYS, Facts, RunFacts, Written
from tangshi_tf.report_page.markup import escape
from tangshi_tf.report_page.sections import number
from tangshi_tf.report_page.words import Words
from tangshi_tf.settings import ALWAYS, FREE

_DISTANCES = (1, 2, 5, 10, 20, 50)


def _legend(runs: list[tuple[int, RunFacts]]) -> str:
  """Returns which line is which run's, by its number."""
  return '<p class="legend">' + ''.join(f'<span>{plots.swatch(style)}{escape(run.name)}</span>'
                                        for style, run in runs) + '</p>'


def _plot(svg: str, above: str, below: str) -> str:
  return f'<div class="plot"><p class="axis">{above}</p>{svg}<p class="axis below">{below}</p></div>'


def training(facts: Facts, words: Words) -> str:
  losses, perplexities, begun = [], [], False
  runs = [(style, run) for style, run in enumerate(facts.runs) if run.curve.epochs]
  for style, run in runs:
    curve = run.curve
    losses += [plots.Line(curve.epochs, curve.train_loss, style),
               plots.Line(curve.epochs, curve.validation_loss, style, dashed=True)]
    xs, ys = list(curve.epochs), list(curve.validation_perplexity)
    if curve.start is not None:
      xs, ys, begun = [0, *xs], [curve.start, *ys], True
    perplexities.append(plots.Line(xs, ys, style))
  shown = []
  for name, lines, key, log in (('loss', losses, 'loss_plot', False),
                                ('validation', perplexities, 'validation_plot', True)):
    if any(y is not None for line in lines for y in line.ys):
      shown.append(_plot(plots.draw(name, lines, words(key), log=log), words(key), words('epoch')))
  if not shown:
    return markup.section('training', words('training'), [markup.paragraph(words('no_curves'))])
  caption = words.sentences([words('loss_note'), *([words('start_note')] if begun else [])])
  return markup.section('training', words('training'), [
      markup.paragraph(words('training_text')),
      markup.figure(f'{_legend(runs)}<div class="plots">{"".join(shown)}</div>', caption)])


def perplexities(facts: Facts, words: Words) -> str:
  rows = [(escape(run.name), run.figures, 'bar') for run in facts.runs] + [
      (words('ngram', order=order), figures, 'bar ngram') for order, figures in facts.ngrams]
  greatest = max((value for _, figures, _ in rows if math.isfinite(value := figures['perplexity'])), default=1)
  bars = [[name, _bar(figures['perplexity'] / greatest, kind), number(figures['perplexity']),
           number(figures['chars_perplexity']), number(figures['bits'], 2)] for name, figures, kind in rows]
  first = rows[0][1]
  forms = [form for form in (*prosody.FORMS, prosody.OTHER) if form in first['by_form']]
  by_form = [[name, *(number(figures['by_form'][form]['perplexity']) for form in forms)] for name, figures, _ in rows]
  by_form.append([words('poems_count'), *(f'{first["by_form"][form]["poems"]:,}' for form in forms)])
  named = [words('other') if form == prosody.OTHER else escape(form) for form in forms]
  head = [words('run'), '', words('all_tokens'), words('characters_alone'), words('bits')]
  return markup.section('perplexities', words('perplexities'), [
      markup.paragraph(words('perplexities_text', poems=f'{first["poems"]:,}', tokens=f'{first["tokens"]:,}')),
      markup.table(head, bars, 'bars', texts=2),
      markup.paragraph(words('ngram_text')) if facts.ngrams else '',
      _vocabularies(facts, words),
      f'<h3>{words("by_form")}</h3>', markup.table([words('run'), *named], by_form, 'forms')])


def _bar(share: float, kind: str) -> str:
  return f'<span class="{kind}" style="width: {100 * min(share, 1):.1f}%"></span>'


def _vocabularies(facts: Facts, words: Words) -> str:
  """Returns a warning where the runs do not know the same characters."""
  unknown = [run.figures['unknown'] for run in facts.runs]
  if len(set(unknown)) == 1:
    return ''
  return markup.paragraph(words('vocabularies', list=words('list').join(
      f'{run.name} {count:,}' for run, count in zip(facts.runs, unknown))), 'note')


def poems(facts: Facts, words: Words) -> str:
  parts = [markup.paragraph(words('poems_text', temperature=FREE['temperature'], stddev=ALWAYS['state_stddev'],
                                  seed=facts.seed)),
           markup.paragraph(words('sound_text'))]
  parts += [f'<div class="run"><h3>{escape(run.name)}</h3>{_poems_of(run, words)}</div>' for run in facts.runs]
  return markup.section('poems', words('poems'), parts)


def _poems_of(run: RunFacts, words: Words) -> str:
  columns = [run.poems[way, state] for way in WAYS for state in STATES]
  if not columns[0]:
    return markup.paragraph(words('no_begins'))
  ways = []
  for way in WAYS:
    some, every = run.sound(way)
    ways.append(f'<th scope="colgroup" colspan="{len(STATES)}">{words(way)} '
                f'<small>{words("sound_count", some=some, all=every)}</small></th>')
  rows = [[f'<span lang="zh">{escape(row[0].begin)}</span>', *map(_poem, row)] for row in zip(*columns)]
  table = markup.table(['', *(words(state) for _ in WAYS for state in STATES)], rows, 'poems', texts=len(columns) + 1,
                       above=f'<tr class="ways"><td></td>{"".join(ways)}</tr>')
  unknown = [begin for begin in corpus.SAMPLE_BEGINS if begin not in [poem.begin for poem in columns[0]]]
  said = words('unknown_begins', list=words('list').join(unknown))
  return table + (markup.paragraph(said, 'note') if unknown else '')


def _poem(poem: Written) -> str:
  mark = '' if poem.sound else '<span class="mark">†</span>'
  return f'<span class="poem" lang="zh">{"<br>".join(map(escape, _lines(poem.sentences)))}{mark}</span>'


def _lines(sentences: list[str]) -> list[str]:
  """Returns sentences, with marks alone at the end of the one before them."""
  lines = sentences[:1]
  for sentence in sentences[1:]:
    if sentence.strip(corpus.PUNCTUATION):
      lines.append(sentence)
    else:
      lines[-1] += sentence
  return lines


def gradients(facts: Facts, words: Words) -> str:
  runs = [(style, run) for style, run in enumerate(facts.runs) if run.norms is not None]
  if not runs:
    return markup.section('gradients', words('gradients'), [markup.paragraph(words('too_short'))])
  lines = [plots.Line(range(facts.distance + 1), [float(norm) if 0 < norm < math.inf else None for norm in run.norms],
                      style) for style, run in runs if run.norms is not None]
  places = [place for place in _DISTANCES if place <= facts.distance]
  rows = [[escape(run.name), *(f'{run.norms[place]:.2g}' for place in places)]
          for _, run in runs if run.norms is not None]
  return markup.section('gradients', words('gradients'), [
      markup.paragraph(words('gradients_text', poems=f'{facts.distance_poems:,}')),
      markup.figure(_legend(runs) + _plot(plots.draw('gradients', lines, words('gradient_plot'), log=True, wide=True),
                                          words('gradient_plot'), words('distance'))),
      markup.table([words('at_distance'), *map(str, places)], rows, 'distances'),
      markup.paragraph(_reaches([run for _, run in runs], facts.distance, words)),
      markup.paragraph(words('gradients_definition', distance=facts.distance), 'note')])


def _reaches(runs: list[RunFacts], distance: int, words: Words) -> str:
  """Returns how far the gradients reach, in a sentence."""
  by_reach: dict[int | None, list[str]] = {}
  for run in sorted(runs, key=lambda run: run.reach or 0):
    by_reach.setdefault(run.reach, []).append(run.name)
  said = [words('reach_beyond' if reach == distance else 'reach_of', count=reach, names=words.names(names))
          for reach, names in by_reach.items()]
  sentences = [words('reaches', share=f'{REACHED:.0%}'), words('then').join(said) + words('stop')]
  plain, gated = ([run.reach or 0 for run in runs if (run.options['cell'] == 'rnn') == is_plain]
                  for is_plain in (True, False))
  if plain and gated and min(gated) <= max(plain) < distance:
    sentences.append(words('gates_closed'))
  return words.sentences(sentences)
