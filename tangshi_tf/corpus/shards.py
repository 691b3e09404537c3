"""A corpus in shards: files that are read one line at a time and say in their names which part of the split they hold.

A shard `train-00003-of-00016.txt` holds a poem a line, `title:content`, in
UTF-8; one that ends in `.tfrecord` holds such lines, without line ends, as
records. `sharding.write` makes them.
"""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import os
import re
from collections.abc import Iterator

from tangshi_tf import long_work
from tangshi_tf.corpus import files
from tangshi_tf.corpus.poems import MAX_TOKENS, SPLITS, Poem, default_corpus_path, looks_like, to_line
from tangshi_tf.corpus.poems import fingerprint as fingerprint_of
from tangshi_tf.corpus.poets import with_poets
from tangshi_tf.corpus.reading import read_poems
from tangshi_tf.corpus.report import Report
from tangshi_tf.corpus.split import split_poems
from tangshi_tf.corpus.vocabulary import count_words
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.short import short_repr

TEXT, RECORDS = 'txt', 'tfrecord'
FORMATS = (TEXT, RECORDS)
_NAME = re.compile(rf'({"|".join(SPLITS)})-([0-9]+)-of-0*([1-9][0-9]*)\.({"|".join(FORMATS)})')


@dataclasses.dataclass
class Part:
  """The shards of a part of the split, and how long the poems in each of them are.

  Attributes:
    paths: in their order.
    lengths: for each of them how many of its poems have how many tokens, bos
      and eos included; poems that are left out for their length do not count.
  """

  paths: list[str]
  lengths: list[dict[int, int]]

  __repr__ = short_repr

  @property
  def poems(self) -> int:
    return sum(sum(counts.values()) for counts in self.lengths)


@dataclasses.dataclass
class Census:
  """What one reading of a corpus tells.

  Attributes:
    counts: how often each token of the train part occurs, see `corpus.count_words`.
    parts: by name, those without a poem too.
    validation_poem: the first one, if there is any.
    poems: how many there are, those that are left out for their length too.
    fingerprint: of all poems, see `corpus.fingerprint`.
  """

  counts: collections.Counter[str]
  parts: dict[str, Part]
  validation_poem: Poem | None
  poems: int
  fingerprint: str

  __repr__ = short_repr


def name(part: str, index: int, count: int, shard_format: str = TEXT) -> str:
  """Returns the file name of shard `index` (from 0) of the `count` shards of a part."""
  return f'{part}-{index:05d}-of-{count:05d}.{shard_format}'


def find(patterns: list[str] | None) -> tuple[list[str], str]:
  """Returns the files that are meant by paths and globs, and what messages call them.

  Args:
    patterns: None for the package's own poems.

  Raises:
    UserError: a glob matches nothing.
  """
  if patterns is None:
    path = str(default_corpus_path())
    return [path], path
  return files.expand(patterns), ' '.join(patterns)


def by_part(paths: list[str]) -> dict[str, list[str]] | None:
  """Returns the shards of each part by number, or None if the files are no shards.

  Raises:
    UserError: some of them are shards and some are not, or a shard is missing.
  """
  matches = [_NAME.fullmatch(path.replace(os.sep, '/').rpartition('/')[2]) for path in paths]
  if not any(matches):
    return None
  found: dict[str, dict[int, str]] = {part: {} for part in SPLITS}
  kinds: dict[str, set[tuple[int, str]]] = {part: set() for part in SPLITS}
  for path, match in zip(paths, matches):
    if not match:
      raise UserError(f'{path}: is no shard among others; expected names such as {name("train", 0, 16)}')
    part, index = match[1], int(match[2])
    if index in found[part]:
      raise UserError(f'{path}: is shard {index} of the {part} part, and so is {found[part][index]}; '
                      'expected one of them')
    found[part][index] = path
    kinds[part].add((int(match[3]), match[4]))
  if not found['train']:
    raise UserError(f'{paths[0]}: no shard of the train part is named; expected all shards, such as by a glob "DIR/*"')
  for part, shards in found.items():
    if len(kinds[part]) > 1:
      names = ' and '.join(f'{count} .{shard_format}' for count, shard_format in sorted(kinds[part]))
      raise UserError(f'{next(iter(shards.values()))}: the shards of the {part} part are some of {names}; '
                      'expected those of one writing')
    size, _ = next(iter(kinds[part]), (0, ''))
    missing = next((i for i in range(size) if i not in shards), None)
    if missing is not None:
      raise UserError(f'{name(part, missing, size).rpartition(".")[0]}: this shard is not among those named; '
                      f'expected all {size} of the {part} part')
    if len(shards) > size:
      raise UserError(f'{shards[max(shards)]}: its number is too great; expected 0 to {size - 1}')
  return {part: [path for _, path in sorted(shards.items())] for part, shards in found.items()}


