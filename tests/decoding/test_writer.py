"""What a Python user has: a model that writes."""

import collections
import html.parser
import math
import pathlib

import numpy as np
import pytest

import tangshi_tf
from tangshi_tf import corpus, prosody, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.decoding import Request, Writer, WrittenPoem
from tangshi_tf.errors import UserError
from tangshi_tf.settings import WritingSettings


@pytest.fixture(scope='module')
def writer():
  return tangshi_tf.load('gru')


def test_load_takes_a_name_or_a_run_directory(trained, writer):
  path, _ = trained
  assert isinstance(writer, Writer) and writer.name == 'gru'
  for place in (path, str(path)):
    other = tangshi_tf.load(place, weights='last' if place == 'x' else None)
    assert other.model.cell == 'lstm' and len(other.word2id) == len(other.id2word)
  with pytest.raises(UserError, match='nowhere.: no such directory'):
    tangshi_tf.load('nowhere')
  with pytest.raises(UserError, match='has no weights epoch-99; expected one of best, '):
    tangshi_tf.load(path, 'epoch-99')


def test_poems_in_a_form(writer):
  poem = writer.write('七绝', begin='月', seed=1)
  assert poem == writer.write('七绝', begin='月', seed=1) != writer.write('七绝', begin='月', seed=2)
  assert [len(line) for line in poem.lines] == [7] * 4 and poem.lines[0][0] == '月'
  assert str(poem).replace('\n', '') == poem.text
  assert poem.checked.keeps() and poem.rhyme in prosody.level_groups() and '句' in poem.pattern
  assert writer.write('五绝', rhyme='off', tones='off', seed=1).rhyme is None
  score = writer.score(poem.text)
  assert poem.perplexity == pytest.approx(score.perplexity, rel=1e-4)
  assert poem.log_probability == pytest.approx(-score.total * math.log(2), rel=1e-4)


def test_many_poems_are_the_same_one_by_one(writer):
  poems = writer.write('五律', num=3, seed=5)
  assert [poem.seed for poem in poems] == [5, 6, 7]
  assert [poem.text for poem in poems] == [writer.write('五律', seed=seed).text for seed in (5, 6, 7)]
  listed = writer.write(begin=['春', '秋'], num=2, seed=1)
  assert [(poem.begin, poem.seed) for poem in listed] == [('春', 1), ('春', 2), ('秋', 3), ('秋', 4)]
  assert len(writer.write(begin=('春', '秋'))) == 2 and len(writer.write(num=1)) == 1
  assert [poem.begin for poem in writer.write(begin=collections.deque(['春']))] == ['春']


def test_without_a_begin_word_the_seed_takes_one(writer):
  assert {writer.write(seed=seed).text[0] for seed in range(7)} == set(corpus.SAMPLE_BEGINS)


def test_a_stream_is_the_poem(writer):
  for options in ({'form': '七绝'}, {'begin': '春风'}, {'form': '五绝', 'begin': '白日依山尽'},
                  {'begin': '日', 'exercise': True}, {'form': '五绝', 'acrostic': '春夏'}, {'init': 'random'},
                  {'begin': '山', 'max_len': 9}):
    stream = writer.stream(seed=3, **options)
    assert ''.join(stream) == writer.write(seed=3, **options).text, options
  stream = writer.stream('七绝', seed=4)
  assert len(next(stream)) == 1 and len(list(stream)) == 31
  for options in ({'num': 2}, {'beam': 2}, {'best_of': 2}, {'original': True}):
    with pytest.raises(UserError, match='a stream is one poem that is drawn'):
      writer.stream('五绝', **options)
  with pytest.raises(UserError, match='not in the model'):  # at once, not with the first character
    writer.stream(begin='🙂')


def test_complete(writer):
  poem = writer.complete('白日依山尽，黄河入海流。欲穷', '五绝', seed=2)
  assert poem.text.startswith('白日依山尽，黄河入海流。欲穷') and poem.checked.keeps()
  whole = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'
  assert writer.complete(whole, '五绝').text == whole
  assert writer.complete('春风得意马蹄疾，' * 8, seed=1).text.startswith('春风得意马蹄疾，' * 8)
  assert writer.complete('春风', acrostic='春夏', seed=1).lines[1][0] == '夏'
  with pytest.raises(UserError, match='expected 平'):
    writer.complete('白日依山尽，黄河入海月', '五绝', rhyme='off')


def test_choices_are_what_may_come_next(writer):
  found = writer.choices('白日依山', '五绝', num=5)
  assert len(found) == 5 and [share for _, share in found] == sorted((share for _, share in found), reverse=True)
  every = writer.choices('白日依山', '五绝', num=10**6)
  assert sum(share for _, share in every) == pytest.approx(1, abs=1e-4)
  assert all(prosody.tone(word) != '平' for word, _ in every) and '日' not in dict(every)
  begun, whole = '白日', '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'
  ends = {text: dict(writer.choices(text, num=10**6)).get('eos', 0) for text in (begun, whole)}
  assert ends[begun] < ends[whole] / 10
  assert len(writer.choices(3 * whole)) == 8 and len(writer.choices('春', acrostic='春夏', num=2)) == 2
  assert writer.choices(whole, '五绝') == []
  with pytest.raises(UserError, match='text is empty'):
    writer.choices('')


