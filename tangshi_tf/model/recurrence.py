"""Recurrent layers over whole sequences for processors, where Keras has only a general loop.

The inputs of all steps are multiplied with their kernel at once, and so are
the gradients of both kernels; the loops hold the recurrent products and what
depends on them alone. For the gradient only the states and the gates are kept;
its loop multiplies what comes back from the later steps with factors that are
made of them for all steps at once.
"""

import itertools

from tangshi_tf.model import devices
from tangshi_tf.model.products import of_recurrence, products
from tangshi_tf.quiet import keras, tf

_LOOPS = 2  # of LSTM and GRU; the SimpleRNN, whose steps are little more than the product, gains nothing


def run(layer, inputs, state, recurrent_kernel, precision: str = 'float32'):
  """Runs a Keras layer over whole sequences, in a loop of its own here where there is one for it.

  Args:
    layer: a `SimpleRNN`, `LSTM` or `GRU` that returns its sequences and state.
    inputs: float32 `[batch, time, width]`.
    state: the state before the first step, a list of `[batch, units]`; None for
      zeros.
    recurrent_kernel: the layer's own, or one to take in its place.
    precision: of the operands of the products, where there is such a loop.

  Returns:
    The outputs `[batch, time, units]` and the tensors of the last state, in a
    tuple or list.
  """
  cell = layer.cell
  if not devices.has_gpu():
    lstm_layer = isinstance(layer, keras.layers.LSTM)
    state_or_zeros = state or [tf.zeros((tf.shape(inputs)[0], cell.units))] * (1 + lstm_layer)
    arguments = [inputs, *state_or_zeros, cell.kernel, recurrent_kernel, cell.bias, precision]
    if isinstance(layer, keras.layers.SimpleRNN):
      return rnn(*arguments)
    if lstm_layer:
      return lstm(*arguments)
    if isinstance(layer, keras.layers.GRU) and cell.reset_after:
      return gru(*arguments)
  if recurrent_kernel is cell.recurrent_kernel:
    return layer(inputs, initial_state=state)
  with keras.StatelessScope([(cell.recurrent_kernel, recurrent_kernel)]):  # the layer reads this one instead
    return layer(inputs, initial_state=state)


def rnn(x, h, kernel, recurrent_kernel, bias, precision: str = 'float32'):
  """Runs the RNN of `network`'s documentation.

  Args:
    x: float32 `[batch, time, width]`.
    h: the state before the first step, float32 `[batch, units]`.
    kernel: float32 `[width, units]`.
    recurrent_kernel: float32 `[units, units]`.
    bias: float32 `[units]`.
    precision: of the products' operands, see `products`.

  Returns:
    The outputs `[batch, time, units]`, and h after the last step. All
    arguments have gradients.
  """
  return _run(_rnn, precision, x, h, kernel, recurrent_kernel, bias, loops=1)


def lstm(x, h, c, kernel, recurrent_kernel, bias, precision: str = 'float32'):
  """Runs the LSTM of `network`'s documentation; the gates are in Keras's order i, f, c~, o.

  Args:
    x: float32 `[batch, time, width]`.
    h, c: the state before the first step, float32 `[batch, units]`.
    kernel: float32 `[width, 4 * units]`.
    recurrent_kernel: float32 `[units, 4 * units]`.
    bias: float32 `[4 * units]`.
    precision: of the products' operands, see `products`.

  Returns:
    The outputs `[batch, time, units]`, and h and c after the last step. All
    arguments have gradients.
  """
  return _run(_lstm, precision, x, h, c, kernel, recurrent_kernel, bias, loops=_LOOPS)


def gru(x, h, kernel, recurrent_kernel, bias, precision: str = 'float32'):
  """Runs the GRU whose reset gate comes after the recurrent product; gates in Keras's order z, r, h~.

  Args:
    x: float32 `[batch, time, width]`.
    h: the state before the first step, float32 `[batch, units]`.
    kernel: float32 `[width, 3 * units]`.
    recurrent_kernel: float32 `[units, 3 * units]`.
    bias: float32 `[2, 3 * units]`, of the products with the input and with the
      state.
    precision: of the products' operands, see `products`.

  Returns:
    The outputs `[batch, time, units]`, and h after the last step. All
    arguments have gradients.
  """
  return _run(_gru, precision, x, h, kernel, recurrent_kernel, bias, loops=_LOOPS)


