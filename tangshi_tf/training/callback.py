"""What a run tells those who watch it; without TensorFlow."""

import dataclasses
import time
from typing import Any, NamedTuple

import numpy as np

from tangshi_tf.evaluation.measures import perplexity
from tangshi_tf.short import short_repr


class StepResult(NamedTuple):
  """Scalars of one step.

  Attributes:
    loss: what is minimised.
    nll: summed negative log-likelihood in nats.
    tokens: how many real tokens that sum is over.
    gradient_norm: global norm, unclipped.
  """

  loss: Any
  nll: Any
  tokens: Any
  gradient_norm: Any

  def __repr__(self):  # no assignment: type checkers would take it for a field
    return short_repr(self)


class Totals:
  """Sums step results without waiting for the device at each step."""

  _NOTHING = {'steps': 0, 'loss': 0.0, 'nll': 0.0, 'tokens': 0.0, 'gradient_norm': 0.0, 'seconds': 0.0}

  def __init__(self, sums: dict[str, float] | None = None):
    """Continues from `sums`, as the method of that name returned them; the clock runs from now."""
    self._sums = dict(sums or self._NOTHING)
    self._waiting: list[StepResult] = []
    self._start = time.perf_counter()

  def add(self, result: StepResult):
    self._waiting.append(result)

  def __len__(self):
    return self._sums['steps'] + len(self._waiting)

  def sums(self) -> dict[str, float]:
    """Returns the number of steps, the sum of each of their figures, and the seconds they took."""
    for result in self._waiting:
      for name, value in result._asdict().items():
        self._sums[name] += float(value)
    self._sums['steps'] += len(self._waiting)
    self._waiting = []
    now = time.perf_counter()
    self._sums['seconds'] += now - self._start
    self._start = now
    return dict(self._sums)

  def take(self) -> dict[str, float]:
    """Returns the means since the last call and starts again."""
    sums = self.sums()
    self._sums = dict(self._NOTHING)
    nll = sums['nll'] / sums['tokens']
    return {
        'loss': sums['loss'] / sums['steps'],
        'nll': nll,
        'perplexity': perplexity(nll),
        'gradient_norm': sums['gradient_norm'] / sums['steps'],
        'tokens_per_second': sums['tokens'] / sums['seconds'],
    }


@dataclasses.dataclass
class Position:
  """How far a run is: what must be known to continue it, besides the variables.

  Attributes:
    epoch: the epoch that is being trained, from 1.
    batches: how many of its batches are done.
    totals: of these batches, see `Totals.sums`.
    state: what the next batch continues from, where a state is carried: arrays
      float32 `[batch, units]`.
    history: the metrics of the epochs before, see `fit`.
    watchers: what `Callback.checkpoint` returned, by the callback's class.
    reading: what the order of the poems within an epoch depends on, besides the
      seed: how they are read.
    first_nll: nats a token of the first batch of all.
    start: the validation figures of the model that the run starts from, as those of
      epoch 0; empty where it starts from new weights or has no validation.
  """

  epoch: int = 1
  batches: int = 0
  totals: dict[str, float] | None = None
  state: list[np.ndarray] = dataclasses.field(default_factory=list)
  history: list[dict[str, float]] = dataclasses.field(default_factory=list)
  watchers: dict[str, dict] = dataclasses.field(default_factory=dict)
  reading: str = 'in memory'
  first_nll: float = 0.0
  start: dict[str, float] = dataclasses.field(default_factory=dict)

  @property
  def measured(self) -> list[dict[str, float]]:
    """The figures of the start, if there are any, and of each epoch."""
    return [self.start, *self.history] if self.start else self.history

  __repr__ = short_repr


class Callback:
  """What a run tells those who watch it; every method may be left out."""

  def on_note(self, text: str):
    """There is something to tell the person."""

  def on_begin(self, position: Position, epochs: int):
    """The run begins or continues at `position`; it is to have `epochs` epochs."""

  def on_start(self, metrics: dict[str, float]):
    """The model that the run starts from has been measured: `Position.start`."""

  def on_epoch_begin(self, epoch: int, steps: int):
    """Epoch `epoch` (from 1) of `steps` steps begins or continues."""

  def on_step(self, step: int, result: StepResult):
    """Step `step` (from 1, over all epochs) is done."""

  def on_epoch_end(self, epoch: int, metrics: dict[str, float]):
    """Epoch `epoch` is done; `metrics` as `fit` returns them."""

  def checkpoint(self) -> dict:
    """Flushes what it has written, and returns, for JSON, what it needs to continue from here."""
    return {}
