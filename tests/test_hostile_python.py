"""Made-up arguments for what Python users call: each call returns, or ends in a `UserError` of one line."""

import collections
import itertools
import math
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tangshi_tf
from tangshi_tf import corpus, decoding, evaluation, prosody, recipes, run_dir, training
from tangshi_tf.settings import CorpusSettings, ModelSettings, Settings, TrainingSettings, WritingSettings
from tangshi_tf.short import LONGEST

from .conftest import tried
from .hostile import SIGNS, TIMES, many, outcome, texts

POEM = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'
# Small enough that whatever is right among them is done soon.
ODD = [None, True, False, 0, 1, 2, 3, -1, 2**31, 2**63, 10**21, 0.0, 0.5, -0.5, math.nan, math.inf, 1e308, 1j, '', '0',
       '月', '五绝', '3x3', '0x0', '东', 'off', 'gru', 'best', 'x' * 100_000, b'', b'\xff', [], [[]], [None], ['月'],
       ['', 1], [[1, 2], [3]], (), ('月', 1), [('月', 1)], {}, {'月': 0}, {0: '月'}, {'a': {'b': []}}, set(), {1},
       object(), int, print, NotImplemented, ..., range(3), iter('月'), np.int64(2), np.float32('nan'), np.zeros(3),
       np.zeros((2, 0)), np.array('月'), np.array([None]), pathlib.Path('none'), pathlib.Path('.'), Exception('月'),
       types.SimpleNamespace(text='月'), collections.Counter('月'), *SIGNS.values()]
odd = st.one_of(st.sampled_from(ODD), texts, st.integers(max_value=3), st.floats(), st.binary(max_size=4),
                st.lists(st.integers(-3, 50), max_size=4))


