"""Measures training, decoding and start-up in comparison with the exercise's own recipe.

    python scripts/benchmarks/benchmark.py --quick
    python scripts/benchmarks/benchmark.py --json >benchmark.json
    python scripts/benchmarks/benchmark.py --writing
    python scripts/build/build_corpus.py --dynasty=song --out=song.txt
    python scripts/benchmarks/benchmark.py --growth=song.txt

Each thing is measured in a process of its own (measurements.py). Those that are compared take turns,
window by window, so that a busy machine slows all of them; a ratio is the median of
the ratios of windows that stand side by side. Tokens are real ones, without padding.
The tables are Markdown.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags
from measurements import VARIANTS as PACKAGE
from reporting import package_poems
from steps import RECIPE_VARIANTS
from tables import growth_tables, recipe_table, stage_tables, tables, writing_table

from tangshi_tf import cli, corpus
from tangshi_tf.errors import UserError

_QUICK = flags.DEFINE_bool('quick', False, 'Fewer and shorter windows, no PyTorch: done in 12 minutes on 2 cores.')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object instead of tables.')
_GROWTH = flags.DEFINE_string('growth', None, 'Measure growth instead: a corpus file with 250,000 poems.')
_VARIANT = flags.DEFINE_enum('variant', 'float32', list(PACKAGE), 'With --growth: how the package trains.')
_WRITING = flags.DEFINE_bool('writing', False, 'Measure decoding, start-up and scoring only, in 3 minutes.')
_RECIPE = flags.DEFINE_enum('recipe', None, ['wide', 'gru'], 'Measure training by this recipe instead.')
_STAGES = flags.DEFINE_bool('stages', False, 'Measure the stages of a training step instead.')

CELLS = ('rnn', 'lstm', 'gru')
VARIANTS = ('exercise', *PACKAGE)
MEASUREMENTS = pathlib.Path(__file__).with_name('measurements.py')
SCORED_TOGETHER = 4096  # lines, after which `tangshi_tf.score` prints
GROWTH_POEMS = (5_000, 50_000, 250_000)


def main() -> int:
  if _GROWTH.value is not None:
    result, show = measure_growth(_GROWTH.value), growth_tables
  elif _RECIPE.value is not None:
    result, show = {_RECIPE.value: measure_recipe(_RECIPE.value)}, lambda result: '\n'.join([
        result['machine'], '', recipe_table(_RECIPE.value, result)])
  elif _STAGES.value:
    result, show = {'stages': measure_stages()}, stage_tables
  elif _WRITING.value:
    result, show = measure_writing(), lambda result: '\n'.join([result['machine'], '', *writing_table(result)])
  else:
    result, show = measure_all(), tables
  result['machine'] = measured_once('machine')['machine']
  print(json.dumps(result, indent=2) if _JSON.value else show(result))
  return 0


class Measurement:
  """A process that measures one thing when it is told to."""

  def __init__(self, *what: str):
    self.what = what
    self._process = None

  def _start(self):
    self._log = tempfile.TemporaryFile()
    self._process = subprocess.Popen(
        [sys.executable, MEASUREMENTS, *self.what], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=self._log, text=True, encoding='utf-8')

  def read(self) -> dict:
    """Returns the next thing that the process reports; starts it if it is not running."""
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
    """Lets the process measure for some seconds."""
    self._send(str(seconds))
    return self.read()

  def finish(self) -> dict:
    """Ends the process and returns its closing report."""
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
def measurements(*whats: tuple[str, ...]):
  """Yields measurements, one for each tuple, and stops them in the end."""
  made = [Measurement(*what) for what in whats]
  try:
    yield made
  finally:
    for measurement in made:
      measurement.stop()


def take_turns(whats: list[tuple[str, ...]]) -> list[tuple[dict, list[dict], dict]]:
  """Measures things window by window, in turn.

  Returns:
    For each its opening report, those of its windows, and its closing report.
  """
  rounds, seconds = (4, 2.5) if _QUICK.value else (7, 6.0)
  with measurements(*whats) as started:
    opened = []
    for measurement in started:
      opened.append(measurement.read())
      measurement.window(1.0)  # warm-up
    windows = [[measurement.window(seconds) for measurement in started] for _ in range(rounds)]
    return [(opened[i], [row[i] for row in windows], measurement.finish()) for i, measurement in enumerate(started)]


def measured_once(*what: str) -> dict:
  """Returns the only report of a measurement that has no windows."""
  with measurements(what) as (measurement,):
    return measurement.read()


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
    tokens_a_flop = 1 / closing['flops_a_token']
    base = {variant: trained[compared.index(variant)][1] for variant in ('exercise', 'float32')}
    for variant, (_, windows, closing) in zip(compared, trained):
      rates = [window['tokens_per_s'] for window in windows]
      result[variant][cell] = {
          'train_tokens_per_s': median(rates),
          'spread': [min(rates), max(rates)],
          **{f'ratio_to_{name}': median(rate / window['tokens_per_s'] for rate, window in zip(rates, windows))
             for name, windows in base.items()},
          'ratio_to_ceiling': median(rate / (top['float32_gflops'] * 1e9 * tokens_a_flop)
                                     for rate, top in zip(rates, ceiling)),
          **closing}
  result['ceiling'] = {}
  for key in ('float32_gflops', 'bfloat16_gflops'):
    result['ceiling'][key] = median(window[key] for window in ceilings)
    result['ceiling'][key.replace('gflops', 'tokens_per_s')] = result['ceiling'][key] * 1e9 * tokens_a_flop
  say(f'{time.perf_counter() - start:4.0f} s: training, best ...')
  result['best'] = measure_recipe('wide')
  say(f'{time.perf_counter() - start:4.0f} s: decoding, start-up, scoring ...')
  result |= measure_writing()
  say(f'{time.perf_counter() - start:4.0f} s: done')
  return result


def measure_recipe(name: str) -> dict:
  """Returns the speed of training by a recipe in each variant, and how many times its products' time a step takes."""
  measured = take_turns([('recipe', name, variant) for variant in RECIPE_VARIANTS])
  base = [window['tokens_per_s'] for window in measured[0][1]]
  result = {}
  for variant, (_, windows, closing) in zip(RECIPE_VARIANTS, measured):
    rates = [window['tokens_per_s'] for window in windows]
    result[variant] = {'train_tokens_per_s': median(rates),
                       'ratio_to_full': median(rate / other for rate, other in zip(rates, base)),
                       'products_ratio': closing['step_ms'] / closing['products_ms'], **closing}
  return result


