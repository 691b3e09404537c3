"""Writes a corpus as shards, which training reads one line at a time.

    python scripts/write_shards.py --corpus=poems.txt --corpus=song.txt --out=shards
    python -m tangshi_tf.train --corpus='shards/*'

The parts of the split are those that training makes of the same poems. Which shard of its part a poem stands in, and
where, follows from its SHA-256: the order of the files does not matter, and poems that stood side by side do so no
longer.

All processor cores work, each on a block of 16 MB at a time. Besides a block they hold in memory a shard, which is
sorted there; the hashes of lines that more than one poem has; and those poems that have a near-duplicate, or share a
line with a poem that may have one. A file in the blank-line form is read whole. For a while the disk holds the corpus
twice more, in a folder beside --out that can be deleted if the script was killed.
"""

import concurrent.futures
import contextlib
import functools
import glob
import hashlib
import itertools
import json
import multiprocessing
import os
import pathlib
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tangshi_tf import cli, corpus
from tangshi_tf.corpus import files, shards
from tangshi_tf.errors import UserError

_CORPUS = flags.DEFINE_multi_string(
    'corpus', None, 'Corpus file, or a glob; repeat the flag for more (default: the poems that come with the package).')
_CORPUS_FORMAT = flags.DEFINE_enum('corpus_format', 'auto', corpus.FORMATS, 'titled, blank or auto: looks.')
_OUT = flags.DEFINE_string('out', 'shards', 'The folder to write, which must not exist.')
_SHARDS = flags.DEFINE_integer('shards', 16, 'Shards of the training part; the others have an 18th as many.',
                               lower_bound=1, upper_bound=99_999)
_FORMAT = flags.DEFINE_enum('format', shards.TEXT, shards.FORMATS, 'Text, or TFRecord with a checksum for each poem.')
_PROCESSES = flags.DEFINE_integer('processes', None, 'Processes (default: one a core).',
                                  lower_bound=1, upper_bound=1024)

_BLOCK = 2**24  # bytes
_LINES_A_BYTE = 1 / 16  # at most, about; of a poem's lines of verse
_HASHES_AT_ONCE = 2**23  # 64 MB


def main() -> int:
  start = time.perf_counter()
  out = pathlib.Path(_OUT.value)
  if os.path.lexists(out) or files.has_scheme(_OUT.value):
    raise UserError(f'{_OUT.value}: {"exists" if os.path.lexists(out) else "has a scheme"}; expected the name of a new '
                    'folder on this machine')
  paths, source = shards.find(_CORPUS.value, cli.quiet_start)
  if shards.by_part(paths) is not None:
    raise UserError(f'{source}: these are shards already; expected other files')
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.TERMINATED))  # so that what is half done goes
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'{out.name}.', dir=out.parent, ignore_cleanup_errors=True) as folder:
      blocks = [block for path in paths for block in divide(path, _CORPUS_FORMAT.value)]
      with_tensorflow = _FORMAT.value == shards.RECORDS or shards.needs_tensorflow(paths)
      made = write(blocks, pathlib.Path(folder), with_tensorflow)
      total = sum(counts['poems'] for counts in made.values())
      if not total:
        raise UserError(f'{source}: holds no poem; every title is followed by nothing')
      pathlib.Path(folder, 'finished').rename(out)
  except OSError as error:
    if os.path.lexists(out):
      raise UserError(f'{out}: exists by now; expected the name of a new folder') from None
    raise UserError(f'{out}: cannot be written ({error.strerror or error}); expected a place with room for three times '
                    'the corpus') from None
  except concurrent.futures.BrokenExecutor:
    raise UserError('a process was killed, perhaps for want of memory; expected fewer --processes or more '
                    '--shards') from None
  print(f'{total:,} poems in {time.perf_counter() - start:.0f} s')
  for part, counts in made.items():
    print(f'{counts["poems"]:>12,} {part}, in {counts["shards"]} shards')
  print(f'Train: python -m tangshi_tf.train --corpus={shlex.quote(glob.escape(str(out)) + "/*")}')
  return 0


@contextlib.contextmanager
def reading(path: str):
  """A context in which a file that cannot be read is a `UserError`."""
  try:
    yield
  except UserError:
    raise
  except (OSError, ValueError) as error:
    raise UserError(f'{path or repr("")}: cannot be read ({getattr(error, "strerror", None) or error}); '
                    'expected a UTF-8 text file of poems') from None


