"""Poem files, vocabularies and the leak-free split, in plain Python.

A corpus is a UTF-8 text file in one of two forms:

* titled: one poem a line, `title:content`;
* blank: no titles; a poem may span several lines, blank lines separate poems.
"""

import bisect
import collections
import dataclasses
import hashlib
import importlib.resources
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Sequence

from tangshi_tf import files
from tangshi_tf.errors import UserError

start_token = 'bos'
end_token = 'eos'
pad_token = 'PAD'
unknown_token = 'UNK'
SPECIAL_TOKENS = (pad_token, unknown_token, start_token, end_token)
PAD_ID = 0
UNK_ID = 1

SAMPLE_BEGINS = ('日', '红', '山', '夜', '湖', '海', '月')  # the exercise's begin words
MAX_TOKENS = 200  # the exercise's limit, bos and eos included
FORMATS = ('auto', 'titled', 'blank')
SPLITS = ('train', 'validation', 'test')

PUNCTUATION = '，。？！；、：'
_LINE_BREAK = re.compile(f'[{PUNCTUATION}]')
_MIN_LINE = 5  # characters; shorter lines are too formulaic to prove kinship


@dataclasses.dataclass(frozen=True)
class Poem:
  """One poem: `title` is empty in the blank-line form."""

  title: str
  content: str


def default_corpus_path() -> pathlib.Path:
  """Returns the `poems.txt` of this checkout or of the installed package."""
  in_checkout = pathlib.Path(__file__).parent.parent / 'poems.txt'
  if in_checkout.exists():
    return in_checkout
  return pathlib.Path(
      str(importlib.resources.files('tangshi_tf') / 'default_corpus')) / 'poems.txt'