def measure_writing() -> dict:
  times = '7' if _QUICK.value else '15'
  return {'decode': measured_once('write', times) | measured_once('write_many', times),
          'startup': measure_startup(3 if _QUICK.value else 7), 'scoring': measure_scoring(1 if _QUICK.value else 3)}


def has_pytorch() -> bool:
  import importlib.util
  return importlib.util.find_spec('torch') is not None


def start_python(arguments: list[str]) -> subprocess.Popen:
  """Starts Python outside the checkout."""
  environment = {'TF_CPP_MIN_LOG_LEVEL': '3', **os.environ}
  return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          cwd=tempfile.gettempdir(), env=environment)


def measure_scoring(times: int) -> dict:
  """Times `tangshi_tf.score` on lines of seven characters, from its first line of output to its last."""
  lines = [line for poem in corpus.read_poems(corpus.default_corpus_path()) for line in corpus.verse_lines(poem.content)
           if len(line) == 7]
  with tempfile.TemporaryDirectory() as scratch:
    path = pathlib.Path(scratch, 'lines.txt')
    path.write_text('\n'.join(lines[:6 * SCORED_TOGETHER]) + '\n', encoding='utf-8')
    rates = []
    for _ in range(times):
      process = start_python(['-m', 'tangshi_tf.score', '--model=gru', f'--file={path}'])
      process.stdout.readline()
      start = time.perf_counter()
      for _ in range(6 * SCORED_TOGETHER - 1):
        process.stdout.readline()
      rates.append(5 * SCORED_TOGETHER / (time.perf_counter() - start))
      process.stdout.read()  # its end is no part of it
      if process.wait():
        raise UserError(f'tangshi_tf.score ended with status {process.returncode}')
  return {'lines_per_s': median(rates)}


def measure_startup(times: int) -> dict:
  """Times fresh processes, from their start to their first line or their end.

  TensorFlow is imported as `generate` does it, without what Keras imports for other things, and plainly.
  """
  commands = {
      'import_tensorflow_s': ['-c', 'from tangshi_tf import quiet; quiet.start_without_optional(); '
                              'quiet.start_without_onednn(); quiet.tf; print()'],
      'plain_import_s': ['-c', 'import tensorflow; print()'],
      'first_poem_s': ['-m', 'tangshi_tf.generate', '--model=rnn', '--begin=日'],
      'help_s': ['-m', 'tangshi_tf.generate', '--help'],
  }
  seconds = {name: [] for name in commands}
  for _ in range(times):
    for name, arguments in commands.items():
      start = time.perf_counter()
      process = start_python(arguments)
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
    whats = {'Tang': ('train', _VARIANT.value, 'rnn')}
    for poems in GROWTH_POEMS:
      part = pathlib.Path(folder) / f'{poems}.txt'
      part.write_text(''.join(lines[:poems]), encoding='utf-8')
      whats[f'{poems:,} poems'] = ('train', _VARIANT.value, 'rnn', str(part))
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
  return {cell: measured_once('stages', cell, '7' if _QUICK.value else '25') for cell in CELLS}


if __name__ == '__main__':
  cli.run(main)
