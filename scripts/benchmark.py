"""Measures training, decoding and start-up beside the exercise's own recipe.

    python scripts/benchmark.py --quick
    python scripts/benchmark.py --json >benchmark.json
    python scripts/build_corpus.py --dynasty=song --out=song.txt
    python scripts/benchmark.py --growth=song.txt

Each thing is measured in a process of its own. Those that are compared take turns,
window by window, so that a busy machine slows all of them; a ratio is the median of
the ratios of windows that stand side by side. Tokens are real ones, without padding.
The tables are Markdown.
"""

import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tangshi_tf import cli, corpus
from tangshi_tf.errors import UserError

_QUICK = flags.DEFINE_bool('quick', False, 'Fewer and shorter windows, no PyTorch: done in 8 minutes on 2 cores.')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object instead of tables.')
_GROWTH = flags.DEFINE_string('growth', None, 'Measure growth instead: a corpus file with 250,000 poems.')
_STAGES = flags.DEFINE_bool('stages', False, 'Measure the stages of a training step instead.')
_WORKER = flags.DEFINE_string('worker', None, 'Internal: what this process measures.')

ROOT = pathlib.Path(__file__).resolve().parent.parent
CELLS = ('rnn', 'lstm', 'gru')
VARIANTS = ('exercise', 'float32', 'bfloat16')
UNITS = 128  # the exercise's
GROWTH_POEMS = (5_000, 50_000, 250_000)


def main() -> int:
  if _WORKER.value is not None:
    name, *arguments = _WORKER.value.split(',')
    WORKERS[name](*arguments)
    return 0
  if _GROWTH.value is not None:
    result, show = measure_growth(_GROWTH.value), growth_tables
  elif _STAGES.value:
    result, show = {'stages': measure_stages()}, stage_tables
  else:
    result, show = measure_all(), tables
  result['machine'] = machine()
  print(json.dumps(result, indent=2) if _JSON.value else show(result))
  return 0


# The parent: starts workers and lets them take turns.