def _run(layer, precision, *arguments, loops: int):
  """Calls a function of products, tensors with a row a sequence and three weights, that returns outputs and gradients.

  Each of several loops, which run side by side, takes a part of the rows: what stands between the products of a step is
  work for one core.
  """
  @tf.custom_gradient
  def forward(*arguments):
    rows, weights = arguments[:-3], arguments[-3:]
    ends = [tf.shape(rows[0])[0] * i // loops for i in range(loops + 1)]

    def parts(tensors):
      return [[tensor[low:high] for tensor in tensors] for low, high in itertools.pairwise(ends)]

    products = _Products(precision)
    outputs, gradients = zip(*(layer(products, *part, *weights) for part in parts(rows)))

    def gradient(*d_outputs):
      found = [of_part(*part) for of_part, part in zip(gradients, parts(d_outputs))]
      return *_joined(d[:-3] for d in found), *map(tf.add_n, zip(*(d[-3:] for d in found)))

    return _joined(outputs), gradient

  return forward(*map(tf.convert_to_tensor, arguments))


def _joined(parts):
  return tuple(tf.concat(tensors, 0) for tensors in zip(*parts))


class _Products:
  """The products of a layer.

  Attributes:
    operand, product: see `products`.
  """

  def __init__(self, precision: str):
    self.operand, self.product = products(of_recurrence(precision))

  def of_inputs(self, x, kernel, bias):
    """Returns the input's part of all gates, for x with time first."""
    product = self.product(self.operand(tf.reshape(x, (-1, kernel.shape[0]))), self.operand(kernel)) + bias
    return tf.reshape(product, (tf.shape(x)[0], tf.shape(x)[1], kernel.shape[1]))

  def step_by(self, kernel):
    """Returns a function from states `[batch, n]` to their product with a kernel, which is made an operand once."""
    kernel = self.operand(kernel)
    return lambda state: self.product(self.operand(state), kernel)

  def input_gradients(self, x, kernel, d_inputs):
    """Returns the gradients of `of_inputs` for x (batch first), the kernel and the bias; `d_inputs` is `[n, gates]`."""
    gradients = self.operand(d_inputs)
    d_x = tf.reshape(self.product(gradients, self.operand(kernel), transpose_b=True), tf.shape(x))
    d_kernel = self.product(self.operand(tf.reshape(x, (-1, kernel.shape[0]))), gradients, transpose_a=True)
    return _time_major(d_x), d_kernel, tf.reduce_sum(d_inputs, axis=0)

  def recurrent_gradient(self, hs, d_gates):
    """Returns the gradient of the recurrent kernel; `hs` begins with the state before the first step."""
    before = self.operand(tf.reshape(hs[:-1], (-1, hs.shape[2])))
    return self.product(before, self.operand(d_gates), transpose_a=True)


def _time_major(tensor):
  return tf.transpose(tensor, (1, 0, 2))


def _array(size, width):
  return tf.TensorArray(tf.float32, size, element_shape=(None, width))


def _loop(condition, body, *start):
  return tf.while_loop(condition, body, start, parallel_iterations=1)[1:]


def _rnn(products, x, first_h, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = _time_major(x)
  steps = tf.shape(x)[0]
  inputs, recur = products.of_inputs(x, kernel, bias), products.step_by(recurrent_kernel)

  def forward(t, h, hs):
    h = tf.tanh(inputs[t] + recur(h))
    return t + 1, h, hs.write(t + 1, h)

  # hs begins with the state before the first step.
  last_h, hs = _loop(lambda t, *_: t < steps, forward, 0, first_h, _array(steps + 1, units).write(0, first_h))
  hs = hs.stack()

  def gradient(d_outputs, d_last_h):
    d_outputs = _time_major(d_outputs)
    recur_back, slopes = products.step_by(tf.transpose(recurrent_kernel)), 1 - hs * hs

    def backward(t, d_h, d_zs):
      d_z = (d_h + d_outputs[t]) * slopes[t + 1]
      return t - 1, recur_back(d_z), d_zs.write(t, d_z)

    d_h, d_zs = _loop(lambda t, *_: t >= 0, backward, steps - 1, d_last_h, _array(steps, units))
    d_z = tf.reshape(d_zs.stack(), (-1, units))
    d_x, d_kernel, d_bias = products.input_gradients(x, kernel, d_z)
    return d_x, d_h, d_kernel, products.recurrent_gradient(hs, d_z), d_bias

  return (_time_major(hs[1:]), last_h), gradient


def _lstm(products, x, first_h, first_c, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = _time_major(x)
  steps = tf.shape(x)[0]
  inputs, recur = products.of_inputs(x, kernel, bias), products.step_by(recurrent_kernel)

  def forward(t, h, c, hs, cs, i_fs, gs, os):
    i_f, g, o = tf.split(inputs[t] + recur(h), (2 * units, units, units), axis=1)
    i_f, g, o = tf.sigmoid(i_f), tf.tanh(g), tf.sigmoid(o)
    i, f = tf.split(i_f, 2, axis=1)
    c = f * c + i * g
    h = o * tf.tanh(c)
    return t + 1, h, c, hs.write(t + 1, h), cs.write(t + 1, c), i_fs.write(t, i_f), gs.write(t, g), os.write(t, o)

  # hs and cs begin with the state before the first step.
  last_h, last_c, hs, cs, i_fs, gs, os = _loop(
      lambda t, *_: t < steps, forward, 0, first_h, first_c, _array(steps + 1, units).write(0, first_h),
      _array(steps + 1, units).write(0, first_c), _array(steps, 2 * units), _array(steps, units), _array(steps, units))
  hs, cs, i_f, g, o = hs.stack(), cs.stack(), i_fs.stack(), gs.stack(), os.stack()

  def gradient(d_outputs, d_last_h, d_last_c):
    d_outputs, recur_back = _time_major(d_outputs), products.step_by(tf.transpose(recurrent_kernel))
    (i, f), tanh_c = tf.split(i_f, 2, axis=2), tf.tanh(cs[1:])
    of_h = o * (1 - tanh_c * tanh_c)
    factors = tf.concat([g * i * (1 - i), cs[:-1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], 2)

    def backward(t, d_h, d_c, d_zs):
      d_h += d_outputs[t]
      d_c += d_h * of_h[t]
      d_z = tf.concat([d_c, d_c, d_c, d_h], 1) * factors[t]
      return t - 1, recur_back(d_z), d_c * f[t], d_zs.write(t, d_z)

    d_h, d_c, d_zs = _loop(lambda t, *_: t >= 0, backward, steps - 1, d_last_h, d_last_c, _array(steps, 4 * units))
    d_z = tf.reshape(d_zs.stack(), (-1, 4 * units))
    d_x, d_kernel, d_bias = products.input_gradients(x, kernel, d_z)
    return d_x, d_h, d_c, d_kernel, products.recurrent_gradient(hs, d_z), d_bias

  return (_time_major(hs[1:]), last_h, last_c), gradient


def _gru(products, x, first_h, kernel, recurrent_kernel, bias):
  units = recurrent_kernel.shape[0]
  x = _time_major(x)
  steps = tf.shape(x)[0]
  inputs, recur = products.of_inputs(x, kernel, bias[0]), products.step_by(recurrent_kernel)

  def forward(t, h, hs, z_rs, ns, h_news):
    z_r, new = tf.split(inputs[t], (2 * units, units), axis=1)
    h_z_r, h_new = tf.split(tf.nn.bias_add(recur(h), bias[1]), (2 * units, units), axis=1)
    z_r = tf.sigmoid(z_r + h_z_r)
    z, r = tf.split(z_r, 2, axis=1)
    n = tf.tanh(new + r * h_new)
    h = n + z * (h - n)
    return t + 1, h, hs.write(t + 1, h), z_rs.write(t, z_r), ns.write(t, n), h_news.write(t, h_new)

  # hs begins with the state before the first step.
  last_h, hs, z_rs, ns, h_news = _loop(
      lambda t, *_: t < steps, forward, 0, first_h, _array(steps + 1, units).write(0, first_h),
      _array(steps, 2 * units), _array(steps, units), _array(steps, units))
  hs, z_r, n, h_new = hs.stack(), z_rs.stack(), ns.stack(), h_news.stack()

  def gradient(d_outputs, d_last_h):
    d_outputs, recur_back = _time_major(d_outputs), products.step_by(tf.transpose(recurrent_kernel))
    z, r = tf.split(z_r, 2, axis=2)
    of_new = (1 - z) * (1 - n * n)
    factors = tf.concat([(hs[:-1] - n) * z * (1 - z), of_new * h_new * r * (1 - r), of_new * r], 2)

    def backward(t, d_h, d_hs, d_products):
      d_h += d_outputs[t]
      d_product = tf.concat([d_h, d_h, d_h], 1) * factors[t]
      return t - 1, d_h * z[t] + recur_back(d_product), d_hs.write(t, d_h), d_products.write(t, d_product)

    d_h, d_hs, d_products = _loop(
        lambda t, *_: t >= 0, backward, steps - 1, d_last_h, _array(steps, units), _array(steps, 3 * units))
    d_products = d_products.stack()
    d_inputs = tf.reshape(tf.concat([d_products[:, :, :2 * units], d_hs.stack() * of_new], 2), (-1, 3 * units))
    d_products = tf.reshape(d_products, (-1, 3 * units))
    d_x, d_kernel, d_bias = products.input_gradients(x, kernel, d_inputs)
    return (d_x, d_h, d_kernel, products.recurrent_gradient(hs, d_products),
            tf.stack([d_bias, tf.reduce_sum(d_products, axis=0)]))

  return (_time_major(hs[1:]), last_h), gradient
