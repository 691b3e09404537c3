"""Poems in a form, written by models that know nothing of it."""

import collections
import itertools

import numpy as np
import pytest

from tangshi_tf import corpus, decoding, prosody
from tangshi_tf.decoding import compiled, loop
from tangshi_tf.errors import UserError

from ..checks import model_with_a_will

CONTENT_MARKS = set(corpus.PUNCTUATION)


@pytest.fixture(scope='module')
def tables(real_word2id):
  return {'word2id': real_word2id, 'id2word': {i: word for word, i in real_word2id.items()}}


@pytest.fixture(scope='module', params=[
    {'cell': 'rnn'}, {'cell': 'lstm', 'layers': 2, 'tied': True},
    {'cell': 'gru', 'softmax': 'adaptive', 'cutoffs': [800, 1600]}], ids=str)
def model(request, real_word2id):
  return model_with_a_will(real_word2id, **request.param)


def write(model, tables, form, count, *, begin='', acrostic='', tones='strict', rhyme='any', **options):
  plan = decoding.FormPlan(prosody.find_form(form), tables['word2id'], tones=tones, rhyme=rhyme)
  options = {'temperature': 1.0, 'max_repeat': 1, **options}
  return [''.join(poem) for poem in decoding.generate([(begin, seed) for seed in range(count)], model=model, plan=plan,
                                                      acrostic=acrostic, **options, **tables)]


