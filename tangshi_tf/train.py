"""Trains a character-level language model on Tang poems.

    python -m tangshi_tf.train --cell=lstm
    tensorboard --logdir=runs
"""

import os
import pathlib
import platform
import shlex
import sys

from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.errors import UserError

_CORPUS = flags.DEFINE_string('corpus', None, 'Corpus file (default: the poems that come with the package).')
_CORPUS_FORMAT = flags.DEFINE_enum(
    'corpus_format', 'auto', corpus.FORMATS,
    'titled: "title:content" a line; blank: no titles, blank lines between poems; auto: looks.')
_CELL = flags.DEFINE_enum('cell', 'rnn', ['rnn', 'lstm', 'gru'], 'Recurrent cell.')
_UNITS = flags.DEFINE_integer('units', 128, 'Width of the recurrent state.', lower_bound=1, upper_bound=16384)
_EMBEDDING_SIZE = flags.DEFINE_integer('embedding_size', 64, 'Width of the character embedding.',
                                       lower_bound=1, upper_bound=16384)
_RESET_AFTER = flags.DEFINE_bool(
    'reset_after', True, 'GRU: apply the reset gate after the recurrent product (needed for cuDNN).')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 100, 'Poems a batch.', lower_bound=1, upper_bound=10**6)
_BATCHING = flags.DEFINE_enum(
    'batching', 'bucket', ['bucket', 'shuffle'],
    'bucket: poems of like length together; shuffle: random poems padded to the longest, as in the exercise.')
_VOCABULARY_SIZE = flags.DEFINE_integer(
    'vocabulary_size', None, 'Keep the most frequent characters only, so many words with PAD, UNK, bos and eos '
    '(default: all characters of the training part). Time and memory a token grow with it.', lower_bound=5)
_PRECISION = flags.DEFINE_enum(
    'precision', 'float32', ['float32', 'bfloat16', 'float16'],
    "Of the output layer's products; with 16 bits sums, softmax and weights stay float32 (mixed precision).")
_LEARNING_RATE = cli.define_number('learning_rate', 0.0005, "Adam's learning rate.", low=0, high=100, open_low=True)
_EPOCHS = flags.DEFINE_integer('epochs', 10, 'Passes over the training poems.', lower_bound=1, upper_bound=10**6)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the initial weights and of the order; makes a CPU run repeatable.',
                             lower_bound=0, upper_bound=2**31 - 1)
_RUN_DIR = flags.DEFINE_string('run_dir', None, 'Where the run is written (default: runs/<cell>).')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace the run that stands in --run_dir.')
_LOG_EVERY = flags.DEFINE_integer('log_every', 10, 'Steps between points of the TensorBoard curves.', lower_bound=1)


def main() -> int:
  words, encoded, validation_poem, origin = _read_corpus()
  run_path = _RUN_DIR.value if _RUN_DIR.value is not None else os.path.join('runs', _CELL.value)
  with run_dir.claim(run_path, overwrite=_OVERWRITE.value) as path:
    with cli.quiet_start():
      import tensorflow as tf

      from tangshi_tf import devices
      device = devices.start()
    print(device, flush=True)
    if not devices.gains(_PRECISION.value):
      print(f'--precision={_PRECISION.value}: this device has no units for it; the products take the time of float32 '
            'or more. Use --precision=float32.')
    print(f'Corpus: {origin["corpus"]}: '
          f'{", ".join(f"{number:,} {name}" for name, number in origin["poems"].items())} '
          f'poems; vocabulary of {len(words):,}')
    try:
      return _train(path, words, encoded, validation_poem, {**origin, **_settings()})
    except (MemoryError, tf.errors.ResourceExhaustedError):
      raise UserError(f'not enough memory for {_UNITS.value} units, an embedding of {_EMBEDDING_SIZE.value} and '
                      f'batches of {_BATCH_SIZE.value}; expected smaller sizes') from None


