"""What a poem is told before it begins."""

import pytest

from tangshi_tf import controls, corpus
from tangshi_tf.controls import Direction
from tangshi_tf.errors import UserError

POEMS = [corpus.Poem('春望 其一', '国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。', '杜甫', '唐'),
         corpus.Poem('静夜思', '床前看月光，疑是地上霜。举头望山月，低头思故乡。', '李白', '唐'),
         corpus.Poem('望庐山瀑布', '日照香炉生紫烟，遥看瀑布挂前川。飞流直下三千尺，疑是银河落九天。', '李白', '唐'),
         corpus.Poem('题西林壁', '横看成岭侧成峰，远近高低各不同。不识庐山真面目，只缘身在此山中。', '苏轼', '宋'),
         corpus.Poem('句', '一片。', '无名氏', '唐'), corpus.Poem('', '二片。')]


@pytest.fixture(scope='module')
def word2id():
  words = corpus.build_vocabulary(POEMS) + controls.control_words(POEMS, 2)
  return corpus.word_tables(words)[0]


def words_of(ids, word2id):
  return [word for i in ids for word in word2id if word2id[word] == i]


def test_the_words_are_dynasties_forms_the_most_prolific_poets_and_one_for_titles():
  assert controls.control_words(POEMS, 1) == [
      'dynasty=唐', 'dynasty=宋', *(f'form={form}' for form in ('五绝', '七绝', '五律', '七律', 'other')), 'poet=李白',
      'poet=苏轼', 'title=']
  assert 'poet=杜甫' in controls.control_words(POEMS, 2)
  assert not any('无名氏' in word for word in controls.control_words(POEMS, 100))
  assert not any(word.startswith('poet') for word in controls.control_words(POEMS, 0))
  assert all(corpus.is_control(word) for word in controls.control_words(POEMS, 9))
  assert not any(map(corpus.is_control, ['=', '春', *corpus.SPECIAL_TOKENS]))


def test_a_poem_is_told_what_is_known_of_it(word2id):
  told = Direction.of_poem(POEMS[1])
  assert told == Direction('唐', '五绝', '李白', '静夜思')
  # 静, 夜 and 思 are characters of poems or not; only those can be told.
  known = [word for word in '静夜思' if word in word2id]
  assert words_of(told.ids(word2id), word2id) == ['dynasty=唐', 'form=五绝', 'poet=李白', 'title=', *known]
  assert words_of(Direction.of_poem(POEMS[5]).ids(word2id), word2id) == ['form=other']
  assert words_of(Direction.of_poem(POEMS[2], ['poet']).ids(word2id), word2id) == ['poet=李白']
  assert not Direction.of_poem(POEMS[0], []) and Direction(title='春')
  assert Direction.of_poem(POEMS[1]).ids({word: 1 for word in '静夜思'}) == []  # a model without controls


def test_a_title_is_told_by_its_first_characters(word2id):
  ids = Direction(title='山 河，' * 20).ids(word2id)
  assert words_of(ids, word2id) == ['title=', *('山河' * 8)]


def test_encoding_puts_it_before_bos(word2id):
  told = [Direction.of_poem(poem).ids(word2id) for poem in POEMS]
  ids, splits = corpus.encode_all(POEMS, word2id, told)
  plain, plain_splits = corpus.encode_all(POEMS, word2id)
  for i, prefix in enumerate(told):
    row = ids[splits[i]:splits[i + 1]].tolist()
    assert row == prefix + plain[plain_splits[i]:plain_splits[i + 1]].tolist()


def test_what_a_person_asks_for_is_found_in_either_script(word2id):
  found, notes = Direction(poet=' 蘇 軾', title='廬山！').checked(word2id, 'it')
  assert found == Direction(poet='苏轼', title='庐山') and not notes
  found, notes = Direction(title='山𠀀').checked(word2id, 'it')
  assert found.title == '山' and notes == ['title: left out 𠀀, which the model does not know']
  found, notes = Direction(title='山河' * 12).checked(word2id, 'it')
  assert found.title == '山河' * 8 and notes == ['title: the first 16 characters count: ' + '山河' * 8]


@pytest.mark.parametrize(('asked', 'message'), [
    ({'poet': '李黑'}, "poet '李黑' is unknown; expected one of 李白, 杜甫, 苏轼"),
    ({'poet': ''.join('李白' * 500)}, "poet '.*…' is unknown; expected one of 李白"),
    ({'dynasty': '元'}, "dynasty '元' is unknown; expected one of 唐, 宋"),
    ({'form': '词'}, "form '词' is unknown; expected one of "),
    ({'title': '，。'}, "title '，。': has no Han character; expected characters that the model knows"),
    ({'title': '𠀀'}, "title '𠀀': 𠀀 is not in the vocabulary; expected characters that the model knows"),
    ({'title': '春' * 500}, 'title .*…. has 500 characters; expected at most 16')])
def test_what_cannot_be_told_is_one_line(word2id, asked, message):
  with pytest.raises(UserError, match=f'^{message}') as caught:
    Direction(**asked).checked(word2id, 'it')
  assert '\n' not in str(caught.value) and len(str(caught.value)) < 300


def test_a_model_without_controls_says_so():
  with pytest.raises(UserError, match="^title '春': the model gru is not told one; expected a model with controls"):
    Direction(title='春').checked({'春': 0}, 'gru')
