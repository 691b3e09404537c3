"""Poems as people have them: the formats of files, which of them a file has, and what is left out.

* titled: a poem a line, `title:content`, also with the full-width colon;
* authored: a poem a line, `title:author:content`;
* blank: blank lines separate poems, which may span several lines, perhaps after a line or a block with the title;
* lines: a poem a line;
* csv: a header with the columns title, author and content, between commas, semicolons or tabs;
* json: objects with title, author and content or paragraphs, one a line or in a list, which may hold texts alone.

Of each poem the title and the content are kept, the content as `text.verse` makes it.
"""

import csv
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tangshi_tf import long_work
from tangshi_tf.corpus.poems import Poem, read_text
from tangshi_tf.corpus.report import Report
from tangshi_tf.corpus.text import HAN, MARK, clean, require_text, verse, verse_lines
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import shown

FORMATS = ('auto', 'titled', 'authored', 'blank', 'lines', 'csv', 'json')
FORMATS_HELP = ('titled: "title:content" a line; authored: "title:author:content"; blank: blank lines between poems; '
                'lines: a poem a line; csv: with a header; json: objects; auto: detected.')
BY_LINE = ('titled', 'authored', 'lines')
_FIELDS = {'title': 'title', '题目': 'title', '標題': 'title', '标题': 'title', '诗名': 'title', '詩名': 'title',
           'author': 'author', '作者': 'author', '诗人': 'author', 'content': 'content', 'paragraphs': 'content',
           'text': 'content', '内容': 'content', '內容': 'content', '正文': 'content', '诗文': 'content'}
_DELIMITERS = ',;\t'
_SAMPLE = 1000  # lines that decide the format of a file
_LONGEST_LOOK = 10_000  # characters of each
_LONGEST_TITLE = 40  # characters, where it is not certain that something is a title
_MOST_TITLE_LINES = 3
_MOST_LINES = 64  # of a poem, where no blank line says where it ends
_BLANK_LINE = re.compile(r'\n[^\S\n]*(?:\n\s*)?\n')
_QUOTED_TITLE = re.compile(r'\s*《([^《》]{1,40})》')
_HAN = re.compile(HAN)
_SENTENCE = re.compile(f'{HAN}[。！？]')


def read_poems(path: str | os.PathLike, *, corpus_format: str = 'auto', report: Report | None = None) -> list[Poem]:
  """Reads a corpus file.

  Args:
    path: a UTF-8 text file.
    corpus_format: one of `FORMATS`, see the module; 'auto' finds out.
    report: to which what was left out or changed is added.

  Returns:
    The poems in file order, as `text.verse` makes them; those without content
    are left out.

  Raises:
    UserError: the file cannot be read, a line is not in the file's format, or
      there is no poem in it.
  """
  if not isinstance(corpus_format, str) or corpus_format not in FORMATS:
    raise UserError(f'corpus format {shown(corpus_format)} is unknown; expected one of {", ".join(FORMATS)}')
  text = read_text(path)
  report = Report() if report is None else report
  if corpus_format == 'auto':
    corpus_format = detect(text)
  report.formats.add(corpus_format)
  found = long_work.told(_READERS[corpus_format](text, path, report), f'poems of {path} read')
  poems = [poem for poem in found if poem.content]
  if not poems:
    raise UserError(f'{path}: holds no poem{f" ({report})" if str(report) else ""}; expected verse')
  return poems


def detect(text: str) -> str:
  """Returns the format of a file, given its text or the first part of it."""
  if re.match(r'\s*((\[\s*)?\{\s*["}]|\[\s*")', text):
    return 'json'
  if _columns(text.lstrip().partition('\n')[0]):
    return 'csv'
  sample: list[str] = []
  end = 0
  while len(sample) < _SAMPLE and end >= 0:
    start, end = end, text.find('\n', end + 1)
    if line := text[start:end if end >= 0 else len(text)][:_LONGEST_LOOK].strip():
      sample.append(line)
  titled = [line for line in sample if _has_title(line)]
  if 2 * len(titled) >= len(sample):
    authored = [line for line in titled if _has_author(line)]
    return 'authored' if 2 * len(authored) > len(titled) else 'titled'
  if _BLANK_LINE.search(text.strip()) or _is_one_poem(sample):
    return 'blank'
  # What is not Chinese is hardly a corpus without titles, and an error says what was expected.
  return 'lines' if 2 * len(_HAN.findall(''.join(sample))) >= sum(map(len, sample)) else 'titled'


def _separator(line: str) -> str:
  return ':' if ':' in line else '：'


