import json

import pytest


@pytest.fixture(scope='module')
def build_corpus(load_script):
  return load_script('build/build_corpus')


@pytest.fixture
def clean(build_corpus):
  return lambda text: build_corpus.clean_content([text], lambda t: t)


@pytest.mark.parametrize(('text', 'expected'), [
    ('去馬來牛（一作「去」）不復辨。', '去馬來牛不復辨。'),
    ('仁高[姒]幄披，日[曦照]。', '仁高姒幄披，日曦照。'),
    ('春風[以下缺三字]起。', '春風起。'),
    ('春（甲〖1〗（乙）丙）風。（後記。）。', '春風。'),
    ('「春風」『起』1，2a秋 月。', '春風起，秋月。'),
])
def test_editorial_material_goes(clean, text, expected):
  assert clean(text) == (expected, '')


@pytest.mark.parametrize(('text', 'reason'), [
    ('春□風。', 'lost character'), ('春○風。', 'lost character'), ('囗囗囗。', 'lost character'),
    ('綠{艹尔}。', 'lost character'), ('春…。', 'lost character'), ('春\ue829風。', 'lost character'),
    ('讀《易》刪。', 'other signs left'), ('春（風。', 'other signs left'), ('（注。）', 'nothing left'),
])
def test_poems_that_are_dropped(clean, text, reason):
  assert clean(text) == ('', reason)


def test_titles_keep_to_one_line_without_colons(build_corpus):
  assert build_corpus.clean_title('送人:一\t（一作二） 首', lambda t: t) == '送人：一 首'
  assert build_corpus.clean_title(' ', lambda t: t) == '无题'


def test_two_builds_are_identical(script, tmp_path):
  folder = tmp_path / 'package'
  (folder / 'dist/quantangshi').mkdir(parents=True)
  (folder / 'package.json').write_text('{"version": "2.0.1"}')
  for name, title in (('poet.tang.0.json', '甲'), ('poet.tang.1000.json', '乙'), ('poet.song.0.json', '丙')):
    poems = [{'title': title, 'paragraphs': [f'{title}雲遙接漢，', '飛觀迥凌虛。']}] * 2
    (folder / 'dist/quantangshi' / name).write_text(json.dumps(poems), encoding='utf-8')
  (folder / 'dist/songci').mkdir()
  lyrics = [{'author': '某', 'rhythmic': '调', 'paragraphs': ['接汉，', '凌虚。']}]
  (folder / 'dist/songci/ci.song.0.json').write_text(json.dumps(lyrics), encoding='utf-8')
  texts = []
  for dynasty in ('tang', 'tang', 'ci', 'all'):
    out = tmp_path / f'{len(texts)}.txt'
    done = script('build/build_corpus.py', f'--package={folder}', f'--out={out}', f'--dynasty={dynasty}')
    assert done.returncode == 0, done.stderr
    texts.append(out.read_bytes())
  assert texts[0] == texts[1] == '甲:甲云遥接汉，飞观迥凌虚。\n乙:乙云遥接汉，飞观迥凌虚。\n'.encode()
  assert texts[2].decode() == '调:接汉，凌虚。\n'
  assert texts[3].decode().splitlines()[2] == '丙:丙云遥接汉，飞观迥凌虚。'
  assert '3  duplicate' in done.stdout