def divide(path: str, corpus_format: str) -> list[tuple[str, str, int, int]]:
  """Returns a file's blocks: path, format, and the bytes between which their lines begin."""
  with reading(path), files.open_binary(path) as file:
    head = file.read(_BLOCK)
    file.seek(0, os.SEEK_END)
    size = file.tell()
  if not head.strip():
    raise UserError(f'{path}: is empty; expected poems, one "title:content" a line')
  if corpus_format == 'blank' or corpus_format == 'auto' and b':' not in head:
    return [(path, corpus_format, 0, size)]
  return [(path, 'titled', first, min(first + _BLOCK, size)) for first in range(0, size, _BLOCK)]


def read(block: tuple[str, str, int, int]) -> Iterator[corpus.Poem]:
  """Yields the poems of a block."""
  path, corpus_format, first, end = block
  if corpus_format != 'titled':
    yield from corpus.read_poems(path, corpus_format=corpus_format)
    return
  with reading(path):
    lines = files.lines(path, max(first - 1, 0))
    if first:
      next(lines, None)
    for place, line in itertools.takewhile(lambda found: found[0] < end, lines):
      poem = shards.parse(line, f'{path}: line at byte {place}', first=not place)
      if poem is not None:
        yield poem


def write(blocks: list, folder: pathlib.Path, with_tensorflow: bool) -> dict[str, dict[str, int]]:
  """Writes the shards into folder/finished; returns how many poems and shards each part has."""
  counts = {'train': _SHARDS.value, 'validation': max(round(_SHARDS.value / 18), 1)}
  counts['test'] = counts['validation']
  size = sum(end - first for _, _, first, end in blocks)
  partitions = 1 + int(size * _LINES_A_BYTE) // _HASHES_AT_ONCE
  numbers = range(len(blocks))
  (folder / 'finished').mkdir()
  # Not forked: TensorFlow may have threads by now.
  with concurrent.futures.ProcessPoolExecutor(
      _PROCESSES.value, multiprocessing.get_context('spawn'), start_worker, (with_tensorflow,)) as pool:

    def each(work, items, *arguments) -> list:
      return list(pool.map(work, items, *([argument] * len(items) for argument in arguments)))

    each(hash_lines, list(zip(numbers, blocks)), folder)
    shared = each(find_shared, range(partitions), folder, len(blocks), partitions)
    np.save(folder / 'shared.npy', np.concatenate(shared))
    kin = each(find_kin_lines, blocks, folder)
    np.save(folder / 'kin.npy', np.unique(np.concatenate(kin)))
    related = dict.fromkeys(itertools.chain.from_iterable(each(find_related, blocks, folder)))
    np.save(folder / 'moved.npy', find_moved(list(related)))
    each(distribute, list(zip(numbers, blocks)), folder, counts)
    places = [(part, i, count) for part, count in counts.items() for i in range(count)]
    poems = each(write_shard, places, folder, len(blocks), _FORMAT.value)
  made = {part: {'poems': 0, 'shards': count} for part, count in counts.items()}
  for (part, _, _), number in zip(places, poems):
    made[part]['poems'] += number
  return made


def start_worker(with_tensorflow: bool):
  """Leaves Ctrl-C to the process that has started this one, and ends with it."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  if with_tensorflow:
    with cli.quiet_start():
      import tensorflow  # noqa: F401

  def end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)

  threading.Thread(target=end_with_parent, daemon=True).start()


def line_hashes(content: str) -> list[int]:
  """Returns 64 bits for each line by which a poem's kinship is judged."""
  return [int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), 'little')
          for line in corpus.judged_lines(content)]


def load_hashes(path: pathlib.Path) -> np.ndarray:
  """Returns the numbers in a file, which stay there until they are needed."""
  try:
    return np.load(path, mmap_mode='r')
  except ValueError:  # there are none, and nothing cannot be mapped
    return np.load(path)


def among(hashes: list[int], known: np.ndarray) -> np.ndarray:
  """Returns which of some hashes are among known ones, which rise, bool `[hashes]`."""
  wanted = np.array(hashes, np.uint64)
  place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
  return known[place] == wanted if len(known) else np.zeros(len(wanted), bool)