class Worker:
  """A process that measures one thing when it is told to."""

  def __init__(self, *what: str):
    self.what = what
    self._process = None

  def _start(self):
    self._log = tempfile.TemporaryFile()
    self._process = subprocess.Popen(
        [sys.executable, __file__, f'--worker={",".join(self.what)}'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=self._log, text=True, encoding='utf-8')

  def read(self) -> dict:
    """Returns the next thing that the worker reports; starts it if it is not running."""
    if self._process is None:
      self._start()
    line = self._process.stdout.readline()
    if not line:
      self._process.wait()
      self._log.seek(0)
      error = self._log.read().decode(errors='replace').strip().splitlines()
      raise UserError(f'the measurement of {" ".join(self.what)} ended with status {self._process.returncode}: '
                      f'{error[-1] if error else "no message"}')
    return json.loads(line)

  def window(self, seconds: float) -> dict:
    """Lets the worker measure for some seconds."""
    self._send(str(seconds))
    return self.read()

  def finish(self) -> dict:
    """Ends the worker and returns its closing report."""
    self._send('')
    return self.read()

  def stop(self):
    if self._process is None:
      return
    self._process.kill()
    self._process.wait()
    self._process.stdin.close()
    self._process.stdout.close()
    self._log.close()

  def _send(self, line: str):
    with contextlib.suppress(BrokenPipeError):  # read tells why
      self._process.stdin.write(line + '\n')
      self._process.stdin.flush()


@contextlib.contextmanager
def workers(*whats: tuple[str, ...]):
  """Yields workers, one for each tuple, and stops them in the end."""
  made = [Worker(*what) for what in whats]
  try:
    yield made
  finally:
    for worker in made:
      worker.stop()


def take_turns(whats: list[tuple[str, ...]]) -> list[tuple[dict, list[dict], dict]]:
  """Measures things window by window, in turn.

  Returns:
    For each its opening report, those of its windows, and its closing report.
  """
  rounds, seconds = (4, 2.5) if _QUICK.value else (7, 6.0)
  with workers(*whats) as started:
    opened = []
    for worker in started:
      opened.append(worker.read())
      worker.window(1.0)  # warm-up
    windows = [[worker.window(seconds) for worker in started] for _ in range(rounds)]
    return [(opened[i], [row[i] for row in windows], worker.finish()) for i, worker in enumerate(started)]


def say(text: str):
  print(text, file=sys.stderr, flush=True)


def median(values) -> float:
  return statistics.median(values)


def measure_all() -> dict:
  """Returns everything that the tables of the README show."""
  start = time.perf_counter()
  compared = VARIANTS
  if has_pytorch() and not _QUICK.value:
    compared += ('pytorch',)
  result = {variant: {} for variant in compared}
  ceilings = []
  for cell in CELLS:
    say(f'{time.perf_counter() - start:4.0f} s: training, {cell}: {", ".join(compared)} ...')
    measured = take_turns([('train', variant, cell) for variant in compared] + [('ceiling',)])
    *trained, (_, ceiling, closing) = measured
    ceilings += ceiling
    tokens_a_flop = 1 / (6 * UNITS * closing['classes'])
    exercise = trained[0][1]
    for variant, (_, windows, closing) in zip(compared, trained):
      rates = [window['tokens_per_s'] for window in windows]
      result[variant][cell] = {
          'train_tokens_per_s': median(rates),
          'spread': [min(rates), max(rates)],
          'ratio_to_exercise': median(rate / base['tokens_per_s'] for rate, base in zip(rates, exercise)),
          'ratio_to_ceiling': median(rate / (top['float32_gflops'] * 1e9 * tokens_a_flop)
                                     for rate, top in zip(rates, ceiling)),
          **closing}
  result['ceiling'] = {}
  for key in ('float32_gflops', 'bfloat16_gflops'):
    result['ceiling'][key] = median(window[key] for window in ceilings)
    result['ceiling'][key.replace('gflops', 'tokens_per_s')] = result['ceiling'][key] * 1e9 * tokens_a_flop
  say(f'{time.perf_counter() - start:4.0f} s: decoding ...')
  with workers(('decode',)) as (worker,):
    result['decode'] = worker.read()
  say(f'{time.perf_counter() - start:4.0f} s: start-up ...')
  result['startup'] = measure_startup(3 if _QUICK.value else 7)
  say(f'{time.perf_counter() - start:4.0f} s: done')
  return result


def has_pytorch() -> bool:
  import importlib.util
  return importlib.util.find_spec('torch') is not None


def measure_startup(times: int) -> dict:
  """Times fresh processes, from their start to their first line or their end."""
  environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
  environment.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  commands = {
      'import_tensorflow_s': ['-c', 'import tensorflow; print()'],
      'first_poem_s': ['-m', 'tangshi_tf.generate', '--model=rnn', '--begin=日'],
      'help_s': ['-m', 'tangshi_tf.generate', '--help'],
  }
  seconds = {name: [] for name in commands}
  for _ in range(times):
    for name, arguments in commands.items():
      start = time.perf_counter()
      process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 cwd=tempfile.gettempdir(), env=environment)
      process.stdout.readline()
      seconds[name].append(time.perf_counter() - start)
      process.stdout.read()
      if process.wait():
        raise UserError(f'python {" ".join(arguments)} ended with status {process.returncode}')
  result = {name: median(values) for name, values in seconds.items()}
  result['beyond_import_s'] = median(poem - tensorflow for poem, tensorflow in
                                     zip(seconds['first_poem_s'], seconds['import_tensorflow_s']))
  return result


def measure_growth(path: str) -> dict:
  """Trains SimpleRNN on the Tang corpus and on the first poems of a large one."""
  lines = corpus.read_text(path).splitlines(keepends=True)
  if len(lines) < GROWTH_POEMS[-1]:
    raise UserError(f'{path}: holds {len(lines):,} lines; expected at least {GROWTH_POEMS[-1]:,} poems')
  _, tang = package_poems()
  with tempfile.TemporaryDirectory() as folder:
    whats = {'Tang': ('train', 'float32', 'rnn')}
    for poems in GROWTH_POEMS:
      part = pathlib.Path(folder) / f'{poems}.txt'
      part.write_text(''.join(lines[:poems]), encoding='utf-8')
      whats[f'{poems:,} poems'] = ('train', 'float32', 'rnn', str(part))
    whats[f"{poems:,} poems, Tang's vocabulary size"] = (*whats[f'{poems:,} poems'], str(len(tang)))
    rows = []
    for name, (opened, windows, closing) in zip(whats, take_turns(list(whats.values()))):
      rates = [window['tokens_per_s'] for window in windows]
      rows.append({'corpus': name, 'train_tokens_per_s': median(rates), 'spread': [min(rates), max(rates)],
                   **opened, **closing})
  for row in rows:
    row['ratio_to_tang'] = row['train_tokens_per_s'] / rows[0]['train_tokens_per_s']
    row['mb_beyond_tang'] = row['peak_rss_mb'] - rows[0]['peak_rss_mb']
  return {'growth': rows}


