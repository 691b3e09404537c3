"""Tensors that callers give, checked where a wrong one would otherwise end deep inside TensorFlow."""

from tangshi_tf.errors import UserError
from tangshi_tf.quiet import tf
from tangshi_tf.short import shown


def checked(name: str, value, **sizes: int | None) -> tf.Tensor:
  """Returns something as a tensor.

  Args:
    name: what messages call it.
    value: a tensor, or what can be made one.
    **sizes: of its dimensions, by what messages call them; None for any. By
      default it may have any shape.

  Raises:
    UserError: it is no tensor, or has another shape.
  """
  dims = ', '.join(dim if size is None else f'{dim} = {size}' for dim, size in sizes.items())
  expected = f' [{dims}]' if sizes else ''
  try:
    tensor = tf.convert_to_tensor(value)
  except (TypeError, ValueError, tf.errors.OpError):
    raise UserError(f'{name} {shown(value)}: expected a tensor{expected}') from None
  if sizes and not tensor.shape.is_compatible_with(list(sizes.values())):
    raise UserError(f'{name} has the shape {tensor.shape.as_list()}; expected{expected}')
  return tensor


def last_size(tensor):
  """Returns the size of a tensor's last dimension, as a number where it is known while a graph is made."""
  return tf.shape(tensor)[-1] if tensor.shape[-1] is None else tensor.shape[-1]


def checked_ids(name: str, value, **sizes: int | None) -> tf.Tensor:
  """Returns whole numbers as a tensor, see `checked`."""
  tensor = checked(name, value, **sizes)
  if not tensor.dtype.is_integer:
    raise UserError(f'{name} has the type {tensor.dtype.name}; expected whole numbers')
  return tensor