@pytest.mark.parametrize('form', prosody.FORMS)
@pytest.mark.parametrize('tones', prosody.TONES)
def test_all_poems_keep_the_form(model, tables, form, tones):
  poems = write(model, tables, form, 60, tones=tones)
  assert len(set(poems)) == 60
  found = [prosody.check(poem, prosody.FORMS[form], tones) for poem in poems]
  assert all(checked.keeps() for checked in found)
  # A poem ends when the form does, and its marks are ， and 。 in turn.
  assert all(''.join(mark for mark in poem if mark in CONTENT_MARKS) == '，。' * (prosody.FORMS[form].lines // 2)
             for poem in poems)
  assert len({checked.rhyme for checked in found}) > 5
  if tones != 'off':
    assert len({checked.pattern.name for checked in found}) == 4
  for poem in poems:
    count = collections.Counter(mark for before, mark in zip(' ' + poem, poem)
                                if mark not in CONTENT_MARKS and mark != before)
    assert max(count.values()) == 1


def test_strict_says_more_than_loose(model, tables):
  loose = [prosody.check(poem, prosody.FORMS['五律']) for poem in write(model, tables, '五律', 60, tones='loose')]
  assert sum(not checked.keeps('孤平', '三平尾', '三仄尾') for checked in loose) > 30
  off = [prosody.check(poem, prosody.FORMS['五律'], 'loose') for poem in write(model, tables, '五律', 60, tones='off')]
  assert sum(not checked.keeps('tone') for checked in off) > 50


def test_a_named_rhyme(model, tables):
  for poem in write(model, tables, '七律', 20, rhyme='阳'):
    checked = prosody.check(poem, prosody.FORMS['七律'])
    assert checked.keeps() and '下平七阳' in {
        group for line in corpus.verse_lines(poem)[1::2] for group in prosody.rhymes_of(line[-1])}
    ends = [line[-1] for line in corpus.verse_lines(poem)[1::2]]
    assert all('下平七阳' in prosody.readings(end) for end in ends)


def test_no_rhyme(model, tables):
  poems = write(model, tables, '七绝', 40, rhyme=None)
  assert sum(prosody.check(poem, prosody.FORMS['七绝']).keeps('rhyme') for poem in poems) < 30
  assert all(prosody.check(poem, prosody.FORMS['七绝']).keeps('tone') for poem in poems)


@pytest.mark.parametrize(('form', 'lengths'), [('1x1', [1]), ('3x4', [4] * 3), ('6x5', [5] * 6), ('12x7', [7] * 12)])
@pytest.mark.parametrize('rhyme', [None, 'any'])
def test_free_forms(model, tables, form, lengths, rhyme):
  for poem in write(model, tables, form, 10, rhyme=rhyme):
    lines = corpus.verse_lines(poem)
    assert [len(line) for line in lines] == lengths and poem.endswith('。')
    groups = [prosody.rhymes_of(line[-1]) for line in lines[1::2]]
    if rhyme and groups:
      assert frozenset.intersection(*groups)


def test_acrostic_and_begin(model, tables):
  for poem in write(model, tables, '七律', 9, acrostic='春夏秋冬'):
    assert [line[0] for line in corpus.verse_lines(poem)][:4] == list('春夏秋冬')
    assert prosody.check(poem, prosody.FORMS['七律']).keeps()
    # What stands further on is not used up before.
    assert sum(poem.count(mark) for mark in '春夏秋冬') == 4
  for begin in ('白', '白日依山尽', '白日依山尽，', '白日依山尽，黄河入海流。', '白日依山尽黄河入海流'):
    for poem in write(model, tables, '五绝', 5, begin=begin, max_repeat=0):
      assert poem.replace('，', '').replace('。', '').startswith(begin.replace('，', '').replace('。', ''))
      assert prosody.check(poem, prosody.FORMS['五绝']).keeps()
  for poem in write(model, tables, '五绝', 5, begin='白日依山尽，黄河入海流。', max_repeat=0):
    assert prosody.check(poem, prosody.FORMS['五绝']).rhyme == '下平十一尤'


@pytest.mark.parametrize(('options', 'message'), [
    ({'begin': '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。月'}, 'at most 20, those of 五绝'),
    ({'begin': '白日，黄河'}, 'line 1 has 2 characters; expected 5 as in 五绝'),
    ({'begin': '白日，'}, 'line 1 has 2 characters; expected 5 as in 五绝'),
    ({'begin': '，'}, 'has no characters'),
    ({'begin': '春风玉人月'}, None), ({'begin': '春风玉人月', 'tones': 'loose'}, None),
    ({'begin': '🙂', 'tones': 'off'}, "'🙂' is not in the model"),
    ({'begin': '白日依山尽，黄河入海月', 'rhyme': None}, 'expected 平'),
    ({'begin': '白日依山尽，黄河入海月', 'tones': 'off'}, 'expected 平, or rhyme=off'),
    ({'begin': '山风玉月人，日月'}, None),
    ({'begin': '日风玉月山'}, 'line 1, character 1: 日 is 仄; expected 平 (平起首句入韵), or tones=loose'),
    ({'begin': '白日依山流', 'tones': 'loose'}, None),
    ({'begin': '白日依水尽'}, 'line 1, character 4: 水 is 仄; expected 平 (仄起首句不入韵), or tones=off'),
    ({'begin': '白日依水尽', 'tones': 'loose'}, 'or tones=off'),
    ({'begin': '白日依水尽', 'tones': 'off'}, None),
    ({'acrostic': '一二三四五'}, 'has 5 characters; expected at most 4, the lines of 五绝'),
    ({'acrostic': '🙂'}, "character '🙂' is not in"),
    ({'begin': '白', 'acrostic': '黑'}, 'begins with 白 in begin and with 黑 in the acrostic'),
    ({'begin': '白', 'acrostic': '白'}, None),
    ({'begin': '白日依山尽，黄河入海流。', 'rhyme': '东'}, 'line 2, character 5: 流 is in 下平十一尤; expected 上平一'),
    ({'begin': '黄河入海流，白日照山东。'}, '东 is in 上平一东; expected 下平十一尤 (平起首句入韵), or rhyme=off'),
])
def test_what_cannot_be_met(model, tables, options, message):
  if message is None:
    assert len(write(model, tables, '五绝', 2, **options)) == 2
    return
  with pytest.raises(UserError) as caught:
    write(model, tables, '五绝', 2, **options)
  assert message in str(caught.value) and '\n' not in str(caught.value)


# Of few words: few poems and many are not computed alike, nor with and without XLA, and where hundreds of words have
# chances, their last digits, which differ from processor to processor, choose another one in a poem of 300.
FEW_WORDS = {'top_k': 5}


def test_a_poem_does_not_depend_on_those_beside_it(model, tables):
  many = write(model, tables, '五绝', 30, **FEW_WORDS)
  assert [write(model, tables, '五绝', 3, **FEW_WORDS)[i] for i in range(3)] == many[:3]


def test_forms_without_xla(model, tables, monkeypatch):
  expected = write(model, tables, '七绝', 3, acrostic='春夏', **FEW_WORDS)
  monkeypatch.setattr(compiled.devices, 'has_xla', lambda: False)
  model.__dict__['_kept'].clear()
  assert write(model, tables, '七绝', 3, acrostic='春夏', **FEW_WORDS) == expected
  model.__dict__['_kept'].clear()


def test_a_begin_rhymes_as_poets_do(model, tables):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], tables['word2id'])
  _, group = plan.start(plan.fixed_words('白日依山尽，黄河入海平'))
  assert prosody.level_groups()[group] == '下平八庚'


def test_greedy_takes_the_most_likely_of_what_the_form_allows(model, tables):
  """Against a plain reading of the rules, without patterns' sets or tables."""
  form = prosody.FORMS['五绝']
  poem, = write(model, tables, '五绝', 1, temperature=0, max_repeat=0)
  x, state = [tables['word2id'][corpus.start_token]], model.zero_state(1)
  written = ''
  for mark in poem:
    logits, state = model.next_logits(np.array(x, np.int32), state)
    order = np.argsort(-logits.numpy()[0])
    best = next(tables['id2word'][i] for i in order if can_go_on(written + tables['id2word'][i], form))
    assert best == mark
    written += mark
    x = [tables['word2id'][mark]]