def read(path: str) -> Iterator[Poem]:
  """Yields the poems of a shard, a line at a time, as they are in it.

  Raises:
    UserError: the file cannot be read, or a line is no poem.
  """
  try:
    for number, line in enumerate(_lines(path), 1):
      poem = parse(line, f'{path}:{number}', first=number == 1)
      if poem is not None:
        yield poem
  except UserError:
    raise
  except (OSError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or error
    raise UserError(f'{path or repr("")}: cannot be read ({reason}); expected a shard of poems') from None


def parse(line: bytes, where: str, *, first: bool = False) -> Poem | None:
  r"""Returns the poem of a line of a shard, None if it holds none.

  Args:
    line, where, first: see `decode`.

  Raises:
    UserError: it is no poem.
  """
  text = decode(line, where, first=first).strip()
  title, colon, content = text.partition(':')
  content = ''.join(content.split())
  if text and not colon:
    raise UserError(f'{where}: no ":" in {shorten(text)}; expected "title:content"')
  return Poem(title.strip(), content) if content else None


def decode(line: bytes, where: str, *, first: bool = False) -> str:
  r"""Returns the text of a line of a file of poems.

  Args:
    line: without its \n.
    where: its place, for messages.
    first: whether it is a file's first, which may begin with a byte order mark.

  Raises:
    UserError: it is no text.
  """
  if b'\0' in line:
    raise UserError(f'{where}: holds a NUL byte; expected a UTF-8 text file, not a binary one')
  if b'\r' in line.rstrip(b'\r'):
    raise UserError(f'{where}: holds a carriage return within the line; expected lines that end in \\n or \\r\\n')
  try:
    return line.decode('utf-8-sig' if first else 'utf-8')
  except UnicodeDecodeError as error:
    raise UserError(f'{where}: byte 0x{line[error.start]:02x} is not UTF-8; expected UTF-8 text'
                    f'{looks_like(line)}') from None


def _lines(path: str) -> Iterator[bytes]:
  """Yields the lines or records of a file."""
  if not path.endswith('.' + RECORDS):
    yield from (line for _, line in files.lines(path))
    return
  from tangshi_tf.quiet import tf
  if not files.has_scheme(path):
    with files.open_binary(path):  # which waits for no pipe
      pass
  with files.os_errors():
    with _without_warnings():  # deprecated, but what tf.data offers instead would start TensorFlow's devices
      records = tf.compat.v1.io.tf_record_iterator(path)
    yield from records


@contextlib.contextmanager
def _without_warnings():
  from tangshi_tf.quiet import tf
  logger = tf.get_logger()
  level = logger.level
  logger.setLevel('ERROR')
  try:
    yield
  finally:
    logger.setLevel(level)


def read_parts(paths: list[str], *, corpus_format: str = 'auto', only: str | None = None,
               report: Report | None = None, poets: bool = False) -> tuple[dict[str, list[Poem]], str]:
  """Reads a whole corpus.

  Args:
    paths: its files: shards, or others, which are split here.
    corpus_format: of those that are no shards, see `corpus.read_poems`.
    only: the part whose poems are wanted; of shards the others are not kept.
    report: see `corpus.read_poems`; shards are taken as they are.
    poets: whether the poems get what files of poets say, see `poets`; shards
      have none.

  Returns:
    The poems of each part, and the fingerprint of all.

  Raises:
    UserError: one of them cannot be used.
  """
  found = by_part(paths)
  if found is None:
    poems = []
    for path in paths:
      of_file = read_poems(path, corpus_format=corpus_format, report=report)
      poems += with_poets(of_file, path) if poets else of_file
    return split_poems(poems), fingerprint_of(poems)
  parts: dict[str, list[Poem]] = {part: [] for part in found}

  def every() -> Iterator[Poem]:
    for part, shards in found.items():
      for poem in long_work.told(itertools.chain.from_iterable(map(read, shards)), f'poems of the {part} part read'):
        if only in (None, part):
          parts[part].append(poem)
        yield poem

  return parts, fingerprint_of(every())


def count(parts: dict[str, list[str]], *, max_tokens: int = MAX_TOKENS, min_tokens: int = 0) -> Census:
  """Reads all shards once, in memory that does not grow with them.

  Args:
    parts: the shards of each part, see `by_part`.
    max_tokens, min_tokens: which poems count, see `corpus.keep_short`.

  Raises:
    UserError: one of them cannot be read.
  """
  fingerprint = hashlib.sha256()
  number = itertools.count()
  counted = {part: Part(paths, []) for part, paths in parts.items()}

  def kept(part: Part) -> Iterator[Poem]:
    for path in part.paths:
      lengths: dict[int, int] = collections.Counter()
      part.lengths.append(lengths)
      for poem in long_work.told(read(path), f'poems of {path} counted'):
        fingerprint.update(to_line(poem))
        next(number)
        tokens = len(poem.content) + 2
        if min_tokens <= tokens <= max_tokens:
          lengths[tokens] += 1
          yield poem

  counts = count_words(kept(counted['train']))
  validation = kept(counted['validation'])
  validation_poem = next(validation, None)
  for rest in (validation, kept(counted['test'])):
    collections.deque(rest, maxlen=0)
  return Census(counts, counted, validation_poem, next(number), fingerprint.hexdigest())
