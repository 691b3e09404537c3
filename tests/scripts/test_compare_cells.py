"""The comparison of the cells, on a small corpus."""

import pytest

from tangshi_tf import run_dir
from tangshi_tf.model import myRNNModel


@pytest.fixture(scope='module')
def compare_cells(load_script):
  return load_script('reports/compare_cells')


@pytest.mark.parametrize('cell', ['rnn', 'lstm', 'gru'])
@pytest.mark.parametrize('units', [24, 64])
def test_parameters_are_those_of_the_model(compare_cells, word2id, cell, units):
  model = myRNNModel(word2id, cell=cell, units=units, embedding_size=compare_cells.EMBEDDING_SIZE, tied=True)
  assert compare_cells.parameters(cell, units, len(word2id)) == model.count_params()


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
