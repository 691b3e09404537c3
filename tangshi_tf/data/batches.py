"""Poems to `tf.data` batches."""

import os

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.errors import UserError
from tangshi_tf.quiet import tf
from tangshi_tf.settings import CorpusSettings, TrainingSettings, require

SHUFFLE_BUFFER = CorpusSettings.shuffle_buffer  # the exercise's
MAX_BUCKETS = 16
_MAX_PADDING = 0.05  # of a bucket's positions on average, so that hardly a batch of it reaches 10%


def process_dataset(path: str | os.PathLike | None = None, *, corpus_format: str = 'auto'):
  """Encodes a whole corpus file, as the exercise does.

  Args:
    path: a corpus file (see `corpus`); the package's own poems by default.
    corpus_format: see `corpus.read_poems`.

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
  path = corpus.default_corpus_path() if path is None else path
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
    corpus_format: see `corpus.read_poems`.
    batch_size: poems a batch.
    batching: 'bucket', 'shuffle' or 'sorted', see `batches`.
    seed: makes the order repeatable.

  Returns:
    `(dataset, word2id, id2word)`; the dataset is shuffled again at each pass
    (not with 'sorted') and yields `(x, y, seqlen)`: int32 `[batch, time]`,
    `[batch, time]` (x shifted by one) and `[batch]`.

  Raises:
    UserError: the file cannot be used.
  """
  require(TrainingSettings, batch_size=batch_size, batching=batching, **({} if seed is None else {'seed': seed}))
  poems, word2id, id2word = _short_poems(path, corpus_format)
  poems = pack(*corpus.encode_all(poems, word2id))
  dataset = batches(poems, batch_size=batch_size, batching=batching, seed=seed)
  count = count_batches(poems, batch_size=batch_size, batching=batching)  # Keras warns where it has to find out
  return dataset.apply(tf.data.experimental.assert_cardinality(count)), word2id, id2word


def pack(ids: np.ndarray, splits: np.ndarray) -> tf.RaggedTensor:
  """Makes an int32 ragged tensor `[poems, (tokens)]` of what `corpus.encode_all` returns."""
  return tf.RaggedTensor.from_row_splits(ids, splits)


def bucket_widths(lengths: np.ndarray, max_buckets: int = MAX_BUCKETS, *,
                  counts: np.ndarray | None = None) -> np.ndarray:
  """Chooses the widths to which sequences are padded.

  Dynamic programming over the distinct lengths: of all ways to cut them into
  at most `max_buckets` runs, the one that wastes the fewest positions, runs
  that waste more than 5% on their own avoided where possible.

  Args:
    lengths: int `[sequences]`; with `counts` each length once, rising.
    max_buckets: upper bound on the number of widths.
    counts: how many sequences have each of the lengths, int `[lengths]`.

  Returns:
    The widths, int `[buckets]`, rising; the last one is the greatest length.
  """
  values, counts = np.unique(lengths, return_counts=True) if counts is None else (lengths, counts)
  below = np.concatenate([[0], np.cumsum(counts)])
  used = np.concatenate([[0], np.cumsum(counts * values)])
  n = len(values)
  buckets = min(max_buckets, n)
  total = values[-1] * below[-1]

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


def batches(poems: tf.RaggedTensor, *, batch_size: int = 100, batch_tokens: int = 0, batching: str = 'bucket',
            shuffle: bool = True, seed: int | None = None, skip: int = 0,
            share: tuple[int, int, int] | None = None) -> tf.data.Dataset:
  """Batches packed poems.

  Args:
    poems: int32 `[poems, (tokens)]`, see `pack`.
    batch_size: poems a batch; what does not fill a batch comes as a smaller one.
    batch_tokens: with 'bucket', as many poems a batch as fit into this many
      positions, instead of `batch_size`; 0 for `batch_size`.
    batching: 'bucket' batches poems of similar length, padded to one of at most
      16 fixed widths; 'shuffle' is the exercise's own: a shuffle buffer of
      10,240 poems, each batch padded to its longest poem; 'sorted' takes the
      poems by rising length, in the same order at every pass.
    shuffle: whether the order is random, another one at each pass.
    seed: makes the order repeatable.
    skip: leave out this many of the first batches.
    share: `(first, local, count)`, to divide each batch among `count` replicas
      and take the parts of `local` of them from `first` on. Row i is the
      replica's whose number is i modulo `count`; a part may be empty.

  Returns:
    A dataset of `(x, y, seqlen)`: int32 `[batch, time]`, `[batch, time]` (x
    shifted by one) and `[batch]`, the real length of each row; with `share` of
    tuples of such, one for each of the local replicas.

  Raises:
    UserError: `batching` is unknown, or does not go with `batch_tokens`.
  """
  check_batching(batching, batch_tokens)
  if batching == 'bucket':
    indices = _bucketed_indices(poems, batch_size, batch_tokens, shuffle, seed)
  else:
    if batching == 'sorted':
      order = tf.data.Dataset.from_tensor_slices(np.argsort(poems.row_lengths(), kind='stable'))
    else:
      order = tf.data.Dataset.range(poems.nrows())
      if shuffle:
        order = order.shuffle(SHUFFLE_BUFFER, seed=seed)
    indices = order.batch(batch_size).map(lambda rows: (rows, tf.constant(-1, tf.int64)))

  def pad(rows, width):
    chosen = tf.gather(poems, rows)
    lengths = tf.cast(chosen.row_lengths(), tf.int32) - 1
    tokens = chosen.to_tensor(corpus.PAD_ID)
    missing = tf.maximum(tf.maximum(width, 1) + 1 - tf.shape(tokens, tf.int64)[1], 0)
    tokens = tf.pad(tokens, [[0, 0], [0, missing]], constant_values=corpus.PAD_ID)
    return tokens[:, :-1], tokens[:, 1:], lengths

  def divide(rows, width):
    return tuple(pad(rows[replica::share[2]], width) for replica in range(share[0], share[0] + share[1]))

  return indices.skip(skip).map(divide if share else pad, num_parallel_calls=2, deterministic=True).prefetch(8)


