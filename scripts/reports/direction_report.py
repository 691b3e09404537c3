"""Whether poems go where they are told: with title, poet and form, beside real held-out poems.

    pip install '.[report]'
    python scripts/reports/direction_report.py --model=best --figures=scripts/reports/figures

Prints Markdown tables:

* the perplexity of the test part's poems when they are told nothing, one thing, or all;
* titles: of poems in a form for held-out titles, the share that uses a character of
  its title, and how often a retrieval model finds the right title among 20. It knows
  real training poems: a title goes with a poem as far as the poem is like training
  poems with like titles, and like the title itself (TF-IDF vectors of characters and
  pairs);
* poets: how often a classifier names the right one of the 20 most prolific poets, for
  real held-out poems and for poems that were told poet and form (a linear support
  vector machine on the same kind of vectors, trained on real training poems);
* whether directed poems keep form, tones and rhyme, copy lines, and how varied they are;
* with --song=song.txt (and --against=MODEL, another model) the perplexity of 5,000 Song
  poems of the test part of the corpus and these together, which must have been trained on
  so: --corpus=poems.txt --corpus=song.txt.

Undirected poems and each guidance are rows of their own.
"""

import itertools
import pathlib

import numpy as np
from absl import flags

from tangshi_tf import cli, controls, corpus, prosody, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.errors import UserError

_MODEL = flags.DEFINE_string('model', 'best', 'A run directory or a shipped name, with controls.')
_CORPUS = flags.DEFINE_string('corpus', None, 'The corpus of the model (default: the package\'s own).')
_TITLES = flags.DEFINE_integer('titles', 500, 'Held-out titles.', lower_bound=20)
_POETS = flags.DEFINE_integer('poets', 20, 'Poets that are told apart.', lower_bound=2)
_PER_POET = flags.DEFINE_integer('per_poet', 40, 'Directed poems for each poet.', lower_bound=1)
_GUIDANCES = flags.DEFINE_list('guidances', ['0', '1', '2', '3'], 'Guidances, each a row.')
_FORM = flags.DEFINE_string('form', '七绝', 'The form of the poems for titles.')
_SONG = flags.DEFINE_string('song', None, 'Song poems, see build_corpus.py (default: none).')
_AGAINST = flags.DEFINE_string('against', None, 'With --song: another model that they are measured with.')
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the first poem.', lower_bound=0)
_JSON = flags.DEFINE_string('json', None, 'A file for the figures as JSON.')
_FIGURES = flags.DEFINE_string('figures', None, 'A folder for a picture (default: none).')

AMONG = 20  # titles of which one is right
SONG_POEMS = 5000


def main() -> int:
  try:
    import sklearn  # noqa: F401
  except ImportError:
    raise UserError("scikit-learn is not installed; run: pip install '.[report]'") from None
  from tangshi_tf import decoding, evaluation
  from tangshi_tf.model import devices
  print(f'{devices.start()}\n', flush=True)
  run = run_dir.load(_MODEL.value)
  kinds = controls.kinds_of(run.word2id)
  if 'title' not in kinds or 'poet' not in kinds:
    raise UserError(f'{_MODEL.value}: is told neither title nor poet; expected a model with controls')
  path = corpus.default_corpus_path() if _CORPUS.value is None else _CORPUS.value
  parts = corpus.training_parts(corpus.with_poets(corpus.read_poems(path), path), path)
  guidances = [float(text) for text in _GUIDANCES.value]
  writer = decoding.Writer(run)

  found: dict = {'perplexity': {}}
  for told in ([], *([kind] for kind in kinds), kinds):
    figures = evaluation.evaluate(run.model, parts['test'], run.word2id, told)
    found['perplexity'][' and '.join(told) or 'nothing'] = figures['perplexity']
  print(perplexity_table(found['perplexity']), flush=True)
  if _SONG.value is not None:
    found['song'] = song_perplexities(run, corpus.read_poems(path))
    print(perplexity_table(found['song']), flush=True)
  held_out = parts['validation'] + parts['test']
  found['titles'] = title_rows(writer, parts['train'], held_out, guidances)
  print(table(found['titles'], 'right title of 20'), flush=True)
  found['poets'] = poet_rows(writer, parts['train'], held_out, guidances)
  print(table(found['poets'], f'right poet of {_POETS.value}'), flush=True)
  if _JSON.value is not None:
    run_dir.write_json(pathlib.Path(_JSON.value), found)
  if _FIGURES.value is not None:
    draw(found, pathlib.Path(_FIGURES.value))
  return 0


