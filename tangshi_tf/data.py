"""Poems to `tf.data` batches."""

import os

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

BATCHINGS = ('bucket', 'shuffle')
SHUFFLE_BUFFER = 10240  # the exercise's
MAX_BUCKETS = 16
_MAX_PADDING = 0.05  # of a bucket's positions on average, so that hardly a batch of it reaches 10%


def process_dataset(path: str | os.PathLike | None = None, *, corpus_format: str = 'auto'):
  """Encodes a whole corpus file, as the exercise does.

  Args:
    path: a corpus file (see `corpus`); the package's own poems by default.
    corpus_format: 'auto', 'titled' or 'blank', see `corpus.read_poems`.

  Returns:
    `(instances, word2id, id2word)`: a pair of an id list (bos and eos
    included) and its length for each poem of at most 200 tokens, and the
    vocabulary of these poems in both directions.

  Raises:
    UserError: the file cannot be used.
  """
  poems, word2id, id2word = _short_poems(path, corpus_format)
  encoded = [corpus.encode(poem.content, word2id) for poem in poems]
  return [(ids, len(ids)) for ids in encoded], word2id, id2word


def _short_poems(path, corpus_format):
  """Returns the poems of at most 200 tokens of a file and their vocabulary in both directions."""
  path = path or corpus.default_corpus_path()
  poems = corpus.keep_short(corpus.read_poems(path, corpus_format=corpus_format))
  if not poems:
    raise UserError(f'{path}: all its poems are longer than {corpus.MAX_TOKENS} tokens '
                    '(characters plus bos and eos); expected shorter ones')
  return poems, *corpus.word_tables(corpus.build_vocabulary(poems))


def poem_dataset(path: str | os.PathLike | None = None, *, corpus_format: str = 'auto',
                 batch_size: int = 100, batching: str = 'bucket', seed: int | None = None):
  """Makes the training batches of a corpus file.

  Args:
    path: a corpus file; the package's own poems by default.
    corpus_format: 'auto', 'titled' or 'blank'.
    batch_size: poems a batch.
    batching: 'bucket' or 'shuffle', see `batches`.
    seed: makes the order repeatable.

  Returns:
    `(dataset, word2id, id2word)`; the dataset is shuffled anew at each pass
    and yields `(x, y, seqlen)`: int32 `[batch, time]`, `[batch, time]` (x
    shifted by one) and `[batch]`.

  Raises:
    UserError: the file cannot be used.
  """
  poems, word2id, id2word = _short_poems(path, corpus_format)
  dataset = batches(pack(*corpus.encode_all(poems, word2id)), batch_size=batch_size, batching=batching, seed=seed)
  return dataset, word2id, id2word


def pack(ids: np.ndarray, splits: np.ndarray) -> tf.RaggedTensor:
  """Makes an int32 ragged tensor `[poems, (tokens)]` of what `corpus.encode_all` returns."""
  return tf.RaggedTensor.from_row_splits(ids, splits)


def bucket_widths(lengths: np.ndarray, max_buckets: int = MAX_BUCKETS) -> np.ndarray:
  """Chooses the widths to which sequences are padded.

  Dynamic programming over the distinct lengths: of all ways to cut them into
  at most `max_buckets` runs, the one that wastes the fewest positions, runs
  that waste more than 5% on their own avoided where possible.

  Args:
    lengths: int `[sequences]`.
    max_buckets: upper bound on the number of widths.

  Returns:
    The widths, int `[buckets]`, rising; the last one is the greatest length.
  """
  values, counts = np.unique(lengths, return_counts=True)
  below = np.concatenate([[0], np.cumsum(counts)])
  used = np.concatenate([[0], np.cumsum(counts * values)])
  n = len(values)
  buckets = min(max_buckets, n)
  total = values[-1] * len(lengths)

  best = np.full((buckets + 1, n + 1), np.inf)
  best[0, 0] = 0
  first = np.zeros((buckets + 1, n + 1), int)
  for end in range(1, n + 1):
    area = values[end - 1] * (below[end] - below[:end])
    waste = area - (used[end] - used[:end])
    cost = waste + np.where(waste > _MAX_PADDING * area, total, 0)
    for k in range(1, buckets + 1):
      candidates = best[k - 1, :end] + cost
      first[k, end] = np.argmin(candidates)
      best[k, end] = candidates[first[k, end]]
  end, chosen = n, []
  for k in range(int(np.argmin(best[:, n])), 0, -1):
    chosen.append(values[end - 1])
    end = first[k, end]
  return np.array(chosen[::-1])


