"""A whole run: epochs, validation, those who watch it, and how far it is."""

import contextlib
import time
from collections.abc import Callable

from tangshi_tf import evaluation
from tangshi_tf.errors import UserError
from tangshi_tf.training.averages import average_of
from tangshi_tf.training.callback import Position, Totals
from tangshi_tf.training.distribution import ONE, Replicas
from tangshi_tf.training.divergence import Watch
from tangshi_tf.training.step import StepOptions, train

_EXERCISE = StepOptions()
_AGREE_EVERY = 10  # steps between questions to the other processes whether to stop
_CHECK_EVERY = 20  # steps between looks at whether the run diverges


def fit(model, optimizer, *, epochs: int, epoch_batches, steps_per_epoch: int, validation=None, callbacks=(),
        should_stop=lambda: False, schedule=None, patience: int = 0, options: StepOptions = _EXERCISE,
        plain_epochs: int = 0, position: Position | None = None,
        save: Callable[[Position], None] = lambda position: None, save_every: int = 0,
        replicas: Replicas = ONE) -> list[dict[str, float]]:
  """Trains for several epochs and validates after each.

  Args:
    model: a `myRNNModel`.
    optimizer: a Keras optimizer.
    epochs: how many.
    epoch_batches: called with the epoch's number (from 1) and how many of its
      batches are left out; returns the others.
    steps_per_epoch: how many batches an epoch has.
    validation: batches to validate on, or None.
    callbacks: `Callback`s.
    should_stop: asked after each step and each epoch; True ends the run at once.
    schedule: a `schedules.LearningRate`, new; by default the optimizer's rate stays.
    patience: end after this many epochs in a row without better validation
      (early stopping); 0 for never.
    options: see `StepOptions`. Where there is an average of the weights, it is
      in the model when it is validated and when callbacks see the epoch's end.
    plain_epochs: how many epochs at the beginning have `StepOptions.plain`.
    position: where to continue; the model's and the optimizer's variables and the
      average must be those of that moment. By default the run begins.
    save: called with the position after every epoch, every `save_every` steps
      of an epoch (0: never), and when the run is stopped.
    replicas: among which the batches are divided; each of their processes calls
      this with the same arguments, callbacks and `save` perhaps excepted.

  Returns:
    For each complete epoch its number, 'train_loss', 'train_nll', 'train_perplexity',
    'tokens_per_second', 'seconds' and, where there is validation,
    'validation_loss', 'validation_nll', 'validation_perplexity' and that of each
    verse form that occurs, such as 'validation_perplexity_七绝'. The
    perplexities are of the same kind, over tokens. The losses are not:
    'train_loss' is what is minimised, by `options` (reduction, smoothing,
    unlikelihood); 'validation_loss' is the exercise's in every run, the mean
    over poems of each poem's mean, so that runs can be compared by it.

  Raises:
    DivergedError: the run diverges, see `divergence`. The model then has the last
      weights that were better than that.
    UserError: there are fewer batches than `steps_per_epoch`, or they cannot be
      read any more.
  """
  position = position or Position()
  average = average_of(model, options.average)
  for metrics in position.measured:
    _tell(schedule, metrics)
  _begin(callbacks, position, epochs)

  def keep():
    position.totals = totals.sums()
    position.watchers = {type(callback).__name__: callback.checkpoint() for callback in callbacks}
    save(position)

  def stops(step: int) -> bool:
    if replicas.processes == 1:
      return bool(should_stop())
    # All must stop at the same step; asking the others each time would cost more than the wait.
    return step % _AGREE_EVERY == 0 and replicas.sums(bool(should_stop())) != [0]

  stopped = False

  def on_step(_, result, state):
    nonlocal stopped
    position.batches += 1
    totals.add(result)
    step = (position.epoch - 1) * steps_per_epoch + position.batches
    if step % _CHECK_EVERY == 1:
      watch.step(result, first=step == 1)
    for callback in callbacks:
      callback.on_step(step, result)
    stopped = stops(step)
    if stopped or save_every and position.batches % save_every == 0:
      position.state = replicas.gather(state)
      keep()
    return stopped

  with Watch(model, average, position) as watch:
    while position.epoch <= epochs and not epochs_since_best(position.measured) >= patience > 0:
      totals = Totals(position.totals)
      for callback in callbacks:
        callback.on_epoch_begin(position.epoch, steps_per_epoch)
      train(position.epoch, model, optimizer, epoch_batches(position.epoch, position.batches), on_step=on_step,
            schedule=schedule, state=position.state, replicas=replicas,
            options=options.plain() if position.epoch <= plain_epochs else options)
      if position.batches < steps_per_epoch:
        if not stopped:
          raise UserError(f'epoch {position.epoch} had {position.batches} of {steps_per_epoch} batches; expected the '
                          'corpus to stay as it was when it was counted')
        break
      metrics = _trained(totals, position.epoch)
      start = time.perf_counter()
      with average.in_place() if average is not None else contextlib.nullcontext():
        if validation is not None:
          metrics |= validated(model, validation, replicas)
        watch.epoch(metrics)
        _tell(schedule, metrics)
        metrics['seconds'] += time.perf_counter() - start
        position.history.append(metrics)
        for callback in callbacks:
          callback.on_epoch_end(position.epoch, metrics)
      position.epoch, position.batches, position.state = position.epoch + 1, 0, []
      keep()
      if stops(0):
        break
    else:
      watch.end(position.history)
  return position.history


def _begin(callbacks, position: Position, epochs: int):
  for callback in callbacks:
    callback.on_begin(position, epochs)
    if position.start and (position.epoch, position.batches) == (1, 0):
      callback.on_start(position.start)


def _trained(totals: Totals, epoch: int) -> dict[str, float]:
  """Returns the figures of an epoch's training."""
  seconds = totals.sums()['seconds']
  means = totals.take()
  return {'epoch': epoch, 'train_loss': means['loss'], 'train_nll': means['nll'],
          'train_perplexity': means['perplexity'], 'tokens_per_second': means['tokens_per_second'], 'seconds': seconds}


def validated(model, validation, replicas: Replicas = ONE) -> dict[str, float]:
  """Returns the figures of the model on the validation batches."""
  measured = evaluation.validate(model, validation.shard(replicas.processes, replicas.process), total=replicas.sums)
  return {'validation_loss': measured['loss'], 'validation_nll': measured['nll'],
          'validation_perplexity': measured['perplexity'],
          **{f'validation_perplexity_{form}': value for form, value in measured['by_form'].items()}}


def _tell(schedule, metrics: dict[str, float]):
  if schedule is not None and 'validation_nll' in metrics:
    schedule.after_epoch(metrics['validation_nll'])


def epochs_since_best(history: list[dict[str, float]]) -> int:
  """Returns how many epochs ago validation was best; 0 without validation."""
  nll = [metrics.get('validation_nll', -i) for i, metrics in enumerate(history)]
  return len(nll) - 1 - nll.index(min(nll)) if nll else 0
