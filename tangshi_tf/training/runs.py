"""A whole training, from settings to a run directory."""

import contextlib
import dataclasses
import json
import numbers
import os
import pathlib
from collections.abc import Callable, Iterable

from tangshi_tf import recipes, run_dir
from tangshi_tf.errors import TERMINATED, UserError
from tangshi_tf.settings import Settings, require_iterable
from tangshi_tf.short import short_repr, shown
from tangshi_tf.training import resuming
from tangshi_tf.training.callback import Callback
from tangshi_tf.training.divergence import DivergedError
from tangshi_tf.training.job import Job
from tangshi_tf.training.preparation import Material, read_corpus
from tangshi_tf.training.start_model import StartModel
from tangshi_tf.workers import cluster

Stopping = Callable[[], contextlib.AbstractContextManager[Callable[[], int]]]


@contextlib.contextmanager
def never():
  """A context whose run is never told to stop."""
  yield lambda: 0


@dataclasses.dataclass(frozen=True)
class Result:
  """What came of a run.

  Attributes:
    path: the run directory.
    history: the figures of each epoch, see `fitting.fit`.
    stopped: 0, or the exit status that belongs to what told the run to stop:
      what the function of `stopping` returned first that is not 0.
    chief: whether this process is the one that writes.
  """

  path: pathlib.Path
  history: list[dict[str, float]]
  stopped: int = 0
  chief: bool = True

  __repr__ = short_repr


def run(settings: Settings, path: str | os.PathLike | None = None, *, overwrite: bool = False,
        callbacks: Iterable = (), strategy: str | None = None, worker_timeout: float = 300.0,
        stopping: Stopping = never, command: str = 'tangshi_tf.training.run') -> Result:
  """Trains a model and writes it into a run directory.

      >>> from tangshi_tf import recipes, training
      >>> settings = recipes.settings_of('gru', epochs=1)
      >>> training.run(settings, 'runs/mine', callbacks=[training.Progress()])     # doctest: +SKIP

  Args:
    settings: what decides how the model comes about.
    path: where the run is written; by default runs/ and the recipe or the cell,
      'finetune' for one that starts from a model.
    overwrite: whether a run that is there is replaced.
    callbacks: `training.Callback`s; they are told all that there is to tell, and
      nothing is printed without them.
    strategy: 'none', 'mirrored' (the GPUs of this host), or 'multi_worker'; by
      default what the environment variable TF_CONFIG says.
    worker_timeout: seconds in which all workers must have come.
    stopping: makes a context, held while batches are trained, that yields a
      function; once it returns another number than 0 the run stops.
    command: what config.json says that started the run.

  Returns:
    The `Result`.

  Raises:
    UserError: a setting cannot be met, the directory is taken, the corpus
      cannot be read, memory is short, or the loss is no longer finite.
  """
  if not isinstance(settings, Settings):
    raise UserError(f"settings {shown(settings)}: expected Settings, such as those of recipes.settings_of('gru')")
  start_from = settings.training.start_from
  where = run_dir.for_training(path, settings.recipe or recipes.implied(start_from, settings.model.cell))
  process = _Process(callbacks, strategy, worker_timeout, stopping)
  start = None if start_from is None else StartModel.open(start_from)
  if start is not None:
    settings = start.decide(settings, where)
  material = read_corpus(settings, known=start.words if start else None)  # before a directory is made
  with process.claim(where, overwrite=overwrite) as directory:
    return process.train(pathlib.Path(where), directory, settings, material, command, start)


def resume(path: str | os.PathLike, *, callbacks: Iterable = (), strategy: str | None = None,
           worker_timeout: float = 300.0, stopping: Stopping = never, **changes) -> Result:
  """Continues a run from its last checkpoint, with its settings; on a CPU it ends as if it had never stopped.

  Args:
    path: the run directory.
    callbacks, strategy, worker_timeout, stopping: see `run`.
    **changes: settings that may change, such as `epochs`, or `corpus` where the
      poems are elsewhere now.

  Returns:
    The `Result`.

  Raises:
    UserError: as `run`; there is no run, a setting may not change, or the poems
      are others.
  """
  process = _Process(callbacks, strategy, worker_timeout, stopping)
  with process.claim(path, resume=True) as directory:
    settings = resuming.settings_of(directory, changes)
    material = resuming.material_of(directory, settings)
    return process.train(pathlib.Path(path), directory, settings, material)


