"""Compares SimpleRNN, LSTM and GRU: perplexity at equal size, and how far gradients reach.

    pip install '.[plot]'
    python scripts/reports/compare_cells.py
    tensorboard --logdir=runs/compare

Trains the three cells with the same number of units and with (nearly) the same number
of parameters, each with several seeds and on the same tokens, into one folder; runs that
are complete there are not trained again. All else is the same for all: an embedding
that is the output layer, too, and the settings of `train`. Prints a Markdown table, and
draws curves and gradient norms into scripts/reports/figures.

The gradient norms are those of `tangshi_tf.evaluation.gradient_norms`.
"""

import pathlib
import shlex
import statistics
import subprocess
import sys

import numpy as np
from absl import flags
from plot_curves import read_curve

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.errors import UserError

_FOLDER = flags.DEFINE_string('folder', 'runs/compare', 'Where the runs go.')
_CORPUS = flags.DEFINE_string('corpus', None, 'Corpus file (default: the poems that come with the package).')
_UNITS = flags.DEFINE_integer('units', 128, 'Units; of the LSTM where the parameters are equal.', lower_bound=1)
_EPOCHS = flags.DEFINE_integer('epochs', 1, 'Epochs of each run.', lower_bound=1)
_SEEDS = flags.DEFINE_integer('seeds', 3, 'Runs of each kind.', lower_bound=1)
_LEARNING_RATE = cli.define_number('learning_rate', 0.006, 'Greatest learning rate of all runs.', low=0, high=100,
                                   open_low=True)
_WARMUP_STEPS = flags.DEFINE_integer('warmup_steps', 100, 'Steps in which the learning rate rises.', lower_bound=0)
_FIGURES = flags.DEFINE_string('figures', str(pathlib.Path(__file__).parent / 'figures'), 'Where the pictures go.')

CELLS = ('rnn', 'lstm', 'gru')
EMBEDDING_SIZE = 64  # the exercise's


def main() -> int:
  try:
    import matplotlib
  except ImportError:
    raise UserError("matplotlib is not installed; run: pip install '.[plot]'") from None
  matplotlib.use('agg')
  from tangshi_tf import evaluation
  from tangshi_tf.model import devices
  device = devices.start()
  path = pathlib.Path(corpus.default_corpus_path() if _CORPUS.value is None else _CORPUS.value)
  poems = corpus.read_poems(path)
  parts = corpus.training_parts(poems, path)
  if not parts['validation'] or not parts['test']:
    raise UserError(f'{path}: too small for a validation and a test part')
  classes = len(corpus.build_vocabulary(parts['train']))
  equal = _UNITS.value
  target = parameters('lstm', equal, classes)
  sizes = {'units': dict.fromkeys(CELLS, equal),
           'parameters': {cell: units_for(cell, target, classes) for cell in CELLS}}
  rows, norms = [], {}
  for kind, units in sizes.items():
    for cell in CELLS:
      # The LSTM is the same in both comparisons.
      runs = [train(cell, units[cell], seed, corpus.fingerprint(poems)) for seed in range(_SEEDS.value)]
      loaded = [run_dir.load(run) for run in runs]
      perplexities = [evaluation.evaluate(run.model, parts['test'], run.word2id)['perplexity'] for run in loaded]
      rates = [run_dir.RunDir(run).epochs()[-1]['tokens_per_second'] for run in runs]
      rows.append({'kind': kind, 'cell': cell, 'units': units[cell], 'parameters': loaded[0].model.count_params(),
                   'rate': statistics.median(rates), 'perplexities': perplexities, 'runs': runs})
      if kind == 'units':
        norms[cell] = evaluation.gradient_norms(loaded[0].model, loaded[0].word2id, parts['test'])
  print(table(rows, norms, device, sum(len(poem.content) + 1 for poem in parts['train']) * _EPOCHS.value))
  draw(rows, norms)
  return 0


def parameters(cell: str, units: int, classes: int) -> int:
  """Returns how many parameters a model has whose output layer is the embedding."""
  gates = {'rnn': 1, 'lstm': 4, 'gru': 3}[cell]
  biases = 2 if cell == 'gru' else 1  # Keras's reset_after
  projection = units * EMBEDDING_SIZE if units != EMBEDDING_SIZE else 0
  return classes * (EMBEDDING_SIZE + 1) + gates * units * (EMBEDDING_SIZE + units + biases) + projection