def measure_stages() -> dict:
  result = {}
  for cell in CELLS:
    with workers(('stages', cell)) as (worker,):
      result[cell] = worker.read()
  return result


def machine() -> str:
  """Says where the figures come from."""
  from importlib import metadata
  name = platform.processor() or platform.machine()
  with contextlib.suppress(OSError):
    for line in pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
      if line.startswith('model name'):
        name = line.partition(':')[2].strip()
        break
  cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
  return (f'{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}, '
          f'TensorFlow {metadata.version("tensorflow")}, Keras {metadata.version("keras")}')


# The workers.


def report(**figures):
  print(json.dumps(figures), flush=True)


class Windows:
  """Cuts a training loop into the windows that the parent asks for."""

  def __init__(self):
    self._deadline = None

  def after_step(self, tokens: int) -> bool:
    """Counts a step's tokens; returns True once the parent wants no more."""
    if self._deadline is None:
      return self._next()
    self._tokens += tokens
    now = time.perf_counter()
    if now < self._deadline:
      return False
    report(tokens_per_s=self._tokens / (now - self._start))
    return self._next()

  def _next(self):
    line = sys.stdin.readline().strip()
    if not line:
      return True
    self._tokens, self._start = 0, time.perf_counter()
    self._deadline = self._start + float(line)
    return False


def peak_rss_mb() -> float | None:
  """Returns the largest resident memory of this process so far; None where it is not known."""
  try:
    import resource
  except ImportError:
    return None
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)


def train_worker(variant: str, cell: str, path: str | None = None, vocabulary_size: str | None = None):
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
  ds, word2id, _ = exercise.poem_dataset(source[0] or corpus.default_corpus_path())
  model, optimizer = exercise.myRNNModel(word2id, cell), keras.optimizers.Adam(0.0005)
  optimizer.build(model.trainable_variables)
  for step, (x, y, seqlen) in enumerate(ds.repeat()):
    exercise.train_one_step(model, optimizer, x, y, seqlen)
    if not step:
      first_step()
    if windows.after_step(int(tf.reduce_sum(seqlen))):
      break
  return exercise.train_one_step.experimental_get_tracing_count()


def package_poems(path=None, size=None):
  """Returns the training poems of a corpus, encoded, and the vocabulary, as `tangshi_tf.train` makes them."""
  path = path or corpus.default_corpus_path()
  parts = corpus.training_parts(corpus.read_poems(path), path)
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(parts['train'], size=size))
  return corpus.encode_all(parts['train'], word2id), word2id


def train_package(source, cell, precision, windows, first_step):
  encoded, word2id = package_poems(*source)
  import tensorflow as tf

  from tangshi_tf import data, devices, training
  from tangshi_tf.model import myRNNModel
  devices.start()
  poems = tf.RaggedTensor.from_row_splits(*encoded)
  del encoded
  model, optimizer = myRNNModel(word2id, cell=cell), training.make_optimizer()

  def on_step(step, result):
    if not step:
      first_step(tokens=int(poems.flat_values.shape[0]), classes=len(word2id),
                 bytes_per_token=(poems.flat_values.numpy().nbytes + poems.row_splits.numpy().nbytes)
                 / int(poems.flat_values.shape[0]))
    return windows.after_step(int(result.tokens))

  training.train(1, model, optimizer, data.batches(poems).repeat(), on_step=on_step, precision=precision)
  return training.compiled_step(model, optimizer, precision).experimental_get_tracing_count()


def train_pytorch(source, cell, _, windows, first_step):
  """The same model and the package's batches in PyTorch, logits at real positions only."""
  encoded, word2id = package_poems(*source)
  import tensorflow as tf
  import torch

  from tangshi_tf import data
  poems = tf.RaggedTensor.from_row_splits(*encoded)
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


