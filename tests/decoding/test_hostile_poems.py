"""Made-up beginnings of poems, and poems to measure and to check."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tangshi_tf import corpus, decoding, evaluation, prosody, run_dir

from ..conftest import tried
from ..hostile import LONG, SIGNS, few, many, outcome, some, texts, verses


@many
@given(st.one_of(texts, st.text('一二三，。🙂\u200f', max_size=8)), st.booleans())
@example('一' * LONG, False)
@example('🙂' * LONG, False)
def test_begin_words(word2id, begin, bos_first):
  tried['begin words'] += 1
  ids = outcome(decoding.encode_begin, begin, word2id, bos_first=bos_first)
  known = all(mark in word2id for mark in begin) and begin
  assert ids == ([word2id['bos']] * bos_first + [word2id[mark] for mark in begin] if known else None)


@pytest.fixture(scope='module')
def plans():
  """Forms over the vocabulary of a shipped model."""
  words = json.loads((run_dir.PRETRAINED / 'gru' / run_dir.VOCABULARY).read_text(encoding='utf-8'))
  word2id, _ = corpus.word_tables(words)
  return [decoding.FormPlan(prosody.find_form(name), word2id, tones=tones, rhyme=rhyme) for name, tones, rhyme in (
      ('五绝', 'strict', 'any'), ('七律', 'loose', '东'), ('七绝', 'off', None), ('3x4', 'off', None),
      ('1x1', 'off', 'any'))]


begins = st.one_of(texts, st.text('春夏秋冬日月山水风花一，。🙂\u200f\n', max_size=16))


@many
@given(begins, begins, st.integers(0, 4))
@example('日' * LONG, '', 0)
@example('', '月' * LONG, 1)
@example('日\n月', '日', 0)
@example('月', '\n', 3)
@example('\u202e日', '\u200f', 2)
def test_begins_and_acrostics_in_a_form(plans, begin, acrostic, number):
  tried['begins and acrostics in a form'] += 1
  plan = plans[number]
  found = outcome(plan.fixed_words, begin, acrostic)
  if found is None:
    return
  characters = [word for word, mark in zip(found, plan.marks) if mark < 0]
  assert ''.join(filter(None, characters)).startswith(''.join(corpus.verse_lines(begin)))
  assert all(found[line * (plan.form.characters + 1)] == mark for line, mark in enumerate(acrostic))
  kept = outcome(plan.start, found)
  assert kept is None or (0 < kept[0] < 2 ** max(len(plan.patterns), 1) and 0 <= kept[1] <= plan.no_group)


@few
@given(st.one_of(texts, st.text('一二三，。', max_size=40)), st.sampled_from([0.0, 1.0]), st.integers(1, 12))
@example('一\n', 0.0, 1)
@example('\ud800', 1.0, 3)
@example('一' * LONG, 0.0, 30)
@example('二' * 9_995, 0.0, 10_000)
@example('🙂' * LONG, 1.0, 5)
@example('一\u202e', 1.0, 5)
def test_poems(model, word2id, begin, temperature, max_len):
  tried['poems'] += 1
  id2word = {i: word for word, i in word2id.items()}
  poem = outcome(decoding.gen_poem, begin, model=model, word2id=word2id, id2word=id2word, seed=1, max_len=max_len,
                 temperature=temperature)
  if poem is not None:
    assert ''.join(poem).startswith(begin) and len(poem) <= max(max_len + 1, len(begin))
    assert not set(poem) & set(corpus.SPECIAL_TOKENS)


@some
@given(st.lists(texts.filter(bool), min_size=1, max_size=6))
@example(list(filter(None, SIGNS.values())))
@example(['，'])
@example(['一' * 30_000, '一'])
def test_evaluation(model, word2id, contents):
  tried['evaluation'] += 1
  figures = evaluation.evaluate(model, [corpus.Poem('', content) for content in contents], word2id)
  json.dumps(figures, allow_nan=False)
  assert figures['tokens'] == sum(len(content) + 1 for content in contents)
  assert evaluation.table({**figures, 'model': 'm', 'split': 's', 'left_out': 0})


forms = st.one_of(st.sampled_from(sorted(prosody.FORMS.values(), key=str)),
                  st.builds(lambda lines, width: prosody.Form(f'{lines}x{width}', lines, width),
                            st.integers(1, 6), st.integers(1, 6)))


@many
@given(verses, forms, st.sampled_from(prosody.TONES))
def test_checks(content, form, tones):
  tried['prosody'] += 1
  checked = prosody.check(content, form, tones)
  lines = corpus.verse_lines(content)
  fits = [len(line) for line in lines] == [form.characters] * form.lines
  assert checked.keeps('form') == fits
  for fault in checked.faults + checked.notes:
    assert 0 <= fault.line <= form.lines and 0 <= fault.position <= form.characters
    assert not fault.position or fits
  assert set(map(prosody.tone, content)) <= set('平仄中？')