def song_perplexities(run, poems: list[corpus.Poem]) -> dict[str, float]:
  """Returns the perplexity of held-out Song poems, told nothing and told their dynasty, and that of another model."""
  from tangshi_tf import evaluation
  song = corpus.with_poets(corpus.read_poems(_SONG.value), _SONG.value)
  known = {poem.content: poem for poem in song}
  test = corpus.split_poems(poems + song)['test']
  held_out = corpus.keep_short([known[poem.content] for poem in test if poem.content in known])[:SONG_POEMS]
  found = {name: evaluation.evaluate(run.model, held_out, run.word2id, told)['perplexity']
           for name, told in (('nothing', []), ('dynasty', ['dynasty']))}
  if _AGAINST.value is not None:
    other = run_dir.load(_AGAINST.value)
    found[_AGAINST.value] = evaluation.evaluate(other.model, held_out, other.word2id)['perplexity']
  return found


def perplexity_table(found: dict[str, float]) -> str:
  first = next(iter(found.values()))
  lines = ['| told | test perplexity | to the first |', '| --- | ---: | ---: |']
  lines += [f'| {told} | {value:.1f} | {value / first:.2f} |' for told, value in found.items()]
  return '\n'.join(lines) + '\n'


def vectors(texts: list[str]):
  """Returns what makes TF-IDF vectors of characters and pairs, fitted to texts, and theirs."""
  from sklearn.feature_extraction.text import TfidfVectorizer
  vectorizer = TfidfVectorizer(analyzer='char', ngram_range=(1, 2), sublinear_tf=True, min_df=2)
  return vectorizer, vectorizer.fit_transform(map(bare, texts))


def bare(text: str) -> str:
  """Returns a text with its marks as spaces, so that no pair spans two lines."""
  return ' '.join(corpus.verse_lines(text))


def title_rows(writer, train, held_out, guidances) -> list[dict]:
  """Returns a row for real poems, for undirected ones, and for each guidance."""
  form = prosody.find_form(_FORM.value)
  real = [poem for poem in held_out if corpus.form_of(poem.content) == form.name and has_title(poem, writer.word2id)]
  real = list({poem.title: poem for poem in real}.values())[:_TITLES.value]
  if len(real) < AMONG:
    raise UserError(f'{len(real)} held-out titles of {form.name}; expected at least {AMONG}')
  titles = [poem.title for poem in real]
  poem_vectors, of_poems = vectors([poem.content for poem in train])
  wanted = title_queries(titles, train, poem_vectors, of_poems)
  rng = np.random.default_rng(_SEED.value)
  others = [rng.choice([j for j in range(len(titles)) if titles[j] != titles[i]], AMONG - 1, replace=False)
            for i in range(len(titles))]

  def retrieved(texts: list[str]) -> float:
    score = wanted @ poem_vectors.transform(map(bare, texts)).T  # titles x poems
    return float(np.mean([score[i, i] > score[others[i], i].max() for i in range(len(texts))]))

  def row(source: str, texts: list[str]) -> dict:
    uses = [any(character in text for character in own_characters(title)) for title, text in zip(titles, texts)]
    return {'source': source, 'uses': float(np.mean(uses)), 'right': retrieved(texts), **kept(texts, index)}

  index = originality.Index(train)
  rows = [row('real, held out', [poem.content for poem in real])]
  rows.append(row('undirected', write(writer, [{} for _ in titles], form.name, _SEED.value)))
  for guidance in guidances:
    rows.append(row(f'title, guidance {guidance:g}', write(
        writer, [{'title': title, 'guidance': guidance} for title in titles], form.name, _SEED.value)))
  return rows


def title_queries(titles: list[str], train, poem_vectors, of_poems) -> np.ndarray:
  """Returns what poems on titles are expected to be like, `[titles, terms]`.

  That is the mean of the training poems, weighted by the squared cosine of their
  titles and this one, less the mean of all; and half of the title's own vector,
  since poems use its characters.
  """
  title_vectors, of_titles = vectors([poem.title for poem in train])
  weights = (title_vectors.transform(titles) @ of_titles.T).power(2)
  like = (weights @ of_poems).toarray() / np.maximum(weights.sum(1).reshape(-1, 1), 1e-9) - of_poems.mean(0)
  like = np.asarray(like)
  return (like / np.maximum(np.linalg.norm(like, axis=1, keepdims=True), 1e-9)
          + 0.5 * poem_vectors.transform(titles).toarray())


def has_title(poem: corpus.Poem, words) -> bool:
  return len(controls.title_characters(poem.title, words)[0]) >= 2


def own_characters(title: str) -> list[str]:
  return [character for character in title if corpus.is_han(character)]


