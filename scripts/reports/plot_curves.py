"""Draws the perplexity of runs, in training and on validation, from their TensorBoard events.

Not the loss, which counts repeated characters, too, in runs with --unlikelihood.

    pip install '.[plot]'
    python scripts/reports/plot_curves.py --runs=runs --out=scripts/reports/figures/loss_curves.png
"""

import pathlib
import sys

from absl import flags

from tangshi_tf import cli
from tangshi_tf.errors import UserError

_RUNS = flags.DEFINE_string('runs', 'runs', 'The folder of the run directories.')
_OUT = flags.DEFINE_string('out', 'scripts/reports/figures/loss_curves.png', 'The picture to write.')
_SMOOTHING = 10  # points; a point is the mean of --log_every steps of training


def read_curve(path: pathlib.Path, tag: str) -> tuple[list[int], list[float]]:
  """Returns the steps and the values of a scalar of a run directory."""
  import tensorflow as tf
  from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
  events = EventAccumulator(str(path), size_guidance={'tensors': 0})
  events.Reload()
  if tag not in events.Tags()['tensors']:
    raise UserError(f'{path}: its events have no {tag}; expected a run directory of tangshi_tf.train')
  points = events.Tensors(tag)
  return [point.step for point in points], [float(tf.make_ndarray(point.tensor_proto)) for point in points]


def main() -> int:
  try:
    import matplotlib
  except ImportError:
    raise UserError("matplotlib is not installed; run: pip install '.[plot]'") from None
  matplotlib.use('agg')
  from matplotlib import pyplot, ticker
  paths = sorted(path.parent for path in pathlib.Path(_RUNS.value).glob('*/config.json'))
  if not paths:
    raise UserError(f'{_RUNS.value}: holds no run directories')
  from tangshi_tf.model import devices
  devices.start()
  figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
  for path in paths:
    try:
      steps, points = read_curve(path, 'step/perplexity')
      epochs, perplexities = read_curve(path, 'epoch/validation_perplexity')
    except UserError as error:
      print(f'left out: {error}', file=sys.stderr)
      continue
    span = min(_SMOOTHING, len(points))
    smooth = [sum(points[i:i + span]) / span for i in range(len(points) - span + 1)]
    left.plot(steps[span - 1:], smooth, label=path.name)
    right.plot(epochs, perplexities, marker='o', markersize=3, label=path.name)
    print(f'{path.name}: training perplexity {smooth[-1]:.1f} at step {steps[-1]}, '
          f'validation perplexity {perplexities[-1]:.1f} after epoch {epochs[-1]}')
  left.set(title='training perplexity', xlabel='step', yscale='log')
  right.set(title='validation perplexity', xlabel='epoch', yscale='log')
  left.yaxis.set_minor_formatter(ticker.NullFormatter())
  right.yaxis.set_minor_formatter(ticker.ScalarFormatter())
  for axes in (left, right):
    axes.yaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.grid(alpha=0.3, which='both')
    axes.legend()
  figure.tight_layout()
  pathlib.Path(_OUT.value).parent.mkdir(parents=True, exist_ok=True)
  figure.savefig(_OUT.value, dpi=90)
  print(_OUT.value)
  return 0


if __name__ == '__main__':
  cli.run(main)
