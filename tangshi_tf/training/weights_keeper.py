"""The weights and figures of each epoch, kept in the run directory."""

import math

from tangshi_tf import run_dir
from tangshi_tf.training.callback import Callback


class WeightsKeeper(Callback):
  """Keeps the weights of each epoch, which of them are the best, and the figures by epoch."""

  def __init__(self, run: run_dir.ClaimedRunDir, model):
    self._run, self._model = run, model

  def on_begin(self, position, epochs):
    self._start, self._epochs, self._best = {}, [], None
    if position.start:
      self._start = _as_json(position.start)
      self._best = position.start['validation_nll'], 0
    for metrics in position.history:
      self._take_in(metrics)

  def on_start(self, metrics):
    self._keep(0, best=True)

  def on_epoch_end(self, epoch, metrics):
    self._keep(epoch, best=self._take_in(metrics))

  def _take_in(self, metrics) -> bool:
    """Notes an epoch's figures; returns whether it is the best so far."""
    self._epochs.append(_as_json(metrics))
    # Without validation the last epoch counts as the best.
    figure = metrics.get('validation_nll', -metrics['epoch'])
    if self._best is not None and figure >= self._best[0]:
      return False
    self._best = figure, metrics['epoch']
    return True

  def _keep(self, epoch: int, *, best: bool):
    name = f'epoch-{epoch:02}'
    self._run.save_weights(name, self._model)
    if best:
      self._run.mark_best(name)
    start = {'start': self._start} if self._start else {}
    self._run.write_json(run_dir.METRICS, {'best_epoch': self._best[1], **start, 'epochs': self._epochs})
    self._run.remove_weights(run_dir.LAST)  # of an epoch that was interrupted: these are newer


def _as_json(metrics) -> dict[str, float | None]:
  return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
