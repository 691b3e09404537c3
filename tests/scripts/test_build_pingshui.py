"""Building the rhyme table, from a small package."""

import json
import zipfile

import pytest

from tangshi_tf import corpus

TABLE = {'ping': {'上平聲部': {'上平聲一東': ['東乾', 'Public domain'], '上平聲二冬': ['冬']},
                  '下平聲部': {'下平聲一先': ['平先']}},
         'ze': {'入聲部': {'入聲一屋': ['屋']}}}


@pytest.fixture(scope='module')
def build_pingshui(load_script):
  return load_script('build/build_pingshui')


def test_groups(build_pingshui, monkeypatch):
  monkeypatch.setattr(build_pingshui, 'MISSING', {'下平一先': '仙'})
  monkeypatch.setattr(build_pingshui, 'VARIANTS', {'仐': '屋'})
  simple = str.maketrans('東聲乾', '东声干')
  assert build_pingshui.groups_of(TABLE, lambda text: text.translate(simple)) == {
      '上平一东': '东東干乾', '上平二冬': '冬', '下平一先': '平先仙', '入声一屋': '屋仐'}


def test_what_poets_do_not_use(build_pingshui):
  groups = {'上平一东': '东中平', '下平八庚': '庚平明', '入声一屋': '平'}

  def poem(*ends):
    return corpus.Poem('', ''.join(f'一一一一一，一一一一{end}。' for end in ends))

  poems = [poem('平', '庚'), poem('明', '平'), poem('平', '明')]
  assert build_pingshui.unused_rhymes(groups, poems) == {'上平一东': '平'}
  assert build_pingshui.unused_rhymes(groups, poems[:2]) == {}  # too few to say
  assert build_pingshui.unused_rhymes(groups, [*poems, poem('东', '平')]) == {}
  # What is oblique at the ends of other lines is hardly a rhyme, if it ends enough lines.
  groups['入声一屋'] = '平中'
  assert build_pingshui.unused_rhymes(groups, [corpus.Poem('', '一一一一东，一一一一中。' * 4)]) == {}
  oblique = [corpus.Poem('', '一一一一中，一一一一东。' * 2)] * 8
  assert build_pingshui.unused_rhymes(groups, oblique) == {'上平一东': '中'}
  assert build_pingshui.unused_rhymes(groups, oblique[:7]) == {}
  # Two characters that could both be either, and a poem in no form, say nothing.
  assert build_pingshui.unused_rhymes(groups, [poem('平', '平'), *[poem('平', '庚', '明')] * 9]) == {}


def test_packages_that_cannot_be_read(script, tmp_path):
  pytest.importorskip('opencc')
  bad = tmp_path / 'bad.whl'
  bad.write_bytes(b'nothing')
  other = tmp_path / 'other.whl'
  with zipfile.ZipFile(other, 'w') as archive:
    archive.writestr('other.json', json.dumps(TABLE))
  for package in (bad, other, tmp_path / 'none.whl'):
    done = script('build/build_pingshui.py', f'--package={package}', '--out=out.json')
    assert done.returncode == 2 and 'is no archive with' in done.stderr and done.stderr.count('\n') == 1
  assert not (tmp_path / 'out.json').exists()