class _Process:
  """What one process does of a run: all of it, or a worker's share."""

  def __init__(self, callbacks, strategy, worker_timeout, stopping):
    expected = 'a list of training.Callback'
    callbacks = list(require_iterable('callbacks', callbacks, expected))
    for callback in callbacks:
      if not isinstance(callback, Callback):
        raise UserError(f'callbacks: {shown(callback)}; expected {expected}')
    if not isinstance(worker_timeout, numbers.Real) or not worker_timeout > 0:
      raise UserError(f'worker_timeout {shown(worker_timeout)}: expected seconds, a number above 0')
    self._strategy = cluster.choose(strategy)
    self._chief = cluster.is_chief(self._strategy)  # the chief alone writes and speaks
    self._callbacks = callbacks if self._chief else []
    self._timeout, self._stopping = worker_timeout, stopping

  def _say(self, line: str):
    for callback in self._callbacks:
      callback.on_note(line)

  @contextlib.contextmanager
  def claim(self, path, *, overwrite: bool = False, resume: bool = False):
    """Holds the run directory, in the chief; other processes read it where a run is resumed, and else have None."""
    if not self._chief:
      yield run_dir.RunDir(path) if resume else None
      return
    if run_dir.is_shipped(path):
      raise UserError(f'{path}: is a model of the package; expected another run_dir')
    with run_dir.claim(path, overwrite=overwrite, resume=resume) as claimed:
      yield claimed

  def train(self, path: pathlib.Path, directory, settings: Settings, material: Material,
            command: str | None = None, start: StartModel | None = None) -> Result:
    """Starts TensorFlow and trains; without a command the run is resumed."""
    resumed = command is None
    settings = dataclasses.replace(settings, corpus=dataclasses.replace(settings.corpus, stream=material.streamed))
    has_checkpoint = resumed and resuming.has_checkpoint(directory, settings)
    replicas = self._start(settings, material, start, resumed)
    for note in () if resumed else settings.without_effect(material.streamed):
      self._say(note)
    for note in material.notes:
      self._say(note)
    counts = ', '.join(f'{number:,} {name}' for name, number in material.origin['poems'].items())
    new = f', {len(material.words) - len(start.words):,} of them new' if start else ''
    self._say(f'Corpus: {material.origin["corpus"]}: {counts} poems; vocabulary of {len(material.words):,}{new}')

    from tangshi_tf.quiet import tf
    from tangshi_tf.training import distribution
    try:
      weights = start.arrays(material.words, material.counts) if start else None
      with distribution.lost_workers(replicas), replicas.strategy.scope():
        return self._fit(Job(path, directory, settings, material, replicas, command, weights), has_checkpoint, start)
    except (MemoryError, tf.errors.ResourceExhaustedError):
      model, training = settings.model, settings.training
      batches = f'{training.batch_tokens} tokens' if training.batch_tokens else f'{training.batch_size} poems'
      raise UserError(f'not enough memory for {model.units} units, an embedding of {model.embedding_size} and '
                      f'batches of {batches}; expected smaller sizes') from None

  def _start(self, settings: Settings, material: Material, start: StartModel | None, resumed: bool):
    """Starts TensorFlow and waits for the other workers; returns the replicas."""
    from tangshi_tf.model import devices
    from tangshi_tf.training import distribution
    devices.prepare()
    agreement = json.dumps([material.words, material.origin['corpus_sha256'],
                            material.parts['train'].lengths if material.streamed else None, settings.values(),
                            start.origin() if start else None, resumed])
    replicas = distribution.start(self._strategy, timeout=self._timeout, agreement=agreement)
    self._say(devices.start())
    if settings.recipe is not None:
      self._say(f'Recipe: {settings.recipe}')
    if replicas.count > 1:
      self._say(f'Each batch is divided among {replicas.count} replicas in {replicas.processes} processes.')
    precision = settings.training.precision
    if not devices.gains(precision):
      self._say(f'precision={precision}: this device has no units for it; the products take the time of float32 '
                'or more. Use precision=float32.')
    return replicas

  def _fit(self, job: Job, has_checkpoint: bool, start: StartModel | None) -> Result:
    """Trains from the beginning or from the checkpoint."""
    from tangshi_tf.training import fitting
    training, steps = job.settings.training, job.batches.steps
    started = job.measure_start(start.name) if start else None
    if has_checkpoint:
      job.restore()
    elif self._chief:
      job.create(start.origin() if start else None)
    self._say(f'Model: {job.settings.model.cell}, {job.model.count_params():,} parameters; run directory {job.path}')
    if started:
      self._say(f'Start: {started}')
    if has_checkpoint:
      if self._chief:
        job.keep_settings()
        for note in job.version_notes():
          self._say(note)
      self._say(f'Resumed at step {job.steps_taken():,} of {training.epochs * steps:,}.')
    if job.batches.validation is None:
      self._say('The corpus is too small for a validation part; the last epoch counts as the best.')
    schedule = job.schedule(self._say)
    callbacks = [*self._callbacks, *job.keepers(self._say)] if self._chief else []
    status = 0
    with self._stopping() as stopped:

      def told_to_stop() -> int:
        nonlocal status
        status = status or stopped()  # once told, always told
        return status

      try:
        history = fitting.fit(
            job.model, job.optimizer, epochs=training.epochs, epoch_batches=job.batches.epoch, steps_per_epoch=steps,
            validation=job.batches.validation, callbacks=callbacks, should_stop=told_to_stop, schedule=schedule,
            patience=training.patience, options=job.options, plain_epochs=training.plain_epochs,
            position=job.position, save_every=training.checkpoint_every,
            save=job.save if self._chief else lambda position: None, replicas=job.replicas)
      except DivergedError as error:
        job.save_last()
        raise UserError(f'{error}; the last good weights are kept in {job.path} as {run_dir.LAST}') from None
      if any(job.replicas.sums(told_to_stop())):  # perhaps another worker was told to stop
        status = status or TERMINATED
    if status:
      job.save_last()
    elif job.position.start and fitting.epochs_since_best(job.position.measured) == len(history):
      self._say(f'No epoch was better than the start; the best weights are those of {training.start_from}.')
    return Result(job.path, history, status, self._chief)
