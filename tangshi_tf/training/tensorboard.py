"""A run on TensorBoard's pages: curves, poems, hyperparameters, the embedding."""

import collections
import contextlib
import math
import os
import pathlib
from collections.abc import Callable

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.quiet import tf
from tangshi_tf.run_dir import weights
from tangshi_tf.settings import Settings
from tangshi_tf.training import board
from tangshi_tf.training.callback import Callback, Totals
from tangshi_tf.training.projector import Projector
from tangshi_tf.training.samples import Samples

_SCALARS = 'train_loss', 'train_perplexity', 'validation_loss', 'validation_perplexity'


class TensorBoard(Callback):
  """Writes TensorBoard's events and the files of its projector.

  By step: step/loss, step/perplexity, step/gradient_norm, step/learning_rate,
  step/tokens_per_second, each the mean of `settings.training.log_every` steps (of
  fewer at the end of an epoch).

  By epoch, and at epoch 0 of the model that the run starts from:
  epoch/train_loss, epoch/train_perplexity, epoch/validation_loss,
  epoch/validation_perplexity, the same by verse form
  (epoch/validation_perplexity_七绝), epoch/best_validation_perplexity,
  epoch/soundness_zero_state and epoch/soundness_random_state, shares from 0 to 1;
  the texts poems/free, poems/七绝 and prediction; histograms of the weights.

  Once: hyperparameters, and which curves come first, see `board`.
  """

  def __init__(self, path: pathlib.Path, model, optimizer, word2id, id2word, *, settings: Settings,
               counts: collections.Counter[str], say: Callable[[str], None] = lambda line: None,
               validation_poem: corpus.Poem | None = None):
    """Opens the file of events.

    Args:
      path: the run directory.
      model, optimizer: those that are trained.
      word2id, id2word: the vocabulary.
      settings: of the run; its `log_every`, `samples`, `projector` and
        `histograms` say what is written.
      counts: how often each word occurs in the poems that are trained on.
      say: called with a line if the points cannot be written.
      validation_poem: whose prediction is shown.
    """
    self._path, self._say = path, say
    self._fails = False
    self._writer = tf.summary.create_file_writer(os.fsencode(path), flush_millis=10_000)
    self._model, self._optimizer = model, optimizer
    self._word2id, self._id2word = word2id, id2word
    self._settings, self._every = settings, settings.training.log_every
    self._validation_poem = validation_poem
    samples = Samples(model, word2id, id2word, settings.training.samples) if settings.training.samples else None
    self._samples = samples if samples and samples.begins else None
    self._projector = Projector(path, model, list(word2id), counts) if settings.training.projector else None

  def on_begin(self, position, epochs):
    self._totals = Totals(position.watchers.get(type(self).__name__))
    self._best = min((metrics.get('validation_perplexity', math.inf) for metrics in position.measured),
                     default=math.inf)
    with self._writing(0):  # also of a run that goes on, whose own were cut, see `checkpoint.cut_events`
      board.write(self._path, self._settings, self._model.count_params())

  def on_epoch_begin(self, epoch, steps):
    self._totals = Totals(self._totals.sums())  # the time between epochs does not count

  def on_step(self, step, result):
    self._totals.add(result)
    self._step = step
    if len(self._totals) == self._every:
      self._write_step()

  def _write_step(self):
    means = self._totals.take()
    names = 'loss', 'perplexity', 'gradient_norm', 'tokens_per_second'
    self._write_scalars(self._step, {f'step/{name}': means[name] for name in names} | {
        'step/learning_rate': float(self._optimizer.learning_rate.numpy())})

  def _write_scalars(self, step: int, values: dict[str, float]):
    with self._writing(step), np.errstate(over='ignore'):
      for name, value in values.items():
        tf.summary.scalar(name, np.float32(value))  # infinite where it is beyond float32, which TensorFlow refuses

  def on_start(self, metrics):
    self._write_epoch(0, metrics)

  def on_epoch_end(self, epoch, metrics):
    if len(self._totals):
      self._write_step()
    self._write_epoch(epoch, metrics)

  def _write_epoch(self, epoch: int, metrics: dict[str, float]):
    scalars = {name: value for name, value in metrics.items() if name.startswith(_SCALARS)}
    if 'validation_perplexity' in metrics:
      self._best = min(self._best, metrics['validation_perplexity'])
      scalars['best_validation_perplexity'] = self._best
    texts: dict[str, str] = {}
    if self._samples is not None:
      sound, texts = self._samples.write()
      scalars |= sound
    if self._validation_poem is not None:
      texts['prediction'] = self._prediction(self._validation_poem)
    self._write_scalars(epoch, {f'epoch/{name}': value for name, value in scalars.items()})
    with self._writing(epoch):
      for name, text in texts.items():
        tf.summary.text(name, text)
      if self._settings.training.histograms:
        for name, array in weights.arrays(self._model, 'float32').items():
          tf.summary.histogram(f'weights/{name}', array)
      if self._projector is not None and not self._fails:
        self._projector.write()
    self.checkpoint()

  def checkpoint(self):
    with self._writing():
      self._writer.flush()
    return self._totals.sums()

  @contextlib.contextmanager
  def _writing(self, step: int | None = None):
    """A context that writes the points of a step; training goes on where that fails, and this is said once."""
    try:
      with self._writer.as_default(step) if not self._fails else contextlib.nullcontext():
        yield
    except (OSError, UserError, tf.errors.OpError) as error:
      if not self._fails:
        why = error.message if isinstance(error, tf.errors.OpError) else error
        self._say(f"{self._path}: TensorBoard's points cannot be written ({why}); training goes on without them")
      self._fails = True

  def _prediction(self, poem: corpus.Poem) -> str:
    """Shows a poem and, under each character, the most likely one given those before."""
    ids = corpus.encode(poem.content, self._word2id)
    predicted = tf.argmax(self._model(tf.constant([ids[:-1]])), axis=-1)[0].numpy()
    target = ' '.join(self._id2word[i] for i in ids[1:])
    return f'target: {target}\n\nargmax: {" ".join(self._id2word[i] for i in predicted)}'
