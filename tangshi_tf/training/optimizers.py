"""Keras's optimizers, as a step uses them."""

from tangshi_tf.errors import UserError
from tangshi_tf.model.language_model import LEARNING_RATE
from tangshi_tf.quiet import keras, tf
from tangshi_tf.settings import TrainingSettings, require


class _SummedGradients:
  """Keeps a Keras optimizer from summing gradients over replicas: the step has done that, to clip them."""

  def _all_reduce_sum_gradients(self, grads_and_vars):
    return grads_and_vars


class _FusedAdam(_SummedGradients):
  """Makes an update of Keras's Adam in one operation, which passes over the weights and their moments once."""

  def update_step(self, gradient, variable, learning_rate):
    if self.amsgrad:
      super().update_step(gradient, variable, learning_rate)
      return
    i, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
    m, v = self._momentums[i].value, self._velocities[i].value
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle, m=m.handle, v=v.handle, beta1_power=self.beta_1**step, beta2_power=self.beta_2**step,
        lr=tf.cast(learning_rate, tf.float32), beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon,
        grad=tf.convert_to_tensor(gradient))


# Registered, so that a model which was compiled with one can be loaded.
_register = keras.saving.register_keras_serializable(package='tangshi_tf')
OPTIMIZERS = {optimizer.__name__.lower(): _register(type(optimizer.__name__, (changed, optimizer), {}))
              for changed, optimizer in ((_FusedAdam, keras.optimizers.Adam), (_FusedAdam, keras.optimizers.AdamW),
                                         (_SummedGradients, keras.optimizers.RMSprop),
                                         (_SummedGradients, keras.optimizers.SGD))}


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