def test_a_text_may_be_as_long_as_a_poem(writer):
  assert len(writer.complete('月' * 9_999, exercise=False, seed=1).text) >= 9_999
  for ask in (writer.complete, writer.choices):
    with pytest.raises(UserError, match="^text .*…' has 10,000 characters; expected fewer than 10,000$"):
      ask('月' * 10_000)


def test_a_session_draws_nothing(writer):
  for name in ('temperature', 'seed'):
    with pytest.raises(UserError, match=f'^{name} of a session'):
      writer.session('五绝', **{name: 1})
    assert writer.session('五绝', **{name: None}).text == ''
  for settings, temperature in (({}, 0.8), ({'form': '五绝'}, 0.8), ({'temperature': 0.3}, 0.3)):
    request = Request.of(WritingSettings(**settings), interactive=True)
    assert request.options['temperature'] == temperature


def test_score(writer):
  one, other = writer.score(['床前明月光', '床前 明月🙂'])
  assert np.allclose(one.bits[:4], other.bits[:4], atol=1e-3) and other.unknown == ['🙂']
  assert one.total == pytest.approx(sum(bits for _, bits in one.tokens())) and one.mean == pytest.approx(one.total / 5)
  whole = writer.score('床前明月光', whole=True)
  assert [name for name, _ in whole.tokens()] == [*'床前明月光', 'eos']
  assert np.allclose(whole.bits[:5], one.bits, atol=1e-3)
  assert str(one).count('*') == 2 and one.text[one.most_surprising] == str(one).split('*')[1]
  empty = writer.score('')
  assert (empty.mean, empty.perplexity, empty.most_surprising, str(empty)) == (None, None, None, '')


def test_check(writer):
  assert writer.check('白日依山尽，黄河入海流。欲穷千里目，更上一层楼。').rhyme == '下平十一尤'
  assert writer.check('白日依山尽，黄河入海流。', '五绝').faults[0].rule == 'form'


def test_the_best_of_several_is_likelier_and_copies_are_looked_up(writer):
  poem, best = (writer.write('五绝', seed=1, best_of=best_of) for best_of in (None, 8))
  assert best.log_probability > poem.log_probability
  index = originality.Index([corpus.Poem('', best.text)])
  found, = writer.compose(Request.of(WritingSettings(form='五绝', seed=best.seed)), index=index)
  assert found.text == best.text and list(found.copied) == found.lines
  assert writer.write('五绝', beam=3).seed is None


@pytest.mark.parametrize(('options', 'message'), [
    ({'form': 'x'}, "form 'x' is unknown"), ({'begin': ''}, 'begin word is empty'), ({'num': 0}, 'num 0: expected'),
    ({'temperature': -1}, 'temperature -1: expected a number from 0 to 100'), ({'seed': -1}, 'seed -1: expected'),
    ({'rhyme': '东'}, '^rhyme goes with a form; expected form, too'),
    ({'form': '七绝', 'max_len': 3}, '^max_len does not go with'),
    ({'exercise': True, 'temperature': 1.0}, '^both exercise and temperature; expected one of them'),
    ({'beam': 3, 'temperature': 0.0}, 'both beam and temperature'),
    ({'temperature': 0.0, 'top_k': 0}, 'top_k is for drawing'), ({'state_stddev': 1.0}, 'for random states'),
    ({'form': '五绝', 'begin': '春' * 21}, 'has 21 characters; expected at most 20'),
    ({'form': '6x5', 'tones': 'loose'}, '6x5 has no tone pattern'), ({'acrostic': '，'}, 'no characters in it'),
    ({'acrostic': '春' * 9}, '9 characters; expected at most 8'), ({'max_repeat': 99}, 'no poem of at most 33'),
])
def test_what_cannot_be_met_is_one_line(writer, options, message):
  with pytest.raises(UserError, match=message) as caught:
    writer.write(**options)
  assert len(str(caught.value).splitlines()) == 1


class _Page(html.parser.HTMLParser):
  """Collects text and tags; a tag that is not closed in its turn fails."""

  def __init__(self, page):
    super().__init__()
    self.tags, self.text, self.open = [], [], []
    self.feed(page)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    if tag != 'br':
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.text.append(data)


def test_a_notebook_shows_columns(writer):
  poem = writer.write('五绝', seed=1)
  page = _Page(poem._repr_html_())
  assert not page.open and page.tags == ['figure', 'div', 'br', 'br', 'br', 'figcaption']
  assert [text.rstrip('，。') for text in page.text[:4]] == poem.lines
  assert all(name in page.text[4] for name in ('五绝', poem.rhyme, 'gru', 'seed 1'))
  hostile = _Page(WrittenPoem('<script>月</script>，日&amp;。', model='<b>')._repr_html_())
  assert set(hostile.tags) == {'figure', 'div', 'br', 'figcaption'} and '<script>' in ''.join(hostile.text)


def test_how_a_poem_is_laid_out():
  poem = WrittenPoem('白日依山尽，黄河。')
  assert poem.vertical.split('\n') == ['黄\u3000白', '河\u3000日', *('\u3000\u3000' + word for word in '依山尽')]
  assert poem.beside.split('\n')[0] == '黄\u3000白\u3000\u3000白日依山尽，黄河。'
  assert str(WrittenPoem('')) == '' and WrittenPoem('').perplexity is None and WrittenPoem('').lines == []


def test_the_package_is_typed():
  assert (pathlib.Path(tangshi_tf.__file__).parent / 'py.typed').exists()
  assert issubclass(tangshi_tf.UserError, ValueError) and run_dir.Run
