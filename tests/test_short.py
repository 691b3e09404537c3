"""How objects are shown: on one line, whatever they hold."""

import dataclasses
import importlib
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import corpus, decoding, evaluation, prosody, run_dir, settings, short, training
from tangshi_tf.corpus.shards import Census, Part
from tangshi_tf.decoding.candidates import Candidate
from tangshi_tf.training import callback, preparation, runs

LONG = '月\n' * 100_000
MANY = ['x' * 1000] * 50_000
TABLE = dict(enumerate(MANY))


def made(real_word2id):
  """Yields one of each public object, full of more than fits on a line."""
  id2word = {i: word for word, i in real_word2id.items()}
  model = tangshi_tf.myRNNModel(real_word2id, units=4, embedding_size=3, name='m' * 1000)
  form = prosody.FORMS['七绝']
  run = run_dir.Run(LONG, model, real_word2id, id2word, {'training': TABLE})
  yield from (model, run, decoding.Writer(run), decoding.Session(run, begin='月' * 500))
  yield from (decoding.FormPlan(form, real_word2id), decoding.Rules(real_word2id))
  yield from (decoding.Sampling(1 / 3, 10**6, 2 / 3),
              decoding.WrittenPoem(LONG, LONG, 2**63, form, 'strict', 'any', -1 / 3, tuple(MANY), LONG),
              Candidate(LONG, 3, MANY, -1 / 3, MANY))
  yield decoding.Request.of(settings.WritingSettings(form='64x32', begin=MANY, num=10**6))
  yield from (prosody.check('月，' * 1000, '七绝'), prosody.check_text('春' * 90_000), form, prosody.patterns(form)[0],
              prosody.Fault(1, 2, 'tone', 'x' * 50))
  yield from (corpus.Poem(LONG, LONG), Part(MANY, [TABLE] * 9), Census(MANY, {'train': Part(MANY, [])}, None, 3, LONG))
  yield from (evaluation.HeldOut([corpus.Poem('', '月')] * 9999, LONG), evaluation.Score(LONG, np.ones(10**6), MANY))
  yield settings.Settings.of(corpus=MANY, cell='lstm', units=512, recipe='lstm', learning_rate=1 / 3, decay=1 / 3)
  yield from (settings.WritingSettings(begin=MANY), settings.known(settings.WritingSettings)['begin'])
  yield from (runs.Result(run_dir.PRETRAINED / ('x' * 300), [dict.fromkeys('abcdef', 1 / 3)] * 999),
              run_dir.RunDir.open('gru'), preparation.Material(
                  MANY, Counter(MANY), {'train': np.ones(10**6)}, None, {}, False))
  yield from (training.StepOptions(unlikelihood=1 / 3), training.Progress(),
              callback.Position(totals=TABLE, state=[np.ones((9, 9))]),
              training.StepResult(*tf.unstack(tf.constant([1 / 3, 1e30, 1e-30, np.nan]))))


def test_everything_public_is_shown_on_one_line(real_word2id):
  shown = {type(one).__name__: repr(one) for one in made(real_word2id)}
  for name, text in shown.items():
    assert len(text) <= short.LONGEST and len(text.splitlines()) == 1 and name in text, (name, text)
  assert shown['StepResult'] == 'StepResult(loss=0.333333, nll=1e+30, tokens=1e-30, gradient_norm=nan)'
  faces = [importlib.import_module(f'tangshi_tf.{name}') for name in
           ('corpus', 'decoding', 'evaluation', 'prosody', 'run_dir', 'settings', 'training')]
  public = {name for face in faces for name in face.__all__ if dataclasses.is_dataclass(getattr(face, name))}
  untried = {'CorpusSettings', 'ModelSettings', 'TrainingSettings', 'Report'}  # parts of Settings; plain counts
  assert public - untried <= set(shown), public - set(shown)


def test_a_symbolic_tensor_is_shown():
  @tf.function
  def graph(x):
    seen.append(repr(training.StepResult(x, x, np.float32(1), [x])))
    return x

  seen: list[str] = []
  graph(tf.constant(1.0))
  assert seen == ['StepResult(loss=<float32 ()>, nll=<float32 ()>, tokens=1.0, gradient_norm=[<float32 ()>])']


@pytest.mark.parametrize(('value', 'text'), [
    (3, '3'), ('春', "'春'"), ('春' * 99, "'" + '春' * 39 + "…'"), ([1, '春'], "[1, '春']"),
    ([0] * 9999, '<list of 9,999>'),
    ({'a': [0] * 9}, "{'a': <list of 9>}"), (np.ones((2, 3), np.float32), '<float32 (2, 3)>'), (np.float32(0.5), '0.5'),
    (np.array('春'), "'春'"), (np.array([None])[0], 'None'), (tf.constant('x'), "b'x'"), (np.True_, 'True'),
    (b'x' * 99, '<bytes of 99>'), (None, 'None')])
def test_a_value_in_a_message(value, text):
  assert short.shown(value) == text


def test_a_poem_reads_as_it_is_made():
  poem = corpus.Poem('春晓', '春眠不觉晓')
  assert repr(poem) == "Poem(title='春晓', content='春眠不觉晓')" and eval(repr(poem), {'Poem': corpus.Poem}) == poem
  assert repr(decoding.WrittenPoem('月，', form=prosody.FORMS['七绝'], seed=3, model='gru')) == (
      "WrittenPoem(text='月，', form='七绝', seed=3, model='gru')")
