"""What tests of more than one module make and assert."""

import re

import keras

from tangshi_tf.model import myRNNModel


def assert_one_line(done, message, program='python -m tangshi_tf.', status=2):
  """Asserts that a command ended with that status and one line that matches `message`."""
  assert done.returncode == status
  assert not done.stdout
  assert len(done.stderr.splitlines()) == 1, done.stderr
  assert re.search(message, done.stderr), done.stderr
  assert done.stderr.startswith(program)


def model_with_a_will(word2id, *, times: float = 3, seed: int = 0, units: int = 12, embedding_size: int = 8, **options):
  """Returns an untrained model whose weights are so many times as large, so that it prefers some words to others."""
  keras.utils.set_random_seed(seed)
  model = myRNNModel(word2id, units=units, embedding_size=embedding_size, **options)
  for variable in model.trainable_variables:
    variable.assign(times * variable)
  return model
