"""Poems as web pages and lists have them."""

import pytest

from tangshi_tf import corpus

ONE = '床前明月光，疑是地上霜。举头望明月，低头思故乡。'
TWO = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'


@pytest.mark.parametrize('text', [
    f'1. {ONE}', f'12、{ONE}', f'(3) {ONE}', f'# {ONE}', f'> {ONE}', f'- {ONE}', f'<p>{ONE}</p>', f'&nbsp;{ONE}',
    ONE.replace('，', '，<br/>'), f'{ONE} https://example.org/1.html?a=b', f'{ONE} 来源：古诗文网',
    f'作者：李白\n{ONE}',
    '床前明月光/疑是地上霜/举头望明月/低头思故乡', '床前明月光\\n疑是地上霜\\n举头望明月\\n低头思故乡', f'**{ONE}**',
    ONE.replace('光', '&#20809;'), ONE.replace('光', '&#x5149;'), f'{ONE}&nbsp;'])
def test_what_is_around_verse_goes(text):
  assert corpus.verse(text) == ONE


@pytest.mark.parametrize('text', ['***', ':---', '————————', '｜', '-', '……'])
def test_signs_alone_are_no_poem(text):
  assert corpus.verse(text) == ''


@pytest.mark.parametrize(('text', 'titles', 'said'), [
    (f'{TWO} http://www.example.org/1.html\n{ONE} 来源：古诗文网\n', ['', ''], 'read as a poem a line'),
    (f'001《登鹳雀楼》王之涣\n\n{TWO}\n\n002《静夜思》李白\n\n{ONE}\n', ['登鹳雀楼', '静夜思'], '2 titles left out'),
    (f'登鹳雀楼\n\n{TWO}\n\n{ONE}\n', ['登鹳雀楼', ''], '1 title left out'),
    (f'["{TWO}", "{ONE}"]', ['', ''], 'read as JSON')])
def test_files_of_web_pages(tmp_path, text, titles, said):
  path, report = tmp_path / 'poems.txt', corpus.Report()
  path.write_text(text, encoding='utf-8')
  poems = corpus.read_poems(path, report=report)
  assert [poem.content for poem in poems] == [TWO, ONE] and [poem.title for poem in poems] == titles
  assert said in str(report)


def test_lines_that_end_in_a_comma_are_mentioned(tmp_path):
  path, report = tmp_path / 'poems.txt', corpus.Report()
  path.write_text(ONE.replace('，', '，\n').replace('。', '。\n') * 5, encoding='utf-8')
  corpus.read_poems(path, corpus_format='lines', report=report)
  assert '10 end in a comma, perhaps lines of longer poems' in str(report)


def test_a_file_that_is_one_line_without_end(tmp_path):
  path, report = tmp_path / 'poems.txt', corpus.Report()
  path.write_text('月' * 10_000_001 + f'\n{ONE}\n', encoding='utf-8')
  assert [poem.content for poem in corpus.read_poems(path, report=report)] == [ONE]
  assert '1 longer than 10,000,000 characters, left out' in str(report)
