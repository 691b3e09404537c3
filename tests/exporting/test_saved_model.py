"""The exported SavedModel, used by a process that cannot import the package."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2

import tangshi_tf
from tangshi_tf import exporting, run_dir
from tangshi_tf.exporting import serving
from tangshi_tf.model import myRNNModel

PRESET = {'form': '', 'rhyme': '', 'init': 'zero', 'temperature': -1.0, 'top_k': 0, 'top_p': 1.0, 'max_len': -1}
SEEDS = list(range(12))  # more than a small batch, so that the same loop writes them here and there
WAYS = [{}, {'init': 'random'}, {'temperature': 0.0, 'init': 'random'}, {'temperature': 1.1}, {'top_k': 9},
        {'top_p': 0.7, 'top_k': 100}]
CASES = [{'form': form, **way} for form in ('', '五绝', '七绝', '五律', '七律') for way in WAYS] + [
    {'begin': ['春风'] * 6 + ['白日依山尽，黄'] * 6, 'max_len': 20}, {'begin': ['愛'] * 12, 'form': '五绝'},
    {'begin': ['白日依山尽，黄河入'] * 12, 'form': '五绝', 'rhyme': '尤'}, {'form': '七绝', 'rhyme': 'off'},
    {'acrostic': ['春，夏秋冬'] * 12}, {'acrostic': ['春夏秋冬日月'] * 12}, {'begin': ['，月。山'] * 12},
    {'acrostic': ['春夏'] * 12, 'rhyme': '東'}, {'form': '七絕', 'rhyme': '上平一東'},
    {'acrostic': ['山'] * 12, 'form': '七律'}]
TEXTS = ['床前明月光', '白日依山尽，黄河入海流。', '', ' 龘一', '月']
USE = """
import json, sys
sys.modules['tangshi_tf'] = None  # so that it cannot be imported
import tensorflow as tf
asked = json.load(sys.stdin)
signatures = tf.saved_model.load(asked['path']).signatures
found = {'poems': [], 'errors': []}
for case in asked['cases']:
  inputs = {name: tf.constant(value, tf.int64 if name == 'seed' else None) for name, value in case.items()}
  try:
    made = signatures['generate'](**inputs)
    poems = [text.decode() for text in made['poems'].numpy()]
    found['poems'].append([poems, made['log_probabilities'].numpy().tolist()])
  except tf.errors.InvalidArgumentError as error:
    found['errors'].append(str(error))
empty = {**asked['cases'][0], 'begin': [], 'acrostic': [], 'seed': []}
for form in ('', '七绝'):
  inputs = {name: tf.constant(value, tf.int64 if name == 'seed' else tf.string if value == [] else None)
            for name, value in {**empty, 'form': form}.items()}
  assert signatures['generate'](**inputs)['poems'].shape == 0, form
inputs = {name: tf.constant(value, tf.int64 if name == 'seed' else None)
          for name, value in {**empty, 'begin': [bytes([255])], 'acrostic': [''], 'seed': [1]}.items()}
try:
  signatures['generate'](**inputs)
except tf.errors.InvalidArgumentError as error:
  found['garbled'] = str(error)
