"""The comparison of the cells, on a small corpus."""

import numpy as np
import pytest

from tangshi_tf import corpus, run_dir
from tangshi_tf.model import myRNNModel


@pytest.fixture(scope='module')
def compare_cells(load_script):
  return load_script('reports/compare_cells')


@pytest.mark.parametrize('cell', ['rnn', 'lstm', 'gru'])
@pytest.mark.parametrize('units', [24, 64])
def test_parameters_are_those_of_the_model(compare_cells, word2id, cell, units):
  model = myRNNModel(word2id, cell=cell, units=units, embedding_size=compare_cells.EMBEDDING_SIZE, tied=True)
  assert compare_cells.parameters(cell, units, len(word2id)) == model.count_params()


def test_gradient_norms_are_those_of_the_chain_rule(compare_cells, word2id):
  model = myRNNModel(word2id, cell='rnn', units=6, embedding_size=5)
  text = ''.join(list(word2id)[6:]) * 2
  poems = [corpus.Poem('', text[:58]), corpus.Poem('', text[2:60]), corpus.Poem('', text[:20])]
  found = compare_cells.gradient_norms(run_dir.Run('', model, word2id, {}, {}), poems)

  kernel, recurrent, bias = (weight.numpy() for weight in model.rnncell.weights)
  by_poem = []
  for poem in poems[:2]:
    ids = corpus.encode(poem.content, word2id)[:compare_cells.DISTANCE + 2]
    states = [np.zeros(6)]
    for x in model.embed_layer.embeddings.numpy()[ids[:-1]]:
      states.append(np.tanh(x @ kernel + states[-1] @ recurrent + bias))
    logits = states[-1] @ model.dense.kernel.numpy() + model.dense.bias.numpy()
    error = np.exp(logits) / np.exp(logits).sum() - np.eye(len(logits))[ids[-1]]
    gradient, norms = model.dense.kernel.numpy() @ error, []
    for state in states[:0:-1]:
      norms.append(np.linalg.norm(gradient))
      gradient = recurrent @ (gradient * (1 - state**2))
    by_poem.append(norms)
  expected = np.mean(by_poem, axis=0)
  np.testing.assert_allclose(found, expected / expected[0], rtol=1e-3)


def test_the_whole_comparison(script, compare_cells, poems_file, tmp_path):
  arguments = (f'--corpus={poems_file}', f'--folder={tmp_path / "compare"}', f'--figures={tmp_path}', '--units=24',
               '--epochs=1', '--seeds=1', '--warmup_steps=5')
  done = script('reports/compare_cells.py', *arguments)
  assert done.returncode == 0, done.stderr
  rows = [line for line in done.stdout.splitlines() if line.startswith(('| units', '| parameters'))]
  assert len(rows) == 6
  assert (tmp_path / 'compare_cells.png').stat().st_size > 10_000
  runs = sorted((tmp_path / 'compare').iterdir())
  assert len(runs) == 5  # the LSTM of both comparisons is the same
  # Complete runs are not trained again, an incomplete one is.
  (runs[0] / run_dir.METRICS).unlink()
  again = script('reports/compare_cells.py', *arguments)
  assert again.stderr.count(' ...') == 1
  assert [row.split('|')[7:] for row in again.stdout.splitlines() if row.startswith('| units')] == [
      row.split('|')[7:] for row in rows[:3]]
