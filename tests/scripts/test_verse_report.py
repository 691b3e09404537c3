"""The report on verse, on a small corpus and a model that hardly knows it."""

import json

import pytest

from tangshi_tf import corpus, decoding, settings
from tangshi_tf.corpus import originality


@pytest.fixture(scope='module')
def verse_report(load_script):
  return load_script('reports/verse_report')


def test_figures_of_texts(verse_report):
  assert verse_report.repeats('日日山，山水。') == 2
  assert verse_report.distinct(['日月日，月日月。']) == {'distinct_1': 2 / 6, 'distinct_2': 2 / 4}
  index = originality.Index([corpus.Poem('', '白日依山尽，黄河入海流。')])
  assert index.copied_lines('白日依山尽，黄河入海流。欲穷千里目，更上一层楼。') == ['白日依山尽', '黄河入海流']


def test_soundness_of_texts(load_script):
  table = load_script('reports/soundness_table')
  found = table.figures(['日日来何处，何处是人间。'] * 2 + ['日。', '月月月。'], set('日来何处是人间，。'))
  assert found == {'poems': 4, 'sound': 0.5, 'distinct': 0.75, 'rare': 3 / 30, 'length': 30 / 4}
  poems = [corpus.Poem('', text) for text in 3 * ['月明。'] + 2 * ['日照。'] + ['山高。']]
  assert table.begin_words(poems, 2) == ['月', '山'] and table.begin_words(poems, 99) == ['月', '日', '山']


def test_poems_that_ended_are_told_from_cut_ones(load_script, model, word2id):
  table = load_script('reports/soundness_table')
  tables = {'model': model, 'word2id': word2id, 'id2word': {i: word for word, i in word2id.items()}}
  begins, seeds = ['一', '丁', '丂'] * 20, range(60)
  options = {**settings.FREE, 'temperature': 1.5, 'max_repeat': 0, 'shortest_line': 0, 'max_len': 20}
  poems, ended = table.write(begins, list(seeds), 'zero', options, tables)
  whole = list(decoding.generate(zip(begins, seeds), **tables, **options))
  assert poems == [''.join(words) for words in whole] and 0 < ended < 1


def test_the_whole_report(script, trained, poems_file, tmp_path):
  done = script('reports/verse_report.py', f'--models={trained[0]}', f'--corpus={poems_file}', '--num=10', '--free=30',
                '--begins=40', '--temperatures=0.8,1', '--sampling=min_p=0.01', '--json=report.json',
                f'--figures={tmp_path}')
  assert done.returncode == 0, done.stderr
  report = json.loads((tmp_path / 'report.json').read_text(encoding='utf-8'))
  rows, sound = report['rows'], report['soundness']
  assert '| the report of the exercise | zero | exercise | 5 of 7 |' in done.stdout and '湖里日无人' in done.stdout
  assert [(row['init'], row['way']) for row in sound[1:]] == [
      (init, way) for way in ('exercise', 'default', 'temperature=0.8 min_p=0.01', 'temperature=1 min_p=0.01')
      for init in ('zero', 'random')]
  for row in sound:
    assert 0 <= row['sound'] <= 1 and 0 < row['distinct'] <= 1 and 0 <= row['rare'] <= 1
    assert ('states' in row) == (row['init'] == 'random')
  formed = [row for row in rows if row['kind'] == 'in the form']
  assert len(formed) == 8
  for row in formed:
    assert row['poems'] == 10
    assert [row[key] for key in ('right_lines', 'rhymed', 'loose', 'strict')] == [1.0] * 4
    assert row['perplexity'] > 1 and row['ngram_perplexity'] > 1 and 0 < row['distinct_1'] <= row['distinct_2'] <= 1
  assert len([row for row in rows if row['source'] == 'real']) == 4
  assert (tmp_path / 'verse_report.png').stat().st_size > 10_000
  only = script('reports/verse_report.py', f'--models={trained[0]}', f'--corpus={poems_file}', '--begins=10',
                '--noforms')
  assert only.returncode == 0 and 'rhymed' not in only.stdout and 'of 20 states' in only.stdout
  other = script('reports/verse_report.py', '--models=rnn', f'--corpus={poems_file}')
  assert other.returncode == 2 and 'expected a model trained on these poems' in other.stderr
