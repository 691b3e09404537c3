"""The random numbers in a graph: those of NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf.exporting import generator

SEEDS = [0, 1, 2**31 - 1, 2**32 - 1, 2**32, 2**32 + 1, 2**53 - 1, 2**63 - 1, *range(1000, 1200)]


@pytest.mark.parametrize('count', [1, 2, 33, 71])
def test_uniform_numbers_are_those_of_numpy(count):
  drawn = tf.function(lambda seeds, count: generator.uniform(seeds, 1, count, 100), reduce_retracing=True)(
      tf.constant(SEEDS, tf.int64), tf.constant(count)).numpy()
  expected = [np.random.default_rng([seed, 1]).random(count, np.float32) for seed in SEEDS]
  np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize('count', [1, 64, 1281])
def test_normal_numbers_are_those_of_numpy(count):
  drawn = tf.function(lambda seeds: generator.normal(seeds, count))(tf.constant(SEEDS, tf.int64)).numpy()
  expected = np.array([np.random.default_rng(seed).standard_normal(count, np.float32) for seed in SEEDS])
  # In the ziggurat's tail a logarithm is taken, whose last digit is the machine's own.
  np.testing.assert_allclose(drawn, expected, rtol=1e-6)
  assert count < 1000 or np.abs(drawn).max() > 3.6542  # the tail was met
