"""The progress of a run on a terminal or in a log."""

import contextlib
import math
import shutil
import sys
import time

from tangshi_tf.training.callback import Callback, Totals


class Progress(Callback):
  """Shows loss, perplexity, speed and the time left.

  On a terminal one line with a bar is redrawn; elsewhere a line is printed
  every half minute.
  """

  def __init__(self):
    self._terminal = bool(getattr(sys.stdout, 'isatty', bool)())
    self._interval = 0.5 if self._terminal else 30.0
    self._first = None  # the first step that was seen, from whose end on the time is measured
    self._shows = True

  def on_note(self, text):
    self._show(text)

  def _show(self, text: str, end: str = '\n'):
    """Prints; once that is not possible no more, since no run is to end for it."""
    if not self._shows:
      return
    try:
      print(text, end=end, flush=True)
    except (OSError, ValueError, AttributeError) as error:  # full, without a reader, closed, no stream
      self._shows = False
      with contextlib.suppress(OSError, ValueError):
        print(f'The progress cannot be shown any more ({error}); training goes on.', file=sys.stderr)

  def on_begin(self, position, epochs):
    self._epochs = epochs
    self._best = min((metrics.get('validation_perplexity', math.inf) for metrics in position.measured),
                     default=math.inf)

  def on_epoch_begin(self, epoch, steps):
    self._epoch, self._steps = epoch, steps
    self._totals = Totals()

  def on_step(self, step, result):
    self._totals.add(result)
    now = time.perf_counter()
    if self._first is None:
      self._first, self._start, self._shown = step, now, now
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
      self._show('\r' + line[:room].ljust(room), end='')
    else:
      self._show(f'{_epoch_name(self._epoch, self._epochs)} {line}')

  def on_epoch_end(self, epoch, metrics):
    line = (f'{_epoch_name(epoch, self._epochs)}: loss {metrics["train_loss"]:.3f}, '
            f'perplexity {metrics["train_perplexity"]:.1f}')
    if 'validation_perplexity' in metrics:  # its loss is another kind than that of training, see `fitting.fit`
      line += f'; validation perplexity {metrics["validation_perplexity"]:.1f}'
      if metrics['validation_perplexity'] < self._best:
        self._best = metrics['validation_perplexity']
        line += ' (best)'
    line += f'; {_duration(metrics["seconds"])}'
    if self._terminal:
      room = shutil.get_terminal_size().columns - 1
      self._show('\r' + ' ' * room + '\r' + line)
    else:
      self._show(line)


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