@pytest.fixture(scope='module')
def calls(folder, word2id):
  """Functions and arguments that are right, by the names that tests print."""
  model = tangshi_tf.myRNNModel(word2id, cell='gru', units=4, embedding_size=3)
  run = run_dir.Run('small', model, word2id, model.id2word, {})
  writer, session = decoding.Writer(run), decoding.Session(run, begin='一')
  file = folder / 'poems.txt'
  file.write_text('题:床前明月光\n题:疑是地上霜\n', encoding='utf-8')
  write = {'form': '2x3', 'begin': '一', 'num': 1, 'seed': 1, 'temperature': 1.0, 'top_k': 3, 'top_p': 0.9,
           'min_p': 0.1, 'max_len': 9, 'max_repeat': 1, 'tones': 'off', 'rhyme': 'off', 'init': 'random',
           'original': False}
  beam = {'beam': 2, 'form': '2x3', 'begin': '一', 'acrostic': '一丁'}
  decode = {'begin_word': '一', 'model': model, 'word2id': word2id, 'id2word': model.id2word, 'seed': 1, 'max_len': 9,
            'temperature': 1.0}
  batch = {'x': [[2, 5]], 'y': [[5, 3]], 'seqlen': [2]}
  small = {'units': 2, 'embedding_size': 2}
  found = {
      'write': (writer.write, write),
      'write with a beam': (writer.write, beam),
      'write for the exercise': (writer.write, {'exercise': True, 'begin': '一', 'num': 1}),
      'stream': (lambda **given: itertools.islice(writer.stream(**given), 50), {
          name: write[name] for name in ('form', 'begin', 'seed', 'temperature', 'max_len')}),
      'complete': (writer.complete, {'text': '一丁', 'form': '2x3', 'seed': 1, 'temperature': 1.0}),
      'choices': (writer.choices, {'text': '一', 'form': '2x3', 'num': 3}),
      'session': (writer.session, {'form': '2x3', 'begin': '一', 'acrostic': '一丁'}),
      'take': (session.take, {'word': '一'}),
      'choices of a session': (session.choices, {'temperature': 1.0}),
      'score': (writer.score, {'text': [POEM, '月'], 'whole': True}),
      'check': (writer.check, {'text': POEM, 'form': '五绝', 'tones': 'strict'}),
      'Writer': (decoding.Writer, {'run': run}),
      'load': (lambda **given: tangshi_tf.load(**given), {'model': model, 'weights': None}),
      'gen_poem': (tangshi_tf.gen_poem, decode),
      'generate': (lambda **given: list(itertools.islice(decoding.generate(**given), 3)), {
          'requests': [('一', 1)], 'model': model, 'temperature': 1.0, 'max_len': 9}),
      'beam_search': (lambda **given: list(itertools.islice(decoding.beam_search(**given), 3)), {
          'begins': ['一'], 'model': model, 'width': 2, 'max_len': 5}),
      'FormPlan': (decoding.FormPlan, {'form': '2x3', 'word2id': word2id, 'tones': 'off', 'rhyme': None}),
      'Session': (decoding.Session, {'run': run, 'begin': '一', 'max_len': 5, 'acrostic': ''}),
      'get_next_token': (tangshi_tf.get_next_token, {'self': model, 'x': [5], 'state': model.zero_state(1)}),
      'random_state': (model.random_state, {'batch': 2, 'stddev': 0.5, 'seed': 1}),
      'zero_state': (model.zero_state, {'batch': 2}),
      'compute_loss': (tangshi_tf.compute_loss, {
          'logits': tf.zeros((1, 2, 40)), 'labels': batch['y'], 'seqlen': batch['seqlen'], 'reduction': 'poem',
          'label_smoothing': 0.1}),
      'mkMask': (tangshi_tf.mkMask, {'lengths': [1, 2], 'max_len': 3}),
      'reduce_avg': (tangshi_tf.reduce_avg, {'reduce_target': [[1.0, 2.0]], 'lengths': [2], 'dim': 1}),
      'train_one_step': (tangshi_tf.train_one_step, {'model': model, 'optimizer': training.make_optimizer(), **batch}),
      'make_optimizer': (training.make_optimizer, {'learning_rate': 0.1, 'name': 'adamw', 'weight_decay': 0.1}),
      'myRNNModel': (tangshi_tf.myRNNModel, {
          'word2id': word2id, 'cell': 'gru', **small, 'layers': 1, 'tied': True, 'projection': 0, 'layer_norm': True,
          'softmax': 'adaptive', 'cutoffs': [3, 9],
          'embedding_range': 0.1, 'input_dropout': 0.1, 'reset_after': True}),
      'poem_dataset': (tangshi_tf.poem_dataset, {
          'path': file, 'corpus_format': 'titled', 'batch_size': 2, 'batching': 'bucket', 'seed': 1}),
      'process_dataset': (tangshi_tf.process_dataset, {'path': file, 'corpus_format': 'auto'}),
      'read_poems': (corpus.read_poems, {'path': file, 'corpus_format': 'auto'}),
      'verse': (corpus.verse, {'text': POEM, 'whole': True}),
      'clean': (corpus.clean, {'text': POEM}),
      'to_poem': (corpus.to_poem, {'text': POEM}),
      'build_vocabulary': (corpus.build_vocabulary, {'poems': [corpus.Poem('', POEM)], 'size': 9}),
      'encode': (corpus.encode, {'content': POEM, 'word2id': word2id}),
      'check of prosody': (prosody.check, {'content': POEM, 'form': '五绝', 'tones': 'strict'}),
      'check_text': (prosody.check_text, {'text': POEM, 'form': '五绝', 'tones': 'strict'}),
      'find_form': (prosody.find_form, {'name': '五绝'}),
      'find_group': (prosody.find_group, {'name': '东'}),
      'form_of': (prosody.form_of, {'content': POEM}),
      'tone': (prosody.tone, {'character': '月'}),
      'rhymes_of': (prosody.rhymes_of, {'character': '月'}),
      'readings': (prosody.readings, {'character': '月'}),
      'line_pattern': (prosody.line_pattern, {'kind': 'A', 'characters': 5, 'tones': 'strict'}),
      'patterns': (prosody.patterns, {'form': '五绝'}),
      'evaluate': (evaluation.evaluate, {'model': model, 'poems': [corpus.Poem('', POEM)], 'word2id': word2id}),
      'evaluate_run': (evaluation.evaluate_run, {
          'run': run, 'held_out': evaluation.HeldOut([corpus.Poem('', POEM)], 'mine')}),
      'score of evaluation': (evaluation.score, {
          'model': model, 'word2id': word2id, 'texts': [POEM], 'whole': False}),
      'read_held_out': (evaluation.read_held_out, {'split': str(file), 'patterns': None, 'corpus_format': 'auto'}),
      'settings_of': (recipes.settings_of, {'name': 'gru', 'epochs': 1, 'units': 3, 'corpus': [str(file)]}),
      'Settings': (Settings.of, {'recipe': 'gru', 'epochs': 1, 'units': 3, 'bptt': 3, 'batching': 'bucket'}),
      'WritingSettings': (WritingSettings, write | {'begin': ['一']}),
      'ModelSettings': (ModelSettings, small | {'tied': True, 'projection': 0, 'softmax': 'adaptive',
                                                         'cutoffs': [3, 9]}),
      'CorpusSettings': (CorpusSettings, {'corpus': [str(file)], 'min_characters': 1, 'vocabulary_size': 9}),
      'TrainingSettings': (TrainingSettings, {'optimizer': 'adamw', 'weight_decay': 0.1, 'schedule': 'cosine'}),
      'run': (training.run, {'settings': 'gru', 'path': folder / 'run', 'overwrite': True, 'callbacks': [],
                             'worker_timeout': 1}),
      'resume': (training.resume, {'path': folder / 'none', 'callbacks': (), 'strategy': 'none', 'epochs': 2}),
      'RunDir': (run_dir.RunDir, {'path': folder}),
      'open': (run_dir.RunDir.open, {'model': 'gru'}),
      'load of run_dir': (run_dir.load, {'model': str(folder / 'none.keras'), 'weights': None}),
      'locate': (run_dir.locate, {'model': 'gru'}),
      'newest': (run_dir.newest, {'runs': folder}),
  }
  assert list(found) == names()
  return found


def names() -> list[str]:
  """The names of `calls`, which tests are named after."""
  source = pathlib.Path(__file__).read_text(encoding='utf-8')
  return [line.split("'")[1] for line in source.splitlines() if line.startswith("      '") and "': (" in line]


@pytest.mark.parametrize('name', names())
def test_calls_with_odd_arguments(calls, name, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  call, right = calls[name]

  def attempt(**changed):
    tried['calls from Python'] += 1
    returned = outcome(call, **{**right, **changed})
    if isinstance(returned, collections.abc.Iterator):
      returned = outcome(list, returned)
    if type(returned).__module__.startswith('tangshi_tf'):
      shown = repr(returned)
      assert len(shown) <= LONGEST and len(shown.splitlines()) == 1, shown

  attempt()
  for changed, value in itertools.product(right, ODD):
    attempt(**{changed: value})

  @settings(many, max_examples=20 * TIMES)
  @given(st.dictionaries(st.sampled_from(sorted(right)), odd, min_size=1, max_size=3))
  def holds(changed):
    attempt(**changed)

  holds()
