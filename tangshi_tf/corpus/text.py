"""Text as people have it, made into text as the corpus has it: the one place where text is normalised.

`clean` treats each character by itself: half-width and compatibility forms become the usual ones (Unicode's NFKC),
half-width marks those of verse; quotation marks, invisible characters and controls go. `verse` makes a poem of it:
what web pages and lists have around it goes, and so do notes in brackets; where lines have no marks, the ends of lines
do. `Spelling` replaces characters that a
vocabulary does not have by variants that it has: traditional by simplified ones, 囬 by 回.

On poems as in `poems.txt` all of them change nothing.
"""

import functools
import html
import itertools
import pathlib
import re
import unicodedata
from collections.abc import Container

from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import shown

PUNCTUATION = '，。？！；、：'
TABLE = pathlib.Path(__file__).with_name('variants.txt')
HAN = '[\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002f7ff\U0002fa20-\U0003ffff]'  # without compatibility forms
_IS_HAN = re.compile(HAN)
_AS_IT_SHOULD_BE = re.compile(f'(?:{HAN}+[{PUNCTUATION}])+')
MARK = re.compile(f'[{PUNCTUATION}]')
_MARKS = dict(zip(',.?!;､:・', '，。？！；、：、')) | {mark: mark for mark in PUNCTUATION}
_DROPPED = '「」『』“”‘’"\'〝〞《》〈〉'
_NOTE = re.compile(r'（[^（）]*）|\([^()]*\)|\{[^{}]*\}|｛[^｛｝]*｝|【[^【】]*】|〖[^〖〗]*〗|〔[^〔〕]*〕')
_SQUARE = re.compile(r'\[([^\[\]]*)\]|［([^［］]*)］')
_SUPPLIED = re.compile(f'{HAN}{{1,2}}')
_DEEPEST_NOTE = 8
_NO_TEXT = re.compile(rf'[!-/:-@\[-`{{-~—–─━═…·•{PUNCTUATION}]*')
# What comes with poems from web pages and lists. Verse has no ASCII but marks and spaces.
_SIGNS = re.compile(r'[!-+\-/0-9<-@\[-`{-~]|[：:]')
_LABELS = '作者|朝代|年代|诗人|詩人|来源|來源|出处|出處|标题|標題'
_PAGE = (
    (re.compile(r'(?:https?://|www\.)[!-~]+'), ' '),
    (re.compile(r'</?(?:br|p|div|li|tr|h[1-6])\b[^<>]{0,200}>|\\[nr]|[/|]', re.IGNORECASE), '\n'),
    (re.compile(r'</?[a-zA-Z!][^<>]{0,200}>'), ''),
    (re.compile(r'^[^\S\n]*(?:[#>]+\s*|[*+-]\s+|[(（]?\d{1,6}(?:\s*[.、．:：)）]+\s*|[^\S\n]+|(?=《)))', re.MULTILINE),
     ''),
    (re.compile(rf'(?:^|(?<=[\s。！？]))(?:{_LABELS})\s*[:：][^\n]*', re.MULTILINE), ''),
    (re.compile(r'[*#`_=~^]{2,}|-{3,}'), ''))
_MOST_PIECES = 10_000  # between white space; no poem has so many lines
_RUN = re.compile(f'[{PUNCTUATION}]{{2,}}')
_SURROGATE = re.compile('[\ud800-\udfff]')
_MOST_SHOWN = 20
_SHORTEST_LINE = 3  # characters, between white space; less is spacing
SHAPES = {'五绝': (4, 5), '七绝': (4, 7), '五律': (8, 5), '七律': (8, 7)}  # lines of the forms, characters of each line
OTHER = 'other'
_FORM_WIDTHS = {lines * characters: characters for lines, characters in SHAPES.values()}
_SHORTEST_CUT = 60  # characters of longer poems that are cut, if either 5 or 7 characters a line make couplets


