"""The replicas among which each batch is divided: one, the GPUs of this host, or the workers of a cluster.

Each replica computes the gradient of its rows; the sum over all replicas is
that of the whole batch, and all take the same step (synchronous data
parallelism, on `tf.distribute`).
"""

import contextlib
import dataclasses
import functools

from tangshi_tf.data.reading import OUTAGES
from tangshi_tf.errors import LostWorkerError
from tangshi_tf.quiet import quiet_start, tf
from tangshi_tf.workers import cluster, rendezvous


@dataclasses.dataclass(frozen=True)
class Replicas:
  """The replicas of a run.

  Attributes:
    strategy: the `tf.distribute.Strategy`; variables are made in its scope.
    count: how many replicas there are in all processes.
    first: the number of this process's first one, from 0.
    local: how many this process has.
  """

  strategy: tf.distribute.Strategy
  count: int = 1
  first: int = 0
  local: int = 1

  @property
  def chief(self) -> bool:
    """Whether this process is the one that writes."""
    return self.first == 0

  @property
  def processes(self) -> int:
    return self.count // self.local

  @property
  def process(self) -> int:
    return self.first // self.local

  def place(self, shares):
    """Returns one structure of per-replica tensors for a list with a structure for each local replica."""
    if self.local == 1:
      return shares[0]
    flat = [tf.nest.flatten(share) for share in shares]
    values = [self.strategy.experimental_distribute_values_from_function(
        lambda context, column=column: column[context.replica_id_in_sync_group - self.first]) for column in zip(*flat)]
    return tf.nest.pack_sequence_as(shares[0], values)

  def here(self, value):
    """Returns what the first replica of this process has of a structure."""
    return tf.nest.map_structure(lambda part: self.strategy.experimental_local_results(part)[0], value)

  def sums(self, *values: float) -> list[float]:
    """Returns the sum of each value over all processes; all must call it."""
    if self.processes == 1:
      return list(values)

    return self.here(self._sum_graph(tf.constant(values, tf.float64) / self.local)).numpy().tolist()

  @functools.cached_property
  def _sum_graph(self):
    """The sum of tensors float64 `[n]` over all replicas; a graph, since TensorFlow warns of anything else."""
    def replica_sum(parts):
      here = tf.identity(parts)  # on the device of the replica, which all_reduce looks at
      return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)

    return tf.function(lambda parts: self.strategy.run(replica_sum, args=(parts,)),
                       input_signature=[tf.TensorSpec((None,), tf.float64)], autograph=False)

  def gather(self, tensors) -> list:
    """Returns tensors `[rows of the replica, width]` as arrays `[rows of the batch, width]`; all must call it.

    Row i of a batch is the replica's whose number is i modulo `count`.
    """
    if self.count == 1:
      return [tensor.numpy() for tensor in tensors]
    gathered = []
    for tensor in tensors:
      rows = self._gather_graph(tensor)
      size = int(rows.shape[0])
      order = [i for replica in range(self.count) for i in range(replica, size, self.count)]
      gathered.append(tf.scatter_nd(tf.constant(order)[:, None], rows, rows.shape).numpy())
    return gathered

  @functools.cached_property
  def _gather_graph(self):
    """The rows of tensors of all replicas, one replica after the other."""
    return tf.function(lambda tensor: self.strategy.gather(tensor, axis=0), reduce_retracing=True,
                       autograph=False)

  def share(self, tensors) -> list:
    """Returns `place` of the rows of each local replica; the other way round from `gather`."""
    return self.place([[tensor[replica::self.count] for tensor in tensors]
                       for replica in range(self.first, self.first + self.local)])


ONE = Replicas(tf.distribute.get_strategy())


def start(strategy: str, *, timeout: float, agreement: str = '') -> Replicas:
  """Starts a strategy; to be called before TensorFlow has done anything else.

  Args:
    strategy: one of `cluster.STRATEGIES`.
    timeout: seconds in which all workers must have come.
    agreement: what must be the same for all of them.

  Returns:
    The replicas.

  Raises:
    LostWorkerError, UserError: the workers did not meet, see `rendezvous.meet`.
  """
  if strategy == 'none':
    return ONE
  if strategy == 'mirrored':
    devices = tf.config.list_logical_devices('GPU') or tf.config.list_logical_devices('CPU')
    if len(devices) == 1:  # TensorFlow's variables of one replica work within its own contexts alone
      return ONE
    made = tf.distribute.MirroredStrategy([device.name for device in devices])
    return Replicas(made, made.num_replicas_in_sync, 0, made.num_replicas_in_sync)
  workers, index = cluster.workers()
  resolver = None
  if not workers:
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver()
    workers, index = resolver.cluster_spec().as_dict()['worker'], resolver.get_task_info()[1]
  rendezvous.meet(workers, index, timeout, agreement)
  with quiet_start():
    made = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    if made.num_replicas_in_sync == 1:
      return ONE
    local = made.num_replicas_in_sync // len(workers)
    replicas = Replicas(made, made.num_replicas_in_sync, index * local, local)
    replicas.sums(0.0)  # waits for all of them
  return replicas


@contextlib.contextmanager
def lost_workers(replicas: Replicas):
  """Turns what TensorFlow says of a worker that is gone into `LostWorkerError`."""
  try:
    yield
  except OUTAGES as error:
    if replicas.processes == 1:
      raise
    raise LostWorkerError(f'another worker is gone ({error.message.splitlines()[0][:100]}); start all of them again '
                          'to resume the run') from None
