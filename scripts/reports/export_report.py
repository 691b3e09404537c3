"""What exports weigh, what they lose, and how fast they write.

    python scripts/reports/export_report.py
    python scripts/reports/export_report.py --models=gru --formats=package,litert --poems=200

Perplexity is that of the validation part, over all tokens but UNK, which is never next. Each
format is measured by its own step, and on one thread. The time is that of the step and of
taking the likeliest character, for 30 characters of one poem, and for 512 poems at once
where a format has rows for them; of the package and the SavedModel it is that of their own
loop, which draws. It is the least of several times, since other work on the machine only
adds to it. LiteRT needs ai-edge-litert, or the interpreter of TensorFlow; ONNX needs
tf2onnx and onnxruntime.
"""

import tempfile
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from absl import flags

from tangshi_tf import cli, corpus, exporting, run_dir
from tangshi_tf.evaluation import measures
from tangshi_tf.evaluation.held_out import read_held_out
from tangshi_tf.quiet import quiet_start, tf
from tangshi_tf.run_dir.layout import weights_file

CHARACTERS = 30  # of a poem that is timed
TIMES, BATCH_TIMES = 50, 4  # how often one poem is timed, and a batch of them
BATCH = 512  # poems at once
TOGETHER = 64  # poems that are measured together

Step = Callable[[np.ndarray, list[np.ndarray]], tuple[np.ndarray, list[np.ndarray]]]


class Row(NamedTuple):
  """A row of the table.

  Attributes:
    format: its name.
    size: bytes of the file of weights.
    perplexity: of the validation poems; None where the weights are those of the package.
    poem: seconds for one poem.
    rate: characters a second of many poems at once; None where there is no such thing.
  """

  format: str
  size: int
  perplexity: float | None
  poem: float
  rate: float | None = None


