"""Compares poems of the models, free and in a form, with real ones: soundness, form, rhyme, tones, copies, variety.

    pip install '.[plot]'
    python scripts/reports/verse_report.py --models=best,gru
    python scripts/reports/verse_report.py --models=runs/gru --noforms
    python scripts/reports/verse_report.py --models=gru --temperatures=0.6,0.8,1.0 --sampling=min_p=0.1

Real poems are those of the validation and the test part; lines count as copied, and the
n-gram baseline is trained, on the training part alone. Free poems are drawn without a
form, after bos; of them, those count for a form that happen to have its lines.

`right lines`: of all poems of the source, the share with the form's line count and
lengths (for real and free poems that says how common the form is). All else is over
those poems, up to --num of each: `rhymed`, `loose` and `strict` as in
tangshi_tf.prosody (the latter two with rhymes); `copied`: share of lines that are in
the training part; `distinct-1` and `-2`: different characters and pairs of neighbours
in --distinct poems, over all of them; `repeats`: characters a poem that are in it
already; perplexity by token, eos left out, under the model that wrote the poem (real
ones: under the first model) and under Kneser-Ney of order 5; `nats a character` is the
log of the former.

Before these comes a table of soundness (see tangshi_tf.prosody.soundness) for poems
without a form: by each model, from the zero state and from random ones, as the exercise
writes and as tangshi_tf.generate does by default, for --begins begin words, spread over
the 1,500 characters with which most poems begin. `distinct`: different poems of all;
`ended`: by themselves, before the length limit; `rare`: characters of rank 4,000 or
lower; `of 20 states`: different poems that 20 random states give for one begin word, the
mean and the lowest of 50 begin words. --temperatures and --sampling, where given, add rows
for these settings.

The price of the constraints is the difference in nats a character between poems written
in the form and free ones of the same form.
"""

import itertools
import math
import pathlib

import numpy as np
from absl import flags

from tangshi_tf import cli, corpus, evaluation, prosody, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.errors import UserError

_MODELS = flags.DEFINE_list('models', ['best', 'rnn', 'gru', 'lstm'], 'Run directories or shipped models.')
_CORPUS = flags.DEFINE_string(
    'corpus', None, 'The corpus of the models (default: the poems that come with the package).')
_NUM = flags.DEFINE_integer('num', 1000, 'Poems of each form and source.', lower_bound=10)
_BEGINS = flags.DEFINE_integer('begins', 1000, 'Begin words of the table of soundness; 0: leave it out.',
                               lower_bound=0, upper_bound=1500)
_FORMS = flags.DEFINE_bool('forms', True, 'Compare poems in a form with real ones.')
_FREE = flags.DEFINE_integer('free', 10_000, 'Free poems drawn from each model; 0: none.', lower_bound=0)
_TEMPERATURES = flags.DEFINE_list('temperatures', ['0.8'], 'Temperatures of drawing.')
_SAMPLING = flags.DEFINE_list('sampling', [], 'More settings of drawing, such as min_p=0.1 or top_k=40.')
_TONES = flags.DEFINE_enum('tones', 'strict', prosody.TONES, 'How poems in a form are written.')
_DISTINCT = flags.DEFINE_integer('distinct', 100, 'Poems for distinct-1 and -2, which fall with their number.',
                                 lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the first poem.', lower_bound=0)
_JSON = flags.DEFINE_string('json', None, 'A file for the figures as JSON.')
_FIGURES = flags.DEFINE_string('figures', None, 'A folder for a picture of the table (default: none).')

FREE_LENGTH = 200  # characters; a free poem ends by itself, or here


def main() -> int:
  from tangshi_tf.model import devices
  device = devices.start()
  settings = drawing()
  path = corpus.default_corpus_path() if _CORPUS.value is None else _CORPUS.value
  poems = corpus.read_poems(path)
  parts = corpus.training_parts(poems, path)
  held_out = [poem.content for poem in (*parts['validation'], *parts['test'])]
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(parts['train']))
  runs = {name: run_dir.load(name) for name in _MODELS.value}
  for name, run in runs.items():
    if [word for word in run.word2id if not corpus.is_control(word)] != list(word2id):
      raise UserError(f"{name}: its vocabulary is not that of {path}; expected a model trained on these poems")
  print(f'{device}\n', flush=True)

  sound, rows = [], []
  if _BEGINS.value:
    import soundness_table
    begins = soundness_table.begin_words(parts['train'], _BEGINS.value)
    sound.append(soundness_table.row_of_real_poems(held_out, list(word2id)))
    for name, run in runs.items():
      sound += soundness_table.rows_of_model(name, run, ways(settings), begins, _SEED.value)
    print(f'{soundness_table.table(sound)}\n', flush=True)
  if _FORMS.value:
    print(checker(poems), flush=True)
    yardstick = evaluation.KneserNey(*corpus.encode_all(parts['train'], word2id), len(word2id))
    tools = originality.Index(parts['train']), yardstick, word2id
    for name, run in runs.items():
      if not rows:
        rows += report('real', 'held out', held_out, run, *tools)
      for sampling in settings:
        rows += report_model(name, run, sampling, tools)
    print(f'{table(rows)}\n\n{prices(rows)}')
  if _JSON.value is not None:
    run_dir.write_json(pathlib.Path(_JSON.value), {'soundness': sound, 'rows': rows})
  if _FIGURES.value is not None:
    draw(rows, pathlib.Path(_FIGURES.value))
  return 0


