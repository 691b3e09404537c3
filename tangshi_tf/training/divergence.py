"""Runs that diverge: how that is noticed, and weights from before.

A run diverges where its loss is no longer finite, or where an epoch's training costs more than twice what blind
guessing would, log(V) nats a token, and more than twice what the model cost before its first step. No healthy run
does that: an untrained model costs about log(V), or whatever its weights make of it, and from there the cost falls.
Validation counts where perplexity overflows only, since a model that knows few poems by heart may cost any amount on
others. A run of which no epoch came within twice log(V) has not learned anything.
"""

import math

from tangshi_tf.errors import UserError
from tangshi_tf.training.callback import Position, StepResult

_MARGIN = 2.0  # times what guessing costs
_ADVICE = '(try a lower learning_rate)'


class DivergedError(UserError):
  """A run does not learn, or not any more; the model has its last good weights again."""


class Watch:
  """A context of training that ends a run which diverges, and then brings back weights from before."""

  def __init__(self, model, average, position: Position):
    self._guessing = math.log(len(model.word2id))
    self._position = position
    self._variables = [*model.trainable_variables, *(pair[1] for pair in (average.pairs if average else ()))]
    self._good = self._newest = self._copy()

  def _copy(self):
    return [variable.numpy() for variable in self._variables]

  def __enter__(self):
    return self

  def __exit__(self, kind, error, traceback):
    if isinstance(error, DivergedError):
      for variable, value in zip(self._variables, self._good):
        variable.assign(value)

  @property
  def _limit(self) -> float:
    return _MARGIN * max(self._guessing, self._position.first_nll)

  def step(self, result: StepResult, *, first: bool):
    """Takes in one of the steps, the first of all and some later ones: where its batch is well, so were the weights of
    the one before."""
    self.finite(float(result.loss))
    nll = float(result.nll) / max(float(result.tokens), 1.0)
    if first:
      self._position.first_nll = nll
    if nll <= self._limit:
      self._good, self._newest = self._newest, self._copy()

  def epoch(self, metrics: dict[str, float]):
    """Takes in the figures of an epoch, with those of validation or without."""
    self.finite(metrics['train_loss'])
    self.finite(metrics.get('validation_loss', 0.0))
    nll = metrics['train_nll']
    if math.isinf(metrics.get('validation_perplexity', 1.0)):
      nll = max(nll, metrics['validation_nll'])
    if nll > self._limit:
      raise DivergedError(f'the loss became {_plain(nll)} nats a token in epoch {self._position.epoch}; expected less '
                          f'than the {_plain(self._guessing)} of blind guessing {_ADVICE}')

  def end(self, history: list[dict[str, float]]):
    """Takes in the figures of all epochs once there will be no more."""
    nll = min((metrics.get('train_nll', 0.0) for metrics in history), default=0.0)  # older runs do not say it
    if nll > _MARGIN * self._guessing:
      raise DivergedError(f'the loss came down to no less than {_plain(nll)} nats a token in {len(history)} epochs; '
                          f'expected less than the {_plain(self._guessing)} of blind guessing {_ADVICE}')

  def finite(self, loss: float):
    """Checks one of the losses."""
    if not math.isfinite(loss):
      raise DivergedError(f'the loss became {loss} in epoch {self._position.epoch}; expected a finite number {_ADVICE}')


def _plain(nll: float) -> str:
  return f'{nll:,.1f}'
