"""Training: one step, one pass, and a whole run with its callbacks."""

import collections
import functools
import math
import time

import keras
import tensorflow as tf

from tangshi_tf import loss as losses
from tangshi_tf.errors import UserError

_CHECK_EVERY = 20  # steps between looks at whether the loss is still finite

StepResult = collections.namedtuple('StepResult', 'loss nll tokens gradient_norm')
StepResult.__doc__ = """Scalars of one step.

loss: the exercise's loss; nll: summed negative log-likelihood in nats;
tokens: how many real tokens that sum is over; gradient_norm: global norm.
"""

_BATCH = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.int32),
          tf.TensorSpec((None,), tf.int32))


def train_one_step(model, optimizer, x, y, seqlen, *, precision: str = 'float32'):
  """Takes one optimizer step.

  Args:
    model: a `myRNNModel`.
    optimizer: a Keras optimizer.
    x: ids, int32 `[batch, time]`.
    y: the ids that follow, int32 `[batch, time]`.
    seqlen: real length of each row, int32 `[batch]`.
    precision: of the output layer's products, see `loss`.

  Returns:
    The loss before the step, a scalar.
  """
  batch = (tf.cast(tensor, tf.int32) for tensor in (x, y, seqlen))
  return compiled_step(model, optimizer, precision)(*batch).loss


@functools.lru_cache(maxsize=4)
def compiled_step(model, optimizer, precision: str):
  """Returns the step as one graph: `(x, y, seqlen)` to a `StepResult`.

  It is traced once, for batches of any shape.
  """
  optimizer.build(model.trainable_variables)

  @tf.function(input_signature=_BATCH)
  def step(x, y, seqlen):
    with tf.GradientTape() as tape:
      loss, nll = losses.fused_loss(model.hidden_sequence(x), model.dense.kernel, model.dense.bias,
                                    y, seqlen, precision=precision)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return StepResult(loss, tf.reduce_sum(nll), tf.reduce_sum(seqlen), tf.linalg.global_norm(gradients))

  return step


def train(epoch, model, optimizer, ds, *, on_step=None, precision: str = 'float32'):
  """Trains on one pass over a dataset.

  Args:
    epoch: the number of the pass, for the printed line.
    model: a `myRNNModel`.
    optimizer: a Keras optimizer.
    ds: batches `(x, y, seqlen)`.
    on_step: called with the step's number (from 0) and its `StepResult`; ends
      the pass when it returns True. By default the loss is printed every 500
      steps.
    precision: of the output layer's products, see `loss`.

  Returns:
    The last step's loss, a scalar tensor.
  """
  step_function = compiled_step(model, optimizer, precision)
  loss = tf.constant(0.0)
  for step, (x, y, seqlen) in enumerate(ds):
    result = step_function(x, y, seqlen)
    loss = result.loss
    if on_step is not None:
      if on_step(step, result):
        break
    elif step % 500 == 0:
      print(f'epoch {epoch} step {step}: loss {float(loss):.4f}')
  return loss


@functools.lru_cache(maxsize=4)
def _compiled_evaluation(model):

  @tf.function(input_signature=_BATCH)
  def evaluate_batch(x, y, seqlen):
    positions = losses.real_positions(seqlen, tf.shape(y)[1])
    nll = losses.linear_nll(tf.gather_nd(model.hidden_sequence(x), positions), model.dense.kernel,
                            model.dense.bias, tf.gather_nd(y, positions))
    rows = positions[:, 0]
    poem_means = tf.math.segment_sum(nll, rows) / tf.cast(seqlen, nll.dtype)
    return tf.reduce_sum(poem_means), tf.reduce_sum(nll)

  return evaluate_batch


def evaluate(model, ds) -> dict[str, float]:
  """Measures a model on batches without training it.

  Args:
    model: a `myRNNModel`.
    ds: batches `(x, y, seqlen)`.

  Returns:
    'loss': the exercise's loss over all poems; 'nll': nats a token;
    'perplexity': exp(nll), over every token after bos, eos included;
    'tokens': how many.
  """
  evaluate_batch = _compiled_evaluation(model)
  loss = nll = 0.0
  poems = tokens = 0
  for x, y, seqlen in ds:
    batch_loss, batch_nll = evaluate_batch(x, y, seqlen)
    loss += float(batch_loss)
    nll += float(batch_nll)
    poems += int(seqlen.shape[0])
    tokens += int(tf.reduce_sum(seqlen))
  return {'loss': loss / poems, 'nll': nll / tokens, 'perplexity': perplexity(nll / tokens),
          'tokens': tokens}