def ways(settings: list[dict]) -> dict[str, dict]:
  """Returns the ways of writing of the table of soundness: the standard ones and those that flags ask for."""
  import soundness_table
  found = soundness_table.standard_ways()
  if flags.FLAGS['temperatures'].present or flags.FLAGS['sampling'].present:
    for setting in settings:
      label = ' '.join(f'{name}={value:g}' for name, value in setting.items())
      found[label] = {**found['default'], **setting}
  return found


def drawing() -> list[dict]:
  """Returns the settings of drawing, one for each temperature."""
  from tangshi_tf import decoding
  try:
    more = {name: float(value) if name.endswith('_p') else int(value)
            for name, _, value in (setting.partition('=') for setting in _SAMPLING.value)}
    settings = [{'temperature': float(temperature), **more} for temperature in _TEMPERATURES.value]
    for setting in settings:
      decoding.Sampling(**setting)
  except (TypeError, ValueError) as error:
    raise UserError(f'flags --temperatures and --sampling: {error}; expected numbers, and settings such as min_p=0.1 '
                    'or top_k=40') from None
  return settings


def checker(poems: list[corpus.Poem]) -> str:
  """Returns, as Markdown, what share of the real poems of each form passes the checks."""
  lines = ['| form | real poems of the whole corpus | rhymed | tones loose | tones strict | loose and rhymed '
           '| strict and rhymed |', '| --- | ---: | ---: | ---: | ---: | ---: | ---: |']
  for name, form in prosody.FORMS.items():
    contents = [poem.content for poem in poems if prosody.form_of(poem.content) == name]
    loose = [prosody.check(content, form, 'loose') for content in contents]
    strict = [prosody.check(content, form, 'strict') for content in contents]
    shares = (np.mean([found.keeps('rhyme') for found in loose]), np.mean([found.keeps('tone') for found in loose]),
              np.mean([found.keeps('tone', '孤平', '三平尾', '三仄尾') for found in strict]),
              np.mean([found.keeps() for found in loose]), np.mean([found.keeps() for found in strict]))
    lines.append(f'| {name} | {len(contents):,} | ' + ' | '.join(f'{share:.1%}' for share in shares) + ' |')
  return '\n'.join(lines) + '\n'


def report_model(name: str, run, sampling: dict, tools) -> list[dict]:
  """Returns the rows of one model, drawn in one way."""
  from tangshi_tf import decoding
  options = {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word, **sampling}
  label = f'{name}, {sampling["temperature"]:g}' if len(_TEMPERATURES.value) > 1 else name
  rows = []
  if _FREE.value:
    first = beginnings(run, _FREE.value, sampling['temperature'])
    free = decoding.generate(((begin, _SEED.value + i) for i, begin in enumerate(first)), bos_first=True,
                             max_len=FREE_LENGTH, **options)
    rows += report(label, 'free', [''.join(words) for words in free], run, *tools)
  for form in prosody.FORMS.values():
    plan = decoding.FormPlan(form, run.word2id, tones=_TONES.value)
    written = decoding.generate((('', _SEED.value + i) for i in range(_NUM.value)), plan=plan,
                                **{'max_repeat': 1, **options})
    rows += report(label, 'in the form', [''.join(words) for words in written], run, *tools, forms=[form.name])
  return rows


def beginnings(run, count: int, temperature: float) -> list[str]:
  """Returns first characters drawn from the model itself, since a free poem needs one."""
  import tensorflow as tf

  from tangshi_tf.decoding import sampling
  logits, _ = run.model.next_logits(tf.constant([run.word2id[corpus.start_token]]), run.model.zero_state(1))
  shares = tf.nn.softmax(logits / max(temperature, sampling.MIN_TEMPERATURE))[0].numpy().astype(np.float64)
  shares[[i for word, i in run.word2id.items() if len(word) > 1 or word in corpus.PUNCTUATION]] = 0
  drawn = np.random.default_rng(_SEED.value).choice(len(shares), count, p=shares / shares.sum())
  return [run.id2word[i] for i in drawn]


