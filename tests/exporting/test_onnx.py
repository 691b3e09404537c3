"""ONNX: one step of a model."""

import json
import sys

import numpy as np
import pytest

import tangshi_tf
from tangshi_tf.errors import UserError
from tangshi_tf.exporting import onnx
from tangshi_tf.run_dir import Run

from . import models


@pytest.fixture
def runtime():
  pytest.importorskip('tf2onnx', reason='needs tf2onnx')
  return pytest.importorskip('onnxruntime', reason='needs onnxruntime')


@pytest.mark.parametrize('kind', models.KINDS)
def test_a_step_is_the_package_s(runtime, kind, word2id, tmp_path):
  model = models.make(kind, word2id)
  onnx.write(Run(kind, model, model.word2id, model.id2word, {}), tmp_path)
  assert json.loads((tmp_path / 'vocabulary.json').read_text(encoding='utf-8')) == list(word2id)
  session = runtime.InferenceSession(tmp_path / onnx.MODEL)
  names = [f'state_{i}' for i in range(model.state_tensors)]
  assert [taken.name for taken in session.get_inputs()] == ['ids', *names]
  assert [made.name for made in session.get_outputs()] == ['logits', *(f'new_{name}' for name in names)]
  for rows in (1, 3):
    for ids, state, *expected in models.steps(model, rows):
      logits, *after = session.run(None, {'ids': ids, **dict(zip(names, state))})
      models.assert_same(logits, after, *expected, 1e-4)


def test_a_tied_matrix_is_stored_once(runtime, real_word2id):
  model = tangshi_tf.myRNNModel(real_word2id, cell='gru', units=128, embedding_size=128, tied=True)
  data = onnx.convert(model)
  assert 4 * model.count_params() < len(data) < 4.1 * model.count_params()
  state = np.zeros((2, 128), np.float32)
  logits, _ = runtime.InferenceSession(data).run(None, {'ids': np.array([5, 6], np.int32), 'state_0': state})
  expected, _ = model.next_logits(np.array([5, 6]), [state])
  possible = np.isfinite(expected)
  np.testing.assert_allclose(logits[possible], expected.numpy()[possible], atol=1e-4)


def test_it_says_what_is_not_installed(monkeypatch, model):
  monkeypatch.setitem(sys.modules, 'tf2onnx', None)  # importing it fails
  with pytest.raises(UserError, match=r"tf2onnx is not installed; run: pip install 'tangshi_tf\[onnx\]'"):
    onnx.convert(model)
