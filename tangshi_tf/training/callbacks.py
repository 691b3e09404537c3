"""Who watches a run: the progress line, TensorBoard, and the run directory."""

import contextlib
import math
import os
import pathlib
import shutil
import sys
import time

import tensorflow as tf

from tangshi_tf import corpus, decoding, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.training.fitting import Callback, Totals


class Progress(Callback):
  """Shows loss, perplexity, speed and the time left.

  On a terminal one line with a bar is redrawn; elsewhere a line is printed
  every half minute.
  """

  def __init__(self, epochs: int):
    self._epochs = epochs
    self._terminal = sys.stdout.isatty()
    self._interval = 0.5 if self._terminal else 30.0
    self._start = self._shown = time.perf_counter()
    self._first = None  # the step before the first one that was seen

  def on_begin(self, position):
    self._best = min((metrics.get('validation_perplexity', math.inf) for metrics in position.history),
                     default=math.inf)

  def on_epoch_begin(self, epoch, steps):
    self._epoch, self._steps = epoch, steps
    self._totals = Totals()

  def on_step(self, step, result):
    self._totals.add(result)
    if self._first is None:
      self._first = step - 1
    now = time.perf_counter()
    if now - self._shown < self._interval:
      return
    self._shown = now
    means = self._totals.take()
    done = step - (self._epoch - 1) * self._steps
    left = (now - self._start) / (step - self._first) * (self._epochs * self._steps - step)
    line = (f'{done}/{self._steps}  loss {means["loss"]:.3f}  perplexity {means["perplexity"]:.1f}  '
            f'{means["tokens_per_second"]:,.0f} tokens/s  {_duration(left)} left')
    if self._terminal:
      # One column stays free: a full line would wrap, and \r not reach its start.
      room = shutil.get_terminal_size().columns - 1
      line = f'{_epoch_name(self._epoch, self._epochs)} {_bar(done / self._steps, room - len(line) - 15)}{line}'
      print('\r' + line[:room].ljust(room), end='', flush=True)
    else:
      print(f'{_epoch_name(self._epoch, self._epochs)} {line}', flush=True)

  def on_epoch_end(self, epoch, metrics):
    line = (f'{_epoch_name(epoch, self._epochs)}: loss {metrics["train_loss"]:.3f}, '
            f'perplexity {metrics["train_perplexity"]:.1f}')
    if 'validation_loss' in metrics:
      line += (f'; validation loss {metrics["validation_loss"]:.3f}, '
               f'perplexity {metrics["validation_perplexity"]:.1f}')
      if metrics['validation_perplexity'] < self._best:
        self._best = metrics['validation_perplexity']
        line += ' (best)'
    line += f'; {_duration(metrics["seconds"])}'
    if self._terminal:
      room = shutil.get_terminal_size().columns - 1
      print('\r' + ' ' * room + '\r' + line, flush=True)
    else:
      print(line, flush=True)


def _epoch_name(epoch: int, epochs: int) -> str:
  return f'epoch {epoch}/{epochs}'


def _bar(done: float, width: int) -> str:
  """Returns a bar of at most 20 characters and a space, or nothing where there is no room."""
  width = min(width, 20) - 3
  if width < 5:
    return ''
  full = int(done * width)
  return f'[{"=" * full}{" " * (width - full)}] '


def _duration(seconds: float) -> str:
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'