scores = signatures['score'](texts=tf.constant(asked['texts']))
found['scores'] = {name: value.numpy().tolist() for name, value in scores.items()}
found['logits'] = signatures['serving_default'](ids=tf.constant([[2, 9, 12], [2, 5, 0]]))['logits'].numpy().tolist()
print(json.dumps(found))
"""
REFUSED = [
    ({'begin': ['龘']}, 'begin 龘: a character is not in the vocabulary'),
    ({'acrostic': ['龘月']}, 'acrostic 龘月: a character is not in the vocabulary'),
    ({'form': '六绝'}, 'form 六绝 is unknown; expected one of 五绝, 七绝, 五律, 七律'),
    ({'form': '七绝', 'rhyme': 'x'}, 'rhyme x is unknown; expected one of 上平一东'),
    ({'rhyme': '东'}, 'rhyme goes with a form'), ({'init': 'one'}, 'init: expected zero or random'),
    ({'temperature': -2.0}, 'temperature: expected 0 to 100'), ({'temperature': float('nan')}, 'temperature: expected'),
    ({'top_k': -1}, 'top_k: expected'), ({'top_p': 0.0}, 'top_p: expected'), ({'max_len': 0}, 'max_len: expected'),
    ({'seed': [-1]}, 'seed: expected'), ({'begin': ['月', '山']}, 'expected equally many'),
    ({'form': '五绝', 'begin': ['日月山，']}, 'begin: a line has not the length of those of 五绝'),
    ({'form': '五绝', 'begin': ['山' * 21]}, 'begin has too many characters for 五绝'),
    ({'form': '五绝', 'begin': ['东东东东东']}, 'keeps no tone pattern and rhyme of 五绝'),
    ({'form': '五绝', 'begin': ['山'], 'acrostic': ['月']}, 'begins with one character in begin'),
    ({'form': '七绝', 'acrostic': ['一二三四五']}, 'acrostic has more characters than 七绝 has lines'),
    ({'begin': [' ']}, 'begin: expected at least one character'), ({'begin': ['。']}, 'begin: expected at least one')]


def full(case):
  rows = len(case.get('begin', case.get('acrostic', [''] * len(case.get('seed', SEEDS)))))
  return {**PRESET, 'begin': [''] * rows, 'acrostic': [''] * rows, 'seed': SEEDS[:rows], **case}


@pytest.fixture(scope='module')
def used(folder):
  """A shipped model, and what a process without the package made of its export."""
  path = exporting.export(run_dir.load('gru'), folder / 'gru')
  asked = {'path': str(path / '1'), 'texts': TEXTS, 'cases': [
      *map(full, CASES), *(full({'seed': [1], 'begin': [''], **case}) for case, _ in REFUSED)]}
  environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
  done = subprocess.run([sys.executable, '-c', USE], input=json.dumps(asked), capture_output=True, text=True,
                        encoding='utf-8', check=True, cwd=folder, env={**environment, 'PYTHONUTF8': '1'})
  return tangshi_tf.load('gru'), json.loads(done.stdout.splitlines()[-1]), path


def test_poems_are_those_of_the_package(used):
  writer, found, _ = used
  assert len(found['poems']) == len(CASES)
  same = count = 0
  for case, (texts, totals) in zip(CASES, found['poems']):
    options = {name: value for name, value in case.items() if name != 'form' and (name, value) != ('temperature', -1.0)}
    begins, lines = options.pop('begin', ['']), options.pop('acrostic', [''])
    for name, values in (('begin', begins), ('acrostic', lines)):
      if values[0]:
        options[name] = values[0]
    form, first = case.get('form') or None, sum(begin == begins[0] for begin in begins) if len(begins) > 1 else 12
    poems = writer.write(form, num=12, seed=0, **options)[:first]
    for poem, text, total in zip(poems, texts, totals):
      count += 1
      if poem.text == text:
        same += 1
        assert poem.log_probability == pytest.approx(total, rel=1e-4, abs=1e-3)
  assert count > 400 and same > 0.97 * count  # where two characters are as good as equal, rounding decides


def test_scores_and_logits_are_those_of_the_package(used):
  writer, found, _ = used
  for text, nats, tokens, each in zip(TEXTS, *(found['scores'][name] for name in ('nats', 'tokens', 'nats_of_tokens'))):
    score = writer.score(text)
    assert tokens == len(score.bits) and nats == pytest.approx(score.total * np.log(2), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(each[:tokens], score.bits * np.log(2), rtol=1e-3, atol=1e-4)
  expected = writer.model(tf.constant([[2, 9, 12], [2, 5, 0]])).numpy()
  np.testing.assert_allclose(found['logits'], expected, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_used_is_said(used):
  _, found, _ = used
  assert len(found['errors']) == len(REFUSED)
  for (case, message), error in zip(REFUSED, found['errors']):
    assert message in error, (case, error[-300:])


def test_bytes_that_are_no_text_are_said(used):
  assert 'begin \N{REPLACEMENT CHARACTER}: a character is not in the vocabulary' in used[1]['garbled']


def fields(message):
  """Yields number and content of the fields of a protocol buffer, all of which have a length."""
  while message:
    number, size, end = message[0] >> 3, 0, 1
    assert message[0] & 7 == 2
    while True:
      byte = message[end]
      size |= (byte & 127) << 7 * (end - 1)
      end += 1
      if byte < 128:
        break
    yield number, message[end:end + size]
    message = message[end + size:]


def test_warm_up_requests_fit_the_signatures_and_can_be_answered(used):
  _, _, path = used
  records = list(tf.data.TFRecordDataset(str(path / '1' / serving.WARMUP)).as_numpy_iterator())
  loaded = tf.saved_model.load(str(path / '1')).signatures
  saved = saved_model_pb2.SavedModel.FromString((path / '1/saved_model.pb').read_bytes())
  signatures, asked = saved.meta_graphs[0].signature_def, []
  for record in records:
    (six, log), = fields(record)
    (one, request), = fields(log)
    (_, spec), *inputs = fields(request)
    (three, name), = fields(spec)
    assert (six, one, three) == (6, 1, 3)
    tensors = {}
    for two, entry in inputs:
      (_, key), (_, value) = fields(entry)
      tensors[key.decode()] = tf.constant(tf.make_ndarray(tensor_pb2.TensorProto.FromString(value)))
      assert two == 2
    inputs = signatures[name.decode()].inputs
    assert {key: (tensor.dtype.as_datatype_enum, tensor.shape.rank) for key, tensor in tensors.items()} == {
        key: (of.dtype, len(of.tensor_shape.dim)) for key, of in inputs.items()}
    assert loaded[name.decode()](**tensors)
    asked.append((name, tensors.get('form')))
  assert asked == [(b'generate', b''), (b'generate', '五绝'.encode()), (b'score', None)]


def test_any_model_can_be_exported(folder, word2id):
  """Layers, projection, normalisation, a full or an adaptive softmax; its vocabulary has no rhymes for a form."""
  model = myRNNModel(word2id, cell='lstm', units=5, embedding_size=4, layers=2, tied=True, layer_norm=True,
                     softmax='adaptive', cutoffs=[8, 20])
  path = exporting.export(run_dir.Run('own', model, model.word2id, model.id2word, {}), folder / 'own')
  generate = tf.saved_model.load(str(path / '1')).signatures['generate']
  asked = {**PRESET, 'begin': [chr(0x4e00), ''], 'acrostic': ['', ''], 'seed': [1, 2], 'temperature': 1.0}
  with pytest.raises(tf.errors.InvalidArgumentError, match='begin'):  # none of the seven is known
    generate(**{name: tf.constant(value, tf.int64 if name == 'seed' else None) for name, value in asked.items()})
  asked['begin'] = [chr(0x4e00)] * 2
  made = generate(**{name: tf.constant(value, tf.int64 if name == 'seed' else None) for name, value in asked.items()})
  writer = tangshi_tf.load(model)
  for seed, text in enumerate(made['poems'].numpy(), 1):
    assert text.decode() == writer.write(begin=chr(0x4e00), seed=seed, temperature=1.0).text
  with pytest.raises(tf.errors.InvalidArgumentError, match='form'):
    generate(**{name: tf.constant(value, tf.int64 if name == 'seed' else None)
                for name, value in {**asked, 'form': '五绝'}.items()})
