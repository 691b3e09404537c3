"""Measures training with 1, 2 and 4 workers of this machine; calculates from it what a large corpus takes on GPUs.

    python scripts/benchmarks/scaling.py
    python scripts/benchmarks/scaling.py --gpu_tokens_per_s=500000 --bandwidth_gbit=100 -- --corpus=song.txt

What follows `--` goes to tangshi_tf.train. The numbers of workers take turns, --rounds times, so that a busy
machine slows all of them. The calculation takes what was measured here, what follows from
the shapes of the model, and assumptions, which are flags; its table says which is which. It is for the
last of --recipes. The tables are Markdown.
"""

import json
import math
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.corpus import sharding, shards
from tangshi_tf.errors import UserError
from tangshi_tf.quiet import quiet_start
from tangshi_tf.workers import local

_WORKERS = flags.DEFINE_integer('workers', 4, 'Most workers; measured are the powers of two up to it.',
                                lower_bound=2, upper_bound=256)
_RECIPES = flags.DEFINE_list('recipes', ['gru', 'wide'], 'Recipes to train.')
flags.register_validator('recipes', bool, message='expected at least one')
_ROUNDS = flags.DEFINE_integer('rounds', 3, 'Turns of each number of workers.', lower_bound=1)
_WINDOWS = flags.DEFINE_integer('windows', 12, 'Least windows of 5 steps in a turn.', lower_bound=3)
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object instead of tables.')

_CHARACTERS = cli.define_number('characters', 1e10, 'Calculation: of the corpus; one is a token.', low=1, high=1e15)
_EPOCHS = flags.DEFINE_integer('epochs', 1, 'Calculation: passes over the corpus.', lower_bound=1)
_VOCABULARY_SIZE = flags.DEFINE_integer('vocabulary_size', 20_000, 'Calculation: --vocabulary_size of the training.',
                                        lower_bound=5)
_GPUS = flags.DEFINE_integer('gpus', 8, 'Calculation: GPUs of all hosts, a replica on each.', lower_bound=2)
_HOSTS = flags.DEFINE_integer('hosts', 2, 'Calculation: hosts, a process on each.', lower_bound=1)
_BATCH_TOKENS = flags.DEFINE_integer('batch_tokens', 131_072, 'Calculation: of a batch, which all GPUs share.',
                                     lower_bound=1)
_PEAK_TFLOPS = cli.define_number('peak_tflops', 60, 'Calculation: peak of one GPU, float32.', low=0, high=1e6,
                                 open_low=True)
_UTILISATION = cli.define_number('utilisation', 0.1, 'Calculation: share of the peak that training has.', low=0, high=1,
                                 open_low=True)
_GPU_TOKENS_PER_S = cli.define_number(
    'gpu_tokens_per_s', None, 'Calculation: of one GPU alone (default: peak times utilisation by FLOPs a token).',
    low=0, high=1e12, open_low=True)
_BANDWIDTH_GBIT = cli.define_number('bandwidth_gbit', 25, 'Calculation: Gbit/s between hosts, each way.', low=0,
                                    high=1e6, open_low=True)
_LATENCY_MS = cli.define_number('latency_ms', 2, 'Calculation: of all exchanges of a step together.', low=0, high=1e6)
_OVERHEAD = cli.define_number(
    'overhead', None, 'Calculation: share of a step beyond the work of one worker alone (default: measured here).',
    low=0, high=0.99)
_COUNT_SPEED = cli.define_number(
    'count_speed', None, 'Calculation: characters/s that a process counts before training (default: measured here).',
    low=0, high=1e12, open_low=True)
_READ_SPEED = cli.define_number(
    'read_speed', None, 'Calculation: characters/s that a process makes batches of while training (default: measured '
    'here).', low=0, high=1e12, open_low=True)

WINDOW = 5  # steps
WARM_UP = 2  # windows, with the tracing of the graph in the first
LOOK_EVERY = 2  # seconds between looks at how many windows there are
ENDED = (0, cli.TERMINATED, -signal.SIGTERM)  # by itself, as told, or as told when it had just ended its training
TRAFFIC = pathlib.Path('/proc/net/dev')


