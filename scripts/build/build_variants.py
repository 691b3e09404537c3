"""Builds tangshi_tf/corpus/variants.txt, other ways to write characters, from OpenCC and Unicode's tables.

    apt-get install unicode-data                       # or unpack Unihan.zip and take EquivalentUnifiedIdeograph.txt
    python scripts/build/build_variants.py --unicode=/usr/share/unicode

Needs OpenCC: pip install '.[corpus]'. OpenCC (Apache-2.0) says how a traditional character is simplified, and what
the characters of Taiwan, Hong Kong and Japan are elsewhere. Unicode's Unihan_Variants.txt and
EquivalentUnifiedIdeograph.txt (see LICENSE) say which other characters mean the same.

Of each character the file lists the others that may stand for it, the best first:

1. what OpenCC's t2s makes of it, alone and after tw2t, hk2t and jp2t;
2. Unicode's simplified variants;
3. its z-variants and semantic variants, in both directions, and of radicals the character;
4. its traditional forms, by OpenCC and Unicode;
5. what t2s makes of those in 3 and 4.
"""

import bz2
import collections
import pathlib
import re

from absl import flags

from tangshi_tf import cli, run_dir
from tangshi_tf.corpus.text import TABLE
from tangshi_tf.errors import UserError

_RANGES = (0x2E80, 0x2FE0), (0x3005, 0x3008), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x33480)
_HEADER = """# Other ways to write a character: it, and after it those that may stand for it, the best first.
# Made by scripts/build/build_variants.py from OpenCC {opencc} (Apache-2.0) and from Unihan_Variants.txt and
# EquivalentUnifiedIdeograph.txt of the Unicode Character Database; see LICENSE.
"""

_UNICODE = flags.DEFINE_string('unicode', None, "The folder of Unicode's files, as they are or in .bz2.", required=True)
_OUT = flags.DEFINE_string('out', str(TABLE), 'The file to write.')


def read(folder: pathlib.Path, name: str) -> list[list[str]]:
  """Returns the fields of each line of one of Unicode's files."""
  plain, packed = folder / name, folder / f'{name}.bz2'
  try:
    data = plain.read_bytes() if plain.exists() else bz2.decompress(packed.read_bytes())
  except OSError as error:
    raise UserError(f'{plain}: cannot be read ({error.strerror}); expected {name} or {name}.bz2') from None
  lines = (line.partition('#')[0].strip() for line in data.decode('utf-8').split('\n'))
  return [re.split(r'[\t;]\s*', line) for line in lines if line]


def unicode_variants(folder: pathlib.Path) -> dict[str, dict[str, list[str]]]:
  """Returns by kind of variant and character the variants in Unicode's files."""
  found: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
  for code, kind, values in read(folder, 'Unihan_Variants.txt'):
    found[kind][chr(int(code[2:], 16))] += [chr(int(code, 16)) for code in re.findall(r'U\+([0-9A-F]+)', values)]
  for codes, target in read(folder, 'EquivalentUnifiedIdeograph.txt'):
    first, _, last = codes.strip().partition('..')
    for number in range(int(first, 16), int(last or first, 16) + 1):
      found['radical'][chr(number)].append(chr(int(target, 16)))
  for kind in ('kZVariant', 'kSemanticVariant'):
    for character, others in [(character, tuple(others)) for character, others in found[kind].items()]:
      for other in others:
        found[kind][other].append(character)
  return found


def variants_of(found: dict[str, dict[str, list[str]]], converter) -> dict[str, str]:
  """Returns the alternatives of each character that has some.

  Args:
    found: see `unicode_variants`.
    converter: makes a function from one text to another of the name of one of OpenCC's configurations.
  """
  characters = [chr(code) for first, end in _RANGES for code in range(first, end)]

  def table(name):
    return dict(zip(characters, map(converter(name), characters)))

  simplified = table('t2s')
  regions = [table(name) for name in ('tw2t', 'hk2t', 'jp2t')]
  traditional = collections.defaultdict(list)
  for character, simple in simplified.items():
    traditional[simple].append(character)
  to_traditional = table('s2t')
  result = {}
  for character in characters:
    usual = [region[character] for region in regions]
    same = [other for kind in ('kZVariant', 'kSemanticVariant', 'radical') for other in found[kind].get(character, ())]
    older = [to_traditional[character], *traditional[character], *found['kTraditionalVariant'].get(character, ())]
    every = [simplified[character], *(simplified.get(other, other) for other in usual), *usual,
             *found['kSimplifiedVariant'].get(character, ()), *same, *older,
             *(simplified.get(other, other) for other in [*same, *older])]
    others = ''.join(other for other in dict.fromkeys(every) if other != character and len(other) == 1)
    if others:
      result[character] = others
  return result


def main() -> int:
  try:
    import opencc
  except ImportError:
    raise UserError("OpenCC is not installed; run: pip install '.[corpus]'") from None
  found = variants_of(unicode_variants(pathlib.Path(_UNICODE.value)), lambda name: opencc.OpenCC(name).convert)
  lines = [f'{character}{others}\n' for character, others in sorted(found.items())]
  data = (_HEADER.format(opencc=opencc.__version__) + ''.join(lines)).encode('utf-8')
  try:
    run_dir.write_bytes(pathlib.Path(_OUT.value), data)
  except OSError as error:
    raise UserError(f'{_OUT.value}: cannot be written ({error.strerror})') from None
  print(f'{_OUT.value}: {len(found):,} characters with {sum(map(len, found.values())):,} others; {len(data):,} bytes')
  return 0


if __name__ == '__main__':
  cli.run(main)
