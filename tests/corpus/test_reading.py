"""Files of poems as people have them."""

import json

import pytest

from tangshi_tf import corpus
from tangshi_tf.corpus import sharding
from tangshi_tf.errors import UserError

POEMS = [corpus.Poem('登鹳雀楼', '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'),
         corpus.Poem('静夜思', '床前明月光，疑是地上霜。举头望明月，低头思故乡。')]
NAMES = '王之涣', '李白'


def written(form):
  """Returns the poems as a file of a form."""
  half = str.maketrans('，。', ',.')
  bare = str.maketrans('', '', '，。')
  records = [{'title': poem.title, 'author': name, 'paragraphs': [poem.content[:12], poem.content[12:]]}
             for poem, name in zip(POEMS, NAMES)]
  return {
      'title:content': ''.join(f'{poem.title}:{poem.content}\n' for poem in POEMS),
      'title:author:content': ''.join(f'{poem.title}:{name}:{poem.content}\n' for poem, name in zip(POEMS, NAMES)),
      'full-width colons': ''.join(f'{poem.title}：{name}：{poem.content}\n' for poem, name in zip(POEMS, NAMES)),
      'half-width marks': ''.join(f'{poem.title}:{poem.content.translate(half)}\n' for poem in POEMS),
      'spaces for marks': ''.join(f'{poem.title}:{" ".join(corpus.verse_lines(poem.content))}\n' for poem in POEMS),
      'no marks': ''.join(f'{poem.title}:{poem.content.translate(bare)}\n' for poem in POEMS),
      'blank lines and titles': '\n'.join(
          f'{poem.title}\n{name}\n{poem.content[:12]}\n{poem.content[12:]}\n' for poem, name in zip(POEMS, NAMES)),
      'a line of verse a line': '\n'.join(
          '\n'.join([poem.title, *corpus.verse_lines(poem.content)]) + '\n' for poem in POEMS),
      'quoted titles': ''.join(f'《{poem.title}》{poem.content}\n' for poem in POEMS),
      'CSV': 'Title,Author,Content\n' + ''.join(
          f'{poem.title},{name},"{poem.content.translate(half)}"\n' for poem, name in zip(POEMS, NAMES)),
      'TSV in Chinese': '题目\t内容\n' + ''.join(f'{poem.title}\t{poem.content}\n' for poem in POEMS),
      'JSON lines': ''.join(json.dumps(record, ensure_ascii=False) + '\n' for record in records),
      'a JSON list': json.dumps(records, indent=2),
      'content in JSON': ''.join(json.dumps({'title': poem.title, 'content': poem.content}) + '\n' for poem in POEMS),
  }[form]


@pytest.mark.parametrize('form', [
    'title:content', 'title:author:content', 'full-width colons', 'half-width marks', 'spaces for marks', 'no marks',
    'blank lines and titles', 'a line of verse a line', 'quoted titles', 'CSV', 'TSV in Chinese', 'JSON lines',
    'a JSON list', 'content in JSON'])
def test_formats(tmp_path, form):
  path = tmp_path / 'poems'
  path.write_text(written(form), encoding='utf-8')
  report = corpus.Report()
  found = corpus.read_poems(path, report=report)
  assert [poem.content for poem in found] == [poem.content for poem in POEMS]
  assert [poem.title.split()[0] for poem in found] == [poem.title for poem in POEMS]
  assert (str(report) == '') == (form == 'title:content')
  if form in ('title:author:content', 'full-width colons', 'CSV', 'JSON lines', 'a JSON list'):
    assert '2 authors left out' in str(report)


@pytest.mark.parametrize('form', ['title:author:content', 'half-width marks', 'CSV', 'JSON lines', 'quoted titles'])
def test_shards_of_the_formats(tmp_path, form):
  """The formats are the same ones where the file is read in blocks, by several processes."""
  path = tmp_path / 'poems'
  path.write_text(written(form), encoding='utf-8')
  report, expected = corpus.Report(), corpus.Report()
  sharding.write([str(path)], tmp_path / 'out', count=1, processes=1, report=report)
  lines = [line for shard in (tmp_path / 'out').iterdir() for line in shard.read_text(encoding='utf-8').splitlines()]
  assert sorted(lines) == sorted(f'{poem.title}:{poem.content}' for poem in corpus.read_poems(path, report=expected))
  assert str(report) == str(expected)


