"""What tests of more than one module make and assert."""

import json
import re

import keras
import numpy as np

from tangshi_tf import run_dir
from tangshi_tf.model import myRNNModel
from tangshi_tf.run_dir import manifest


def assert_one_line(done, message, program='python -m tangshi_tf.', status=2):
  """Asserts that a command ended with that status and one line of that program that matches `message`."""
  assert done.returncode == status
  assert not done.stdout
  assert len(done.stderr.splitlines()) == 1, done.stderr
  assert re.search(message, done.stderr), done.stderr
  assert done.stderr.startswith(program)


def model_with_a_will(word2id, *, times: float = 3, seed: int = 0, units: int = 12, embedding_size: int = 8, **options):
  """Returns an untrained model whose weights are `times` as large, so that it prefers some words to others."""
  keras.utils.set_random_seed(seed)
  model = myRNNModel(word2id, units=units, embedding_size=embedding_size, **options)
  for variable in model.trainable_variables:
    variable.assign(times * variable)
  return model


def claim(path, **kwargs):
  """Begins a run without a model."""
  with run_dir.claim(path, **kwargs) as run:
    run.create(['PAD', 'UNK', 'bos', 'eos'], {'model': {}})


def save(path, model, bias, name='best'):
  """Saves the weights of a model of 40 words with that bias for all of them."""
  model.dense.bias.assign(np.full(40, bias))
  with run_dir.claim(path, resume=True) as run:
    run.save_weights(name, model)


def write_manifest(path, value):
  """Writes a manifest of any content; its own SHA-256 fits."""
  head = json.dumps({key: one for key, one in value.items() if key != 'sha256'}).removesuffix('}').encode() + b', '
  (path / 'manifest.json').write_bytes(manifest._sealed(head))


def to_version_2(path):
  """Makes a run with best.npz one of format version 2."""
  value = json.loads((path / 'manifest.json').read_text(encoding='utf-8'))
  assert value.pop('best') == 'best' and 'weights/best.npz' in value['files']
  write_manifest(path, {**value, 'format_version': 2})
