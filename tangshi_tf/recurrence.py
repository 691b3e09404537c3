"""An LSTM over whole sequences for processors, where Keras has only a general loop.

The inputs of all steps are multiplied with their kernel at once, and so are
the gradients of both kernels; the loops hold the recurrent products alone.
For the gradient only the states and the gates are kept.
"""

import tensorflow as tf


def lstm(x, h, c, kernel, recurrent_kernel, bias):
  """Runs the LSTM of `model`'s documentation; the gates stand in Keras's order i, f, c~, o.

  Args:
    x: float32 `[batch, time, width]`.
    h, c: the state before the first step, float32 `[batch, units]`.
    kernel: float32 `[width, 4 * units]`.
    recurrent_kernel: float32 `[units, 4 * units]`.
    bias: float32 `[4 * units]`.

  Returns:
    The outputs `[batch, time, units]`, and h and c after the last step. All
    arguments have gradients.
  """
  arguments = (x, h, c, kernel, recurrent_kernel, bias)
  return _lstm(*(tf.convert_to_tensor(argument) for argument in arguments))


@tf.custom_gradient
def _lstm(x, first_h, first_c, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = tf.transpose(x, (1, 0, 2))
  steps, batch = tf.shape(x)[0], tf.shape(x)[1]
  flat_x = tf.reshape(x, (-1, kernel.shape[0]))
  inputs = tf.reshape(tf.matmul(flat_x, kernel) + bias, (steps, batch, 4 * units))

  def array(size, width):
    return tf.TensorArray(tf.float32, size, element_shape=(None, width))

  def forward(t, h, c, hs, cs, gates):
    i, f, g, o = tf.split(inputs[t] + tf.matmul(h, recurrent_kernel), 4, axis=1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    c = f * c + i * g
    h = o * tf.tanh(c)
    return t + 1, h, c, hs.write(t + 1, h), cs.write(t + 1, c), gates.write(t, tf.concat([i, f, g, o], 1))

  # hs and cs begin with the state before the first step.
  _, last_h, last_c, hs, cs, gates = tf.while_loop(
      lambda t, *_: t < steps, forward,
      (0, first_h, first_c, array(steps + 1, units).write(0, first_h), array(steps + 1, units).write(0, first_c),
       array(steps, 4 * units)), parallel_iterations=1)
  hs, cs, gates = hs.stack(), cs.stack(), gates.stack()

  def gradient(d_outputs, d_last_h, d_last_c):
    d_outputs = tf.transpose(d_outputs, (1, 0, 2))
    transposed = tf.transpose(recurrent_kernel)

    def backward(t, d_h, d_c, d_zs):
      i, f, g, o = tf.split(gates[t], 4, axis=1)
      tanh_c = tf.tanh(cs[t + 1])
      d_h += d_outputs[t]
      d_c += d_h * o * (1 - tanh_c * tanh_c)
      d_z = tf.concat([d_c * g * i * (1 - i), d_c * cs[t] * f * (1 - f), d_c * i * (1 - g * g),
                       d_h * tanh_c * o * (1 - o)], 1)
      return t - 1, tf.matmul(d_z, transposed), d_c * f, d_zs.write(t, d_z)

    _, d_h, d_c, d_zs = tf.while_loop(
        lambda t, *_: t >= 0, backward, (steps - 1, d_last_h, d_last_c, array(steps, 4 * units)),
        parallel_iterations=1)
    d_z = tf.reshape(d_zs.stack(), (-1, 4 * units))
    d_x = tf.reshape(tf.matmul(d_z, kernel, transpose_b=True), tf.shape(x))
    d_kernel = tf.matmul(flat_x, d_z, transpose_a=True)
    d_recurrent = tf.matmul(tf.reshape(hs[:-1], (-1, units)), d_z, transpose_a=True)
    return tf.transpose(d_x, (1, 0, 2)), d_h, d_c, d_kernel, d_recurrent, tf.reduce_sum(d_z, axis=0)

  return (tf.transpose(hs[1:], (1, 0, 2)), last_h, last_c), gradient
