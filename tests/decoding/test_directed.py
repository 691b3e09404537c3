"""Writing in a direction: after controls, and with guidance."""

import numpy as np
import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import controls, corpus, decoding, prosody, run_dir
from tangshi_tf.decoding import directed
from tangshi_tf.errors import UserError
from tangshi_tf.settings import WritingSettings

from ..checks import model_with_a_will
from .poems import tables

WORDS = ['dynasty=唐', *(f'form={form}' for form in (*prosody.FORMS, prosody.OTHER)), 'poet=李白', 'poet=杜甫',
         'title=']
KINDS = [{'cell': 'gru'}, {'cell': 'lstm', 'layers': 2, 'tied': True},
         {'cell': 'gru', 'tied': True, 'softmax': 'adaptive', 'cutoffs': [60, 200]}]


@pytest.fixture(scope='module', params=KINDS, ids=str)
def run(request, real_word2id):
  words = [*real_word2id, *WORDS]
  word2id, id2word = corpus.word_tables(words)
  return run_dir.Run('directed', model_with_a_will(word2id, **request.param), word2id, id2word, {})


@pytest.fixture
def told(run):
  return controls.Direction('唐', '五绝', '李白', '春山').ids(run.word2id)


def by_hand(run, told, begin, count, guidance=0.0):
  """Returns the most likely words after a begin word, step by step, with the plain definition of guidance."""
  model = run.model
  states = [model.zero_state(1), model.zero_state(1)]
  for i in told:
    states[0] = model.step(tf.constant([i]), states[0])[1]
  written = [run.word2id[begin]]
  for _ in range(count):
    logs = []
    for k, state in enumerate(states):
      logits, states[k] = model.next_logits(tf.constant(written[-1:]), state)
      logs.append(np.asarray(tf.nn.log_softmax(logits)[0], np.float64))
    with np.errstate(invalid='ignore'):
      combined = np.where(np.isinf(logs[0]), -np.inf, (1 + guidance) * logs[0] - guidance * logs[1])
    written.append(int(np.argmax(combined)))
  return [run.id2word[i] for i in written]


@pytest.mark.parametrize('guidance', [0.0, 0.7, 3.0])
def test_poems_are_those_of_the_plain_definition(run, told, guidance):
  expected = by_hand(run, told, '日', 12, guidance)
  for count in (1, 9):  # few and many at once
    poems = list(decoding.generate([('日', 0)] * count, max_len=12, told=told, guidance=guidance, **tables(run)))
    for poem in poems:
      assert poem == (expected[:expected.index('eos')] if 'eos' in expected else expected)
  found = list(decoding.beam_search(['日'], width=1, max_len=12, told=told, guidance=guidance, **tables(run)))
  assert found == poems[:1]


def test_what_a_poem_is_told_changes_it_and_nothing_is_the_plain_poem(run, told):
  def write(**options):
    return list(decoding.generate([('日', seed) for seed in range(20)], temperature=1.0, max_len=12, **options,
                                  **tables(run)))

  plain = write()
  assert write(told=()) == plain and write(told=(), guidance=2.0) == plain
  assert write(told=told) != plain and write(told=told, guidance=2.0) != write(told=told)
  assert write(told=told, init='random') != write(told=told)


@pytest.mark.parametrize('guidance', [0.0, 1.5])
def test_a_poem_does_not_depend_on_its_neighbours(run, told, guidance):
  options = {'temperature': 1.0, 'told': told, 'guidance': guidance, 'init': 'random', **tables(run)}
  many = list(decoding.generate([('春', seed) for seed in range(40)], **options))
  for seed in (0, 17, 39):
    assert list(decoding.generate([('春', seed)], **options)) == [many[seed]]


def test_controls_are_never_written(run, told):
  poems = decoding.generate([('日', seed) for seed in range(300)], temperature=3.0, told=told, guidance=0.5,
                            **tables(run))
  assert not any(corpus.is_control(word) for poem in poems for word in poem)
  logits, _ = run.model.next_logits(tf.constant([5]), run.model.zero_state(1))
  assert np.isneginf(logits.numpy()[0, -len(WORDS):]).all()
  guided = directed.guided(run.model, 1.0)
  logits, _ = guided.next_logits(tf.constant([5]), directed.first_state(guided, told, run.model.zero_state(1)))
  assert np.isneginf(logits.numpy()[0, -len(WORDS):]).all() and not np.isnan(logits).any()