def ceiling_worker():
  """Times the three matrix products of the output layer, for 1,024 rows."""
  import tensorflow as tf

  from tangshi_tf import devices
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
  report(classes=classes)
  while line := sys.stdin.readline().strip():
    figures = {}
    for dtype, product in products.items():
      times, end = [], time.perf_counter() + float(line) / 4
      while not times or time.perf_counter() < end:
        start = time.perf_counter()
        product()[1][0, 0].numpy()
        times.append(time.perf_counter() - start)
      figures[f'{dtype}_gflops'] = flops / median(times) / 1e9
    report(**figures)
  report(classes=classes)


def decode_worker():
  """Times poems of exactly 30 characters, and poems that end by themselves."""
  import exercise

  from tangshi_tf import decoding, devices, run_dir
  devices.start()
  run = run_dir.load('rnn')
  plain = exercise.myRNNModel(run.word2id, 'rnn')
  tables = {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word}

  def several(**options):
    requests = [(corpus.SAMPLE_BEGINS[i % 7], i) for i in range(512)]
    return sum(map(len, decoding.generate(requests, init='random', **options, **tables)))

  natural = {'batch512_natural_chars_per_s': lambda: several(bos_first=True, temperature=0.8)}
  fixed = {
      'stepwise_ms': lambda: len(exercise.gen_poem('日', plain, run.word2id, 1)),
      'single_ms': lambda: len(decoding.gen_poem('日', max_len=29, **tables)),
      'batch512_chars_per_s': lambda: several(max_len=29),
      'batch512_sampling_chars_per_s': lambda: several(max_len=29, temperature=0.8),
  }

  def measure(cases, times):
    figures = {name: [] for name in cases}
    for name, case in cases.items():
      case()  # the first time is the warm-up
      for _ in range(times):
        start = time.perf_counter()
        characters = case()
        seconds = time.perf_counter() - start
        figures[name].append(1e3 * seconds if name.endswith('_ms') else characters / seconds)
    return {name: median(values) for name, values in figures.items()}

  times = 7 if _QUICK.value else 15
  figures = measure(natural, times)
  bias = run.model.dense.bias.numpy()
  bias[run.word2id[corpus.end_token]] = -1e9
  run.model.dense.bias.assign(bias)
  assert len(decoding.gen_poem('日', max_len=29, **tables)) == 30
  report(**measure(fixed, times), **figures)


def stages_worker(cell: str):
  """Times the stages of a training step, each on its own, on the same batch."""
  import itertools

  import tensorflow as tf

  from tangshi_tf import data, devices, loss, training
  from tangshi_tf.model import myRNNModel
  devices.start()
  encoded, word2id = package_poems()
  poems = tf.RaggedTensor.from_row_splits(*encoded)
  model, optimizer = myRNNModel(word2id, cell=cell), training.make_optimizer()
  batches = data.batches(poems)
  start = time.perf_counter()
  count = sum(1 for _ in batches)
  pipeline = (time.perf_counter() - start) / count
  usual = int(poems.flat_values.shape[0]) / count
  x, y, seqlen = min(itertools.islice(batches, 50), key=lambda batch: abs(int(tf.reduce_sum(batch[2])) - usual))
  tokens = int(tf.reduce_sum(seqlen))
  step = training.compiled_step(model, optimizer, 'float32')
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
      part = positions[i:i + loss.ROWS]
      logits = tf.matmul(part, dense[0])
      d_hidden = tf.matmul(logits, rows)
      return i + loss.ROWS, d_kernel + tf.matmul(part, logits, transpose_a=True) + d_hidden[0, 0]

    return tf.while_loop(lambda i, _: i < tokens, chunk, (0, tf.zeros_like(dense[0])), parallel_iterations=1)

  @tf.function
  def update():
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return [optimizer.iterations + 0]

  stages = {'whole step': lambda: step(x, y, seqlen), 'embedding and recurrent layer': recurrent,
            'output layer and loss': output, 'of these the three products': products, 'Adam': update}
  times = {name: [] for name in stages}
  for _ in range(8 if _QUICK.value else 26):
    for name, stage in stages.items():
      start = time.perf_counter()
      stage()[0].numpy()
      times[name].append(1e3 * (time.perf_counter() - start))
  milliseconds = {name: median(values[1:]) for name, values in times.items()}
  report(tokens=tokens, milliseconds={**milliseconds, 'input pipeline, beside the step': 1e3 * pipeline})