def package_rows(name: str, run, poems: list[corpus.Poem]) -> list[Row]:
  """Returns the row of the package itself."""
  from tangshi_tf import decoding
  directory = run_dir.RunDir.open(name)
  size = (directory.path / weights_file(directory.choose())).stat().st_size

  def write(seeds: Iterable[int]) -> int:
    """Returns how many characters poems have that are written together, without the first of each."""
    requests = [(begin_word(run), seed) for seed in seeds]
    return sum(len(words) - 1 for words in decoding.generate(requests, model=run.model, temperature=1.0))

  step = tf.function(run.model.next_logits, reduce_retracing=True, autograph=False)
  return [Row('package', size, perplexity(run, step, poems),
              CHARACTERS * seconds_a_character(write, *([seed] for seed in range(TIMES // BATCH_TIMES))),
              1 / seconds_a_character(write, range(BATCH)))]


def saved_model_rows(name: str, run, poems: list[corpus.Poem]) -> list[Row]:
  """Returns the row of the SavedModel, with its own loop, which draws, too."""
  with tempfile.TemporaryDirectory() as folder:
    path = exporting.export(run, f'{folder}/exported')
    generate = tf.saved_model.load(str(path / '1')).signatures['generate']
    size = sum(file.stat().st_size for file in path.rglob('*') if file.is_file())

    def write(seeds: Iterable[int]) -> int:
      seeds = list(seeds)
      made = generate(
          begin=tf.fill([len(seeds)], begin_word(run)), acrostic=tf.fill([len(seeds)], ''), form=tf.constant(''),
          rhyme=tf.constant(''), init=tf.constant('zero'), temperature=tf.constant(1.0), top_k=tf.constant(0),
          top_p=tf.constant(1.0), seed=tf.constant(seeds, tf.int64), max_len=tf.constant(CHARACTERS))
      return sum(len(text.decode()) - 1 for text in made['poems'].numpy())

    return [Row('SavedModel', size, None,
                CHARACTERS * seconds_a_character(write, *([seed] for seed in range(TIMES // BATCH_TIMES))),
                1 / seconds_a_character(write, range(BATCH)))]


def seconds_a_character(write: Callable[[Iterable[int]], int], *groups: Iterable[int]) -> float:
  """Returns how long a character takes; `write` makes the poems of seeds and says how many characters they have."""
  seconds = characters = 0.0
  for group in groups:
    times = []
    for _ in range(BATCH_TIMES):  # the first time compiles
      begun = time.perf_counter()
      written = write(group)
      times.append(time.perf_counter() - begun)
    seconds, characters = seconds + min(times), characters + written
  return seconds / max(characters, 1)


def litert_rows(name: str, run, poems: list[corpus.Poem]) -> list[Row]:
  """Returns a row for each kind of weights."""
  from tangshi_tf.exporting import litert
  rows = []
  for weights in litert.WEIGHTS:
    single = litert.convert(run.model, weights)
    lost = perplexity(run, litert_step(litert.convert(run.model, weights, rows=TOGETHER)), poems)
    rows.append(Row(f'LiteRT, {weights}', len(single), lost, greedy_seconds(run, litert_step(single), 1, TIMES)))
  return rows


def onnx_rows(name: str, run, poems: list[corpus.Poem]) -> list[Row]:
  """Returns the row of ONNX."""
  import onnxruntime

  from tangshi_tf.exporting import onnx
  data, options = onnx.convert(run.model), onnxruntime.SessionOptions()
  options.intra_op_num_threads = 1
  session = onnxruntime.InferenceSession(data, options)
  names = [taken.name for taken in session.get_inputs()]

  def step(ids, state):
    logits, *state = session.run(None, dict(zip(names, [ids, *state])))
    return logits, state

  return [Row('ONNX', len(data), perplexity(run, step, poems), greedy_seconds(run, step, 1, TIMES),
              BATCH * CHARACTERS / greedy_seconds(run, step, BATCH, BATCH_TIMES))]


FORMATS = {'package': package_rows, 'saved_model': saved_model_rows, 'litert': litert_rows, 'onnx': onnx_rows}

_MODELS = flags.DEFINE_list('models', ['best', 'gru', 'lstm', 'rnn'], 'Run directories or shipped names.')
_FORMATS = flags.DEFINE_list('formats', list(FORMATS), f'Some of {", ".join(FORMATS)}.')
_POEMS = flags.DEFINE_integer('poems', None, 'How many validation poems (default: all).', lower_bound=1)


def litert_step(data: bytes) -> Step:
  """Returns the step of a LiteRT file."""
  with quiet_start():
    try:
      from ai_edge_litert.interpreter import Interpreter
    except ImportError:
      Interpreter = tf.lite.Interpreter  # noqa: N806 (it is a class)
    runner = Interpreter(model_content=data, num_threads=1).get_signature_runner('step')

  def step(ids, state):
    after = runner(ids=ids, **{f'state_{i}': tensor for i, tensor in enumerate(state)})
    return after['logits'], [after[f'state_{i}'] for i in range(len(state))]

  return step


def begin_word(run) -> str:
  """Returns the most frequent character."""
  return next(word for word in run.word2id if len(word) == 1 and word not in corpus.PUNCTUATION)


def zero_state(run, rows: int) -> list[np.ndarray]:
  return [np.zeros((rows, run.model.rnncell.units), np.float32) for _ in range(run.model.state_tensors)]


def greedy_seconds(run, step: Step, rows: int, times: int) -> float:
  """Returns how long it takes to write `CHARACTERS` characters of so many poems at once."""
  seconds = []
  for _ in range(times):
    begun = time.perf_counter()
    ids, state = np.full(rows, run.word2id[begin_word(run)], np.int32), zero_state(run, rows)
    for _ in range(CHARACTERS):
      logits, state = step(ids, state)
      ids = logits.argmax(1).astype(np.int32)
    seconds.append(time.perf_counter() - begun)
  return min(seconds)


def perplexity(run, step: Step, poems: list[corpus.Poem]) -> float:
  """Returns the perplexity of poems, `TOGETHER` of which go through the step at a time."""
  texts = sorted((corpus.encode(poem.content, run.word2id) for poem in poems), key=len)
  nll = tokens = 0.0
  for first in range(0, len(texts), TOGETHER):
    batch = texts[first:first + TOGETHER]
    ids = np.full((TOGETHER, len(batch[-1])), corpus.PAD_ID, np.int32)
    for row, text in zip(ids, batch):
      row[:len(text)] = text
    state = zero_state(run, TOGETHER)
    for place in range(ids.shape[1] - 1):
      logits, state = step(np.ascontiguousarray(ids[:, place]), state)
      logits, following = np.asarray(logits), ids[:, place + 1]
      largest = logits.max(1, keepdims=True)
      sums = np.log(np.exp(logits - largest).sum(1)) + largest[:, 0]
      real = (following != corpus.PAD_ID) & (following != corpus.UNK_ID)
      nll += float(np.sum((sums - logits[np.arange(TOGETHER), following])[real], dtype=np.float64))
      tokens += int(real.sum())
  return measures.perplexity(nll / tokens)


def main() -> int:
  from tangshi_tf.model import devices
  tf.config.threading.set_intra_op_parallelism_threads(1)
  tf.config.threading.set_inter_op_parallelism_threads(1)
  print(f'{devices.start()}; one thread\n')
  print(f'| model | format | MB | perplexity | ms a poem of {CHARACTERS} | characters/s, {BATCH} poems |')
  print('| --- | --- | ---: | ---: | ---: | ---: |')
  poems = read_held_out('validation').poems
  if _POEMS.value is not None:  # spread over all
    poems = [poems[i] for i in np.linspace(0, len(poems) - 1, min(_POEMS.value, len(poems))).astype(int)]
  for name in _MODELS.value:
    run, before = run_dir.load(name), None
    for format_ in _FORMATS.value:
      for row in FORMATS[format_](name, run, poems):
        before = before or row.perplexity
        change = '' if row.perplexity in (None, before) else f' ({row.perplexity / before - 1:+.2%})'
        known = '' if row.perplexity is None else f'{row.perplexity:.2f}{change}'
        rate = '' if row.rate is None else f'{row.rate:,.0f}'
        print(f'| `{name}` | {row.format} | {row.size / 1e6:.1f} | {known} | '
              f'{1000 * row.poem:.1f} | {rate} |', flush=True)
  return 0


if __name__ == '__main__':
  cli.run(main)