def units_for(cell: str, target: int, classes: int) -> int:
  """Returns the number of units whose model is nearest to a number of parameters."""
  return min(range(1, 4 * _UNITS.value + 16), key=lambda units: abs(parameters(cell, units, classes) - target))


def train(cell: str, units: int, seed: int, corpus_sha256: str) -> pathlib.Path:
  """Trains one model with the package's own command, unless it is complete there; returns its run directory."""
  path = pathlib.Path(_FOLDER.value) / f'{cell}-{units}-seed{seed}'
  flags_of_run = ['--recipe=none', f'--cell={cell}', f'--units={units}', f'--embedding_size={EMBEDDING_SIZE}',
                  f'--seed={seed}',
                  f'--epochs={_EPOCHS.value}', f'--learning_rate={_LEARNING_RATE.value}', '--schedule=cosine', '--tied',
                  f'--warmup_steps={_WARMUP_STEPS.value}', '--reduction=token', '--batch_tokens=2000', '--clip_norm=1']
  if _CORPUS.value is not None:
    flags_of_run.append(f'--corpus={pathlib.Path(_CORPUS.value).resolve()}')
  if complete(path, flags_of_run, corpus_sha256):
    return path
  print(f'{path} ...', file=sys.stderr, flush=True)
  done = subprocess.run([sys.executable, '-m', 'tangshi_tf.train', *flags_of_run,
                         f'--run_dir={path.resolve()}', '--overwrite'],
                        stdout=subprocess.PIPE, text=True, encoding='utf-8', check=False)
  if done.returncode:
    raise UserError(f'training into {path} ended with status {done.returncode}')
  return path


def complete(path: pathlib.Path, flags_of_run: list[str], corpus_sha256: str) -> bool:
  """Returns whether a run was made with these flags on this corpus and got to its end."""
  try:
    run = run_dir.RunDir(path)
    config, epochs = run.config(), run.epochs()
    return (len(epochs) == _EPOCHS.value and config['training']['corpus_sha256'] == corpus_sha256
            and set(flags_of_run) <= set(shlex.split(config['training']['command'])))
  except (UserError, KeyError):
    return False


def table(rows: list[dict], norms: dict[str, np.ndarray], device: str, tokens: int) -> str:
  """Returns the comparison as Markdown."""
  lines = [f'{device}; {tokens:,} training tokens a run, {_SEEDS.value} seeds', '',
           '| equal | cell | units | parameters | tokens/s | test perplexity | of the seeds |',
           '| --- | --- | ---: | ---: | ---: | ---: | --- |']
  for row in rows:
    low, high = min(row['perplexities']), max(row['perplexities'])
    lines.append(f'| {row["kind"]} | {row["cell"]} | {row["units"]} | {row["parameters"]:,} | {row["rate"]:,.0f} '
                 f'| {statistics.mean(row["perplexities"]):.1f} | {low:.1f}–{high:.1f} |')
  places = [1, 2, 5, 10, 20, 50]
  lines += ['', '| gradient norm, by distance | ' + ' | '.join(map(str, places)) + ' |',
            '| --- ' * (len(places) + 1) + '|']
  for cell, values in norms.items():
    lines.append(f'| {cell} | ' + ' | '.join(f'{values[place]:.2g}' for place in places) + ' |')
  return '\n'.join(lines)


def draw(rows: list[dict], norms: dict[str, np.ndarray]):
  """Draws the curves of training and the gradient norms."""
  from matplotlib import pyplot
  folder = pathlib.Path(_FIGURES.value)
  folder.mkdir(parents=True, exist_ok=True)
  figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
  for row in rows:
    if row['kind'] != 'units':
      continue
    steps, perplexities = read_curve(row['runs'][0], 'step/perplexity')
    left.plot(steps, perplexities, label=row['cell'], linewidth=1)
  left.set(title=f'training, {_UNITS.value} units', xlabel='step', ylabel='perplexity', yscale='log')
  for cell, values in norms.items():
    right.plot(values, label=cell)
  right.set(title='gradient of the loss with respect to earlier states', xlabel='distance in characters',
            ylabel='norm, share of that at distance 0', yscale='log')
  for axes in (left, right):
    axes.grid(alpha=0.3, which='both')
    axes.legend()
  figure.tight_layout()
  figure.savefig(folder / 'compare_cells.png', dpi=90)
  print(f'\n{folder / "compare_cells.png"}')


if __name__ == '__main__':
  cli.run(main)
