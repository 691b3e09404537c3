"""Products of matrices whose operands may have 16 bits.

Sums, activations, loss and gradients stay float32 (mixed precision, Micikevicius et al. 2018, arXiv:1710.03740).
"""

import functools

from tangshi_tf.model import devices
from tangshi_tf.quiet import tf
from tangshi_tf.settings import TrainingSettings, require


def products(precision: str):
  """Returns what makes a float32 tensor an operand, and the product of two operands in float32.

  Args:
    precision: of the operands, 'float32', 'bfloat16' or 'float16'.

  Raises:
    UserError: the precision is unknown.
  """
  require(TrainingSettings, precision=precision)
  if precision == 'float32':
    return tf.identity, tf.matmul
  if devices.gains(precision):
    return (functools.partial(tf.cast, dtype=precision),
            lambda a, b, **kwargs: tf.cast(tf.matmul(a, b, **kwargs), tf.float32))
  # The same operands on a processor without such units: a product of two 16-bit floats is exact in float32.
  return lambda tensor: tf.cast(tf.cast(tensor, precision), tf.float32), tf.matmul


def of_recurrence(precision: str) -> str:
  """Returns the precision of the layers below the output layer.

  That of float16 is float32: its range is too narrow for their gradients, which no loss scaling widens here.
  """
  return 'float32' if precision == 'float16' else precision