def perplexity(nll: float) -> float:
  """Returns exp(nats a token), infinity where that overflows."""
  return math.inf if nll > 700 else math.exp(nll)


def make_optimizer(learning_rate: float = 0.0005) -> keras.optimizers.Optimizer:
  """Returns the exercise's optimizer, Adam."""
  return keras.optimizers.Adam(learning_rate)


class Callback:
  """What a run tells those who watch it; every method may be left out."""

  def on_epoch_begin(self, epoch: int, steps: int):
    """Epoch `epoch` (from 1) of `steps` steps begins."""

  def on_step(self, step: int, result: StepResult):
    """Step `step` (from 1, over all epochs) is done."""

  def on_epoch_end(self, epoch: int, metrics: dict[str, float]):
    """Epoch `epoch` is done; `metrics` as `fit` returns them."""


class Totals:
  """Sums step results without waiting for the device at each step."""

  def __init__(self):
    self._results = []
    self._start = time.perf_counter()

  def add(self, result: StepResult):
    self._results.append(result)

  def __len__(self):
    return len(self._results)

  def take(self) -> dict[str, float]:
    """Returns the means since the last call and starts anew."""
    results = [StepResult(*(float(value) for value in result)) for result in self._results]
    now = time.perf_counter()
    tokens = sum(result.tokens for result in results)
    nll = sum(result.nll for result in results) / tokens
    means = {
        'loss': sum(result.loss for result in results) / len(results),
        'nll': nll,
        'perplexity': perplexity(nll),
        'gradient_norm': sum(result.gradient_norm for result in results) / len(results),
        'tokens_per_second': tokens / (now - self._start),
    }
    self._results, self._start = [], now
    return means


def fit(model, optimizer, *, epochs: int, epoch_batches, steps_per_epoch: int, validation=None,
        callbacks=(), should_stop=lambda: False, precision: str = 'float32') -> list[dict[str, float]]:
  """Trains for several epochs and validates after each.

  Args:
    model: a `myRNNModel`.
    optimizer: a Keras optimizer.
    epochs: how many.
    epoch_batches: called with the epoch's number (from 1); returns its batches.
    steps_per_epoch: how many batches that is.
    validation: batches to validate on, or None.
    callbacks: `Callback`s.
    should_stop: asked after each step and each epoch; True ends the run at once.
    precision: of the output layer's products, see `loss`.

  Returns:
    For each complete epoch its number, 'train_loss', 'train_perplexity',
    'tokens_per_second', 'seconds' and, where there is validation,
    'validation_loss', 'validation_nll' and 'validation_perplexity'.

  Raises:
    UserError: the loss is no longer finite.
  """
  history = []
  step_number = 0
  for epoch in range(1, epochs + 1):
    start = time.perf_counter()
    totals = Totals()
    for callback in callbacks:
      callback.on_epoch_begin(epoch, steps_per_epoch)

    def on_step(_, result, epoch=epoch, totals=totals):
      nonlocal step_number
      step_number += 1
      totals.add(result)
      if step_number % _CHECK_EVERY == 1:
        _check_finite(float(result.loss), epoch)
      for callback in callbacks:
        callback.on_step(step_number, result)
      return should_stop()

    train(epoch, model, optimizer, epoch_batches(epoch), on_step=on_step, precision=precision)
    if len(totals) < steps_per_epoch:
      break
    means = totals.take()
    _check_finite(means['loss'], epoch)
    metrics = {'epoch': epoch, 'train_loss': means['loss'], 'train_perplexity': means['perplexity'],
               'tokens_per_second': means['tokens_per_second']}
    if validation is not None:
      measured = evaluate(model, validation)
      _check_finite(measured['loss'], epoch)
      metrics.update(validation_loss=measured['loss'], validation_nll=measured['nll'],
                     validation_perplexity=measured['perplexity'])
    metrics['seconds'] = time.perf_counter() - start
    history.append(metrics)
    for callback in callbacks:
      callback.on_epoch_end(epoch, metrics)
    if should_stop():
      break
  return history


def _check_finite(loss: float, epoch: int):
  if not math.isfinite(loss):
    raise UserError(f'the loss became {loss} in epoch {epoch}; expected a finite number '
                    '(try a lower --learning_rate)')
