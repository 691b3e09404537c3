"""The processes that benchmark.py starts; each measures one thing.

    python scripts/benchmarks/measurements.py train float32 rnn

A process writes JSON objects, one a line: first what it has to say of itself. One that
measures in windows then reads a number of seconds a line and answers with the figures
of a window that long; an empty line ends it after a closing report.
"""

import contextlib
import pathlib
import platform
import statistics
import sys
import time

import steps
import writing
from reporting import UNITS, Windows, package_poems, peak_rss_mb, report

from tangshi_tf import corpus, quiet
from tangshi_tf.errors import UserError

VARIANTS = {'float32': {}, 'bfloat16': {'precision': 'bfloat16'}, 'adaptive': {'softmax': 'adaptive'},
            'adaptive_tied': {'softmax': 'adaptive', 'tied': True},
            'adaptive_bfloat16': {'softmax': 'adaptive', 'precision': 'bfloat16'}}  # the package's: what is not default


def measure_training(variant: str, cell: str, path: str | None = None, vocabulary_size: str | None = None):
  """Trains in windows, on the poems of a file (by default the package's)."""
  start = time.perf_counter()
  source = path, vocabulary_size and int(vocabulary_size)
  loop = {'exercise': train_exercise, 'pytorch': train_pytorch}.get(variant, train_package)
  windows = Windows()

  def first_step(**figures):
    report(first_step_s=time.perf_counter() - start, **figures)

  traces = loop(source, cell, variant, windows, first_step)
  report(peak_rss_mb=peak_rss_mb(), traces=traces)


def train_exercise(source, cell, _, windows, first_step):
  import exercise
  import keras
  import tensorflow as tf
  ds, word2id, _ = exercise.poem_dataset(corpus.default_corpus_path() if source[0] is None else source[0])
  model, optimizer = exercise.myRNNModel(word2id, cell), keras.optimizers.Adam(0.0005)
  optimizer.build(model.trainable_variables)
  for step, (x, y, seqlen) in enumerate(ds.repeat()):
    exercise.train_one_step(model, optimizer, x, y, seqlen)
    if not step:
      first_step()
    if windows.after_step(int(tf.reduce_sum(seqlen))):
      break
  return exercise.train_one_step.experimental_get_tracing_count()


def train_package(source, cell, variant, windows, first_step):
  quiet.start_without_optional()  # as commands do
  encoded, word2id = package_poems(*source)

  from tangshi_tf import data, training
  from tangshi_tf.model import devices, myRNNModel
  devices.start()
  poems = data.pack(*encoded)
  del encoded
  settings = {**VARIANTS[variant]}
  options = training.StepOptions(precision=settings.pop('precision', 'float32'))
  model, optimizer = myRNNModel(word2id, cell=cell, **settings), training.make_optimizer()

  def on_step(step, result, state):
    if not step:
      first_step(tokens=int(poems.flat_values.shape[0]), classes=len(word2id),
                 bytes_per_token=(poems.flat_values.numpy().nbytes + poems.row_splits.numpy().nbytes)
                 / int(poems.flat_values.shape[0]))
    return windows.after_step(int(result.tokens))

  training.train(1, model, optimizer, data.batches(poems).repeat(), on_step=on_step, options=options)
  return training.compiled_step(model, optimizer, options).experimental_get_tracing_count()


def train_pytorch(source, cell, _, windows, first_step):
  """The same model and the package's batches in PyTorch, logits at real positions only."""
  encoded, word2id = package_poems(*source)
  sys.modules['triton'] = None  # only GPUs need it, and beside TensorFlow it breaks the process
  import torch

  from tangshi_tf import data
  poems = data.pack(*encoded)
  embedding = torch.nn.Embedding(len(word2id), 64)
  layer = {'rnn': torch.nn.RNN, 'lstm': torch.nn.LSTM, 'gru': torch.nn.GRU}[cell](64, UNITS, batch_first=True)
  dense = torch.nn.Linear(UNITS, len(word2id))
  optimizer = torch.optim.Adam([*embedding.parameters(), *layer.parameters(), *dense.parameters()], 0.0005)
  for step, batch in enumerate(data.batches(poems).repeat()):
    x, y, seqlen = (torch.from_numpy(tensor.numpy().astype('int64')) for tensor in batch)
    real = torch.arange(x.shape[1])[None] < seqlen[:, None]
    weights = (1 / (seqlen * len(seqlen))).repeat_interleave(seqlen)
    optimizer.zero_grad()
    losses = torch.nn.functional.cross_entropy(dense(layer(embedding(x))[0][real]), y[real], reduction='none')
    (losses * weights).sum().backward()
    optimizer.step()
    if not step:
      first_step()
    if windows.after_step(int(seqlen.sum())):
      break
  return 0


def measure_ceiling():
  """Times the three matrix products of the output layer, for 1,024 rows."""
  import tensorflow as tf

  from tangshi_tf.model import devices
  devices.start()
  _, word2id = package_poems()
  classes, rows = len(word2id), 1024
  flops = 6 * rows * UNITS * classes
  products = {}
  for dtype in ('float32', 'bfloat16'):
    hidden = tf.cast(tf.random.normal((rows, UNITS)), dtype)
    kernel = tf.cast(tf.random.normal((UNITS, classes)), dtype)
    rows_of_kernel = tf.transpose(kernel)

    @tf.function
    def three(hidden, kernel, rows_of_kernel):
      logits = tf.matmul(hidden, kernel)
      return tf.matmul(logits, rows_of_kernel), tf.matmul(hidden, logits, transpose_a=True)

    products[dtype] = lambda three=three, arguments=(hidden, kernel, rows_of_kernel): three(*arguments)
    products[dtype]()
  flops_a_token = flops / rows
  report(flops_a_token=flops_a_token)
  while line := sys.stdin.readline().strip():
    figures = {}
    for dtype, product in products.items():
      times, end = [], time.perf_counter() + float(line) / 4
      while not times or time.perf_counter() < end:
        start = time.perf_counter()
        product()[1][0, 0].numpy()
        times.append(time.perf_counter() - start)
      figures[f'{dtype}_gflops'] = flops / statistics.median(times) / 1e9
    report(**figures)
  report(flops_a_token=flops_a_token)


def describe_machine():
  """Says where the figures come from."""
  from importlib import metadata

  from tangshi_tf.model import devices
  device = devices.start()
  name = platform.processor() or platform.machine()
  with contextlib.suppress(OSError):
    for line in pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
      if line.startswith('model name'):
        name = line.partition(':')[2].strip()
        break
  report(machine=f'{name}; {device}; {platform.system()}, Python {platform.python_version()}, '
                 f'TensorFlow {metadata.version("tensorflow")}, Keras {metadata.version("keras")}')


MEASUREMENTS = {'train': measure_training, 'ceiling': measure_ceiling, 'write': writing.measure_single,
                'write_many': writing.measure_many, 'stages': steps.measure_stages, 'recipe': steps.measure_recipe,
                'machine': describe_machine}

if __name__ == '__main__':
  try:
    MEASUREMENTS[sys.argv[1]](*sys.argv[2:])
  except UserError as error:
    sys.exit(str(error))