def batches(poems: tf.RaggedTensor, *, batch_size: int = 100, batching: str = 'bucket',
            shuffle: bool = True, seed: int | None = None) -> tf.data.Dataset:
  """Batches packed poems.

  Args:
    poems: int32 `[poems, (tokens)]`, see `pack`.
    batch_size: poems a batch; what does not fill a batch comes as a smaller one.
    batching: 'bucket' batches poems of like length, padded to one of at most
      16 fixed widths; 'shuffle' is the exercise's own: a shuffle buffer of
      10,240 poems, each batch padded to its longest poem.
    shuffle: whether the order is random, anew at each pass.
    seed: makes the order repeatable.

  Returns:
    A dataset of `(x, y, seqlen)`: int32 `[batch, time]`, `[batch, time]` (x
    shifted by one) and `[batch]`, the real length of each row.

  Raises:
    UserError: `batching` is unknown.
  """
  if batching not in BATCHINGS:
    raise UserError(f'batching {batching!r} is unknown; expected one of {", ".join(BATCHINGS)}')
  if batching == 'bucket':
    indices = _bucketed_indices(poems, batch_size, shuffle, seed)
  else:
    order = tf.data.Dataset.range(poems.nrows())
    if shuffle:
      order = order.shuffle(SHUFFLE_BUFFER, seed=seed)
    indices = order.batch(batch_size).map(lambda rows: (rows, tf.constant(-1, tf.int64)))

  def pad(rows, width):
    chosen = tf.gather(poems, rows)
    lengths = tf.cast(chosen.row_lengths(), tf.int32) - 1
    tokens = chosen.to_tensor(corpus.PAD_ID)
    missing = tf.maximum(width + 1 - tf.shape(tokens, tf.int64)[1], 0)
    tokens = tf.pad(tokens, [[0, 0], [0, missing]], constant_values=corpus.PAD_ID)
    return tokens[:, :-1], tokens[:, 1:], lengths

  return indices.map(pad, num_parallel_calls=2, deterministic=True).prefetch(8)


def count_batches(poems: tf.RaggedTensor, *, batch_size: int = 100, batching: str = 'bucket') -> int:
  """Returns how many batches `batches` makes of the poems."""
  if batching == 'shuffle':
    return -(-int(poems.nrows()) // batch_size)
  lengths = poems.row_lengths().numpy() - 1
  sizes = np.bincount(np.searchsorted(bucket_widths(lengths), lengths))
  return int(np.sum(-(-sizes // batch_size)))


def _bucketed_indices(poems, batch_size, shuffle, seed):
  """Returns a dataset of (row numbers of one batch, the width they are padded to)."""
  lengths = poems.row_lengths().numpy() - 1
  widths = bucket_widths(lengths)
  bucket = np.searchsorted(widths, lengths)
  rows_by_bucket = [np.flatnonzero(bucket == i) for i in range(len(widths))]

  def one_pass(pass_seed):
    dataset = None
    for width, rows in zip(widths, rows_by_bucket):
      if shuffle:
        # Not Dataset.shuffle: its buffer takes hundreds of bytes a row.
        rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([pass_seed, int(width)]))
      part = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
      part = part.map(lambda rows, width=width: (rows, tf.constant(width, tf.int64)))
      dataset = part if dataset is None else dataset.concatenate(part)
    return dataset

  passes = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1).flat_map(one_pass)
  if not shuffle:
    return passes
  return passes.shuffle(sum(-(-len(rows) // batch_size) for rows in rows_by_bucket), seed=seed)
