"""Training: steps, runs, and what is kept of them."""

from tangshi_tf.training.averages import Averages, averages
from tangshi_tf.training.distribution import ONE, Replicas, lost_workers, start
from tangshi_tf.training.fitting import Callback, DivergedError, Position, Totals, fit
from tangshi_tf.training.optimizers import OPTIMIZERS, make_optimizer
from tangshi_tf.training.schedules import SCHEDULES, LearningRate
from tangshi_tf.training.step import StepOptions, StepResult, compiled_step, train, train_one_step

__all__ = [
    'Averages', 'Callback', 'DivergedError', 'LearningRate', 'ONE', 'OPTIMIZERS', 'Position', 'Replicas',
    'SCHEDULES', 'StepOptions', 'StepResult', 'Totals', 'averages', 'compiled_step', 'fit', 'lost_workers',
    'make_optimizer', 'start', 'train', 'train_one_step',
]
