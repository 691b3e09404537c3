"""What the tests of writing share."""

import pytest

from tangshi_tf import run_dir

from ..checks import model_with_a_will


@pytest.fixture(scope='module', params=[
    {'cell': 'gru'}, {'cell': 'lstm', 'layers': 2, 'tied': True},
    {'cell': 'lstm', 'tied': True, 'softmax': 'adaptive', 'cutoffs': [60, 200]}], ids=str)
def run(request, real_word2id):
  model = model_with_a_will(real_word2id, **request.param)
  return run_dir.Run('', model, real_word2id, {i: word for word, i in real_word2id.items()}, {})