def is_han(character: str) -> bool:
  """Returns whether a character is a Han character."""
  return bool(_IS_HAN.match(character))


def require_text(text):
  """Raises a `UserError` where something is no text."""
  if not isinstance(text, str):
    raise UserError(f'{shown(text)} is of type {type(text).__name__}; expected a text')


def verse_lines(content: str) -> list[str]:
  """Splits a poem at its punctuation; empty lines are left out.

  Raises:
    UserError: it is no text.
  """
  require_text(content)
  return [line for line in MARK.split(content) if line]


def form_of(content: str) -> str:
  """Returns the form whose line count and line lengths a poem has, whatever its tones and rhymes, or 'other'."""
  lengths = [len(line) for line in verse_lines(content)]
  return next((name for name, (lines, characters) in SHAPES.items() if lengths == [characters] * lines), OTHER)


class _Characters(dict):
  """What each character is cleaned to, by code point."""

  def __missing__(self, code):
    character = chr(code)
    self[code] = _clean_character(character)
    return self[code]


def _clean_character(character: str) -> str:
  if character.isspace():
    return character
  usual = unicodedata.normalize('NFKC', character)
  if usual == ' ':
    return usual
  if len(usual) != 1:  # such as … and ㈠
    usual = character
  if usual in _MARKS:
    return _MARKS[usual]
  if usual in _DROPPED or unicodedata.category(usual) in ('Cc', 'Cf') or unicodedata.name(usual, '').startswith(
      'VARIATION SELECTOR'):
    return ''
  return usual


_characters = _Characters()


def clean(text: str) -> str:
  """Returns a text with the usual form of each character; see the module.

      >>> clean('床前明月光,疑是地上霜.')
      '床前明月光，疑是地上霜。'

  Raises:
    UserError: it is no Unicode text.
  """
  require_text(text)
  if found := _SURROGATE.search(text):
    code = ord(found[0])
    what = f'byte 0x{code - 0xdc00:02x} is not UTF-8' if 0xdc80 <= code < 0xdd00 else f'U+{code:04X} is no character'
    raise UserError(f'{shorten(text)}: {what}; expected Unicode text')
  return text.translate(_characters)


def verse(text: str, *, whole: bool = True) -> str:
  """Returns a poem on one line, with a mark after each of its lines.

      >>> verse('白日依山尽 黄河入海流 欲穷千里目 更上一层楼')
      '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'

  White space between lines counts as a mark where it makes lines of one length,
  or where there are no marks. A poem without any marks is cut by the form that
  has as many characters, or into couplets of lines of 5 or 7 where only one of
  them is possible.

  Args:
    text: the poem, with or without marks.
    whole: whether it is a whole poem; of a part nothing is cut, and its last
      line may go on.

  Raises:
    UserError: it is no Unicode text.
  """
  require_text(text)
  if _AS_IT_SHOULD_BE.fullmatch(text):
    return text
  if not isinstance(whole, bool):
    raise UserError(f'whole {shown(whole)}: expected True or False')
  pieces = without_notes(clean(without_page(text))).split()
  content = _RUN.sub(_one_mark, _join(pieces, whole)).lstrip(PUNCTUATION)
  if _NO_TEXT.fullmatch(content):
    return ''
  return _cut(content) if whole and content and not MARK.search(content) else content


def without_page(text: str) -> str:
  """Returns a text without what web pages and lists have around verse: addresses, tags, numbers, the author's line.

      >>> without_page('1. 床前明月光<br>疑是地上霜 https://example.org/1')
      '床前明月光\\n疑是地上霜  '
  """
  if not _SIGNS.search(text):
    return text
  for pattern, other in _PAGE:
    text = pattern.sub(other, text)
  return html.unescape(text)