WORKERS = {'train': train_worker, 'ceiling': ceiling_worker, 'decode': decode_worker, 'stages': stages_worker}


# What people read.


def tables(result: dict) -> str:
  """Returns the figures as Markdown."""
  lines = [result['machine'], '',
           '| training | cell | tokens/s | spread | to the exercise | of the float32 ceiling | peak memory | graphs |',
           '| --- | --- | --- | --- | --- | --- | --- | --- |']
  names = {'exercise': 'the exercise as written', 'float32': 'this package', 'bfloat16': '`--precision=bfloat16`',
           'pytorch': 'PyTorch, same batches'}
  for variant, name in names.items():
    for cell, row in result.get(variant, {}).items():
      low, high = row['spread']
      lines.append(f'| {name} | {cell} | {row["train_tokens_per_s"]:,.0f} | {low:,.0f}–{high:,.0f} '
                   f'| {row["ratio_to_exercise"]:.1f}× | {row["ratio_to_ceiling"]:.0%} '
                   f'| {megabytes(row["peak_rss_mb"])} | {row["traces"] or ""} |')
  ceiling, decode, startup = result['ceiling'], result['decode'], result['startup']
  lines += ['', '| decoding and start-up | |', '| --- | --- |',
            f'| a poem of 30 characters, one eager call a character (the exercise) | {decode["stepwise_ms"]:.0f} ms |',
            f'| the same, compiled loop | {decode["single_ms"]:.1f} ms |',
            f'| 512 poems of 30 characters at once, greedy | {decode["batch512_chars_per_s"]:,.0f} characters/s |',
            f'| the same, drawn | {decode["batch512_sampling_chars_per_s"]:,.0f} characters/s |',
            '| 512 poems that end by themselves, drawn '
            f'| {decode["batch512_natural_chars_per_s"]:,.0f} characters/s |',
            f'| `import tensorflow` | {startup["import_tensorflow_s"]:.1f} s |',
            f'| shell to first poem, beyond that import | {startup["beyond_import_s"]:.1f} s |',
            f'| `--help` | {startup["help_s"]:.2f} s |', '',
            'Products of the output layer alone: '
            f'float32 {ceiling["float32_gflops"]:.0f} GFLOP/s ({ceiling["float32_tokens_per_s"]:,.0f} tokens/s), '
            f'bfloat16 {ceiling["bfloat16_gflops"]:.0f} GFLOP/s.']
  return '\n'.join(lines)


def growth_tables(result: dict) -> str:
  lines = [result['machine'], '',
           '| corpus | training tokens | characters | tokens/s | to Tang | encoded | peak memory | first step after |',
           '| --- | --- | --- | --- | --- | --- | --- | --- |']
  for row in result['growth']:
    encoded = row['tokens'] * row['bytes_per_token'] / 2**20
    lines.append(f'| {row["corpus"]} | {row["tokens"]:,} | {row["classes"]:,} | {row["train_tokens_per_s"]:,.0f} '
                 f'| {row["ratio_to_tang"]:.2f}× | {megabytes(encoded)}, {row["bytes_per_token"]:.2f} bytes a token '
                 f'| {megabytes(row["peak_rss_mb"])} | {row["first_step_s"]:.0f} s |')
  return '\n'.join(lines)


def stage_tables(result: dict) -> str:
  stages = result['stages']
  names = next(iter(stages.values()))['milliseconds']
  lines = [result['machine'], '', '| stage of a training step | ' + ' | '.join(
      f'{cell}, {row["tokens"]:,} tokens' for cell, row in stages.items()) + ' |',
      '| --- ' * (len(stages) + 1) + '|']
  for name in names:
    lines.append(f'| {name} | ' + ' | '.join(f'{row["milliseconds"][name]:.1f} ms' for row in stages.values()) + ' |')
  return '\n'.join(lines)


def megabytes(value: float | None) -> str:
  return '' if value is None else f'{value:,.0f} MB'


if __name__ == '__main__':
  cli.run(main)
