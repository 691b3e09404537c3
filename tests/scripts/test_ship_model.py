import sys

import numpy as np
import pytest

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.run_dir import layout


@pytest.fixture
def ship(load_script, trained, poems_file, tmp_path, monkeypatch):
  """Ships a run into an empty folder instead of the package; returns the folder."""
  ship_model = load_script('build/ship_model')
  for module in (layout, run_dir):
    monkeypatch.setattr(module, 'PRETRAINED', tmp_path / 'pretrained')

  def run(*paths):
    from absl import flags
    flags.FLAGS(['ship_model', f'--run_dir={",".join(map(str, paths))}', '--name=small', f'--corpus={poems_file}'])
    ship_model.main()
    return tmp_path / 'pretrained/small'

  yield run


def test_the_shipped_weights_are_the_best_ones_rounded(ship, trained, capsys):
  path = ship(trained[0])
  shipped, original = run_dir.load(path), run_dir.load(trained[0], 'best')
  for a, b in zip(shipped.model.trainable_variables, original.model.trainable_variables):
    np.testing.assert_array_equal(a, b.numpy().astype(np.float16).astype(np.float32))
  metrics = run_dir.RunDir(path).read_json(run_dir.METRICS)
  assert metrics['validation_perplexity'] == pytest.approx(metrics['validation_perplexity_float32'], rel=1e-3)
  assert f'{metrics["test_perplexity"]:.2f}  test_perplexity' in capsys.readouterr().out
  assert not (path / run_dir.LOCK).exists() and not (path / run_dir.CHECKPOINT).exists()


def test_a_shipped_model_names_no_place_of_this_machine(load_script):
  command = "python -m tangshi_tf.train '--corpus=my poems.txt' --run_dir=/home/me/gru --cell=gru"
  anywhere = load_script('build/ship_model').anywhere
  assert anywhere({'corpus': 'my poems.txt', 'corpus_files': {'absolute': ['/home/me']}, 'command': command}) == {
      'corpus': 'my poems.txt', 'command': "python -m tangshi_tf.train '--corpus=my poems.txt' --cell=gru"}


def test_nothing_is_replaced_by_a_run_that_cannot_be_shipped(ship, trained, tmp_path, monkeypatch):
  path = ship(trained[0])
  before = (path / 'weights/best.npz').read_bytes()
  (tmp_path / 'empty').mkdir()
  with pytest.raises(UserError):
    ship(tmp_path / 'empty')
  monkeypatch.setattr(sys.modules['ship_model'], 'MOST_BYTES', 1000)
  with pytest.raises(UserError, match='float16 weights take'):
    ship(trained[0])
  assert (path / 'weights/best.npz').read_bytes() == before


def test_of_several_runs_the_mean_is_shipped(ship, trained, tmp_path):
  original = run_dir.load(trained[0], 'best')

  def another(name, start, **flags):
    run = run_dir.load(trained[0], 'best')
    rng = np.random.default_rng(len(name))
    for variable in run.model.trainable_variables:
      variable.assign_add(rng.normal(scale=0.01, size=variable.shape))
    training = run.config['training']
    config = {**run.config, 'training': {**training, 'start': start, 'flags': {**training['flags'], **flags}}}
    with run_dir.claim(tmp_path / name) as target:
      target.create(list(run.word2id), config)
      target.save_weights(run_dir.BEST, run.model, np.float32)
      target.write_json(run_dir.METRICS, {'epochs': []})
    return tmp_path / name, [variable.numpy() for variable in run.model.trainable_variables]

  start = {'model': 'here', 'sha256': '0' * 64}
  (one, of_one), (two, of_two) = another('a', start), another('bb', start, bos_dropout=0.25)
  shipped = run_dir.load(ship(one, two))
  for variable, a, b in zip(shipped.model.trainable_variables, of_one, of_two):
    np.testing.assert_array_equal(variable, ((a + b) / 2).astype(np.float16))
  assert shipped.config['training']['averaged_with'] == [{'bos_dropout': 0.25}]
  assert shipped.model.count_params() == original.model.count_params()
  for other in (trained[0], another('ccc', {**start, 'sha256': '1' * 64})[0]):
    with pytest.raises(UserError, match='does not start as'):
      ship(one, other)