def count_batches(poems: tf.RaggedTensor, *, batch_size: int = 100, batch_tokens: int = 0,
                  batching: str = 'bucket') -> int:
  """Returns how many batches `batches` makes of the poems."""
  check_batching(batching, batch_tokens)
  if batching != 'bucket':
    return -(-int(poems.nrows()) // batch_size)
  return sum(-(-len(rows) // size) for _, rows, size in _buckets(poems, batch_size, batch_tokens))


def windows(poems: tf.RaggedTensor, *, batch_size: int, window: int, seed: int | None = None,
            skip: int = 0, share: tuple[int, int, int] | None = None) -> tf.data.Dataset:
  """Cuts the poems, one after another in random order, into windows for truncated back-propagation.

  The text is laid out in `batch_size` rows of equal length, and each window
  continues where the one before it ended, in every row. Every token but the
  first is predicted once, except fewer than `batch_size` at the end.

  Args:
    poems: int32 `[poems, (tokens)]`, see `pack`.
    batch_size: rows.
    window: positions a window.
    seed: of the poems' order.
    skip: leave out this many of the first windows.
    share: divides the rows, see `batches`.

  Returns:
    A dataset of `(x, y, seqlen)` as `batches` makes them, without padding; the
    last window may be shorter.

  Raises:
    UserError: the text is shorter than `batch_size` rows of one position.
  """
  order = np.random.default_rng(seed).permutation(int(poems.nrows()))
  text = tf.gather(poems, order).flat_values
  length = _row_length(poems, batch_size)
  rows = tf.stack([text[i * length:(i + 1) * length + 1] for i in range(batch_size)])

  def cut(i):
    part = rows[:, i * window:(i + 1) * window + 1]
    whole = part[:, :-1], part[:, 1:], tf.fill((batch_size,), tf.shape(part)[1] - 1)
    if share is None:
      return whole
    first, local, count = share
    return tuple(tuple(tensor[replica::count] for tensor in whole) for replica in range(first, first + local))

  return tf.data.Dataset.range(skip, -(-length // window)).map(cut).prefetch(8)


def count_windows(poems: tf.RaggedTensor, *, batch_size: int, window: int) -> int:
  """Returns how many windows `windows` makes of the poems."""
  return -(-_row_length(poems, batch_size) // window)


def _row_length(poems, batch_size):
  tokens = int(poems.flat_values.shape[0])
  if tokens <= batch_size:
    raise UserError(f'the training poems have {tokens} tokens; expected more than the {batch_size} rows of a batch')
  return (tokens - 1) // batch_size


def check_batching(batching: str, batch_tokens: int):
  """Raises a UserError where `batching` is unknown, or does not go with `batch_tokens`."""
  require(TrainingSettings, batching=batching)
  if batch_tokens and batching != 'bucket':
    raise UserError(f'batches of {batch_tokens} tokens with batching {batching!r}; expected bucket')


def _buckets(poems, batch_size, batch_tokens) -> list[tuple[int, np.ndarray, int]]:
  """Returns for each bucket its width, the numbers of its rows, and how many of them make a batch."""
  lengths = poems.row_lengths().numpy() - 1
  widths = bucket_widths(lengths)
  bucket = np.searchsorted(widths, lengths)
  return [(width, np.flatnonzero(bucket == i), max(batch_tokens // int(width), 1) if batch_tokens else batch_size)
          for i, width in enumerate(widths)]


def _bucketed_indices(poems, batch_size, batch_tokens, shuffle, seed):
  """Returns a dataset of (row numbers of one batch, the width they are padded to)."""
  buckets = _buckets(poems, batch_size, batch_tokens)

  def one_pass(pass_seed):
    dataset = None
    for width, rows, size in buckets:
      if shuffle:
        # Not Dataset.shuffle: its buffer takes hundreds of bytes a row.
        rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([pass_seed, int(width)]))
      part = tf.data.Dataset.from_tensor_slices(rows).batch(size)
      part = part.map(lambda rows, width=width: (rows, tf.constant(width, tf.int64)))
      dataset = part if dataset is None else dataset.concatenate(part)
    return dataset

  passes = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1).flat_map(one_pass)
  if not shuffle:
    return passes
  return passes.shuffle(sum(-(-len(rows) // size) for _, rows, size in buckets), seed=seed)