def can_go_on(written: str, form) -> bool:
  """Returns whether a form's poem can begin so, as `Plan` says: every tone sure, every rhyme of one group."""
  width = form.characters + 1
  for i, mark in enumerate(written):
    wanted = '，。'[i // width % 2] if i % width == form.characters else None
    if (mark != wanted) if wanted else (len(mark) != 1 or mark in CONTENT_MARKS):
      return False
  if len(written) < 1 or len(written[-1]) != 1:
    return False
  lines = [written[i:i + form.characters] for i in range(0, len(written), width)]
  for pattern in prosody.patterns(form):
    tones = all(want == '中' or prosody.tone(mark) in (want, '中') for kind, line in zip(pattern.kinds, lines)
                for mark, want in zip(line, prosody.line_pattern(kind, form.characters, 'strict')))
    ends = [prosody.rhymes_of(line[-1]) for i, line in enumerate(lines)
            if pattern.rhymes(i) and len(line) == form.characters]
    if tones and (not ends or frozenset.intersection(*ends)):
      return True
  return False


def test_repeats(model, tables):
  """Against counting."""
  for most in (1, 2, 3):
    seen = 0
    for poem in write(model, tables, '12x7', 60, max_repeat=most, temperature=0.2):
      runs = [mark for mark, _ in itertools.groupby(poem) if mark not in CONTENT_MARKS]
      longest = max(len(list(run)) for _, run in itertools.groupby(poem))
      assert max(collections.Counter(runs).values()) <= most and longest <= 2
      seen = max(seen, *collections.Counter(runs).values())
    assert seen == most


@pytest.mark.parametrize('few', [True, False])
def test_filters_keep_what_they_say(model, tables, few, monkeypatch):
  if not few:
    monkeypatch.setattr(loop, 'SMALL_BATCH', 0)
  bias = model.dense.bias.numpy()
  model.dense.bias.assign(np.random.default_rng(0).normal(size=bias.shape))
  logits, _ = model.next_logits(np.array([tables['word2id'][corpus.start_token]], np.int32), model.zero_state(1))
  shares = np.exp(logits.numpy()[0] / 0.5)
  shares /= shares.sum()
  order = np.argsort(-shares)
  nucleus = 1 + int(np.sum(np.cumsum(shares[order]) < 0.4))
  likely = int(np.sum(shares >= 0.3 * shares.max()))
  assert 2 < nucleus < 300 and 2 < likely < 300
  for options, count in (({'top_k': 3}, 3), ({'top_p': 0.4}, nucleus), ({'min_p': 0.3}, likely), ({'top_k': 1}, 1)):
    poems = decoding.generate([('', seed) for seed in range(8 if few else 300)], model=model, temperature=0.5,
                              plan=FreeFirst(tables['word2id']), **options, **tables)
    first = {tables['word2id'][poem[0]] for poem in poems}
    assert first <= set(order[:count]), options
  model.dense.bias.assign(bias)


class FreeFirst(decoding.FormPlan):
  """A plan of one character that may be any token, so that nothing but the filters decides."""

  def __init__(self, word2id):
    super().__init__(prosody.find_form('1x1'), word2id, rhyme=None)
    self.allowed = np.ones_like(self.allowed)


@pytest.mark.parametrize('arguments', [
    {'top_p': 0}, {'top_p': 1.5}, {'top_k': -1}, {'top_k': 0.5}, {'min_p': -0.1}, {'min_p': float('nan')},
    {'temperature': float('inf')}])
def test_sampling_out_of_range(arguments):
  with pytest.raises(UserError, match='expected'):
    decoding.Sampling(**arguments)


def test_plans_that_cannot_be_made(real_word2id):
  form = prosody.FORMS['七绝']
  with pytest.raises(UserError, match='expected one of strict, loose, off'):
    decoding.FormPlan(form, real_word2id, tones='exact')
  with pytest.raises(UserError, match="rhyme group '屋' is unknown"):
    decoding.FormPlan(form, real_word2id, rhyme='屋')
  with pytest.raises(UserError, match='has no 。'):
    decoding.FormPlan(form, {word: i for word, i in real_word2id.items() if word != '。'})
  few = {word: i for i, word in enumerate([*corpus.SPECIAL_TOKENS, *'，。东红一二三四五六七八'])}
  for rhyme in ('东', 'any'):
    with pytest.raises(UserError, match='上平一东: .* has 2 of its characters; 七绝 needs at least 6'):
      decoding.FormPlan(form, few, rhyme=rhyme)
  assert decoding.FormPlan(form, few, rhyme=None)
