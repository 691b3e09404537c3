"""Which processes train together, as the environment says; without TensorFlow."""

import json
import os

from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import shown

STRATEGIES = ('none', 'mirrored', 'multi_worker')


def choose(strategy: str | None) -> str:
  """Returns the strategy to take: the given one, or what the environment variable TF_CONFIG says.

  Raises:
    UserError: TF_CONFIG is no description of a cluster, or is needed and there is none.
  """
  if strategy is not None and not (isinstance(strategy, str) and strategy in STRATEGIES):
    raise UserError(f'strategy {shown(strategy)} is unknown; expected one of {", ".join(STRATEGIES)}')
  addresses, _ = workers()
  if strategy is None:
    return 'multi_worker' if len(addresses) > 1 else 'none'
  if strategy == 'multi_worker' and not addresses and not _in_slurm():
    raise UserError('strategy=multi_worker: there is neither TF_CONFIG nor Slurm; expected one of them to describe a '
                    'cluster (python -m tangshi_tf.launch starts one on this machine)')
  return strategy


def workers() -> tuple[list[str], int]:
  """Returns the addresses of the workers that TF_CONFIG names and this process's index; none and 0 without it.

  Raises:
    UserError: it is no description of a cluster of workers.
  """
  text = os.environ.get('TF_CONFIG')
  if not text:
    return [], 0
  try:
    config = json.loads(text)
    members = config.get('cluster', {})
    addresses = [*members.get('chief', []), *members.get('worker', [])]
    task = config.get('task', {})
    index = int(task.get('index', 0)) + (len(members.get('chief', [])) if task.get('type', 'worker') == 'worker' else 0)
    if not addresses and not members:
      return [], 0
    if not all(isinstance(address, str) for address in addresses) or not 0 <= index < len(addresses):
      raise ValueError
  except (AttributeError, TypeError, ValueError):
    raise UserError(f'TF_CONFIG: {shorten(text, 80)}; expected JSON such as {{"cluster": {{"worker": '
                    '["host:port", ...]}, "task": {"type": "worker", "index": 0}}') from None
  return addresses, index


def is_chief(strategy: str) -> bool:
  """Returns whether this process writes, before the strategy is started."""
  if strategy != 'multi_worker':
    return True
  addresses, index = workers()
  return index == 0 if addresses else int(os.environ.get('SLURM_PROCID', '0')) == 0


def _in_slurm() -> bool:
  return 'SLURM_JOB_ID' in os.environ and 'SLURM_PROCID' in os.environ
