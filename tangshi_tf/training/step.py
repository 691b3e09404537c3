"""One step of training, and one pass over the data."""

import dataclasses
import functools

from tangshi_tf.data.reading import BATCH_SPEC, read
from tangshi_tf.errors import UserError
from tangshi_tf.model import loss as losses
from tangshi_tf.model import require_model
from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.model.shapes import checked_ids
from tangshi_tf.quiet import keras, tf
from tangshi_tf.short import short_repr, shown
from tangshi_tf.training import starts
from tangshi_tf.training.averages import average_of
from tangshi_tf.training.callback import StepResult
from tangshi_tf.training.distribution import ONE, Replicas
from tangshi_tf.training.progress import Progress


@dataclasses.dataclass(frozen=True)
class StepOptions:
  """How a step is taken; the defaults are the exercise's.

  Attributes:
    reduction, label_smoothing: of the loss, see `loss.compute_loss`.
    unlikelihood: how strongly a character is made unlikely where it is in
      the poem already, see `loss.compute_loss`; 0 for not at all.
    precision: of the products' operands, see `products`; float16 is for the
      output layer alone.
    clip_norm: scale the gradients down to this global norm where it is
      greater (Pascanu et al. 2013, arXiv:1211.5063); 0 for never.
    average: decay by step of an exponential moving average of the weights,
      see `Averages`; 0 for none.
    carry_state: whether a batch continues where the one before it ended, with
      the gradient cut between them (truncated back-propagation through time).
    bos_dropout: share of the poems that begin without bos, see `starts`.
    random_states: share of the poems that begin from a random-normal state.
    state_stddev: its standard deviation.
    control_dropout: share of the poems that are not told one of the controls.
    uncontrolled: share of the poems that are told nothing.
    seed: of the dropout masks and of how poems begin, together with the number
      of the step.
  """

  reduction: str = 'poem'
  label_smoothing: float = 0.0
  unlikelihood: float = 0.0
  precision: str = 'float32'
  clip_norm: float = 0.0
  average: float = 0.0
  carry_state: bool = False
  bos_dropout: float = 0.0
  random_states: float = 0.0
  state_stddev: float = 0.5
  control_dropout: float = 0.5
  uncontrolled: float = 0.2
  seed: int = 0

  __repr__ = short_repr

  def plain(self) -> 'StepOptions':
    """Returns the options without what varies the starts of poems and works against repeats."""
    return dataclasses.replace(self, unlikelihood=0.0, bos_dropout=0.0, random_states=0.0)


def train_one_step(model, optimizer, x, y, seqlen, *, options: StepOptions = StepOptions()):
  """Takes one optimizer step.

  Args:
    model: a `myRNNModel`.
    optimizer: a Keras optimizer.
    x: ids, int32 `[batch, time]`.
    y: the ids that follow, int32 `[batch, time]`.
    seqlen: real length of each row, int32 `[batch]`.
    options: see there; the state is not carried from call to call.

  Returns:
    The loss before the step, a scalar.

  Raises:
    UserError: an argument is something else, or one of the options is out of
      range.
  """
  require_model(model)
  if not isinstance(optimizer, keras.Optimizer):
    raise UserError(f'optimizer {shown(optimizer)}: expected one of keras.optimizers, such as make_optimizer makes')
  options = dataclasses.replace(options, carry_state=False)
  x = checked_ids('x', x, batch=None, time=None)
  y = checked_ids('y', y, batch=x.shape[0], time=x.shape[1])
  seqlen = checked_ids('seqlen', seqlen, batch=x.shape[0])
  batch = (tf.cast(tensor, tf.int32) for tensor in (x, y, seqlen))
  return compiled_step(model, optimizer, options)(*batch, [])[0].loss


def compiled_step(model, optimizer, options: StepOptions, replicas: Replicas = ONE):
  """Returns the step as one graph: `(x, y, seqlen, state)` to a `StepResult` and the next state.

  It is traced once, for batches of any shape, where the process has one
  replica. `state` is an empty list for zeros, unless the state is carried.
  With several replicas each argument is what `Replicas.place` makes of their
  rows; loss and step are those of the whole batch.
  """
  # Not kept itself: the last argument given and left out would count as two.
  return _compiled_step(model, optimizer, options, replicas)


