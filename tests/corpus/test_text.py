"""Text as people have it."""

import pytest

from tangshi_tf import corpus
from tangshi_tf.corpus import text
from tangshi_tf.errors import UserError

from ..conftest import ROOT

WU_JUE = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'


@pytest.mark.parametrize('written', [
    WU_JUE, '白日依山尽,黄河入海流.欲穷千里目,更上一层楼.', '白日依山尽 黄河入海流 欲穷千里目 更上一层楼',
    '白日依山尽\n黄河入海流\n欲穷千里目\n更上一层楼\n', '白日依山尽　黄河入海流。\n欲穷千里目　更上一层楼。',
    '白日依山尽黄河入海流欲穷千里目更上一层楼', ' 白日依山尽， 黄河入海流。\r\n欲穷千里目，更上一层楼。',
    '“白日依山尽，黄河入海流（一作海）。欲穷千里目，更上一层楼。”', '白日依山尽﹐黄河入海流｡欲穷千里目﹐更上一层楼｡',
    '⽩⽇依⼭尽，黄河入海流。欲穷千⾥⽬，更上一层楼。',
    '\ufeff白日依山尽\u200b，黄河入海流\U000e0100。。欲穷千里目，，更上一层楼。',
    '白 日 依 山 尽 ， 黄 河 入 海 流 。 欲 穷 千 里 目 ， 更 上 一 层 楼 。'])
def test_one_poem_as_people_write_it(written):
  assert corpus.verse(written) == WU_JUE


@pytest.mark.parametrize(('written', 'expected'), [
    ('春花秋月何时了\n往事知多少', '春花秋月何时了，往事知多少。'),  # lines of several lengths, without marks
    ('床前 明月光', '床前明月光'),
    ('云想衣裳花\n想容，春风拂槛露华浓。', '云想衣裳花想容，春风拂槛露华浓。'),  # a line that was broken
    ('仁高[姒]幄披', '仁高姒幄披'), ('月(见《全唐诗》（卷一）)', '月'), ('', ''), (' \n', ''),
    ('。，', ''), ('hello', 'hello')])
def test_other_texts(written, expected):
  assert corpus.verse(written) == expected


@pytest.mark.parametrize(('size', 'width'), [(20, 5), (28, 7), (40, 5), (56, 7), (60, 5), (84, 7), (100, 5), (24, 0),
                                             (70, 0), (140, 0), (30, 0)])
def test_a_poem_without_marks_is_cut_by_the_form_that_it_fits(size, width):
  lines = corpus.verse_lines(corpus.verse('月' * size))
  assert lines == (['月' * width] * (size // width) if width else ['月' * size])


def test_a_part_of_a_poem_is_not_cut_and_not_ended():
  assert corpus.verse('白日依山尽 黄河', whole=False) == '白日依山尽，黄河'
  assert corpus.verse('月' * 20, whole=False) == '月' * 20
  assert corpus.verse('白日依山尽, ', whole=False) == '白日依山尽，'


def test_the_corpus_is_as_it_should_be():
  poems = corpus.read_poems(ROOT / 'poems.txt')
  plain = [line.partition(':') for line in (ROOT / 'poems.txt').read_text(encoding='utf-8').splitlines()]
  assert poems == [corpus.Poem(title, content) for title, _, content in plain]
  for poem in poems[::50]:
    assert corpus.clean(poem.content) == poem.content
    assert corpus.verse(poem.content + ' ') == poem.content  # not by the short cut


@pytest.mark.parametrize(('written', 'message'), [
    ('\udcff月', 'byte 0xff is not UTF-8'),
    ('月\ud800', r'U\+D800 is no character'), (b'abc', 'bytes; expected a text'),
    (None, 'NoneType; expected a text')])
def test_what_is_no_text(written, message):
  for normalise in (corpus.clean, corpus.verse):
    with pytest.raises(UserError, match=message):
      normalise(written)


def test_spelling_takes_variants_that_the_vocabulary_has():
  spelling = corpus.Spelling({'爱', '我', '中', '华', '回', '裏'})
  assert spelling.of('愛我中華') == ('爱我中华', {'愛': '爱', '華': '华'})
  assert spelling.of('囬裏')[0] == '回裏'  # what it has stays
  assert spelling.of('🙂爱') == ('🙂爱', {})
  assert corpus.Spelling({'愛'}).of('爱')[0] == '愛'  # a vocabulary of traditional characters


def test_the_table_of_variants():
  found = text.variants()
  assert len(found) > 10_000
  for character, others in found.items():
    assert len(character) == 1 and others and character not in others and len(set(others)) == len(others)
  assert all(found[traditional][0] == simplified for traditional, simplified in zip('愛國風後發', '爱国风后发'))


def test_traditional_characters():
  pytest.importorskip('opencc')
  assert corpus.to_traditional('头发，发现。') == '頭髮，發現。'