def report(source: str, kind: str, contents: list[str], run, index, yardstick, word2id, forms=tuple(prosody.FORMS)):
  """Returns a row of figures for each form."""
  by_form = {name: [] for name in prosody.FORMS} | {prosody.OTHER: []}
  for content in contents:
    by_form[prosody.form_of(content)].append(content)
  rows = []
  for name in forms:
    chosen, form = by_form[name][:_NUM.value], prosody.FORMS[name]
    row = {'source': source, 'kind': kind, 'form': name, 'poems': len(chosen),
           'right_lines': len(by_form[name]) / len(contents)}
    rows.append(row)
    if not chosen:
      continue
    loose = [prosody.check(content, form, 'loose') for content in chosen]
    strict = [prosody.check(content, form, 'strict') for content in chosen]
    ids, splits = corpus.encode_all([corpus.Poem('', content) for content in chosen], word2id)
    inside = np.ones(len(ids), bool)
    inside[splits[:-1]] = inside[splits[1:] - 1] = False
    nats = float(np.mean(evaluation.token_nll(run.model, ids, splits)[inside], dtype=np.float64))
    row |= {
        'rhymed': share(found.keeps('rhyme') for found in loose), 'loose': share(found.keeps() for found in loose),
        'strict': share(found.keeps() for found in strict),
        'copied': sum(len(index.copied_lines(content)) for content in chosen) / (form.lines * len(chosen)),
        'repeats': float(np.mean([repeats(content) for content in chosen])),
        'nats': nats, 'perplexity': math.exp(nats),
        'ngram_perplexity': float(np.exp(np.mean(yardstick.nll(ids, splits)[inside]))),
        **distinct(chosen[:_DISTINCT.value])}
  return rows


def share(values) -> float:
  return float(np.mean(list(values)))


def repeats(content: str) -> int:
  characters = [mark for mark in content if mark not in corpus.PUNCTUATION]
  return len(characters) - len(set(characters))


def distinct(contents: list[str]) -> dict[str, float]:
  """Returns the shares of different characters and of different pairs within lines (Li et al. 2016)."""
  lines = [line for content in contents for line in corpus.verse_lines(content)]
  singles = [mark for line in lines for mark in line]
  pairs = [pair for line in lines for pair in itertools.pairwise(line)]
  return {'distinct_1': len(set(singles)) / len(singles), 'distinct_2': len(set(pairs)) / len(pairs)}


def table(rows: list[dict]) -> str:
  """Returns all rows as Markdown."""
  lines = ['| form | source | poems | right lines | rhymed | loose | strict | copied | distinct-1 | distinct-2 '
           '| repeats | perplexity | Kneser-Ney |', '| --- | --- |' + ' ---: |' * 11]
  for name in prosody.FORMS:
    for row in (row for row in rows if row['form'] == name):
      lines.append(f'| {name} | {row["source"]}, {row["kind"]} | {row["poems"]:,} | {row["right_lines"]:.1%} | '
                   + (f'{row["rhymed"]:.1%} | {row["loose"]:.1%} | {row["strict"]:.1%} | {row["copied"]:.2%} | '
                      f'{row["distinct_1"]:.3f} | {row["distinct_2"]:.3f} | {row["repeats"]:.2f} | '
                      f'{row["perplexity"]:.1f} | {row["ngram_perplexity"]:.1f} |' if row['poems'] else '| ' * 9))
  return '\n'.join(lines)


def prices(rows: list[dict]) -> str:
  """Returns the price of the constraints as Markdown: nats a character beyond free poems of the same form."""
  free = {(row['source'], row['form']): row for row in rows if row['kind'] == 'free' and row['poems']}
  lines = ['| price of the form, nats a character | ' + ' | '.join(prosody.FORMS) + ' |',
           '| --- |' + ' ---: |' * len(prosody.FORMS)]
  for source in dict.fromkeys(row['source'] for row in rows if row['kind'] == 'in the form'):
    formed = {row['form']: row for row in rows if row['source'] == source and row['kind'] == 'in the form'}
    lines.append(f'| {source} | ' + ' | '.join(
        f'{formed[name]["nats"] - free[source, name]["nats"]:+.3f}' if (source, name) in free else ''
        for name in prosody.FORMS) + ' |')
  return '\n'.join(lines)


def draw(rows: list[dict], folder: pathlib.Path):
  """Draws the shares that rhyme and keep the tones, by form and source."""
  try:
    import matplotlib
  except ImportError:
    raise UserError("matplotlib is not installed; run: pip install '.[plot]'") from None
  matplotlib.use('agg')
  from matplotlib import pyplot
  english = dict(zip(prosody.FORMS, ('4 lines of 5', '4 lines of 7', '8 lines of 5', '8 lines of 7')))
  figure, axes = pyplot.subplots(1, 4, figsize=(13, 4), sharey=True)
  for axis, name in zip(axes, prosody.FORMS):
    found = [row for row in rows if row['form'] == name and row['poems']]
    place = np.arange(len(found))
    for i, key in enumerate(('rhymed', 'loose', 'strict')):
      axis.bar(place + 0.27 * (i - 1), [row[key] for row in found], 0.27, label=key)
    axis.set_xticks(place, [f'{row["source"]}, {row["kind"]}' for row in found], rotation=90, fontsize=8)
    axis.set_title(english[name])
    axis.grid(alpha=0.3, axis='y')
  axes[0].set_ylabel('share of the poems')
  figure.legend(*axes[0].get_legend_handles_labels(), loc='upper center', ncol=3)
  figure.tight_layout(rect=(0, 0, 1, 0.93))
  folder.mkdir(parents=True, exist_ok=True)
  figure.savefig(folder / 'verse_report.png', dpi=90)
  print(f'\n{folder / "verse_report.png"}')


if __name__ == '__main__':
  cli.run(main)
