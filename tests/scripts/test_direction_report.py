"""The report on direction, on a small corpus and a model that hardly knows it."""

import importlib.util
import itertools
import json

import numpy as np
import pytest

import tangshi_tf
from tangshi_tf import corpus, prosody, training
from tangshi_tf.settings import Settings

needs_sklearn = pytest.mark.skipif(importlib.util.find_spec('sklearn') is None, reason='scikit-learn is not installed')


@pytest.fixture(scope='module')
def direction_report(load_script):
  return load_script('reports/direction_report')


@pytest.fixture(scope='module')
def some(folder):
  """A corpus of 1,400 poems with their poets."""
  path = corpus.default_corpus_path()
  poems = corpus.with_poets(corpus.read_poems(path), path)[::40]
  (folder / 'some.txt').write_bytes(b''.join(map(corpus.to_line, poems)))
  (folder / 'some.poets.txt').write_text(corpus.poets_text('some.txt', poems), encoding='utf-8')
  return folder / 'some.txt'


def test_what_poems_keep(direction_report):
  from tangshi_tf.corpus import originality
  right = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'
  index = originality.Index([corpus.Poem('', right)])
  found = direction_report.kept([right, '白日依山尽，黄河入海流。欲穷千里目，更上一层台。', '春眠。'], index)
  assert found['correct'] == pytest.approx(1 / 3) and found['poems'] == 3
  assert found['copied'] == pytest.approx(7 / 9)
  assert direction_report.kept(['山水。山水。', '山月。'], index)['distinct_2'] == pytest.approx(2 / 3)


def test_poems_stand_where_they_were_asked_for(direction_report):
  class Writer:
    """Writes what it is told."""

    def write(self, form, *, num, seed, **options):
      return [type('Poem', (), {'text': f'{form} {options} {seed + i}'}) for i in range(num)]

  told = [{'poet': 'b'}, {'poet': 'a'}, {'poet': 'b'}, {}]
  texts = direction_report.write(Writer(), told, '五绝', 7)
  assert texts[0].startswith("五绝 {'poet': 'b'}") and texts[1].startswith("五绝 {'poet': 'a'}")
  assert texts[2].startswith("五绝 {'poet': 'b'}") and texts[3].startswith('五绝 {}')
  assert len({text.split()[-1] for text in texts}) == 4


@pytest.fixture(scope='module')
def run(folder, some):
  """A model with controls."""
  return training.run(Settings.of(corpus=[str(some)], controls=True, poets=9, units=8, embedding_size=6, epochs=1,
                                  tied=True), folder / 'run').path


def test_samples_are_what_generate_writes(script, run):
  done = script('reports/title_samples.py', f'--model={run}', '--titles=春望,山', '--seed=3', '--guidance=0.5')
  assert done.returncode == 0, done.stderr
  writer = tangshi_tf.load(run)
  for title, form in itertools.product(('春望', '山'), prosody.FORMS):
    poem = writer.write(form, title=title, seed=3, guidance=0.5)
    assert f'\n{form}\n\n```\n{poem}\n```\n' in done.stdout.partition(f'## {title}\n')[2]


@needs_sklearn
def test_the_whole_report(script, some, run, tmp_path):
  done = script('reports/direction_report.py', f'--model={run}', f'--corpus={some}', '--titles=30', '--poets=3',
                '--per_poet=3', '--guidances=0,1', '--json=report.json')
  assert done.returncode == 0, done.stderr
  found = json.loads((tmp_path / 'report.json').read_text(encoding='utf-8'))
  assert list(found['perplexity']) == ['nothing', 'dynasty', 'form', 'poet', 'title',
                                       'dynasty and form and poet and title']
  assert all(np.isfinite(value) and value > 1 for value in found['perplexity'].values())
  assert [row['source'] for row in found['titles']] == [
      'real, held out', 'undirected', 'title, guidance 0', 'title, guidance 1']
  assert [row['source'] for row in found['poets']] == [
      'real, held out', 'undirected', 'poet, guidance 0', 'poet, guidance 1']
  for row in found['titles'][1:] + found['poets'][1:]:
    assert row['correct'] == 1 and 0 <= row['right'] <= 1
  assert found['titles'][0]['right'] > 0.05 and found['titles'][0]['uses'] > found['titles'][1]['uses']


@needs_sklearn
def test_a_model_without_controls_is_one_line(script):
  done = script('reports/direction_report.py', '--model=gru')
  assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
  assert 'gru: is told neither title nor poet; expected a model with controls' in done.stderr
