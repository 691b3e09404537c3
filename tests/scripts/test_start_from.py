"""The comparison of ways to train on few poems, on even fewer."""

import dataclasses
import math

import numpy as np
import pytest

from tangshi_tf import corpus, run_dir
from tangshi_tf.model import myRNNModel


@pytest.fixture(scope='module')
def start_from(load_script):
  return load_script('reports/start_from')


def test_poems_are_divided_by_their_texts_alone(start_from, poems_file):
  poems = corpus.read_poems(poems_file)
  parts = start_from.divide(poems, 300)
  assert sum(map(len, parts.values())) == 300 and len(parts['train']) > 210
  assert start_from.divide(poems[::-1], 300) == parts
  more = start_from.divide(poems, 350)
  assert all(set(parts[name]) <= set(more[name]) for name in parts)  # none moves
  group = dict(zip(poems, corpus.digests([poem.content for poem in poems])))
  groups = {name: {group[poem][1] for poem in part} for name, part in parts.items()}
  assert not groups['train'] & (groups['validation'] | groups['test']) and not groups['validation'] & groups['test']


def test_a_model_with_fewer_characters_does_not_profit(start_from, word2id):
  """A model that gives every word the same chance is measured as one that guesses among all characters."""
  poems = {'train': [corpus.Poem('', '一丁')], 'validation': [], 'test': [corpus.Poem('', '一月')]}
  words = [word for word in word2id if word != '月']
  model = myRNNModel({word: i for i, word in enumerate(words)}, units=2, embedding_size=2)
  for variable in model.trainable_variables:
    variable.assign(np.zeros(variable.shape))
  run = run_dir.Run('', model, *corpus.word_tables(words), {})
  every, seen = start_from.measure(run, poems)
  every_character = {word for word in run_dir.RunDir.open('best').vocabulary() if len(word) == 1} | {*'一丁月'}
  unknown = len(every_character - set(words))
  assert math.log(every) == pytest.approx(math.log(len(words)) + math.log(unknown) / 3, rel=1e-5)
  assert seen == pytest.approx(len(words), rel=1e-5)  # 一 and the end


@pytest.mark.parametrize('name', run_dir.shipped_names())
def test_a_new_model_has_the_sizes_of_the_shipped_one_and_learns_alone(start_from, name):
  shipped = run_dir.load(name)
  settings = start_from.anew(shipped, {'epochs': None})
  assert settings.training.start_from is None and settings.training.epochs == start_from.ANEW['epochs']
  model = myRNNModel(shipped.word2id, **dataclasses.asdict(settings.model), blank=True)
  assert model.count_params() == shipped.model.count_params()


def test_the_whole_comparison(script, poems_file):
  done = script('reports/start_from.py', f'--corpus={poems_file}', '--models=rnn', '--seeds=1', '--poems=100',
                '--epochs=1')
  assert done.returncode == 0, done.stderr
  head, _, _, _, row = done.stdout.splitlines()
  assert head.endswith('and over those that occur in the training poems') and row.startswith('| `rnn` | ')
  as_it_is, anew, started = (float(cell.split(',')[0]) for cell in row.split('|')[2:5])
  assert started < anew and as_it_is < anew
  assert script('reports/start_from.py', '--models=rmn').returncode == 2
