"""Keras's optimizers, as a step uses them."""

from tangshi_tf.errors import UserError
from tangshi_tf.model.language_model import LEARNING_RATE
from tangshi_tf.quiet import keras
from tangshi_tf.settings import TrainingSettings, require


class _SummedGradients:
  """Keeps a Keras optimizer from summing gradients over replicas: the step has done that, to clip them."""

  def _all_reduce_sum_gradients(self, grads_and_vars):
    return grads_and_vars


# Registered, so that a model which was compiled with one can be loaded.
_register = keras.saving.register_keras_serializable(package='tangshi_tf')
OPTIMIZERS = {optimizer.__name__.lower(): _register(type(optimizer.__name__, (_SummedGradients, optimizer), {}))
              for optimizer in (keras.optimizers.Adam, keras.optimizers.AdamW, keras.optimizers.RMSprop,
                                keras.optimizers.SGD)}


def make_optimizer(learning_rate: float = LEARNING_RATE, *, name: str = 'adam',
                   weight_decay: float = 0.0) -> keras.optimizers.Optimizer:
  """Makes an optimizer with Keras's other settings; the exercise's by default.

  Args:
    learning_rate: of the first step, at least.
    name: 'adam', 'adamw', 'rmsprop' or 'sgd'.
    weight_decay: for 'adamw', a step takes this share times the learning rate
      off each weight.

  Raises:
    UserError: an argument is out of range, or only 'adamw' decays weights.
  """
  require(TrainingSettings, optimizer=name, weight_decay=weight_decay)
  if not callable(learning_rate):  # as a schedule of Keras is
    require(TrainingSettings, learning_rate=learning_rate)
    learning_rate = float(learning_rate)
  if name == 'adamw':
    return OPTIMIZERS[name](learning_rate, weight_decay=weight_decay)
  if weight_decay:
    raise UserError(f'weight decay {weight_decay} with optimizer {name!r}; expected adamw')
  return OPTIMIZERS[name](learning_rate)
