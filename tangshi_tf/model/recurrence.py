"""Recurrent layers over whole sequences for processors, where Keras has only a general loop.

The inputs of all steps are multiplied with their kernel at once, and so are
the gradients of both kernels; the loops hold the recurrent products alone.
For the gradient only the states and the gates are kept.
"""

from tangshi_tf.model import devices
from tangshi_tf.quiet import keras, tf


def run(layer, inputs, state, recurrent_kernel):
  """Runs a Keras layer over whole sequences, in a loop of its own here where there is one for it.

  Args:
    layer: a `SimpleRNN`, `LSTM` or `GRU` that returns its sequences and state.
    inputs: float32 `[batch, time, width]`.
    state: the state before the first step, a list of `[batch, units]`; None for
      zeros.
    recurrent_kernel: the layer's own, or one to take in its place.

  Returns:
    The outputs `[batch, time, units]` and the tensors of the last state, in a
    tuple or list.
  """
  cell = layer.cell
  if not devices.has_gpu():
    zeros = [tf.zeros((tf.shape(inputs)[0], cell.units))]
    if isinstance(layer, keras.layers.SimpleRNN):
      return rnn(inputs, *(state or zeros), cell.kernel, recurrent_kernel, cell.bias)
    if isinstance(layer, keras.layers.LSTM):
      return lstm(inputs, *(state or zeros * 2), cell.kernel, recurrent_kernel, cell.bias)
    if isinstance(layer, keras.layers.GRU) and cell.reset_after:
      return gru(inputs, *(state or zeros), cell.kernel, recurrent_kernel, cell.bias)
  if recurrent_kernel is cell.recurrent_kernel:
    return layer(inputs, initial_state=state)
  with keras.StatelessScope([(cell.recurrent_kernel, recurrent_kernel)]):  # the layer reads this one instead
    return layer(inputs, initial_state=state)


def rnn(x, h, kernel, recurrent_kernel, bias):
  """Runs the RNN of `network`'s documentation.

  Args:
    x: float32 `[batch, time, width]`.
    h: the state before the first step, float32 `[batch, units]`.
    kernel: float32 `[width, units]`.
    recurrent_kernel: float32 `[units, units]`.
    bias: float32 `[units]`.

  Returns:
    The outputs `[batch, time, units]`, and h after the last step. All
    arguments have gradients.
  """
  return _rnn(*(tf.convert_to_tensor(argument) for argument in (x, h, kernel, recurrent_kernel, bias)))


def lstm(x, h, c, kernel, recurrent_kernel, bias):
  """Runs the LSTM of `network`'s documentation; the gates are in Keras's order i, f, c~, o.

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


def gru(x, h, kernel, recurrent_kernel, bias):
  """Runs the GRU whose reset gate comes after the recurrent product; gates in Keras's order z, r, h~.

  Args:
    x: float32 `[batch, time, width]`.
    h: the state before the first step, float32 `[batch, units]`.
    kernel: float32 `[width, 3 * units]`.
    recurrent_kernel: float32 `[units, 3 * units]`.
    bias: float32 `[2, 3 * units]`, of the products with the input and with the
      state.

  Returns:
    The outputs `[batch, time, units]`, and h after the last step. All
    arguments have gradients.
  """
  return _gru(*(tf.convert_to_tensor(argument) for argument in (x, h, kernel, recurrent_kernel, bias)))


def _time_major(tensor):
  return tf.transpose(tensor, (1, 0, 2))


def _inputs(x, kernel, bias):
  """Returns the input's part of all gates, time first."""
  product = tf.matmul(tf.reshape(x, (-1, kernel.shape[0])), kernel) + bias
  return tf.reshape(product, (tf.shape(x)[0], tf.shape(x)[1], kernel.shape[1]))


def _array(size, width):
  return tf.TensorArray(tf.float32, size, element_shape=(None, width))


def _input_gradients(x, kernel, d_inputs):
  """Returns the gradients of `_inputs` for x (batch first), the kernel and the bias; `d_inputs` is `[n, gates]`."""
  d_x = tf.reshape(tf.matmul(d_inputs, kernel, transpose_b=True), tf.shape(x))
  d_kernel = tf.matmul(tf.reshape(x, (-1, kernel.shape[0])), d_inputs, transpose_a=True)
  return _time_major(d_x), d_kernel, tf.reduce_sum(d_inputs, axis=0)


def _recurrent_gradient(hs, d_gates):
  """Returns the gradient of the recurrent kernel; `hs` begins with the state before the first step."""
  return tf.matmul(tf.reshape(hs[:-1], (-1, hs.shape[2])), d_gates, transpose_a=True)


