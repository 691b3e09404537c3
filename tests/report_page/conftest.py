"""Small runs of all cells, and their report."""

import math

import pytest

from tangshi_tf import corpus, report_page, run_dir
from tangshi_tf.report_page import measuring, page, runs
from tangshi_tf.settings import Settings

from ..checks import model_with_a_will

HOSTILE = '<script>alert("&")</script>'
CELLS = {'a-rnn': {'cell': 'rnn'}, 'b-lstm': {'cell': 'lstm', 'layers': 3, 'layer_norm': True},
         'c-gru': {'cell': 'gru', 'tied': True},
         'd-before': {'cell': 'gru', 'reset_after': False, 'softmax': 'adaptive', 'cutoffs': [100]}}


def metrics(epochs: int, start: float | None = None) -> dict:
  """Returns what a run records of its epochs."""
  rows = [{'epoch': epoch, 'train_loss': 6 - epoch / 10, 'validation_loss': 6.5 - epoch / 20, 'seconds': 30.0,
           'validation_perplexity': math.exp(6.5 - epoch / 20)} for epoch in range(1, epochs + 1)]
  return {'epochs': rows, **({} if start is None else {'start': {'validation_perplexity': start}})}


def make_run(path, poems_file, *, fingerprint=None, training=None, epochs=3, start=None, words=None, **options):
  """Makes a run directory as a training on these poems leaves it, with weights that prefer some characters."""
  poems = corpus.read_poems(poems_file)
  words = words or corpus.build_vocabulary(corpus.training_parts(poems, poems_file)['train'])
  model = model_with_a_will(corpus.word_tables(words)[0], **options)
  flags = {**Settings().values(), **{name: value for name, value in options.items()}, 'epochs': epochs}
  config = {'model': model.hyperparameters, 'training': {
      'corpus': poems_file.name, 'corpus_files': {'given': [str(poems_file)], 'absolute': [str(poems_file)]},
      'corpus_sha256': fingerprint or corpus.fingerprint(poems), 'flags': flags,
      'command': 'python -m tangshi_tf.train --recipe=none', 'tensorflow': '2.21.0', **(training or {})}}
  with run_dir.claim(path) as run:
    run.create(words, config)
    run.save_weights(run_dir.BEST, model)
    run.write_json(run_dir.METRICS, metrics(epochs, start))
  return path


@pytest.fixture(scope='module')
def few_runs(tmp_path_factory, poems_file):
  """A folder of a run of each cell, and of something that is none."""
  folder = tmp_path_factory.mktemp('few') / 'runs'
  for name, options in CELLS.items():
    make_run(folder / name, poems_file, start=800.0 if name == 'c-gru' else None, **options)
  (folder / 'notes').mkdir()
  (folder / 'readme.txt').write_text('no run', encoding='utf-8')
  return folder


@pytest.fixture(scope='module')
def facts(few_runs):
  """What is measured of them."""
  found = runs.find(few_runs)
  return measuring.measure(found, runs.read_poems(found))


@pytest.fixture(scope='module')
def written(few_runs, facts, tmp_path_factory):
  """Their reports, by language; the English one from the runs to the file."""
  path = tmp_path_factory.mktemp('written') / 'en.html'
  return {'en': report_page.write(few_runs, path, author=HOSTILE).read_text(encoding='utf-8'),
          'zh': page.page(facts, 'zh', title=HOSTILE, author=HOSTILE)}
