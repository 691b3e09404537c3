"""Trained models on disk."""

from tangshi_tf.run_dir.loading import (
    BEST,
    CHECKPOINT,
    CONFIG,
    LAST,
    LOCK,
    METRICS,
    PRETRAINED,
    RUNS,
    VOCABULARY,
    WEIGHTS,
    Run,
    claim,
    create,
    default,
    encode_json,
    for_training,
    load,
    locate,
    newest,
    read_arrays,
    read_json,
    save_weights,
    shipped_names,
    upgrade,
    write_json,
)
from tangshi_tf.run_dir.manifest import MANIFEST, write_bytes, write_file

__all__ = [
    'BEST', 'CHECKPOINT', 'CONFIG', 'LAST', 'LOCK', 'MANIFEST', 'METRICS', 'PRETRAINED', 'RUNS', 'Run', 'VOCABULARY',
    'WEIGHTS', 'claim', 'create', 'default', 'encode_json', 'for_training', 'load', 'locate', 'newest', 'read_arrays',
    'read_json', 'save_weights', 'shipped_names', 'upgrade', 'write_bytes', 'write_file', 'write_json',
]
