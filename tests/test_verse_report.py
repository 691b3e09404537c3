"""The report on verse, on a small corpus and a model that hardly knows it."""

import json

import pytest

from tangshi_tf import corpus, originality


@pytest.fixture(scope='module')
def verse_report(load_script):
  return load_script('verse_report')


def test_figures_of_texts(verse_report):
  assert verse_report.repeats('日日山，山水。') == 2
  assert verse_report.distinct(['日月日，月日月。']) == {'distinct_1': 2 / 6, 'distinct_2': 2 / 4}
  index = originality.Index([corpus.Poem('', '白日依山尽，黄河入海流。')])
  assert index.copied_lines('白日依山尽，黄河入海流。欲穷千里目，更上一层楼。') == ['白日依山尽', '黄河入海流']


def test_the_whole_report(script, trained, poems_file, tmp_path):
  done = script('verse_report.py', f'--models={trained[0]}', f'--corpus={poems_file}', '--num=10', '--free=30',
                '--temperatures=0.8,1', '--sampling=min_p=0.01', '--json=report.json', f'--figures={tmp_path}')
  assert done.returncode == 0, done.stderr
  rows = json.loads((tmp_path / 'report.json').read_text(encoding='utf-8'))['rows']
  formed = [row for row in rows if row['kind'] == 'in the form']
  assert len(formed) == 8
  for row in formed:
    assert row['poems'] == 10
    assert [row[key] for key in ('right_lines', 'rhymed', 'loose', 'strict')] == [1.0] * 4
    assert row['perplexity'] > 1 and row['ngram_perplexity'] > 1 and 0 < row['distinct_1'] <= row['distinct_2'] <= 1
  assert len([row for row in rows if row['source'] == 'real']) == 4
  assert (tmp_path / 'verse_report.png').stat().st_size > 10_000
  other = script('verse_report.py', '--models=rnn', f'--corpus={poems_file}')
  assert other.returncode == 2 and 'expected a model trained on these poems' in other.stderr
