"""LiteRT: one step of a model, and the program that writes poems with it."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import decoding, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.exporting import litert
from tangshi_tf.settings import EXERCISE

from . import models

pytestmark = pytest.mark.filterwarnings(r'ignore:[\s\S]*ai_edge_litert package')

HAS_LITERT = importlib.util.find_spec('ai_edge_litert') is not None
# Where ai-edge-litert is there, nothing of TensorFlow or of this package is for the program.
WITHOUT = 'import sys; sys.modules.update(dict.fromkeys(("tensorflow", "keras", "tangshi_tf")))\n'
CALLS = '''
import json, runpy, sys
main = runpy.run_path('write_poem.py')['main']
for given in json.loads(sys.argv[1]):
  try:
    main(*given)
  except SystemExit as end:
    print(end)
'''


def step_of(data):
  """Returns the step of a LiteRT file, run by TensorFlow's own interpreter or, where there is none, by LiteRT's."""
  if hasattr(tf.lite, 'Interpreter'):
    return tf.lite.Interpreter(model_content=data, num_threads=1).get_signature_runner('step')
  interpreter = pytest.importorskip('ai_edge_litert.interpreter', reason='needs an interpreter: ai-edge-litert')
  return interpreter.Interpreter(model_content=data, num_threads=1).get_signature_runner('step')


def write_poems(folder, calls):
  """Returns what the program of an export prints, a line for each list of arguments."""
  if not HAS_LITERT:
    (folder / 'ai_edge_litert').mkdir()
    (folder / 'ai_edge_litert/interpreter.py').write_text('from tensorflow import lite\nInterpreter = lite.Interpreter')
  done = subprocess.run([sys.executable, '-W', 'ignore', '-c', (WITHOUT if HAS_LITERT else '') + CALLS,
                         json.dumps(calls)], cwd=folder, env={**os.environ, 'PYTHONUTF8': '1'}, capture_output=True,
                        text=True, encoding='utf-8', timeout=300, check=False)
  assert done.returncode == 0, done.stderr
  return done.stdout.splitlines()


@pytest.fixture(scope='module')
def gru():
  return run_dir.load('gru')


@pytest.mark.parametrize('kind', models.KINDS)
def test_a_step_is_the_package_s(kind, word2id):
  model = models.make(kind, word2id)
  for weights, rows, error in (('float16', 1, 2e-3), ('int8', 3, 0.05)):
    data = litert.convert(model, weights, rows=rows)
    assert b'Flex' not in data  # no operator that only TensorFlow has
    step = step_of(data)
    for ids, state, *expected in models.steps(model, rows):
      after = step(ids=ids, **{f'state_{i}': tensor for i, tensor in enumerate(state)})
      assert set(after) == {'logits', *(f'state_{i}' for i in range(len(state)))}
      models.assert_same(after['logits'], [after[f'state_{i}'] for i in range(len(state))], *expected, error)


def test_weights_are_stored_once_in_16_or_8_bits(real_word2id):
  model = tangshi_tf.myRNNModel(real_word2id, cell='gru', units=128, embedding_size=128, tied=True)
  count = model.count_params()
  assert 2 * count < len(litert.convert(model, 'float16')) < 2.1 * count
  assert count < len(litert.convert(model, 'int8')) < 1.25 * count  # scales and biases have 32 bits


def test_the_files(gru, tmp_path):
  litert.write(gru, tmp_path, weights='int8')
  assert {path.name for path in tmp_path.iterdir()} == {litert.MODEL, 'vocabulary.json', litert.EXAMPLE}
  words = json.loads((tmp_path / 'vocabulary.json').read_text(encoding='utf-8'))
  assert dict(enumerate(words)) == gru.id2word
  details = step_of((tmp_path / litert.MODEL).read_bytes()).get_input_details()
  assert {name: (of['shape'].tolist(), of['dtype']) for name, of in details.items()} == {
      'ids': ([1], np.int32), 'state_0': ([1, 128], np.float32)}


def test_the_program_that_writes_poems(gru, tmp_path):
  litert.write(gru, tmp_path)
  begins = ['月', '春风', '白日依山尽，']
  seeds = ['1', '2', '1', '3']
  bad = ['', '月X']
  printed = write_poems(tmp_path, [*([begin] for begin in begins), *(['月', '1', seed] for seed in seeds),
                                   *([begin] for begin in bad)])
  expected = decoding.generate([(begin, 0) for begin in begins], model=gru.model, **EXERCISE)
  assert printed[:3] == [''.join(words) for words in expected]
  first, second, again, third = printed[3:7]
  assert first == again and len({first, second, third}) == 3
  assert printed[7:] == [f'{begin!r}: expected characters that vocabulary.json has' for begin in bad]


def test_what_cannot_be_written(gru, tmp_path):
  with pytest.raises(UserError, match="weights 'int4': expected one of float16, int8"):
    litert.write(gru, tmp_path, weights='int4')
  assert not list(tmp_path.iterdir())
  with pytest.raises(UserError, match='missing/step.tflite: cannot be written'):
    litert.write(gru, tmp_path / 'missing', weights='int8')
