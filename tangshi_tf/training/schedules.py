"""Learning rates over a run, in plain Python."""

import math

from tangshi_tf.errors import UserError
from tangshi_tf.settings import TrainingSettings, require


class LearningRate:
  """The learning rate as a function of the steps taken.

  constant   the base rate
  cosine     half a cosine wave from the base rate down to `final` of it, over
             the run (Loshchilov and Hutter 2017, arXiv:1608.03983, one cycle)
  decay      the base rate for `hold_epochs` epochs, then times `decay` with
             each epoch (Zaremba et al. 2014, arXiv:1409.2329)
  plateau    times `decay` after each epoch whose validation was no better than
             the best before

  Each may begin with `warmup_steps` steps in which it rises from nothing.
  """

  def __init__(self, base: float, *, schedule: str = 'constant', steps_per_epoch: int = 1, epochs: int = 1,
               warmup_steps: int = 0, hold_epochs: int = 1, decay: float = 0.5, final: float = 0.0):
    """Takes the settings.

    Args:
      base: the greatest rate.
      schedule: 'constant', 'cosine', 'decay' or 'plateau'.
      steps_per_epoch, epochs: how long the run is.
      warmup_steps: how many steps the rate rises.
      hold_epochs, decay: for 'decay'; `decay` for 'plateau' too.
      final: for 'cosine', the last rate as a share of the base rate.

    Raises:
      UserError: the schedule is unknown, or the warm-up fills the run.
    """
    require(TrainingSettings, schedule=schedule)
    self._steps = steps_per_epoch * epochs
    if warmup_steps and warmup_steps >= self._steps:
      raise UserError(f'a warm-up of {warmup_steps} steps; expected fewer than the {self._steps} of the whole run')
    self._base, self._schedule, self._steps_per_epoch = base, schedule, steps_per_epoch
    self._warmup_steps, self._hold_epochs, self._decay, self._final = warmup_steps, hold_epochs, decay, final
    self._best, self._factor = math.inf, 1.0

  def __call__(self, step: int) -> float:
    """Returns the rate of the step that follows `step` steps."""
    if step < self._warmup_steps:
      return self._base * (step + 1) / self._warmup_steps
    if self._schedule == 'cosine':
      done = min((step - self._warmup_steps) / (self._steps - self._warmup_steps), 1.0)
      return self._base * (self._final + (1 - self._final) * (1 + math.cos(math.pi * done)) / 2)
    if self._schedule == 'decay':
      return self._base * self._decay ** max(step // self._steps_per_epoch + 1 - self._hold_epochs, 0)
    return self._base * self._factor

  def after_epoch(self, nll: float):
    """Takes in an epoch's validation figure."""
    if self._schedule == 'plateau' and nll >= self._best:
      self._factor *= self._decay
    self._best = min(self._best, nll)
