"""What holds on a GPU only; skipped elsewhere."""

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import data, decoding, training
from tangshi_tf.model import CELLS, devices, loss, myRNNModel
from tangshi_tf.settings import TrainingSettings, known

pytestmark = [pytest.mark.gpu,
              pytest.mark.skipif(not tf.config.list_physical_devices('GPU'), reason='TensorFlow sees no GPU')]


@pytest.mark.parametrize('cell', ['lstm', 'gru'])
def test_training_takes_the_fused_kernels(poems_file, cell):
  ds, word2id, _ = data.poem_dataset(poems_file, batch_size=50, seed=0)
  model, optimizer = myRNNModel(word2id, cell=cell), training.make_optimizer()
  batch = next(iter(ds))
  step = training.compiled_step(model, optimizer, training.StepOptions())
  assert np.isfinite(float(step(*batch, [])[0].loss))
  graph = step.get_concrete_function().graph.as_graph_def()
  kinds = {node.op for function in graph.library.function for node in function.node_def}
  kinds |= {node.op for node in graph.node}
  assert any(kind.startswith('CudnnRNN') for kind in kinds)


@pytest.mark.parametrize('precision', known(TrainingSettings)['precision'].choices)
@pytest.mark.parametrize('cell', CELLS)
def test_the_loss_is_that_of_the_cpu(poems_file, cell, precision):
  ds, word2id, _ = data.poem_dataset(poems_file, batch_size=50, seed=0)
  model = myRNNModel(word2id, cell=cell)
  x, y, seqlen = next(iter(ds))
  hidden = model.hidden_sequence(x)
  value, _ = loss.fused_loss(hidden, model.dense.kernel, model.dense.bias, y, seqlen, precision=precision)
  assert 'GPU' in value.device
  with tf.device('CPU'):
    plain = loss.compute_loss(model.dense(tf.identity(hidden)), y, seqlen)
  np.testing.assert_allclose(value, plain, rtol=1e-3 if precision == 'float32' else 2e-2)


def test_decoding_is_one_loop_on_the_device(word2id):
  assert 'GPU' in devices.start()
  model = myRNNModel(word2id, units=12)
  id2word = {i: word for word, i in word2id.items()}
  for requests in ([('一', 1)], [('一', seed) for seed in range(100)]):
    assert len(list(decoding.generate(requests, model=model, word2id=word2id, id2word=id2word))) == len(requests)