class TensorBoard(Callback):
  """Writes curves and sample poems as TensorBoard events.

  By step: step/loss, step/perplexity, step/gradient_norm, step/learning_rate,
  step/tokens_per_second, each the mean of `every` steps (of fewer at the end
  of an epoch). By epoch:
  epoch/train_loss, epoch/train_perplexity, epoch/validation_loss,
  epoch/validation_perplexity, and the texts poems and prediction.
  """

  def __init__(self, path: pathlib.Path, model, optimizer, word2id, id2word, *,
               validation_poem: corpus.Poem | None = None, every: int = 10):
    self._path = path
    self._writer = tf.summary.create_file_writer(os.fsencode(path), flush_millis=10_000)
    self._model, self._optimizer = model, optimizer
    self._word2id, self._id2word = word2id, id2word
    self._validation_poem = validation_poem
    self._every = every

  def on_begin(self, position):
    self._totals = Totals(position.watchers.get(type(self).__name__))

  def on_epoch_begin(self, epoch, steps):
    self._totals = Totals(self._totals.sums())  # the time between epochs does not count

  def on_step(self, step, result):
    self._totals.add(result)
    self._step = step
    if len(self._totals) == self._every:
      self._write_step()

  def _write_step(self):
    means = self._totals.take()
    with self._writing(), self._writer.as_default(self._step):
      for name in ('loss', 'perplexity', 'gradient_norm', 'tokens_per_second'):
        tf.summary.scalar(f'step/{name}', means[name])
      tf.summary.scalar('step/learning_rate', float(self._optimizer.learning_rate.numpy()))

  def on_epoch_end(self, epoch, metrics):
    if len(self._totals):
      self._write_step()
    texts = {'poems': self._sample_poems()}
    if self._validation_poem is not None:
      texts['prediction'] = self._prediction(self._validation_poem)
    with self._writing(), self._writer.as_default(epoch):
      for name in ('train_loss', 'train_perplexity', 'validation_loss', 'validation_perplexity'):
        if name in metrics:
          tf.summary.scalar(f'epoch/{name}', metrics[name])
      for name, text in texts.items():
        tf.summary.text(name, text)
    self.checkpoint()

  def checkpoint(self):
    with self._writing():
      self._writer.flush()
    return self._totals.sums()

  @contextlib.contextmanager
  def _writing(self):
    """Says in one line that the points could not be written."""
    try:
      yield
    except tf.errors.OpError as error:
      raise UserError(f"{self._path}: TensorBoard's points cannot be written ({error.message}); "
                      'expected a writable directory with room') from None

  def _sample_poems(self) -> str:
    begins = [begin for begin in corpus.SAMPLE_BEGINS if begin in self._word2id]
    poems = decoding.generate([(begin, 0) for begin in begins], model=self._model, word2id=self._word2id,
                              id2word=self._id2word)
    return '\n\n'.join(''.join(poem) for poem in poems) or '(none of the begin words is in the vocabulary)'

  def _prediction(self, poem: corpus.Poem) -> str:
    """Shows a poem and, under each character, the most likely one given those before."""
    ids = corpus.encode(poem.content, self._word2id)
    predicted = tf.argmax(self._model(tf.constant([ids[:-1]])), axis=-1)[0].numpy()
    target = ' '.join(self._id2word[i] for i in ids[1:])
    return f'target: {target}\n\nargmax: {" ".join(self._id2word[i] for i in predicted)}'


class Checkpoints(Callback):
  """Keeps the weights of each epoch, the best ones, and the figures by epoch."""

  def __init__(self, path: pathlib.Path, model):
    self._path, self._model = path, model

  def on_begin(self, position):
    self._epochs, self._best = [], None
    for metrics in position.history:
      self._take_in(metrics)

  def _take_in(self, metrics) -> bool:
    """Notes an epoch's figures; returns whether it is the best so far."""
    self._epochs.append({name: value if math.isfinite(value) else None for name, value in metrics.items()})
    # Without validation the last epoch counts as the best.
    figure = metrics.get('validation_nll', -metrics['epoch'])
    if self._best is not None and figure >= self._best[0]:
      return False
    self._best = figure, metrics['epoch']
    return True

  def on_epoch_end(self, epoch, metrics):
    run_dir.save_weights(self._path, f'epoch-{epoch:02}', self._model)
    if self._take_in(metrics):
      run_dir.save_weights(self._path, run_dir.BEST, self._model)
    metrics = {'best_epoch': self._best[1], 'epochs': self._epochs}
    run_dir.write_file(self._path, run_dir.METRICS, run_dir.encode_json(metrics))
