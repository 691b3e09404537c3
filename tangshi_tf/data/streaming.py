"""Shards to `tf.data` batches, in memory that does not grow with the corpus."""

import functools
import os
import sys

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.corpus import shards
from tangshi_tf.data.batches import bucket_widths, check_batching
from tangshi_tf.errors import UserError
from tangshi_tf.quiet import tf

_OPEN_SHARDS = 16  # read in turns
_BLOCK = 16  # poems of each at a time
_LINES = 64  # looked at together
_MIXED_BATCHES = 128
_LEFT_OUT = -1  # the id of white space


class Stream:
  """The batches of a part of the split, read again from its shards at each pass.

  Several processes divide the shards among themselves, and the rows of a batch:
  each reads its own shards only. In a pass every poem of the part is
  read once. A process whose shards end first continues with empty batches.

  Attributes:
    steps: how many batches a pass has.
  """

  def __init__(self, part: shards.Part, word2id: dict[str, int], *, batch_size: int = 100, batch_tokens: int = 0,
               batching: str = 'bucket', max_tokens: int = corpus.MAX_TOKENS, min_tokens: int = 0, process: int = 0,
               processes: int = 1):
    """Plans the batches.

    Args:
      part: at least one shard a process.
      word2id: the vocabulary.
      batch_size, batch_tokens: of a batch of all processes, see `data.batches`.
      batching: 'bucket' or 'shuffle', see `data.batches`.
      max_tokens, min_tokens: those that `part` was counted with.
      process, processes: the number of this one, from 0, and how many there are.

    Raises:
      UserError: there are more processes than shards or poems a batch, or
        `batching` is another.
    """
    check_batching(batching, batch_tokens)
    if batching == 'sorted':
      raise UserError(f'batching {batching!r} of a stream of shards; expected bucket or shuffle')
    if len(part.paths) < processes:
      raise UserError(f'{len(part.paths)} shards for {processes} processes; expected at least one for each')
    if not batch_tokens and batch_size < processes:
      raise UserError(f'batches of {batch_size} poems for {processes} processes; expected at least one for each')
    self._paths = part.paths[process::processes]
    self._tokens = (max(min_tokens, 3), max_tokens)  # a line without a poem has bos and eos
    table = corpus.id_table(word2id)
    table[_white_space()] = _LEFT_OUT
    self._table = tf.constant(table)  # graphs capture it, and would copy an array
    self._ends = word2id[corpus.start_token], word2id[corpus.end_token]

    totals = [_total(part.lengths[i::processes]) for i in range(processes)]
    lengths, counts = _as_arrays(_total(totals))
    widths = (bucket_widths(lengths - 1, counts=counts) if batching == 'bucket' else lengths[-1:] - 1).tolist()
    self._widths = widths
    self._padded_widths = widths if batching == 'bucket' else [0]  # 0: as wide as its longest row

    def sizes(i):
      rows = batch_size // processes + (i < batch_size % processes)
      return [max(batch_tokens // processes // width, 1) if batch_tokens else rows for width in widths]

    def count(i):
      lengths, counts = _as_arrays(totals[i])
      poems = np.bincount(np.searchsorted(widths, lengths - 1), counts, len(widths))
      return int(np.sum(-(-poems // sizes(i))))

    self._sizes = np.array(sizes(process))
    self._own_steps = count(process)
    self.steps = max(count(i) for i in range(processes))

  def batches(self, *, shuffle_buffer: int = 0, seed: int | None = None, skip: int = 0,
              local: int | None = None) -> tf.data.Dataset:
    """Makes the batches of one pass.

    Args:
      shuffle_buffer: how many poems wait; the next one is any of them; the
        shards come in random order, too. 0: all in their order.
      seed: makes the order repeatable.
      skip: leave out this many of the first batches.
      local: divide each batch among this many replicas.

    Returns:
      A dataset of `(x, y, seqlen)` as of `data.batches`, with `local` of
      tuples of this many of them.
    """
    paths = np.array([os.fsencode(path) for path in self._paths])
    open_shards = 1
    if shuffle_buffer:
      paths = np.random.default_rng(seed).permutation(paths)
      open_shards = min(_OPEN_SHARDS, len(paths))
    reader = tf.data.TFRecordDataset if self._paths[0].endswith(shards.RECORDS) else tf.data.TextLineDataset
    lines = tf.data.Dataset.from_tensor_slices(paths).interleave(
        reader, cycle_length=open_shards, block_length=_BLOCK, num_parallel_calls=min(2, open_shards),
        deterministic=True)
    # Encoding poem by poem would take 13 times as long, so what is shuffled and grouped are lines.
    poems = lines.batch(_LINES).map(self._keep, num_parallel_calls=2, deterministic=True).unbatch()
    if shuffle_buffer:
      poems = poems.shuffle(shuffle_buffer, seed=seed)
    batches = poems.group_by_window(
        key_func=lambda line, bucket: bucket, window_size_func=lambda bucket: tf.gather(self._sizes, bucket),
        reduce_func=lambda bucket, window: window.batch(max(self._sizes)))
    batches = batches.map(self._encode, num_parallel_calls=2, deterministic=True)
    if shuffle_buffer and len(self._widths) > 1:  # else the batches that did not fill would all be the last ones
      batches = batches.shuffle(_MIXED_BATCHES, seed=seed)
    if self._own_steps < self.steps:
      empty = tf.data.Dataset.from_tensors((tf.zeros((0, 2), tf.int32), tf.zeros((0,), tf.int32)))
      batches = batches.concatenate(empty.repeat(self.steps - self._own_steps))

    def divide(ids, lengths):
      return tuple(_example(ids[replica::local], lengths[replica::local]) for replica in range(local))

    return batches.take(self.steps).skip(skip).map(divide if local else _example).prefetch(8)

  def _keep(self, lines):
    """Returns those of some lines whose length is within the bounds, and the bucket of each."""
    tokens = tf.cast(self._ids(lines).row_lengths(), tf.int32)
    fewest, most = self._tokens
    kept = (tokens >= fewest) & (tokens <= most)
    buckets = tf.searchsorted(self._widths, tf.boolean_mask(tokens, kept) - 1, out_type=tf.int64)
    return tf.boolean_mask(lines, kept), buckets

  def _encode(self, lines, buckets):
    """Returns the padded ids of lines of one bucket, `[batch, width + 1]`, and the lengths without eos, `[batch]`."""
    ids = self._ids(lines)
    lengths = tf.cast(ids.row_lengths(), tf.int32) - 1
    ids = ids.to_tensor(corpus.PAD_ID)
    missing = tf.gather(self._padded_widths, buckets[0]) + 1 - tf.shape(ids)[1]
    return tf.pad(ids, [[0, 0], [0, tf.maximum(missing, 0)]], constant_values=corpus.PAD_ID), lengths

  def _ids(self, lines):
    """Returns the ids of `title:content` lines, int32 `[lines, (tokens)]`."""
    contents = tf.strings.regex_replace(lines, '^[^:]*(:|$)', '', replace_global=False)
    characters = tf.strings.unicode_decode(contents, 'UTF-8')
    ids = characters.with_values(tf.gather(self._table, characters.values))
    ids = tf.ragged.boolean_mask(ids, ids != _LEFT_OUT)
    bos, eos = (tf.fill((tf.size(lines), 1), end) for end in self._ends)
    return tf.concat([bos, ids, eos], 1)


@functools.cache
def _white_space() -> list[int]:
  return [code for code in range(sys.maxunicode + 1) if chr(code).isspace()]


def _example(ids, lengths):
  return ids[:, :-1], ids[:, 1:], lengths


def _total(lengths: list[dict[int, int]]) -> dict[int, int]:
  total: dict[int, int] = {}
  for counts in lengths:
    for length, number in counts.items():
      total[length] = total.get(length, 0) + number
  return total


def _as_arrays(lengths: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
  """Returns the lengths, rising, and how many poems have each."""
  rising = sorted(lengths)
  return np.array(rising, int), np.array([lengths[length] for length in rising], int)
