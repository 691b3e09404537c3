"""Trained models on disk."""

from tangshi_tf.run_dir.claim import ClaimedRunDir, claim
from tangshi_tf.run_dir.layout import (
    BEST,
    CHECKPOINT,
    CONFIG,
    LAST,
    LOCK,
    MANIFEST,
    METRICS,
    PRETRAINED,
    PROJECTOR,
    PROJECTOR_CONFIG,
    RUNS,
    VOCABULARY,
    WEIGHTS,
    as_path,
    default,
    for_training,
    is_shipped,
    locate,
    looks_like_a_run,
    newest,
    shipped_names,
)
from tangshi_tf.run_dir.run import Run, RunDir, load
from tangshi_tf.run_dir.safe_files import write_bytes, write_json

__all__ = [
    'BEST', 'CHECKPOINT', 'CONFIG', 'ClaimedRunDir', 'LAST', 'LOCK', 'MANIFEST', 'METRICS', 'PRETRAINED', 'PROJECTOR',
    'PROJECTOR_CONFIG', 'RUNS', 'Run', 'RunDir', 'VOCABULARY', 'WEIGHTS', 'as_path', 'claim', 'default', 'for_training',
    'is_shipped', 'load', 'locate', 'looks_like_a_run', 'newest', 'shipped_names', 'write_bytes', 'write_json',
]