@tf.custom_gradient
def _rnn(x, first_h, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = _time_major(x)
  steps = tf.shape(x)[0]
  inputs = _inputs(x, kernel, bias)

  def forward(t, h, hs):
    h = tf.tanh(inputs[t] + tf.matmul(h, recurrent_kernel))
    return t + 1, h, hs.write(t + 1, h)

  # hs begins with the state before the first step.
  _, last_h, hs = tf.while_loop(
      lambda t, *_: t < steps, forward, (0, first_h, _array(steps + 1, units).write(0, first_h)),
      parallel_iterations=1)
  hs = hs.stack()

  def gradient(d_outputs, d_last_h):
    d_outputs = _time_major(d_outputs)
    transposed, slopes = tf.transpose(recurrent_kernel), 1 - hs * hs

    def backward(t, d_h, d_zs):
      d_z = (d_h + d_outputs[t]) * slopes[t + 1]
      return t - 1, tf.matmul(d_z, transposed), d_zs.write(t, d_z)

    _, d_h, d_zs = tf.while_loop(
        lambda t, *_: t >= 0, backward, (steps - 1, d_last_h, _array(steps, units)), parallel_iterations=1)
    d_z = tf.reshape(d_zs.stack(), (-1, units))
    d_x, d_kernel, d_bias = _input_gradients(x, kernel, d_z)
    return d_x, d_h, d_kernel, _recurrent_gradient(hs, d_z), d_bias

  return (_time_major(hs[1:]), last_h), gradient


@tf.custom_gradient
def _lstm(x, first_h, first_c, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = _time_major(x)
  steps = tf.shape(x)[0]
  inputs = _inputs(x, kernel, bias)

  def forward(t, h, c, hs, cs, gates):
    i, f, g, o = tf.split(inputs[t] + tf.matmul(h, recurrent_kernel), 4, axis=1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    c = f * c + i * g
    h = o * tf.tanh(c)
    return t + 1, h, c, hs.write(t + 1, h), cs.write(t + 1, c), gates.write(t, tf.concat([i, f, g, o], 1))

  # hs and cs begin with the state before the first step.
  _, last_h, last_c, hs, cs, gates = tf.while_loop(
      lambda t, *_: t < steps, forward,
      (0, first_h, first_c, _array(steps + 1, units).write(0, first_h), _array(steps + 1, units).write(0, first_c),
       _array(steps, 4 * units)), parallel_iterations=1)
  hs, cs, gates = hs.stack(), cs.stack(), gates.stack()

  def gradient(d_outputs, d_last_h, d_last_c):
    d_outputs = _time_major(d_outputs)
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
        lambda t, *_: t >= 0, backward, (steps - 1, d_last_h, d_last_c, _array(steps, 4 * units)),
        parallel_iterations=1)
    d_z = tf.reshape(d_zs.stack(), (-1, 4 * units))
    d_x, d_kernel, d_bias = _input_gradients(x, kernel, d_z)
    return d_x, d_h, d_c, d_kernel, _recurrent_gradient(hs, d_z), d_bias

  return (_time_major(hs[1:]), last_h, last_c), gradient


@tf.custom_gradient
def _gru(x, first_h, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = _time_major(x)
  steps = tf.shape(x)[0]
  inputs = _inputs(x, kernel, bias[0])

  def forward(t, h, hs, gates):
    update, reset, new = tf.split(inputs[t], 3, axis=1)
    h_update, h_reset, h_new = tf.split(tf.matmul(h, recurrent_kernel) + bias[1], 3, axis=1)
    z, r = tf.sigmoid(update + h_update), tf.sigmoid(reset + h_reset)
    n = tf.tanh(new + r * h_new)
    h = n + z * (h - n)
    return t + 1, h, hs.write(t + 1, h), gates.write(t, tf.concat([z, r, n, h_new], 1))

  # hs begins with the state before the first step.
  _, last_h, hs, gates = tf.while_loop(
      lambda t, *_: t < steps, forward,
      (0, first_h, _array(steps + 1, units).write(0, first_h), _array(steps, 4 * units)), parallel_iterations=1)
  hs, gates = hs.stack(), gates.stack()

  def gradient(d_outputs, d_last_h):
    d_outputs = _time_major(d_outputs)
    transposed = tf.transpose(recurrent_kernel)

    def backward(t, d_h, d_inputs, d_products):
      z, r, n, h_new = tf.split(gates[t], 4, axis=1)
      d_h += d_outputs[t]
      d_new = d_h * (1 - z) * (1 - n * n)
      d_update = d_h * (hs[t] - n) * z * (1 - z)
      d_reset = d_new * h_new * r * (1 - r)
      d_product = tf.concat([d_update, d_reset, d_new * r], 1)
      return (t - 1, d_h * z + tf.matmul(d_product, transposed),
              d_inputs.write(t, tf.concat([d_update, d_reset, d_new], 1)), d_products.write(t, d_product))

    _, d_h, d_inputs, d_products = tf.while_loop(
        lambda t, *_: t >= 0, backward,
        (steps - 1, d_last_h, _array(steps, 3 * units), _array(steps, 3 * units)), parallel_iterations=1)
    d_products = tf.reshape(d_products.stack(), (-1, 3 * units))
    d_x, d_kernel, d_bias = _input_gradients(x, kernel, tf.reshape(d_inputs.stack(), (-1, 3 * units)))
    return (d_x, d_h, d_kernel, _recurrent_gradient(hs, d_products),
            tf.stack([d_bias, tf.reduce_sum(d_products, axis=0)]))

  return (_time_major(hs[1:]), last_h), gradient