def test_untitled_poems_one_a_line(tmp_path):
  path = tmp_path / 'poems'
  path.write_text(''.join(poem.content + '\n' for poem in POEMS * 2), encoding='utf-8')
  report = corpus.Report()
  assert [poem.content for poem in corpus.read_poems(path, report=report)] == [poem.content for poem in POEMS * 2]
  assert str(report) == 'read as a poem a line'


def test_what_is_left_out_is_counted(tmp_path):
  path = tmp_path / 'poems'
  path.write_text('甲:春眠不觉晓,\n乙:\n丙:月月月\n丁:，\n', encoding='utf-8')
  report = corpus.Report()
  assert [poem.content for poem in corpus.read_poems(path, report=report)] == ['春眠不觉晓，', '月月月']
  assert str(report) == ('1 with other marks, spaces, notes or signs, normalised; 1 without marks, kept as they are; '
                         '2 without text, left out')


@pytest.mark.parametrize(('content', 'corpus_format', 'message'), [
    ('{"title": "a"}\n', 'auto', 'poems:1: has no content; expected title, author and content'),
    ('{"content": "月"}\n{"content": 3}\n', 'auto', 'poems:2: has no content'),
    ('{"content": "月"}\n{"content\n', 'auto', 'poems:2: is no JSON'),
    ('[{"content": "月"}, 7]', 'auto', 'poems: object 2: has no content'),
    ('[{"content": ' + '[' * 100_000, 'auto', 'is no JSON'),
    ('{"content": ' + '9' * 10_000 + '}', 'auto', 'poems:1: '),
    ('title,content\n"' + '月' * 200_000, 'auto', 'is no row of CSV'),
    ('title,author\n月,日\n', 'csv', 'names no column content'),
    ('title,content\n月\n', 'auto', 'has no content'),
    ('月月\n', 'titled', 'poems:1: no ":"'),
    ('日:\n', 'auto', 'holds no poem'),
])
def test_files_that_are_not_in_their_format(tmp_path, content, corpus_format, message):
  path = tmp_path / 'poems'
  path.write_text(content, encoding='utf-8')
  with pytest.raises(UserError) as caught:
    corpus.read_poems(path, corpus_format=corpus_format)
  assert message in str(caught.value) and '\n' not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(('encoding', 'message'), [('gb18030', 'may be GB18030: iconv'), ('utf-16', 'may be UTF-16')])
def test_other_encodings_are_named(tmp_path, encoding, message):
  path = tmp_path / 'poems'
  path.write_text('题:' + '床前明月光，' * 3, encoding=encoding)
  with pytest.raises(UserError, match=message):
    corpus.read_poems(path)


@pytest.mark.parametrize('lines', [
    [poem.content for poem in POEMS],
    [POEMS[0].content[:12], POEMS[0].content[12:], '', POEMS[1].content[:12], POEMS[1].content[12:]],
    [f'{poem.title}:{poem.content}' for poem in POEMS],
    [line for poem in POEMS for line in ['', *corpus.verse_lines(poem.content), '', '']],
    [json.dumps({'text': poem.content, 'seed': 3}) for poem in POEMS],
    ['静夜思', '', POEMS[0].content, '', POEMS[1].content][2:],
])
def test_poems_in_lines_as_they_come(lines):
  assert [poem.content for poem in corpus.poems_in(line + '\n' for line in lines)] == [poem.content for poem in POEMS]


def test_one_poem_in_lines_without_a_blank_line():
  assert [poem.content for poem in corpus.poems_in(corpus.verse_lines(POEMS[0].content))] == [POEMS[0].content]
  couplets = [POEMS[0].content[:12]] * 3
  assert [poem.content for poem in corpus.poems_in(couplets)] == couplets  # too many for one poem
