"""Optimizers equal Keras's own, update by update."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf.training import optimizers

SHAPES = [(7, 3), (5,)]


@pytest.mark.parametrize('in_graph', [True, False])
@pytest.mark.parametrize(('name', 'options'), [
    ('adam', {}), ('adam', {'amsgrad': True}), ('adam', {'beta_1': 0.5, 'beta_2': 0.9, 'epsilon': 0.01}),
    ('adam', {'clipnorm': 0.1, 'use_ema': True}), ('adamw', {'weight_decay': 0.1}), ('rmsprop', {}),
    ('sgd', {'momentum': 0.9})], ids=str)
def test_updates_equal_those_of_keras(name, options, in_graph):
  random = np.random.default_rng(0)
  plain = {'adam': keras.optimizers.Adam, 'adamw': keras.optimizers.AdamW, 'rmsprop': keras.optimizers.RMSprop,
           'sgd': keras.optimizers.SGD}[name]
  schedule = keras.optimizers.schedules.ExponentialDecay(0.03, 2, 0.5)
  first = [random.normal(size=shape) for shape in SHAPES]
  made = []
  for make in (optimizers.OPTIMIZERS[name], plain):
    variables = [keras.Variable(value, dtype='float32') for value in first]
    optimizer = make(schedule, **options)
    optimizer.build(variables)
    made.append((optimizer, variables))
  for _ in range(5):
    gradients = [tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES]
    for optimizer, variables in made:
      update = functools.partial(optimizer.apply_gradients, list(zip(gradients, variables)))
      tf.function(update, autograph=False)() if in_graph else update()
  (ours, variables), (theirs, expected) = made
  for got, want in zip([*variables, *ours.variables], [*expected, *theirs.variables]):
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=want.path)