def hash_lines(numbered: tuple[int, tuple], folder: pathlib.Path):
  """Writes the hashes of a block's lines of verse, each once a poem, rising."""
  number, block = numbered
  hashes = [value for poem in read(block) for value in set(line_hashes(poem.content))]
  np.save(folder / f'hashes-{number}.npy', np.sort(np.array(hashes, np.uint64)))


def find_shared(i: int, folder: pathlib.Path, blocks: int, partitions: int) -> np.ndarray:
  """Returns the hashes in a partition of all 64-bit numbers that more than one poem has, rising."""
  low, high = (np.uint64(min(2**64 * bound // partitions, 2**64 - 1)) for bound in (i, i + 1))
  parts = []
  for number in range(blocks):
    hashes = load_hashes(folder / f'hashes-{number}.npy')
    parts.append(hashes[np.searchsorted(hashes, low):np.searchsorted(hashes, high)
                        if i + 1 < partitions else len(hashes)])
  hashes = np.sort(np.concatenate(parts))
  return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def find_kin_lines(block: tuple, folder: pathlib.Path) -> np.ndarray:
  """Returns the hashes of all shared lines of those poems of which they are half or more, so that each may be kin."""
  shared = load_hashes(folder / 'shared.npy')
  found: set[int] = set()
  for poem in read(block):
    hashes = line_hashes(poem.content)
    common = [value for value, is_shared in zip(hashes, among(hashes, shared)) if is_shared]
    if 2 * len(common) >= len(hashes) or 2 * len(set(common)) >= len(set(hashes)):
      found.update(common)
  return np.array(sorted(found), np.uint64)


def find_related(block: tuple, folder: pathlib.Path) -> list[str]:
  """Returns the poems of a block that have such a line; no others can be joined in a group."""
  kin = load_hashes(folder / 'kin.npy')
  return [poem.content for poem in read(block) if among(line_hashes(poem.content), kin).any()]


def find_moved(contents: list[str]) -> np.ndarray:
  """Returns two digests a row, uint8 `[poems, 64]`: of a poem, and the smallest in its group where that is another."""
  moved = {own: smallest for own, smallest in corpus.digests(contents) if smallest != own}
  return np.frombuffer(b''.join(own + first for own, first in moved.items()), np.uint8).reshape(-1, 64)


@functools.lru_cache(maxsize=1)
def load_moved(folder: pathlib.Path) -> dict[bytes, bytes]:
  return {row[:32].tobytes(): row[32:].tobytes() for row in np.load(folder / 'moved.npy')}


def distribute(numbered: tuple[int, tuple], folder: pathlib.Path, counts: dict[str, int]):
  """Writes the poems of a block by shard, each after its digest, and where those of each shard begin and end."""
  number, block = numbered
  moved = load_moved(folder)
  lines: dict[str, list[bytes]] = {}
  for poem in read(block):
    digest = corpus.digest(poem.content)
    part = corpus.part_of(moved.get(digest, digest))
    shard = int.from_bytes(digest[:8], 'big') * counts[part] >> 64
    lines.setdefault(f'{part}-{shard}', []).append(digest + corpus.to_line(poem))
  places = {}
  with open(folder / f'poems-{number}', 'wb') as file:
    for shard, records in lines.items():
      places[shard] = file.tell(), sum(map(len, records))
      file.writelines(records)
  (folder / f'places-{number}.json').write_text(json.dumps(places), encoding='ascii')


def write_shard(place: tuple[str, int, int], folder: pathlib.Path, blocks: int, shard_format: str) -> int:
  """Writes a shard, its poems by their digest; returns how many it has."""
  part, i, count = place
  records = []
  for number in range(blocks):
    places = json.loads((folder / f'places-{number}.json').read_text(encoding='ascii'))
    first, size = places.get(f'{part}-{i}', (0, 0))
    with open(folder / f'poems-{number}', 'rb') as file:
      file.seek(first)
      while file.tell() < first + size:
        records.append((file.read(32), file.readline()))
  records.sort()
  path = folder / 'finished' / shards.name(part, i, count, shard_format)
  if shard_format == shards.TEXT:
    path.write_bytes(b''.join(line for _, line in records))
    return len(records)
  import tensorflow as tf
  with files.os_errors(), tf.io.TFRecordWriter(str(path)) as writer:
    for _, line in records:
      writer.write(line.rstrip(b'\n'))
  return len(records)


if __name__ == '__main__':
  cli.run(main)