def poet_rows(writer, train, held_out, guidances) -> list[dict]:
  """Returns a row for real poems, for undirected ones, and for each guidance."""
  from sklearn.svm import LinearSVC
  by_poet = corpus.poems_by_poet(train)
  poets = [name for name in next(iter(by_poet.values())) if name in controls.names_of(writer.word2id, 'poet')]
  poets = poets[:_POETS.value]
  known = [poem for poem in train if poem.poet in poets]
  vectorizer, of_poems = vectors([poem.content for poem in known])
  classifier = LinearSVC(class_weight='balanced').fit(of_poems, [poem.poet for poem in known])
  real = [poem for poem in held_out if poem.poet in poets]
  regular = [poem for poem in known if corpus.form_of(poem.content) != corpus.OTHER]
  rng = np.random.default_rng(_SEED.value)
  asked = []  # poet and form, forms as often as the poet wrote them
  for poet in poets:
    forms = [corpus.form_of(poem.content) for poem in regular if poem.poet == poet] or list(corpus.SHAPES)
    asked += [(poet, form) for form in rng.choice(forms, _PER_POET.value)]
  index = originality.Index(train)

  def row(source: str, names: list[str], texts: list[str]) -> dict:
    guessed = classifier.predict(vectorizer.transform(map(bare, texts)))
    right = [name == guess for name, guess in zip(names, guessed)]
    by_name = [np.mean([hit for hit, name in zip(right, names) if name == poet]) for poet in poets if poet in names]
    return {'source': source, 'right': float(np.mean(by_name)), **kept(texts, index)}

  rows = [row('real, held out', [poem.poet for poem in real], [poem.content for poem in real])]
  for guidance in [None, *guidances]:
    source = 'undirected' if guidance is None else f'poet, guidance {guidance:g}'
    texts, names = [], []
    for form, group in itertools.groupby(sorted(asked, key=lambda pair: pair[1]), key=lambda pair: pair[1]):
      some = [poet for poet, _ in group]
      told = [{} if guidance is None else {'poet': poet, 'guidance': guidance} for poet in some]
      texts += write(writer, told, form, _SEED.value)
      names += some
    rows.append(row(source, names, texts))
  return rows


def write(writer, told: list[dict], form: str, first_seed: int) -> list[str]:
  """Returns a poem in a form for each direction."""
  texts: dict[int, str] = {}
  seeds = itertools.count(first_seed)
  groups: dict[tuple, list[int]] = {}
  for i, options in enumerate(told):
    groups.setdefault(tuple(sorted(options.items())), []).append(i)
  for options, members in groups.items():
    first = next(seeds)
    poems = writer.write(form, num=len(members), seed=first, **dict(options))
    for _ in members[1:]:
      next(seeds)
    texts |= {i: poem.text for i, poem in zip(members, poems)}
  return [texts[i] for i in range(len(told))]


def kept(texts: list[str], index) -> dict:
  """Returns what share of poems is right in form, tones and rhyme, what share of lines is copied, and their variety."""
  checks = [prosody.check(text, form) for text in texts if (form := corpus.form_of(text)) != corpus.OTHER]
  lines = [line for text in texts for line in corpus.verse_lines(text)]
  pairs = [line[i:i + 2] for line in lines for i in range(len(line) - 1)]
  return {'correct': sum(check.keeps() for check in checks) / len(texts),
          'copied': sum(len(index.copied_lines(text, 0)) for text in texts) / len(lines),
          'distinct_2': len(set(pairs[:5000])) / min(len(pairs), 5000), 'poems': len(texts)}


def table(rows: list[dict], right: str) -> str:
  uses = 'uses' in rows[0]
  head = ['poems', *(['uses its title'] if uses else []), right, 'correct', 'copied lines', 'distinct-2', 'number']
  lines = ['| ' + ' | '.join(head) + ' |', '| --- |' + ' ---: |' * (len(head) - 1)]
  for row in rows:
    cells = [row['source'], *([f'{row["uses"]:.1%}'] if uses else []), f'{row["right"]:.1%}', f'{row["correct"]:.1%}',
             f'{row["copied"]:.2%}', f'{row["distinct_2"]:.3f}', f'{row["poems"]:,}']
    lines.append('| ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines) + '\n'


def draw(found: dict, folder: pathlib.Path):
  """Draws how often titles and poets are found."""
  import matplotlib
  matplotlib.use('agg')
  import matplotlib.pyplot as plt
  figure, axes = plt.subplots(1, 2, figsize=(9.5, 2.6))
  for axis, name, chance in zip(axes, ('titles', 'poets'), (1 / AMONG, 1 / _POETS.value)):
    rows = found[name]
    axis.barh([row['source'] for row in rows][::-1], [100 * row['right'] for row in rows][::-1],
              color=['#7a9', '#7a9', '#7a9', '#7a9', '#bbb', '#468'][-len(rows):])
    axis.axvline(100 * chance, color='#a33', linestyle=':', linewidth=1)
    axis.set_xlabel(f'right {name[:-1]} among {AMONG if name == "titles" else _POETS.value}, %')
    axis.set_title(f'{name}: dotted is chance', fontsize=9)
  figure.tight_layout()
  folder.mkdir(parents=True, exist_ok=True)
  figure.savefig(folder / 'direction_report.png', dpi=110)


if __name__ == '__main__':
  cli.run(main)