def main(arguments: list[str]) -> int:
  counts = [2**i for i in range(_WORKERS.value.bit_length())]
  result = {'machine': machine(), 'runs': []}
  for recipe in _RECIPES.value:
    turns = {count: [] for count in counts}
    for number in range(_ROUNDS.value):
      for count in counts:
        print(f'{recipe}, round {number + 1}, workers: {count} ...', file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
          turns[count].append(train(recipe, count, arguments, pathlib.Path(folder) / 'run'))
    rows = [{'recipe': recipe, 'workers': count, **summary(count, turns[1], turns[count])} for count in counts]
    result['runs'] += rows
  count_speed, read_speed = _COUNT_SPEED.value, _READ_SPEED.value
  if count_speed is None or read_speed is None:
    measured = shard_speeds()
    count_speed, read_speed = count_speed or measured[0], read_speed or measured[1]
  result['calculation'] = calculate(rows[1], count_speed, read_speed)
  print(json.dumps(result, indent=2) if _JSON.value else '\n'.join(
      [result['machine'], '', *scaling_table(result['runs']), '', *calculation_table(result['calculation'])]))
  return 0


def machine() -> str:
  """Returns where the figures come from; asked in a process of its own, so that this one takes no GPU's memory."""
  done = subprocess.run([sys.executable, pathlib.Path(__file__).with_name('measurements.py'), 'machine'],
                        capture_output=True, encoding='utf-8', check=False)
  if done.returncode:
    raise UserError(f'the machine cannot be described: {done.stderr.strip()[-500:]}')
  return json.loads(done.stdout)['machine']


def train(recipe: str, count: int, arguments: list[str], path: pathlib.Path) -> dict:
  """Trains for --windows, or to the end.

  Args:
    recipe: its name.
    count: how many workers.
    arguments: more of tangshi_tf.train.
    path: the run directory to make.

  Returns:
    'windows', for the last step of each its tokens/s and the seconds of a step; 'bytes_a_step' through loopback
    (None where the system does not count them); the 'shapes' of the weights.

  Raises:
    UserError: a worker failed, or the training was too short.
  """
  with tempfile.TemporaryFile() as errors:
    workers = local.start(
        count, [f'--recipe={recipe}', f'--run_dir={path}', f'--log_every={WINDOW}', '--checkpoint_every=0', *arguments],
        stdout=subprocess.DEVNULL, stderr=errors)
    traffic, told, looked = [], False, time.monotonic()
    try:
      while None in (statuses := [worker.poll() for worker in workers]) and not set(statuses) - {None, *ENDED}:
        traffic.append((time.time(), loopback_bytes()))
        if not told and time.monotonic() > looked + LOOK_EVERY:
          looked = time.monotonic()
          told = path.exists() and len(read_points(path)) > _WINDOWS.value
          if told:
            local.end(workers, signal.SIGTERM)
        time.sleep(0.05)
    finally:
      local.end(workers)
    failed = set(statuses) - {None, *ENDED}
    if failed:
      errors.seek(0)
      lines = errors.read().decode(errors='replace').strip().splitlines()
      raise UserError(f'a worker ended with status {failed.pop()}: {lines[-1] if lines else "no message"}')
  points = read_points(path)
  if len(points) <= _WINDOWS.value:
    raise UserError(f'{recipe} with {count} workers ended after {len(points)} windows of {WINDOW} steps; expected more '
                    'than --windows')
  steps, times, rates = zip(*points)
  bytes_a_step = None
  if traffic[0][1] is not None:
    sent = np.diff(np.interp([times[0], times[-1]], *zip(*traffic)))
    bytes_a_step = float(sent[0]) / (steps[-1] - steps[0])
  with np.load(next((path / run_dir.WEIGHTS).glob('*.npz'))) as weights:
    shapes = {name: weights[name].shape for name in weights.files}
  seconds = np.diff(times) / np.diff(steps)
  return {'windows': dict(zip(steps[1:], zip(rates[1:], seconds.tolist()))), 'bytes_a_step': bytes_a_step,
          'shapes': shapes}


def loopback_bytes() -> int | None:
  """Returns how many bytes this machine has sent to itself so far; None where the system does not say."""
  try:
    lines = TRAFFIC.read_text(encoding='utf-8').splitlines()
  except OSError:
    return None
  return next((int(line.split(':')[1].split()[8]) for line in lines if line.strip().startswith('lo:')), None)


def read_points(path: pathlib.Path) -> list[tuple[int, float, float]]:
  """Returns for each window after the warm-up its last step, when that was (seconds since 1970), and tokens/s."""
  with quiet_start():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util
    events = EventAccumulator(str(path), size_guidance={'tensors': 0})
    events.Reload()
  if 'step/tokens_per_second' not in events.Tags()['tensors']:
    return []
  return [(point.step, point.wall_time, float(tensor_util.make_ndarray(point.tensor_proto)))
          for point in events.Tensors('step/tokens_per_second')[WARM_UP:]]


def summary(count: int, alone: list[dict], runs: list[dict]) -> dict:
  """Returns the medians of runs of `count` workers, beside those of one worker in the same rounds."""
  ratios = [run['windows'][step][0] / one['windows'][step][0]
            for one, run in zip(alone, runs) for step in one['windows'].keys() & run['windows'].keys()]
  windows = [window for run in runs for window in run['windows'].values()]
  parameters, _ = size(runs[0]['shapes'])
  sent = [run['bytes_a_step'] for run in runs]
  return {'windows': len(windows), 'tokens_per_s': statistics.median(rate for rate, _ in windows),
          'step_s': statistics.median(seconds for _, seconds in windows), 'efficiency': statistics.median(ratios),
          'bytes_a_step': None if None in sent else statistics.median(sent),
          'computed_bytes_a_step': count * ring_bytes(parameters, count), 'parameters': parameters,
          'shapes': runs[0]['shapes']}


def size(shapes: dict[str, tuple[int, ...]], classes: int | None = None) -> tuple[int, int]:
  """Returns a model's parameters, and the FLOPs of a token in training.

  Args:
    shapes: of its weights, by their names in the weights' file.
    classes: another size of the vocabulary.

  Returns:
    How many parameters, and 6 FLOPs (forward 2, backward 4) for each weight of a matrix that a token is multiplied
    with; looking up a row of the embedding is no product.
  """
  classes = classes or shapes['embedding'][0]
  shapes = {**shapes, 'embedding': (classes, shapes['embedding'][1]), 'dense_bias': (classes,)}
  output = 'embedding'
  if 'dense_kernel' in shapes:
    output, shapes['dense_kernel'] = 'dense_kernel', (shapes['dense_kernel'][0], classes)
  matrices = {output, *(name for name in shapes if name.endswith('kernel'))}
  return sum(map(math.prod, shapes.values())), 6 * sum(math.prod(shapes[name]) for name in matrices)


def ring_bytes(parameters: int, count: int) -> float:
  """Returns the bytes that each of `count` members of a ring sends to sum one float32 a parameter."""
  return 2 * (count - 1) / count * 4 * parameters


def shard_speeds() -> tuple[float, float]:
  """Returns the characters/s that training counts, and makes batches of, where the package's poems are in shards."""
  with tempfile.TemporaryDirectory() as folder:
    out = pathlib.Path(folder) / 'shards'
    sharding.write([str(corpus.default_corpus_path())], out)
    parts = shards.by_part(sorted(map(str, out.iterdir())))
    start = time.perf_counter()
    census = shards.count(parts)
    counted = time.perf_counter() - start
    characters = {name: sum((length - 2) * number for counts in part.lengths for length, number in counts.items())
                  for name, part in census.parts.items()}
    from tangshi_tf.data import streaming
    word2id, _ = corpus.word_tables(corpus.vocabulary_of(census.counts))
    stream = streaming.Stream(census.parts['train'], word2id, batch_tokens=2000)
    start = time.perf_counter()
    for _ in stream.batches(shuffle_buffer=10240, seed=0):
      pass
    return sum(characters.values()) / counted, characters['train'] / (time.perf_counter() - start)


def calculate(measured: dict, count_speed: float, read_speed: float) -> dict:
  """Returns what the corpus of --characters takes on --gpus.

  Args:
    measured: the `summary` of two workers.
    count_speed, read_speed: characters/s of a process.
  """
  parameters, flops = size(measured['shapes'], _VOCABULARY_SIZE.value)
  rate = _GPU_TOKENS_PER_S.value or _PEAK_TFLOPS.value * 1e12 * _UTILISATION.value / flops
  excess = (measured['bytes_a_step'] or measured['computed_bytes_a_step']) / measured['computed_bytes_a_step']
  overhead = max(1 - measured['efficiency'], 0.0) if _OVERHEAD.value is None else _OVERHEAD.value
  tokens = _EPOCHS.value * _CHARACTERS.value
  steps = tokens / _BATCH_TOKENS.value
  step_bytes = excess * ring_bytes(parameters, _GPUS.value)
  computation = tokens / (_GPUS.value * rate)
  training = {
      'computation': computation,
      'communication': steps * (step_bytes * 8 / (_BANDWIDTH_GBIT.value * 1e9) + _LATENCY_MS.value / 1e3),
      'other overhead of the steps': computation * overhead / (1 - overhead),
  }
  reading = tokens / (_HOSTS.value * read_speed)
  seconds = {'counting': _CHARACTERS.value / count_speed, **training,
             'waiting for batches': max(reading - sum(training.values()), 0.0)}
  hours = {name: value / 3600 for name, value in seconds.items()}
  return {'recipe': measured['recipe'], 'parameters': parameters, 'flops_a_token': flops, 'gpu_tokens_per_s': rate,
          'bytes_to_computed': excess, 'overhead': overhead, 'steps': steps, 'bytes_a_step_and_gpu': step_bytes,
          'count_speed': count_speed, 'read_speed': read_speed, 'reading_hours': reading / 3600, 'hours': hours,
          'total_hours': sum(hours.values()), 'bound_by': max(hours, key=hours.get)}


# What people read.


def scaling_table(rows: list[dict]) -> list[str]:
  lines = ['| recipe | parameters | workers | tokens/s | scaling efficiency | by workers | time a step '
           '| sent a step, measured | computed |', '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |']
  for row in rows:
    lines.append(f'| {row["recipe"]} | {row["parameters"]:,} | {row["workers"]} | {row["tokens_per_s"]:,.0f} '
                 f'| {row["efficiency"]:.2f} | {row["efficiency"] / row["workers"]:.2f} | {1e3 * row["step_s"]:.0f} ms '
                 f'| {megabytes(row["bytes_a_step"])} | {megabytes(row["computed_bytes_a_step"])} |')
  return [*lines, '', 'Scaling efficiency: tokens/s divided by those of one worker, the median over windows of the '
          f'same {WINDOW} batches. All workers share the same cores, so 1.00 is the best possible; divided by the '
          'number of workers it is the usual efficiency, which supposes as many times the cores. Sent: by all workers '
          'together over loopback; computed: workers × 2 (workers - 1) / workers × 4 bytes × parameters, as in a ring.']


def calculation_table(found: dict) -> list[str]:
  given = _GPU_TOKENS_PER_S.value is not None

  def source(holder, otherwise='assumed'):
    return otherwise if holder.value is None else f'assumed, --{holder.name}'

  rows = [
      ('characters, a token each', f'{_CHARACTERS.value:,.0f}', source(_CHARACTERS)),
      ('epochs', f'{_EPOCHS.value}', source(_EPOCHS)),
      ('vocabulary', f'{_VOCABULARY_SIZE.value:,}', source(_VOCABULARY_SIZE)),
      ('GPUs', f'{_GPUS.value}', source(_GPUS)),
      ('hosts, a process each', f'{_HOSTS.value}', source(_HOSTS)),
      ('tokens a batch, all GPUs', f'{_BATCH_TOKENS.value:,}', source(_BATCH_TOKENS)),
      ('peak of a GPU, float32', f'{_PEAK_TFLOPS.value:g} TFLOP/s', source(_PEAK_TFLOPS)),
      ('share of the peak', f'{_UTILISATION.value:.0%}', source(_UTILISATION)),
      ('between hosts', f'{_BANDWIDTH_GBIT.value:g} Gbit/s', source(_BANDWIDTH_GBIT)),
      ('latency a step', f'{_LATENCY_MS.value:g} ms', source(_LATENCY_MS)),
      (f'parameters of {found["recipe"]}', f'{found["parameters"]:,}', 'from its shapes'),
      ('FLOPs a token', f'{found["flops_a_token"]:,}', 'from its shapes'),
      ('tokens/s of a GPU', f'{found["gpu_tokens_per_s"]:,.0f}',
       source(_GPU_TOKENS_PER_S, 'peak × share / FLOPs a token: no GPU was measured')),
      ('sent a step to computed', f'{found["bytes_to_computed"]:.3f}', 'measured here, 2 workers'),
      ('overhead, share of a step', f'{found["overhead"]:.0%}',
       source(_OVERHEAD, 'measured here: 1 - scaling efficiency of 2 workers')),
      ('counted by a process', f'{found["count_speed"]:,.0f} characters/s', source(_COUNT_SPEED, 'measured here')),
      ('read by a process', f'{found["read_speed"]:,.0f} characters/s', source(_READ_SPEED, 'measured here')),
      ('steps', f'{found["steps"]:,.0f}', 'calculated'),
      ('sent a step by each GPU', megabytes(found['bytes_a_step_and_gpu']), 'calculated'),
      ('reading, beside the training', f'{found["reading_hours"]:.2f} h', 'calculated'),
      *((f'**{name}**', f'{hours:.2f} h', 'calculated') for name, hours in found['hours'].items()),
      ('**in all**', f'**{found["total_hours"]:.1f} h**', f'bound by: {found["bound_by"]}'),
  ]
  if given:
    rows = [row for row in rows if row[0] not in ('peak of a GPU, float32', 'share of the peak')]
  return ['| calculation | | from |', '| --- | ---: | --- |', *(f'| {" | ".join(row)} |' for row in rows), '',
          'From a corpus in shards. Each process counts all of it, then reads its own shards while the GPUs compute; '
          'gradients are exchanged after the computation. The overhead of the steps is that of two workers on shared '
          'processor cores, a stand-in for GPUs.']


def megabytes(value: float | None) -> str:
  return 'n/a' if value is None else f'{value / 1e6:,.2f} MB'


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