@kept_with_model(4)
def _compiled_step(model, optimizer, options, replicas):
  optimizer.build(model.trainable_variables)
  average = average_of(model, options.average)

  def step(x, y, seqlen, state):
    number = tf.cast(optimizer.iterations, tf.int32)
    seed = tf.stack([options.seed, number])
    x, y, seqlen, first, drawn = starts.vary(x, y, seqlen, options=options, step_seed=seed, model=model,
                                             replicas=replicas)
    state = state or drawn
    if replicas.count > 1:
      replica = tf.distribute.get_replica_context().replica_id_in_sync_group
      seed = tf.random.experimental.stateless_fold_in(seed, replica)
    loss, nll, gradients, state = losses.loss_and_gradients(
        model, x, y, seqlen, state or None, first=first, seed=seed, reduction=options.reduction,
        label_smoothing=options.label_smoothing, unlikelihood=options.unlikelihood, precision=options.precision)
    sums = [tf.reduce_sum(nll), tf.cast(tf.size(nll), tf.float32)]
    if replicas.count > 1:
      weight = sums[1] if options.reduction == 'token' else tf.cast(tf.size(seqlen), tf.float32)
      gradients, loss, sums = _over_replicas(gradients, loss, sums, weight)
    norm = tf.linalg.global_norm(gradients)
    if options.clip_norm:
      gradients, _ = tf.clip_by_global_norm(gradients, options.clip_norm, use_norm=norm)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    if average is not None:
      average.update(number + 1)
    return StepResult(loss, *sums, norm), state if options.carry_state else []

  signature = (*BATCH_SPEC, model.state_spec if options.carry_state else [])
  if replicas.count == 1:
    # TensorFlow counts traces by code and would warn of those of several models, but does not look into a partial.
    return tf.function(functools.partial(step), input_signature=signature, autograph=False)

  def on_replicas(*arguments):
    return replicas.strategy.run(step, args=arguments)

  if replicas.local == 1:
    return tf.function(on_replicas, input_signature=signature, autograph=False)
  return tf.function(on_replicas, reduce_retracing=True, autograph=False)


def _over_replicas(gradients, loss, sums, weight):
  """Returns gradients and loss of the whole batch, and the sums over it, on each replica.

  `loss` and `gradients` are those of the replica's rows, which may be none;
  `weight` is what they were divided by: the number of rows or of tokens.
  """
  parts = [tf.math.multiply_no_nan(part, weight) for part in (*gradients, loss)]
  *gradients, loss, total, first, second = tf.distribute.get_replica_context().all_reduce(
      tf.distribute.ReduceOp.SUM, [*parts, weight, *sums])
  return [gradient / total for gradient in gradients], loss / total, [first, second]


def train(epoch, model, optimizer, ds, *, on_step=None, schedule=None, options: StepOptions = StepOptions(),
          state=None, replicas: Replicas = ONE):
  """Trains on one pass over a dataset.

  Args:
    epoch: the number of the pass, for the printed line.
    model: a `myRNNModel`.
    optimizer: a Keras optimizer.
    ds: batches `(x, y, seqlen)`.
    on_step: called with the step's number (from 0), its `StepResult` and the
      state that is carried on (an empty list without `carry_state`); ends the
      pass when it returns True. By default the loss is printed every 500 steps.
    schedule: called with the number of steps the optimizer has taken; returns
      the learning rate of the next. By default the rate stays as it is.
    options: see `StepOptions`.
    state: the carried state to begin with, a list of `[batch, units]`; zeros by
      default.
    replicas: among which `ds` divides its batches, see `data.batches`.

  Returns:
    The last step's loss, a scalar tensor.

  Raises:
    PassingError, UserError: the dataset's files cannot be read, see `reading.read`.
  """
  step_function = compiled_step(model, optimizer, options, replicas)
  taken = int(optimizer.iterations.numpy())
  loss, progress = tf.constant(0.0), Progress()
  state = replicas.share(state) if state else []
  for step, batch in enumerate(read(ds)):
    if schedule is not None:
      optimizer.learning_rate.assign(schedule(taken + step))
    shares = batch if replicas.count > 1 else (batch,)
    if options.carry_state and not state:
      state = replicas.place([model.zero_state(x.shape[0]) for x, _, _ in shares])
    result, state = step_function(*replicas.place(shares), state)
    result = replicas.here(result)
    loss = result.loss
    if on_step is not None:
      if on_step(step, result, state):
        break
    elif step % 500 == 0:
      progress.on_note(f'epoch {epoch} step {step}: loss {float(loss):.4f}')
  return loss