def without_notes(text: str) -> str:
  """Returns a text without notes in brackets, the innermost first.

  Square brackets around one or two Han characters are no note but a reading
  that editors supplied, which stays.
  """
  def supplied(match):
    inner = match[1] or match[2] or ''
    return inner if _SUPPLIED.fullmatch(inner) else ''

  for _ in range(_DEEPEST_NOTE):
    before = text
    text = _SQUARE.sub(supplied, _NOTE.sub('', text))
    if text == before:
      break
  return text


def _one_mark(run: re.Match) -> str:
  """Returns the mark of a run of them that ends a sentence, else the first."""
  return next((mark for mark in run[0] if mark in '。？！'), run[0][0])


def _join(pieces: list[str], whole: bool) -> str:
  """Returns the pieces between white space as one text, with the marks that are missing between them."""
  if not 2 <= len(pieces) <= _MOST_PIECES:
    return ''.join(pieces)
  lines = [line for piece in pieces for line in verse_lines(piece)]
  lengths = {len(line) for line in lines}
  marked = any(MARK.search(piece) for piece in pieces)
  regular = len(lengths) == 1 or not whole and len({len(line) for line in lines[:-1]}) == 1 and (
      len(lines[-1]) <= len(lines[0]))
  if not lines or min(map(len, lines[:-1] or lines)) < _SHORTEST_LINE or marked and not regular:
    return ''.join(pieces)
  text, count = '', 0
  for i, piece in enumerate(pieces):
    count += len(verse_lines(piece))
    text += piece
    if piece[-1] not in PUNCTUATION and (whole or i + 1 < len(pieces)):
      text += '，' if count % 2 and i + 1 < len(pieces) else '。'
  return text


def _cut(content: str) -> str:
  """Returns an unmarked poem with marks, where its length says how long its lines are."""
  size = len(content)
  width = _FORM_WIDTHS.get(size)
  if width is None and size >= _SHORTEST_CUT and (size % 10 == 0) != (size % 14 == 0):
    width = 5 if size % 10 == 0 else 7
  if width is None or not re.fullmatch(f'{HAN}+', content):
    return content
  return ''.join(content[first:first + width] + ('。' if first // width % 2 else '，')
                 for first in range(0, size, width))


@functools.cache
def variants() -> dict[str, str]:
  """Returns by character the others that may stand for it, the best first; see `scripts/build/build_variants.py`."""
  lines = TABLE.read_text(encoding='utf-8').split('\n')
  return {line[0]: line[1:] for line in lines if line and not line.startswith('#')}


class Spelling:
  """How texts are spelled with the characters of a vocabulary.

      >>> Spelling({'爱', '我'}).of('愛我')
      ('爱我', {'愛': '爱'})
  """

  def __init__(self, words: Container[str]):
    self._words = words
    self._known: dict[str, str] = {}

  def of(self, text: str) -> tuple[str, dict[str, str]]:
    """Returns a text with variants for what the vocabulary does not have, where it has one, and which they are."""
    changed = {}
    for character in dict.fromkeys(text):
      if character not in self._known:
        others = () if character in self._words else variants().get(character, ())
        self._known[character] = next((other for other in others if other in self._words), character)
      if self._known[character] != character:
        changed[character] = self._known[character]
    return text.translate({ord(character): other for character, other in changed.items()}) if changed else text, changed


def note_of(changed: dict[str, str]) -> str:
  """Returns what to tell a person of what `Spelling.of` changed."""
  shown = [f'{character} as {other}' for character, other in itertools.islice(changed.items(), _MOST_SHOWN)]
  return f'Read {", ".join(shown)}{", …" * (len(changed) > _MOST_SHOWN)}.'


def to_traditional(text: str) -> str:
  """Returns a text in traditional characters, by OpenCC.

  Raises:
    UserError: OpenCC is not installed.
  """
  return _converter()(text)


@functools.cache
def _converter():
  try:
    import opencc
  except ImportError:
    raise UserError("traditional characters need OpenCC, which is not installed; run: pip install 'tangshi_tf[corpus]'"
                    ) from None
  return opencc.OpenCC('s2t').convert