def read_text(path: str | os.PathLike, *, content: str = 'poems, one "title:content" a line') -> str:
  """Reads a UTF-8 file, with or without a byte order mark.

  Args:
    path: the file, or a path with a scheme of `tf.io.gfile`.
    content: what is expected in it, for the message.

  Returns:
    The text with `\\n` line ends.

  Raises:
    UserError: the file is missing, unreadable, empty, binary or not UTF-8.
  """
  try:
    with files.open_binary(path) as file:
      data = file.read()
  except (OSError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or error
    name = str(path) or repr('')
    raise UserError(f'{name}: cannot be read ({reason}); expected a UTF-8 text file of {content}') from None
  nul = data.find(b'\0')
  if nul >= 0:
    raise UserError(f'{path}: holds a NUL byte at offset {nul}; expected a UTF-8 text file, not a binary one')
  try:
    text = data.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    line = len(re.findall(rb'\r\n?|\n', data[:error.start])) + 1
    raise UserError(f'{path}:{line}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8; '
                    'expected a UTF-8 text file (convert it first)') from None
  if not text.strip():
    raise UserError(f'{path}: is empty; expected {content}')
  return text.replace('\r\n', '\n').replace('\r', '\n')


def read_poems(path: str | os.PathLike, *, corpus_format: str = 'auto') -> list[Poem]:
  """Reads a corpus file.

  Args:
    path: a UTF-8 text file.
    corpus_format: 'titled', 'blank', or 'auto', which takes a file without
      any ':' but with blank lines between its lines for the blank-line form.

  Returns:
    The poems in file order, without white space in their content; poems
    without content are left out.

  Raises:
    UserError: the file cannot be read, a line of the titled form has no ':',
      or there is no poem in it.
  """
  if corpus_format not in FORMATS:
    raise UserError(f'corpus format {corpus_format!r} is unknown; expected one of {", ".join(FORMATS)}')
  text = read_text(path)
  if corpus_format == 'auto':
    blank = ':' not in text and re.search(r'\S[^\S\n]*\n[^\S\n]*\n\s*\S', text)
    corpus_format = 'blank' if blank else 'titled'
  poems = _blank_form(text) if corpus_format == 'blank' else _titled_form(text, path)
  poems = [poem for poem in poems if poem.content]
  if not poems:
    raise UserError(f'{path}: holds no poem; every title is followed by nothing')
  return poems


def _titled_form(text: str, path: str | os.PathLike) -> list[Poem]:
  poems = []
  for number, line in enumerate(text.split('\n'), 1):
    poem = titled_poem(line, f'{path}:{number}')
    if poem is not None:
      poems.append(poem)
  return poems


def titled_poem(line: str, where: str) -> Poem | None:
  """Returns the poem of a `title:content` line, None for a blank line.

  Raises:
    UserError: there is no ':'; `where` is the line's place, for the message.
  """
  line = line.strip()
  if not line:
    return None
  title, colon, content = line.partition(':')
  if not colon:
    if '：' in line:
      raise UserError(f'{where}: no ":" in {shorten(line)}; the full-width "：" does not separate a title')
    raise UserError(f'{where}: no ":" in {shorten(line)}; expected "title:content" '
                    '(or poems without titles, separated by blank lines: the "blank" corpus format)')
  return Poem(title.strip(), ''.join(content.split()))


def _blank_form(text: str) -> list[Poem]:
  blocks = re.split(r'\n\s*\n', text)
  return [Poem('', ''.join(block.split())) for block in blocks]


def shorten(text: str, limit: int = 20) -> str:
  """Quotes `text` for a message, cut to `limit` characters, on one line."""
  return repr(text if len(text) <= limit else text[:limit] + '…')


def tokenize(content: str) -> list[str]:
  """Returns `[bos] + characters + [eos]`."""
  return [start_token, *content, end_token]


def keep_short(poems: list[Poem], max_tokens: int = MAX_TOKENS, min_tokens: int = 0) -> list[Poem]:
  """Returns the poems of at most `max_tokens` and at least `min_tokens` tokens, bos and eos included."""
  return [poem for poem in poems if min_tokens <= len(poem.content) + 2 <= max_tokens]


def build_vocabulary(poems: Iterable[Poem], *, size: int | None = None) -> list[str]:
  """Returns the words by id: PAD, UNK, then all tokens by falling frequency.

  Tokens of equal frequency stand in the order of their first occurrence.

  Args:
    poems: the texts that are counted, one at a time.
    size: keep so many words at most, PAD and UNK included; the rarest
      characters go and become UNK.
  """
  counts: collections.Counter[str] = collections.Counter()
  for poem in poems:
    counts[start_token] += 1
    counts.update(poem.content)
    counts[end_token] += 1
  words = [word for word, _ in counts.most_common()]
  if size is not None:
    characters = [word for word in words if word not in SPECIAL_TOKENS]
    dropped = set(characters[max(size - len(SPECIAL_TOKENS), 0):])
    words = [word for word in words if word not in dropped]
  return [pad_token, unknown_token, *words]


def word_tables(words: list[str]) -> tuple[dict[str, int], dict[int, str]]:
  """Returns `word2id` and `id2word` for words listed by id."""
  id2word = dict(enumerate(words))
  return {word: i for i, word in id2word.items()}, id2word


def encode(content: str, word2id: dict[str, int]) -> list[int]:
  """Returns the ids of `[bos] + characters + [eos]`, UNK for unknown ones."""
  return [word2id.get(word, UNK_ID) for word in tokenize(content)]


def id_table(word2id: dict[str, int]):
  """Returns the ids by code point, int32 `[0x110000]`, UNK where there is none."""
  import numpy as np
  table = np.full(sys.maxunicode + 1, UNK_ID, np.int32)
  for word, i in word2id.items():
    if len(word) == 1:
      table[ord(word)] = i
  return table


def encode_all(poems: Sequence[Poem], word2id: dict[str, int]):
  """Encodes many poems as two NumPy arrays.

  Returns:
    The ids, int32 `[tokens]`, which are those of `encode` poem after poem, and
    where each poem begins and the last one ends, int64 `[poems + 1]`.
  """
  import numpy as np  # here, so that a command's --help does not wait for it
  table = id_table(word2id)
  splits = np.zeros(len(poems) + 1, np.int64)
  np.cumsum([len(poem.content) + 2 for poem in poems], out=splits[1:])
  ids = np.empty(splits[-1], np.int32)
  ids[splits[:-1]] = word2id[start_token]
  ids[splits[1:] - 1] = word2id[end_token]
  for first, poem in zip(splits, poems):
    codes = np.frombuffer(poem.content.encode('utf-32-le', 'surrogatepass'), np.uint32)
    ids[first + 1:first + 1 + len(codes)] = table[codes]
  return ids, splits


# The split.


def verse_lines(content: str) -> list[str]:
  """Splits a poem at its punctuation; empty lines are left out."""
  return [line for line in _LINE_BREAK.split(content) if line]


def judged_lines(content: str) -> list[str]:
  """Returns the lines by which a poem's kinship is judged, at least one."""
  every = verse_lines(content)
  return [line for line in every if len(line) >= _MIN_LINE] or every or [content]


def near_duplicate_groups(contents: list[str]) -> list[int]:
  """Groups poems that share half or more of their lines.

  Two poems are near-duplicates when at least half of the lines of either one,
  counted with or without repetition, also stand in the other. Only lines of
  five or more characters count, except in poems that have none. A group is a
  connected component of that relation.

  Args:
    contents: the poems' texts.

  Returns:
    For each poem the index of its group's first member.
  """
  distinct = list(dict.fromkeys(contents))
  lines = [judged_lines(content) for content in distinct]
  holders = collections.defaultdict(list)
  for i, poem_lines in enumerate(lines):
    for line in dict.fromkeys(poem_lines):
      holders[line].append(i)

  parent = list(range(len(distinct)))

  def find(i):
    while parent[i] != i:
      parent[i] = parent[parent[i]]
      i = parent[i]
    return i

  def join(i, j):
    a, b = find(i), find(j)
    parent[max(a, b)] = min(a, b)

  # A line all of whose holders are in one group proves nothing more. Without this a line that all poems have
  # would make the time quadratic.
  settled = set()
  for i, poem_lines in enumerate(lines):
    occurrences = collections.Counter(poem_lines)
    for line, times in occurrences.items():
      if line not in settled and (2 * times >= len(poem_lines) or 2 >= len(occurrences)):
        settled.add(line)
        for j in holders[line]:
          join(i, j)
  for i, poem_lines in enumerate(lines):
    occurrences = collections.Counter(poem_lines)
    rare, common = _divide(occurrences, len(poem_lines), holders)
    rare = [line for line in rare if len(holders[line]) > 1 and line not in settled]
    shared: collections.Counter[int] = collections.Counter()
    shared_distinct: collections.Counter[int] = collections.Counter()
    for line in rare:
      for j in holders[line]:
        shared[j] += occurrences[line]
        shared_distinct[j] += 1
    for j in shared:
      if find(i) == find(j):
        continue
      for line in common:
        if line not in settled and _holds(holders[line], j):
          shared[j] += occurrences[line]
          shared_distinct[j] += 1
      if 2 * shared[j] >= len(poem_lines) or 2 * shared_distinct[j] >= len(occurrences):
        join(i, j)
    for line in rare:
      if len({find(j) for j in holders[line]}) == 1:
        settled.add(line)
  rank = {content: i for i, content in enumerate(distinct)}
  first = {content: i for i, content in reversed(list(enumerate(contents)))}
  return [first[distinct[find(rank[content])]] for content in contents]


def _divide(occurrences: dict[str, int], total: int, holders: dict[str, list[int]]) -> tuple[list[str], list[str]]:
  """Divides a poem's lines into rare ones and the most common ones, which are less than half of it.

  What shares half of the poem thus shares a rare line.
  """
  by_holders = sorted(occurrences, key=lambda line: len(holders[line]))
  common: list[str] = []
  left = total
  while 2 * (total - left + occurrences[by_holders[-1]]) < total and 2 * (len(common) + 1) < len(occurrences):
    common.append(by_holders.pop())
    left -= occurrences[common[-1]]
  return by_holders, common


def _holds(sorted_numbers: list[int], number: int) -> bool:
  place = bisect.bisect_left(sorted_numbers, number)
  return place < len(sorted_numbers) and sorted_numbers[place] == number


def split_poems(poems: list[Poem]) -> dict[str, list[Poem]]:
  """Splits poems 90/5/5 into 'train', 'validation' and 'test', without leaks.

  The part is a hash of the smallest hash among a poem's near-duplicates, so it
  depends on nothing but the texts: the order of the file does not matter, and
  adding a poem moves none but its own near-duplicates.
  """
  parts: dict[str, list[Poem]] = {name: [] for name in SPLITS}
  for poem, (_, smallest) in zip(poems, digests([poem.content for poem in poems])):
    parts[part_of(smallest)].append(poem)
  return parts


def digest(content: str) -> bytes:
  """Returns the SHA-256 of a poem's text."""
  return hashlib.sha256(_to_bytes(content)).digest()


def digests(contents: list[str]) -> list[tuple[bytes, bytes]]:
  """Returns of each poem's text its digest, and the smallest one among those of its near-duplicates and its own."""
  own = [digest(content) for content in contents]
  groups = near_duplicate_groups(contents)
  smallest: dict[int, bytes] = {}
  for group, each in zip(groups, own):
    smallest[group] = min(each, smallest.get(group, each))
  return [(each, smallest[group]) for group, each in zip(groups, own)]


def part_of(smallest: bytes) -> str:
  """Returns the part of a poem, given the smallest digest among its near-duplicates."""
  # Hashed again: the minimum of a group's hashes is no longer uniform.
  percent = int.from_bytes(hashlib.sha256(smallest).digest()[:8], 'big') * 100 >> 64
  return 'train' if percent < 90 else 'validation' if percent < 95 else 'test'


def training_parts(poems: list[Poem], source: str | os.PathLike, *, max_tokens: int = MAX_TOKENS,
                   min_tokens: int = 0) -> dict[str, list[Poem]]:
  """Splits poems as training does: those of more than 200 tokens are left out.

  Args:
    poems: all poems of a corpus.
    source: where they come from, for the message.
    max_tokens, min_tokens: see `keep_short`.

  Raises:
    UserError: no poem is left to train on.
  """
  return keep_parts(split_poems(poems), source, max_tokens=max_tokens, min_tokens=min_tokens)


def keep_parts(parts: dict[str, list[Poem]], source: str | os.PathLike, *, max_tokens: int = MAX_TOKENS,
               min_tokens: int = 0) -> dict[str, list[Poem]]:
  """Returns the poems of each part that training keeps, see `training_parts`."""
  kept = {name: keep_short(part, max_tokens, min_tokens) for name, part in parts.items()}
  check_training_part(len(kept['train']), source, sum(map(len, parts.values())), max_tokens=max_tokens,
                      min_tokens=min_tokens)
  return kept


def check_training_part(kept: int, source: str | os.PathLike, poems: int, *, max_tokens: int, min_tokens: int):
  """Raises UserError if none of a corpus's poems was kept to train on."""
  if not kept:
    length = f'{min_tokens} to' if min_tokens else 'at most'
    raise UserError(f'{source}: of its {poems} poems none of {length} {max_tokens} tokens '
                    '(characters plus bos and eos) falls into the training part; expected more or shorter poems')


def fingerprint(poems: Iterable[Poem]) -> str:
  """Returns the SHA-256 of the poems written as `title:content` lines.

  For a titled file in that plain form it is the file's own.
  """
  total = hashlib.sha256()
  for poem in poems:
    total.update(to_line(poem))
  return total.hexdigest()


def to_line(poem: Poem) -> bytes:
  """Returns a poem as a line of the titled form."""
  return _to_bytes(f'{poem.title}:{poem.content}\n')


def _to_bytes(text: str) -> bytes:
  # No file has surrogates, but a caller's own poems may.
  return text.encode('utf-8', 'surrogatepass')
