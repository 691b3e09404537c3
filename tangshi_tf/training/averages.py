"""A moving average of a model's weights."""

import contextlib

from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.quiet import tf


class Averages:
  """An exponential moving average of a model's trainable weights.

  After step t (from 1) the decay is min(decay, (1 + t) / (10 + t)), so that the
  first weights are soon forgotten (as in `tf.train.ExponentialMovingAverage`).
  """

  def __init__(self, model, decay: float):
    self._decay = decay
    self.pairs = [(variable, tf.Variable(variable, trainable=False)) for variable in model.trainable_variables]

  def update(self, step):
    """Takes in the weights after step `step` (from 1), on each replica."""
    t = tf.cast(step, tf.float32)
    share = 1 - tf.minimum(self._decay, (1 + t) / (10 + t))
    tf.distribute.get_replica_context().merge_call(self._update, args=(share,))

  def _update(self, strategy, share):
    def approach(average, variable, share):
      average.assign_add(share * (variable - average))

    for variable, average in self.pairs:
      strategy.extended.update(average, approach, args=(variable.value, share), group=False)

  @contextlib.contextmanager
  def in_place(self):
    """A context in which the model has the averaged weights."""
    kept = [tf.identity(variable) for variable, _ in self.pairs]
    try:
      for variable, average in self.pairs:
        variable.assign(average)
      yield
    finally:
      for (variable, _), value in zip(self.pairs, kept):
        variable.assign(value)


@kept_with_model(None)
def average_of(model, decay: float) -> Averages | None:
  """Returns the model's one moving average of that decay; None where it is 0."""
  return Averages(model, decay) if decay else None
