"""The model of a run, what trains it, and how far it is."""

import contextlib
import dataclasses
import math
import pathlib
import platform
from collections.abc import Callable

from tangshi_tf import corpus, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings
from tangshi_tf.training.callback import Position
from tangshi_tf.training.preparation import Batches, Material, make_batches


class Job:
  """The model of a run, what trains it, and how far it is.

  Attributes:
    path, settings, replicas: as they are given.
    model, optimizer: new ones by the settings.
    options: the `step.StepOptions`.
    batches: see `preparation.Batches`.
    position: how far the run is.
  """

  def __init__(self, path: pathlib.Path, directory, settings: Settings, material: Material, replicas,
               command: str | None, weights: dict | None = None):
    """Makes the model and the batches; `material.parts` are given up where they are in memory.

    Args:
      path: the run directory.
      directory: the same, in the chief a `ClaimedRunDir`; elsewhere a `RunDir`,
        or None where no run is resumed.
      settings: of the run.
      material: what is trained on.
      replicas: among which the batches are divided.
      command: what began the run, None where it is resumed.
      weights: to start from, see `StartModel.arrays`; by default new ones.
    """
    from tangshi_tf.model import myRNNModel
    from tangshi_tf.quiet import keras
    from tangshi_tf.run_dir.weights import assign
    from tangshi_tf.training import optimizers, step
    from tangshi_tf.training.averages import average_of
    self.path, self.settings, self.replicas = path, settings, replicas
    self._directory = directory
    self._material, self._command = material, command
    self._word2id, self._id2word = corpus.word_tables(material.words)
    training = settings.training
    keras.utils.set_random_seed(training.seed)
    self.model = myRNNModel(self._word2id, **dataclasses.asdict(settings.model), blank=weights is not None)
    if weights is not None:
      assign(self.model, weights)
    self.optimizer = optimizers.make_optimizer(training.learning_rate, name=training.optimizer,
                                               weight_decay=training.weight_decay)
    self.options = step.StepOptions(
        carry_state=training.bptt > 0,
        **{name: getattr(training, name) for name in step.StepOptions.__dataclass_fields__ if name != 'carry_state'})
    self._average = average_of(self.model, training.average)
    self.batches: Batches = make_batches(material, settings, self._word2id, replicas)
    self.position = Position(reading=self.batches.reading)

  def schedule(self, say: Callable[[str], None]):
    """Returns the learning rate over the run; says so if the warm-up is longer than the run."""
    from tangshi_tf.training.schedules import LearningRate
    training, steps = self.settings.training, self.batches.steps
    warmup_steps, total = training.warmup_steps, steps * training.epochs
    if warmup_steps >= total:  # as that of a recipe is in a run on few poems
      warmup_steps = total // 10
      say(f'warmup_steps={training.warmup_steps}: the run has {total} step{"s" * (total != 1)}; the learning rate '
          f'rises in the first {warmup_steps}.')
    return LearningRate(
        training.learning_rate, schedule=training.schedule, steps_per_epoch=steps, epochs=training.epochs,
        warmup_steps=warmup_steps, hold_epochs=training.hold_epochs, decay=training.decay, final=training.final)

  def measure_start(self, name: str) -> str:
    """Measures the model that the run starts from; returns what it is, in words.

    Raises:
      UserError: its loss is not finite.
    """
    from tangshi_tf.training import fitting
    if self.batches.validation is None:
      return name
    figures = fitting.validated(self.model, self.batches.validation, self.replicas)
    if not math.isfinite(figures['validation_loss']):
      raise UserError(f'{name}: its loss on the validation poems is {figures["validation_loss"]}; expected a model '
                      'with a finite one')
    self.position.start = {'epoch': 0, **figures}
    return f'{name}, validation perplexity {figures["validation_perplexity"]:.1f}'

  def create(self, start: dict | None = None):
    """Begins the run directory.

    Args:
      start: what config.json says of the model that the run starts from. Such a
        run has a checkpoint from the first, so that it never needs that again.
    """
    from tangshi_tf.quiet import tf
    from tangshi_tf.training import checkpoint
    again = self._command is None  # a run that was killed before its first checkpoint
    command = self._directory.config()['training']['command'] if again else self._command
    first = None if start is None else checkpoint.arrays(self.model, self.optimizer, self._average, self.position)
    self._directory.create(self._material.words, {'model': self.model.hyperparameters, 'training': {
        **self._material.origin, **({} if start is None else {'start': start}), 'command': command,
        'flags': self.settings.values(), 'tensorflow': tf.__version__, 'python': platform.python_version(),
    }}, checkpoint=first)

  def restore(self):
    """Brings model, optimizer and position to the checkpoint.

    Raises:
      UserError: the run cannot continue from there with these settings.
    """
    from tangshi_tf.training import checkpoint
    reading = self.batches.reading
    self.position = checkpoint.restore(self._directory, self.model, self.optimizer, self._average)
    if self.position.batches and self.position.reading != reading:
      raise UserError(f'{self.path}: was stopped within an epoch whose poems were {self.position.reading}, now they '
                      f'are {reading}; expected the same')
    begun, epochs = self.position.epoch - (not self.position.batches), self.settings.training.epochs
    if epochs < begun:
      raise UserError(f'epochs={epochs}: the run in {self.path} has begun epoch {begun}; expected {begun} or more')
    self.position.reading = reading
    self.replicas.sums(0.0)  # the chief writes a new one only when all have read this one
    if self.replicas.chief:
      begun = self.position.epoch > 1 or self.position.batches > 0  # else the point of the start comes again, too
      checkpoint.cut_events(self.path, self.steps_taken(), self.position.epoch - 1 if begun else -1)

  def keep_settings(self):
    """Writes the settings of a resumed run into its config.json, so that more epochs need not be given again.

    So it does with the place of its poems.
    """
    config, values = self._directory.config(), self.settings.values()
    training, files = config['training'], self._material.origin['corpus_files']
    if (training['flags'], training.get('corpus_files')) != (values, files):
      training |= {'flags': values, 'corpus_files': files}
      self._directory.write_json(run_dir.CONFIG, config)

  def version_notes(self) -> list[str]:
    """Returns what a person should know of a run that is resumed with another TensorFlow."""
    from tangshi_tf.quiet import tf
    before = self._directory.config()['training'].get('tensorflow')
    if before == tf.__version__:
      return []
    return [f'The run was started with TensorFlow {before}, this is {tf.__version__}: its figures may differ in their '
            'last digits from those of a run that never stopped.']

  def steps_taken(self) -> int:
    return int(self.optimizer.iterations.numpy())

  def keepers(self, say: Callable[[str], None]) -> list:
    """Returns the callbacks that write the run directory; they may have something to say."""
    from tangshi_tf.training.tensorboard import TensorBoard
    from tangshi_tf.training.weights_keeper import WeightsKeeper
    return [TensorBoard(self.path, self.model, self.optimizer, self._word2id, self._id2word, settings=self.settings,
                        counts=self._material.counts, say=say, validation_poem=self._material.validation_poem),
            WeightsKeeper(self._directory, self.model)]

  def save(self, position):
    """Writes the checkpoint."""
    from tangshi_tf.training import checkpoint
    checkpoint.write(self._directory, self.model, self.optimizer, self._average, position)

  def save_last(self):
    """Keeps the weights of an epoch that did not end."""
    if not self.replicas.chief:
      return
    with self._average.in_place() if self._average is not None else contextlib.nullcontext():
      self._directory.save_weights(run_dir.LAST, self.model)