def _has_title(line: str) -> bool:
  """Returns whether a line has a colon, not after a sentence, or a full-width one after what may be a title."""
  title, colon, _ = line.partition('：')
  return (':' in line and not _SENTENCE.search(line.partition(':')[0])
          or bool(colon) and len(title) <= _LONGEST_TITLE and not MARK.search(title))


def _has_author(line: str) -> bool:
  _, author, content = (line.split(_separator(line), 2) + ['', ''])[:3]
  return bool(content.strip()) and bool(author.strip()) and len(author) <= _LONGEST_TITLE and not MARK.search(
      clean(author))


def _is_one_poem(lines: list[str]) -> bool:
  """Returns whether lines are together one poem of four or eight lines of verse, none of them by itself."""
  each = [verse_lines(verse(line)) for line in lines[:_MOST_LINES + 1]]
  every = verse_lines(verse('\n'.join(lines[:_MOST_LINES + 1])))
  return len(each) > 1 and max(map(len, each)) < 4 and len(every) in (4, 8) and len(set(map(len, every))) == 1


def titled_poem(line: str, where: str, report: Report, *, authored: bool = False) -> Poem | None:
  """Returns the poem of a line `title:content` or `title:author:content`, None for a blank line.

  Raises:
    UserError: there is no colon; `where` is the line's place, for the message.
  """
  line = line.strip()
  if not line:
    return None
  separator = _separator(line)
  title, colon, content = line.partition(separator)
  if not colon:
    raise UserError(f'{where}: no ":" in {shorten(line)}; expected "title:content" '
                    '(or another corpus_format, such as lines or blank)')
  if authored and _has_author(line):
    content = content.partition(separator)[2]
    report.counts['authors left out'] += 1
  return Poem(title.strip(), report.content(content))


def line_poem(line: str, corpus_format: str, where: str, report: Report) -> Poem | None:
  """Returns the poem of a line in one of the formats `BY_LINE`, None for a blank line."""
  if corpus_format == 'lines':
    poem = _poem_of([line], report) if line.strip() else None
    report.counts['end in a comma, perhaps lines of longer poems'] += poem is not None and poem.content[-1:] == '，'
    return poem
  return titled_poem(line, where, report, authored=corpus_format == 'authored')


def _by_line(corpus_format: str):
  def read(text: str, path, report: Report) -> Iterator[Poem]:
    for number, line in enumerate(text.split('\n'), 1):
      poem = line_poem(line, corpus_format, f'{path}:{number}', report)
      if poem is not None:
        yield poem

  return read


def _blank(text: str, path, report: Report) -> Iterator[Poem]:
  title = ''
  for block, following in itertools.pairwise([*re.split(r'\n\s*\n', text.strip()), '']):
    if not title and _is_title(block) and MARK.search(clean(following)):
      quoted = _QUOTED_TITLE.search(block)
      title = quoted[1] if quoted else block.strip()
      report.counts['titles left out'] += 1
    elif title:
      yield Poem(title, report.content(block))
      title = ''
    else:
      yield _poem_of(block.split('\n'), report)


def _is_title(block: str) -> bool:
  """Returns whether a block may be the title of the next one."""
  return '\n' not in block and len(block) <= _LONGEST_TITLE and not MARK.search(clean(block))


def _poem_of(lines: list[str], report: Report) -> Poem:
  """Returns the poem of some lines, perhaps after lines with the title and the author."""
  if match := _QUOTED_TITLE.match(lines[0]):
    lines = [lines[0][match.end():], *lines[1:]]
    report.counts['titles left out'] += 1
    return Poem(match[1], report.content('\n'.join(lines[_title_lines(lines):])))
  count = _title_lines(lines)
  report.counts['titles left out'] += bool(count)
  return Poem(' '.join(map(str.strip, lines[:count])), report.content('\n'.join(lines[count:])))


def _title_lines(lines: list[str]) -> int:
  """Returns how many lines come before a poem: without marks, and of another length than its lines of verse."""
  if len(lines) < 2:
    return 0
  cleaned = [''.join(clean(line).split()) for line in lines]
  first = next((i for i, line in enumerate(cleaned) if MARK.search(line)), None)
  if first is None:
    for count in range(1, min(_MOST_TITLE_LINES, len(lines) - 2) + 1):
      rest = {len(line) for line in cleaned[count:] if line}
      if len(rest) == 1 and len(cleaned[count - 1]) not in rest:
        return count
    return 0
  widths = {len(line) for line in verse_lines(cleaned[first])}
  count = 0
  while count < min(first, _MOST_TITLE_LINES) and len(cleaned[count]) not in widths:
    count += 1
  return count if count == first else 0


