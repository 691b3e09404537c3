"""Poems to `tf.data` batches, from memory or from shards."""

from tangshi_tf.data.batches import (
    MAX_BUCKETS,
    SHUFFLE_BUFFER,
    batches,
    bucket_widths,
    count_batches,
    count_windows,
    pack,
    poem_dataset,
    process_dataset,
    windows,
)
from tangshi_tf.data.reading import BATCH_SPEC, OUTAGES, read
from tangshi_tf.data.streaming import Stream

__all__ = [
    'BATCH_SPEC', 'MAX_BUCKETS', 'OUTAGES', 'SHUFFLE_BUFFER', 'Stream', 'batches', 'bucket_widths',
    'count_batches', 'count_windows', 'pack', 'poem_dataset', 'process_dataset', 'read', 'windows',
]
