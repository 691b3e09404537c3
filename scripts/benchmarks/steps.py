"""Measurements of training steps: their stages, and those of a recipe beside their products alone."""

import itertools
import statistics
import time

from reporting import UNITS, Windows, package_poems, report


def measure_stages(cell: str, times: str):
  """Times the stages of a training step, each on its own, on the same batch, so many times."""
  import tensorflow as tf

  from tangshi_tf import data, training
  from tangshi_tf.model import cross_entropy, devices, loss, myRNNModel
  devices.start()
  encoded, word2id = package_poems()
  poems = data.pack(*encoded)
  model, optimizer = myRNNModel(word2id, cell=cell), training.make_optimizer()
  batches = data.batches(poems)
  start = time.perf_counter()
  count = sum(1 for _ in batches)
  pipeline = (time.perf_counter() - start) / count
  usual = int(poems.flat_values.shape[0]) / count
  x, y, seqlen = min(itertools.islice(batches, 50), key=lambda batch: abs(int(tf.reduce_sum(batch[2])) - usual))
  tokens = int(tf.reduce_sum(seqlen))
  step = training.compiled_step(model, optimizer, training.StepOptions())
  hidden = tf.random.normal((*x.shape, UNITS))
  dense = [model.dense.kernel, model.dense.bias]
  layers = [*model.embed_layer.trainable_variables, *model.rnn_layer.trainable_variables]
  gradients = [tf.ones_like(variable) * 1e-3 for variable in model.trainable_variables]
  gradients[0] = tf.IndexedSlices(tf.ones((tf.size(x), 64)), tf.reshape(x, [-1]), gradients[0].shape)
  positions = tf.gather_nd(hidden, loss.real_positions(seqlen, x.shape[1]))

  @tf.function
  def recurrent():
    with tf.GradientTape() as tape:
      total = tf.reduce_sum(model.hidden_sequence(x) * hidden)
    return tape.gradient(total, layers)[1:]

  @tf.function
  def output():
    with tf.GradientTape() as tape:
      tape.watch(hidden)
      value, _ = loss.fused_loss(hidden, *dense, y, seqlen)
    return tape.gradient(value, [hidden, *dense])

  @tf.function
  def products():
    """The output layer's three products alone, in the same chunks."""
    rows = tf.transpose(dense[0])

    def chunk(i, d_kernel):
      part = positions[i:i + cross_entropy.ROWS]
      logits = tf.matmul(part, dense[0])
      d_hidden = tf.matmul(logits, rows)
      return i + cross_entropy.ROWS, d_kernel + tf.matmul(part, logits, transpose_a=True) + d_hidden[0, 0]

    return tf.while_loop(lambda i, _: i < tokens, chunk, (0, tf.zeros_like(dense[0])), parallel_iterations=1)

  @tf.function
  def update():
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return [optimizer.iterations + 0]

  stages = {'whole step': lambda: step(x, y, seqlen, [])[0], 'embedding and recurrent layer': recurrent,
            'output layer and loss': output, 'of these the three products': products, 'Adam': update}
  taken = {name: [] for name in stages}
  for _ in range(1 + int(times)):
    for name, stage in stages.items():
      start = time.perf_counter()
      stage()[0].numpy()
      taken[name].append(1e3 * (time.perf_counter() - start))
  milliseconds = {name: statistics.median(values[1:]) for name, values in taken.items()}
  report(tokens=tokens, milliseconds={**milliseconds, 'input pipeline, beside the step': 1e3 * pipeline})


