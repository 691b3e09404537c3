"""A run's curves and sample poems, for TensorBoard."""

import contextlib
import os
import pathlib
from collections.abc import Callable

import numpy as np

from tangshi_tf import corpus, decoding
from tangshi_tf.quiet import tf
from tangshi_tf.training.callback import Callback, Totals


class TensorBoard(Callback):
  """Writes curves and sample poems as TensorBoard events.

  By step: step/loss, step/perplexity, step/gradient_norm, step/learning_rate,
  step/tokens_per_second, each the mean of `every` steps (of fewer at the end
  of an epoch). By epoch:
  epoch/train_loss, epoch/train_perplexity, epoch/validation_loss,
  epoch/validation_perplexity, and the texts poems and prediction; at epoch 0
  those of the model that the run starts from.
  """

  def __init__(self, path: pathlib.Path, model, optimizer, word2id, id2word, *,
               say: Callable[[str], None] = lambda line: None, validation_poem: corpus.Poem | None = None,
               every: int = 10):
    self._path, self._say = path, say
    self._fails = False
    self._writer = tf.summary.create_file_writer(os.fsencode(path), flush_millis=10_000)
    self._model, self._optimizer = model, optimizer
    self._word2id, self._id2word = word2id, id2word
    self._validation_poem = validation_poem
    self._every = every

  def on_begin(self, position, epochs):
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
    names = 'train_loss', 'train_perplexity', 'validation_loss', 'validation_perplexity'
    self._write_scalars(epoch, {f'epoch/{name}': metrics[name] for name in names if name in metrics})
    texts = {'poems': self._sample_poems()}
    if self._validation_poem is not None:
      texts['prediction'] = self._prediction(self._validation_poem)
    with self._writing(epoch):
      for name, text in texts.items():
        tf.summary.text(name, text)
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
    except tf.errors.OpError as error:
      if not self._fails:
        self._say(f"{self._path}: TensorBoard's points cannot be written ({error.message}); training goes on without "
                  'them')
      self._fails = True

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