def _columns(line: str) -> tuple[str, list[str]] | None:
  """Returns the delimiter of a CSV header and what its columns hold ('' for nothing of use), None if it is none."""
  for delimiter in _DELIMITERS:
    names = [_FIELDS.get(name.strip().strip('"\'').lower(), '') for name in line[:1000].split(delimiter)]
    if len(names) > 1 and names.count('content') == 1:
      return delimiter, names
  return None


def _csv(text: str, path, report: Report) -> Iterator[Poem]:
  found = _columns(text.lstrip().partition('\n')[0])
  if found is None:
    raise UserError(f'{path}: {shorten(text.strip())} names no column content; expected a header such as '
                    'title,author,content')
  delimiter, names = found
  rows = csv.reader(text.lstrip().split('\n'), delimiter=delimiter)
  try:
    next(rows)
    for row in rows:
      if row:
        yield _record(dict(zip(filter(None, names), (cell for cell, name in zip(row, names) if name))),
                      f'{path}:{rows.line_num}', report)
  except csv.Error as error:
    raise UserError(f'{path}:{rows.line_num}: is no row of CSV ({error})') from None


def _json(text: str, path, report: Report) -> Iterator[Poem]:
  where = str(path)
  try:
    if text.lstrip().startswith('['):
      for i, item in enumerate(json.loads(text), 1):
        yield _record(item, f'{path}: object {i}', report)
      return
    for number, line in enumerate(text.split('\n'), 1):
      if line.strip():
        where = f'{path}:{number}'
        yield _record(json.loads(line), where, report)
  except UserError:
    raise
  except (ValueError, RecursionError) as error:
    raise UserError(f'{where}: is no JSON ({error}); expected an object with title and content a line, or a list of '
                    'them') from None


def _record(item: Any, where: str, report: Report) -> Poem:
  """Returns the poem of an object of JSON or a row of CSV."""
  found = {_FIELDS.get(str(name).lower(), ''): value for name, value in item.items()} if isinstance(item, dict) else {}
  content = item if isinstance(item, str) else found.get('content')
  lines = [content] if isinstance(content, str) else content
  if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
    raise UserError(f'{where}: has no content; expected title, author and content or paragraphs, which are texts')
  report.counts['authors left out'] += bool(found.get('author'))
  title = found.get('title')
  return Poem(' '.join(title.replace(':', '：').split()) if isinstance(title, str) else '',
              report.content('\n'.join(lines)))


_READERS: dict[str, Callable[[str, Any, Report], Iterator[Poem]]] = {
    'blank': _blank, 'csv': _csv, 'json': _json, **{name: _by_line(name) for name in BY_LINE}}


def to_poem(text: str, report: Report | None = None) -> Poem:
  """Returns the poem of a text that is one, with or without a title, or in JSON.

  Raises:
    UserError: it is no Unicode text.
  """
  require_text(text)
  report = Report() if report is None else report
  if re.match(r'\s*\{\s*"', text):
    return next(_json(' '.join(text.split()), 'the text', report))
  lines = [line for line in text.strip().split('\n') if line.strip()] or ['']
  if _has_title(lines[0]):
    head = titled_poem(lines[0], 'the text', Report())
    assert head is not None  # the line is not blank
    lines[0] = lines[0].strip().partition(_separator(lines[0]))[2]
    return Poem(head.title, report.content('\n'.join(lines)))
  return _poem_of(lines, report)


def poems_in(lines: Iterable[str], report: Report | None = None) -> Iterator[Poem]:
  """Yields the poems in lines as they come, a poem a line or in several with blank lines between poems.

  Lines that belong together but are no poem by themselves are one if a blank
  line ends them, or if they have four or eight lines of verse.

  Raises:
    UserError: a line is no Unicode text.
  """
  report = Report() if report is None else report
  block: list[str] = []
  blank = False

  def flush() -> Iterator[Poem]:
    each = [to_poem(line) for line in block]
    if len(block) == 1 or block and not all(_is_whole(poem) for poem in each) and (
        (blank and len(block) <= _MOST_LINES) or _is_one_poem(block)):
      yield to_poem('\n'.join(block), report)
    else:
      yield from (to_poem(line, report) for line in block)
    block.clear()

  for line in lines:
    if not line.strip():
      blank = blank or bool(block)
      yield from flush()
    elif not block and _is_whole(to_poem(line)):
      yield to_poem(line, report)
    else:
      block.append(line)
      if len(block) > _MOST_LINES:
        yield from flush()
  yield from flush()


def _is_whole(poem: Poem) -> bool:
  """Returns whether a line has enough lines of verse to be a poem by itself."""
  return len(verse_lines(poem.content)) >= 4