def measure_recipe(name: str, variant: str, path: str | None = None):
  """Trains by a recipe of a tied GRU in windows; times one of its steps, and the products of that alone.

  Args:
    name: of the recipe.
    variant: one of `RECIPE_VARIANTS`.
    path: of the poems; by default the package's.
  """
  import dataclasses

  import tensorflow as tf

  from tangshi_tf import data, recipes, training
  from tangshi_tf.model import devices, myRNNModel
  devices.start()
  settings = recipes.settings_of(name, **RECIPE_VARIANTS[variant])
  encoded, word2id = package_poems(path)
  poems = data.pack(*encoded)
  model = myRNNModel(word2id, **dataclasses.asdict(settings.model))
  options = training.StepOptions(**{field: getattr(settings.training, field) for field in (
      'reduction', 'unlikelihood', 'precision', 'clip_norm', 'bos_dropout', 'random_states')})
  optimizer = training.make_optimizer(settings.training.learning_rate)
  batches = data.batches(poems, batch_tokens=settings.training.batch_tokens)
  usual = min(itertools.islice(batches, 100), key=lambda batch: abs(batch[0].shape[1] - 50))
  products = _products_of(model, usual, options.precision)
  windows = Windows()

  def on_step(step, result, state):
    if not step:
      report()
    return windows.after_step(int(result.tokens))

  training.train(1, model, optimizer, batches.repeat(), on_step=on_step, options=options)
  step = training.compiled_step(model, optimizer, options)
  timed = {'step_ms': lambda: step(*usual, [])[0].loss, 'products_ms': products}
  taken = {name: [] for name in timed}
  for _ in range(_TIMES + 1):
    for name, run in timed.items():
      start = time.perf_counter()
      run().numpy()
      taken[name].append(1e3 * (time.perf_counter() - start))
  report(tokens=int(tf.reduce_sum(usual[2])), **{name: statistics.median(times[1:]) for name, times in taken.items()})


_TIMES = 15  # of a step, and of its products
RECIPE_VARIANTS = {'full': {'softmax': 'full', 'precision': 'float32'},
                   'adaptive': {'softmax': 'adaptive', 'precision': 'float32'},
                   'adaptive_bfloat16': {'softmax': 'adaptive', 'precision': 'bfloat16'}}


def _products_of(model, batch, precision: str):
  """Returns a function that makes the matrix products of a step on a batch, of the same shapes, and nothing else.

  The model has one recurrent layer and a projection to the width of its embedding.
  """
  import tensorflow as tf

  from tangshi_tf.model import cross_entropy
  from tangshi_tf.model.products import products
  operand, product = products(precision)
  x, y, seqlen = batch
  rows, steps = x.shape
  words, width = model.embed_layer.embeddings.shape
  units, gates = model.rnncell.recurrent_kernel.shape
  labels = tf.gather_nd(y, tf.where(tf.sequence_mask(seqlen, steps))).numpy()
  bounds = [0, *(model.clusters.bounds if model.clusters is not None else [words])]
  parts = [(len(labels) if not low else int(((labels >= low) & (labels < high)).sum()), high - low)
           for low, high in itertools.pairwise(bounds)]

  def made(*shape):
    return operand(tf.random.normal(shape))

  def three(n, inner, outer):
    return made(n, inner), made(inner, outer), made(outer, inner), made(n, outer)

  at_once = [three(rows * steps, width, gates), three(rows * steps, units, width)]
  for n, classes in parts:  # in the chunks of the loss
    count, size = map(int, cross_entropy.chunks_of(n, classes))
    at_once += [three(size, width, classes) for _ in range(count)]  # equal ones would be made once
  h, d_gates, recurrent, back = made(rows, units), made(rows, gates), made(units, gates), made(gates, units)
  all_h, all_d_gates = made(rows * steps, units), made(rows * steps, gates)

  @tf.function
  def run():
    def repeated(a, b):
      return tf.while_loop(lambda t, _: t < steps, lambda t, total: (t + 1, total + product(a, b)[0, 0]), (0, 0.0),
                           parallel_iterations=1)[1]

    total = repeated(h, recurrent) + repeated(d_gates, back) + product(all_h, all_d_gates, transpose_a=True)[0, 0]
    for a, b, back_b, d in at_once:
      total += product(a, b)[0, 0] + product(d, back_b)[0, 0] + product(a, d, transpose_a=True)[0, 0]
    return total

  return run