@pytest.mark.parametrize('guidance', [0.0, 1.0])
@pytest.mark.parametrize('form', ['五绝', '七律', '6x5'])
def test_forms_are_kept_under_every_direction(run, form, guidance):
  writer = tangshi_tf.decoding.Writer(run)
  tones = {} if form == '6x5' else {'tones': 'loose'}
  for poem in writer.write(form, title='春望', poet='杜甫', guidance=guidance, num=3, seed=1, **tones):
    assert prosody.check(poem.text, poem.form, 'loose').keeps() if form != '6x5' else len(poem.lines) == 6
    assert poem.direction.title == '春望' and poem.direction.poet == '杜甫'
    assert poem.direction.form == ('other' if form == '6x5' else form)


def test_writing_as_python_has_it(run):
  writer = tangshi_tf.decoding.Writer(run)
  poem = writer.write(title='春望', begin='日', seed=3)
  assert poem.text == writer.write(title=['春望'], begin='日', seed=3).text == writer.write(
      theme=['春', '望'], begin='日', seed=3).text
  assert ''.join(writer.stream(title='春望', begin='日', seed=3)) == poem.text
  assert poem.facts['title'] == '春望' and poem.facts['guidance'] == 3 and '春望' in poem._repr_html_()
  assert poem.text == writer.write(title='春望', begin='日', seed=3, guidance=3).text
  plain = writer.write(dynasty='唐', begin='日', seed=3)
  assert plain.facts['guidance'] == 0 and plain.text == writer.write(dynasty='唐', begin='日', seed=3, guidance=0).text
  assert 'title' not in writer.write(begin='日', seed=3).facts
  best = writer.write(title='春望', begin='日', seed=3, best_of=4)
  assert best.log_probability == pytest.approx(
      -np.log(2) * writer.score(best.text, title='春望').total, rel=1e-4)
  assert writer.score('日月', title='春望') != writer.score('日月') == writer.score('日月', title='')
  assert writer.choices('日', title='春望') != writer.choices('日')
  session = writer.session('五绝', title='春望', guidance=1.0)
  session.finish(0.0)
  assert prosody.check(session.text, '五绝').keeps()
  assert session.text == writer.write('五绝', title='春望', guidance=1.0, temperature=0).text


@pytest.mark.parametrize(('options', 'message'), [
    ({'title': ''}, 'title is empty; expected characters'), ({'theme': [' ']}, 'theme is empty; expected words'),
    ({'title': '，'}, "title '，': has no Han character"), ({'title': '春' * 500}, 'title .* has 500 characters'),
    ({'title': '春', 'theme': '秋'}, "both title '春' and theme '秋'; expected one of them"),
    ({'poet': ['李白', '杜甫']}, "poet is given 2 times: '李白', '杜甫'; expected one"),
    ({'poet': '李黑'}, "poet '李黑' is unknown; expected one of 李白, 杜甫"),
    ({'dynasty': '宋'}, "dynasty '宋' is unknown; expected one of 唐"),
    ({'guidance': -1}, 'guidance -1: expected a number from 0 to 10'),
    ({'guidance': float('nan')}, 'guidance nan: expected a number from 0 to 10'),
    ({'guidance': 1.0}, 'guidance=1: the poems of the model directed are told nothing that could be exaggerated')])
def test_what_cannot_be_told_is_one_line(run, options, message):
  with pytest.raises(UserError, match=f'^{message}'):
    tangshi_tf.decoding.Writer(run).write(begin='日', **options)


def test_a_model_without_controls(real_word2id):
  model = model_with_a_will(real_word2id)
  writer = tangshi_tf.load(model)
  with pytest.raises(UserError, match="^title '春': the model .* is not told one; expected a model with controls"):
    writer.write(title='春')
  with pytest.raises(UserError, match='^guidance=1: the poems of the model'):
    writer.write('五绝', guidance=1)
  with pytest.raises(UserError, match="^poet '李白': the model"):
    writer.score('日', poet='李白')
  assert writer.write('五绝', seed=1).direction == controls.Direction()
  assert WritingSettings(title='春').title == ['春']