def _read_corpus() -> tuple[list[str], dict[str, tuple], corpus.Poem | None, dict]:
  """Returns the vocabulary, the encoded parts, a validation poem, and what config.json says of them.

  The texts themselves, which take far more memory, end here.
  """
  path = pathlib.Path(_CORPUS.value) if _CORPUS.value is not None else corpus.default_corpus_path()
  poems = corpus.read_poems(path, corpus_format=_CORPUS_FORMAT.value)
  parts = corpus.training_parts(poems, path)
  words = corpus.build_vocabulary(parts['train'], size=_VOCABULARY_SIZE.value)
  word2id, _ = corpus.word_tables(words)
  encoded = {name: corpus.encode_all(parts[name], word2id) for name in ('train', 'validation') if parts[name]}
  return words, encoded, next(iter(parts['validation']), None), {
      'corpus': path.name, 'corpus_sha256': corpus.fingerprint(poems),
      'poems': {name: len(part) for name, part in parts.items()}}


def _train(path: pathlib.Path, words: list[str], encoded: dict[str, tuple], validation_poem: corpus.Poem | None,
           origin: dict) -> int:
  """Makes the model, trains it and writes the run; returns the exit status. Empties `encoded`."""
  import keras

  from tangshi_tf import callbacks, data, training
  from tangshi_tf.model import myRNNModel

  word2id, id2word = corpus.word_tables(words)
  packed = {name: data.pack(*encoded.pop(name)) for name in list(encoded)}
  keras.utils.set_random_seed(_SEED.value)
  model = myRNNModel(word2id, cell=_CELL.value, embedding_size=_EMBEDDING_SIZE.value,
                     units=_UNITS.value, reset_after=_RESET_AFTER.value)
  optimizer = training.make_optimizer(_LEARNING_RATE.value)
  run_dir.create(path, words, {'model': model.hyperparameters, 'training': origin})
  print(f'Model: {_CELL.value}, {model.count_params():,} parameters; run directory {path}', flush=True)
  if 'validation' not in packed:
    print('The corpus is too small for a validation part; the last epoch counts as the best.')

  batching = {'batch_size': _BATCH_SIZE.value, 'batching': _BATCHING.value}

  def epoch_batches(epoch):
    return data.batches(packed['train'], seed=(_SEED.value * 1_000_003 + epoch) % 2**31, **batching)

  validation = None
  if 'validation' in packed:
    validation = data.batches(packed['validation'], batch_size=_BATCH_SIZE.value, shuffle=False)
  watchers = [
      callbacks.Progress(_EPOCHS.value),
      callbacks.TensorBoard(path, model, optimizer, word2id, id2word, every=_LOG_EVERY.value,
                            validation_poem=validation_poem),
      callbacks.Checkpoints(path, model),
  ]
  with cli.interruptible() as stopped:
    history = training.fit(model, optimizer, epochs=_EPOCHS.value, epoch_batches=epoch_batches,
                           steps_per_epoch=data.count_batches(packed['train'], **batching),
                           validation=validation, callbacks=watchers, should_stop=stopped,
                           precision=_PRECISION.value)
  if len(history) < _EPOCHS.value:
    run_dir.save_weights(path, run_dir.LAST, model)
    print(f'Interrupted; the weights so far are kept. Write poems with them: '
          f'python -m tangshi_tf.generate --model={path} --weights={run_dir.LAST}')
    return cli.INTERRUPTED
  print(f'Done. Write poems: python -m tangshi_tf.generate --model={path}\n'
        f'See the curves: tensorboard --logdir={path.parent}')
  return 0


def _settings() -> dict:
  """Returns what else config.json says of how the model came about."""
  import tensorflow as tf
  return {
      'command': shlex.join(['python', '-m', 'tangshi_tf.train', *sys.argv[1:]]),
      'batch_size': _BATCH_SIZE.value, 'batching': _BATCHING.value, 'optimizer': 'adam',
      'learning_rate': _LEARNING_RATE.value, 'epochs': _EPOCHS.value, 'seed': _SEED.value,
      'precision': _PRECISION.value, 'tensorflow': tf.__version__, 'python': platform.python_version(),
  }


if __name__ == '__main__':
  cli.run(main)
