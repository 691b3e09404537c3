"""What Keras does with a language model: `compile`, `fit`, `evaluate`, `export`."""

import functools
import inspect
import os
import types

from tangshi_tf.errors import UserError
from tangshi_tf.model import loss as losses
from tangshi_tf.model.kept import require_start
from tangshi_tf.quiet import keras, tf
from tangshi_tf.settings import TrainingSettings
from tangshi_tf.short import LONGEST, cut, shown

LEARNING_RATE = TrainingSettings.learning_rate  # of the exercise's Adam


def require_model(model):
  """Raises a `UserError` where a model is none of this package."""
  if not isinstance(model, LanguageModel):
    raise UserError(f'model {shown(model)}: expected a myRNNModel')


class Perplexity(keras.metrics.Mean):
  """exp of the mean of the negative log-likelihoods that it is given."""

  def result(self):
    return tf.exp(super().result())


class LanguageModel(keras.Model):
  """A Keras model that `fit` trains on batches `(x, y, seqlen)` with the exercise's loss.

  A subclass takes ids `[batch, time]` to logits `[batch, time, V]` and has what
  `loss.loss_and_gradients` needs.
  """

  # The metrics of the exercise's loss, in a namespace, so that Keras neither lists them twice nor saves them.
  _figures = None
  _seed = 0

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.supports_jit = False  # which positions are real decides the shapes

  def __repr__(self):
    return cut(super().__repr__(), LONGEST)

  def compile(self, optimizer=None, loss=None, *, metrics=None, weighted_metrics=None, jit_compile='auto',
              seed: int = 0, **kwargs):
    """Prepares `fit` and `evaluate`.

    Args:
      optimizer: a Keras optimizer or its name; the exercise's Adam(0.0005) by
        default.
      loss: by default the exercise's: the batches are then `(x, y, seqlen)`, as
        `poem_dataset` yields them, the steps are those of `train_one_step`, and
        the metrics are 'loss', the mean over poems, and 'perplexity', over
        tokens. With a loss of Keras the batches are `(x, y)` or `(x, y, weights)`
        as Keras takes them, and nothing is dropped out.
      metrics, weighted_metrics: for a loss of Keras.
      jit_compile: 'auto' and False are the same; True, for XLA, needs a loss of
        Keras.
      seed: of the dropout masks, together with the number of the step.
      **kwargs: see `keras.Model.compile`.

    Raises:
      UserError: an argument does not go with the exercise's loss, or several
        replicas do not.
    """
    if loss is None:
      if metrics or weighted_metrics:
        raise UserError("metrics without a loss; expected none, since the exercise's loss has its own")
      if jit_compile is True:
        raise UserError("jit_compile=True with the exercise's loss; expected 'auto' or False")
      if self.distribute_strategy.num_replicas_in_sync > 1:
        raise UserError(f'{self.distribute_strategy.num_replicas_in_sync} replicas; expected one for Keras, or '
                        'tangshi_tf.training for several')
    optimizer = keras.optimizers.Adam(LEARNING_RATE) if optimizer is None else optimizer
    super().compile(optimizer, loss, metrics=metrics, weighted_metrics=weighted_metrics, jit_compile=jit_compile,
                    **kwargs)
    self._seed = seed
    self._figures = None if loss is not None else types.SimpleNamespace(
        loss=keras.metrics.Mean('loss'), perplexity=Perplexity('perplexity'))

  def get_compile_config(self):
    config = super().get_compile_config()
    return {**config, 'seed': self._seed} if config else config

  def compile_from_config(self, config):
    self.compile(**keras.saving.deserialize_keras_object(config))
    self.optimizer.build(self.trainable_variables)

  @property
  def metrics(self):
    return super().metrics if self._figures is None else [self._figures.loss, self._figures.perplexity]

  def train_step(self, data):
    if self._figures is None:
      return super().train_step(_without_lengths(data))
    x, y, seqlen = _poems(data)
    seed = tf.stack([self._seed, tf.cast(self.optimizer.iterations, tf.int32)])
    loss, nll, gradients, _ = losses.loss_and_gradients(self, x, y, seqlen, seed=seed)
    gradients = map(self.optimizer.scale_loss, gradients)  # no change, unless the optimizer takes a scale off again
    with tf.control_dependencies([loss]):  # else the search for a batch after the last one counts as a step
      self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
    return self._measured(loss, nll, seqlen)

  def test_step(self, data):
    if self._figures is None:
      return super().test_step(_without_lengths(data))
    x, y, seqlen = _poems(data)
    nll, _ = losses.batch_nll(self, x, y, seqlen)
    return self._measured(losses.average_nll(nll, seqlen), nll, seqlen)

  @functools.wraps(keras.Model.fit)
  def fit(self, *args, **kwargs):
    require_start()
    given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
    if isinstance(given.get('x'), tf.data.Dataset):  # which Keras says it will not shuffle, though nobody asked it to
      given.setdefault('shuffle', False)
    return super().fit(**given)

  @functools.wraps(keras.Model.save)
  def save(self, filepath, *args, **kwargs):
    if not os.fspath(filepath).endswith('.keras'):  # from HDF5 Keras could not load it
      raise UserError(f'{os.fspath(filepath)}: expected a name that ends in .keras')
    return super().save(filepath, *args, **kwargs)

  def _measured(self, loss, nll, seqlen):
    """Takes in the figures of a batch and returns those of the pass so far."""
    self._figures.loss.update_state(loss, sample_weight=tf.size(seqlen))
    self._figures.perplexity.update_state(nll)
    return self.get_metrics_result()

  def export(self, filepath, format='tf_saved_model', **kwargs):
    """Writes a SavedModel whose `serve` takes ids int32 `[batch, time]` to logits `[batch, time, V]`.

    Args:
      filepath, format, **kwargs: see `keras.Model.export`.
    """
    kwargs.setdefault('input_signature', [tf.TensorSpec((None, None), tf.int32, name='ids')])
    return super().export(filepath, format, **kwargs)


def _poems(data):
  """Returns the int32 tensors of a batch `(x, y, seqlen)`."""
  if not isinstance(data, (list, tuple)) or len(data) != 3 or any(part is None for part in data):
    raise UserError('a batch has other parts than (x, y, seqlen); expected those, as poem_dataset yields them, or '
                    'compile with a loss')
  return [tf.cast(tensor, tf.int32) for tensor in data]


def _without_lengths(data):
  """Returns a batch for a loss of Keras, which would take lengths for weights."""
  if isinstance(data, (list, tuple)) and len(data) == 3 and data[2].dtype.is_integer:
    raise UserError('a batch (x, y, seqlen) for a loss of Keras; expected (x, y), (x, y, weights), or compile without '
                    'a loss')
  return data
