"""A run on its way, on disk: all that is needed to continue it exactly.

`checkpoint.npz` in the run directory holds the model's variables, those of the
optimizer (the number of steps among them), the moving average if there is one,
the carried state, and the `Position` as JSON. Random numbers need no entry:
dropout masks and the order of the poems follow from the seed, the epoch and the
step.
"""

import dataclasses
import json
import pathlib

import numpy as np
from tensorboard.compat.proto import event_pb2

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.quiet import tf
from tangshi_tf.run_dir.safe_files import PARTIAL
from tangshi_tf.training import board
from tangshi_tf.training.callback import Position

_POSITION, _STATE = 'position', 'state'
_EVENTS = 'events.out.tfevents.*'


def _variables(model, optimizer, average) -> dict:
  """Returns all variables of a run by their names in the file."""
  optimizer.build(model.trainable_variables)
  averaged = [] if average is None else [variable for _, variable in average.pairs]
  return {f'{kind}/{i}': variable
          for kind, variables in (('model', model.trainable_variables), ('optimizer', optimizer.variables),
                                  ('average', averaged))
          for i, variable in enumerate(variables)}


def write(run: run_dir.ClaimedRunDir, model, optimizer, average, position: Position):
  """Replaces the checkpoint of a run.

  Weights that are not finite are not written: the run is about to end, and the
  checkpoint before is the one to keep.

  Args:
    run: the run directory.
    model: a `myRNNModel`.
    optimizer: its Keras optimizer.
    average: its `training.Averages`, or None.
    position: how far the run is.

  Raises:
    UserError: it cannot be written.
  """
  if all(np.isfinite(variable.numpy()).all() for variable in model.trainable_variables):
    run.write_arrays(run_dir.CHECKPOINT, arrays(model, optimizer, average, position))


def arrays(model, optimizer, average, position: Position) -> dict[str, np.ndarray]:
  """Returns what the checkpoint of a run holds; arguments as of `write`."""
  kept = {name: variable.numpy() for name, variable in _variables(model, optimizer, average).items()}
  kept |= {f'{_STATE}/{i}': array for i, array in enumerate(position.state)}
  described = json.dumps(dataclasses.asdict(dataclasses.replace(position, state=[])))
  kept[_POSITION] = np.frombuffer(described.encode(), np.uint8)
  return kept


def restore(run: run_dir.RunDir, model, optimizer, average) -> Position:
  """Brings a run back to its checkpoint.

  Args:
    run: the run directory.
    model, optimizer, average: new ones with the run's settings.

  Returns:
    The position to continue from.

  Raises:
    UserError: the file is damaged, or belongs to a model or an optimizer with
      other settings.
  """
  found = run.read_arrays(run_dir.CHECKPOINT)
  variables = _variables(model, optimizer, average)
  try:
    position = Position(**json.loads(found.pop(_POSITION).tobytes()))
    position.state = [found.pop(f'{_STATE}/{i}') for i in range(model.state_tensors) if f'{_STATE}/{i}' in found]
    if {name: array.shape for name, array in found.items()} != {
        name: tuple(variable.shape) for name, variable in variables.items()}:
      raise ValueError('other variables than those of this model and optimizer')
  except (KeyError, TypeError, ValueError) as error:
    raise UserError(f'{run.path / run_dir.CHECKPOINT}: cannot be resumed ({error}); expected a checkpoint of this very '
                    'run') from None
  for name, variable in variables.items():
    variable.assign(found[name])
  return position


def cut_events(path: pathlib.Path, steps: int, epochs: int):
  """Takes from TensorBoard's files what will come again: what is after so many steps and epochs, and `board.ONCE`."""
  for partial in path.glob(f'{_EVENTS}{PARTIAL}'):  # the process ended while it cut
    partial.unlink()
  for file in filter(pathlib.Path.is_file, list(path.glob(_EVENTS))):
    kept, cut = [], False
    try:
      for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        event = event_pb2.Event.FromString(record)
        tags = [value.tag for value in event.summary.value]
        by_step = any(tag.startswith('step/') for tag in tags)
        if event.step <= (steps if by_step else epochs) and not set(tags) & set(board.ONCE):
          kept.append(record)
        else:
          cut = True
    except tf.errors.DataLossError:  # the process ended while it wrote
      cut = True
    if not cut:
      continue
    partial = file.with_name(file.name + PARTIAL)
    try:
      with tf.io.TFRecordWriter(str(partial)) as writer:
        for record in kept:
          writer.write(record)
      partial.replace(file)
    except (OSError, tf.errors.OpError):  # points that are there twice are no reason to end a run
      partial.unlink(missing_ok=True)
