"""Writes a corpus as shards, which training reads one line at a time.

    python scripts/write_shards.py --corpus=poems.txt --corpus=song.txt --out=shards
    python -m tangshi_tf.train --corpus='shards/*'

The parts of the split are those that training makes of the same poems. Which shard of its part a poem stands in, and
where, follows from its SHA-256: the order of the files does not matter, and poems that stood side by side do so no
longer.

All processor cores work, each on a block of 16 MB at a time. What grows in memory is a shard, which is sorted there,
and the poems that have a line in common with another poem, among which near-duplicates are looked for; a file in
the blank-line form is read whole. For a while the disk holds the corpus twice more.
"""

import concurrent.futures
import hashlib
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tangshi_tf import cli, corpus, files, shards
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
  if os.path.lexists(out):
    raise UserError(f'{out}: exists; expected the name of a new folder')
  paths, source = cli.find_corpus(_CORPUS.value)
  if shards.by_part(paths) is not None:
    raise UserError(f'{source}: these are shards already; expected other files')
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'{out.name}.', dir=out.parent) as folder:
      blocks = [block for path in paths for block in divide(path, _CORPUS_FORMAT.value)]
      made = write(blocks, pathlib.Path(folder))
      total = sum(counts['poems'] for counts in made.values())
      if not total:
        raise UserError(f'{source}: holds no poem; every title is followed by nothing')
      finished = pathlib.Path(folder, 'finished')
      finished.chmod(0o755)
      finished.rename(out)
  except OSError as error:
    raise UserError(f'{error.filename or out}: cannot be written ({error.strerror or error}); '
                    'expected a place with room for three times the corpus') from None
  print(f'{total:,} poems in {time.perf_counter() - start:.0f} s')
  for part, counts in made.items():
    print(f'{counts["poems"]:>12,} {part}, in {counts["shards"]} shards')
  print(f"Train: python -m tangshi_tf.train --corpus='{out}/*'")
  return 0


def divide(path: str, corpus_format: str) -> list[tuple[str, str, int, int]]:
  """Returns a file's blocks: path, format, and the bytes between which their lines begin."""
  try:
    with files.open_binary(path) as file:
      head = file.read(_BLOCK)
      file.seek(0, os.SEEK_END)
      size = file.tell()
  except (OSError, ValueError) as error:
    raise UserError(f'{path or repr("")}: cannot be read ({getattr(error, "strerror", None) or error}); '
                    'expected a UTF-8 text file of poems') from None
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
  with files.open_binary(path) as file:
    file.seek(max(first - 1, 0))
    if first:
      file.readline()
    while (place := file.tell()) < end:
      poem = shards.parse(file.readline(), f'{path}: line at byte {place}', first=not place)
      if poem is not None:
        yield poem


def write(blocks: list, folder: pathlib.Path) -> dict[str, dict[str, int]]:
  """Writes the shards into folder/finished; returns how many poems and shards each part has."""
  counts = {'train': _SHARDS.value, 'validation': max(round(_SHARDS.value / 18), 1)}
  counts['test'] = counts['validation']
  size = sum(end - first for _, _, first, end in blocks)
  partitions = 1 + int(size * _LINES_A_BYTE) // _HASHES_AT_ONCE
  finished = folder / 'finished'
  finished.mkdir()
  # Not forked: TensorFlow may have threads by now.
  with concurrent.futures.ProcessPoolExecutor(
      _PROCESSES.value, multiprocessing.get_context('spawn'), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:

    def each(work, items, *arguments):
      return list(pool.map(work, items, *([argument] * len(items) for argument in arguments)))

    each(hash_lines, list(enumerate(blocks)), folder, partitions)
    np.save(folder / 'shared.npy', np.concatenate(each(find_shared, list(range(partitions)), folder)))
    related = [content for contents in each(find_related, blocks, folder) for content in contents]
    np.save(folder / 'moved.npy', find_moved(related))
    each(distribute, list(enumerate(blocks)), folder, counts)
    places = [(part, i, count) for part, count in counts.items() for i in range(count)]
    poems = each(write_shard, places, folder, finished, _FORMAT.value)
  made = {part: {'poems': 0, 'shards': count} for part, count in counts.items()}
  for (part, _, _), number in zip(places, poems):
    made[part]['poems'] += number
  return made


def hash_lines(numbered: tuple[int, tuple], folder: pathlib.Path, partitions: int):
  """Writes the hashes of a block's lines of verse, each once a poem, to files by partition."""
  number, block = numbered
  hashes = np.array([value for poem in read(block) for value in line_hashes(poem.content)], np.uint64)
  where = partition(hashes, partitions)
  for i in range(partitions):
    np.save(folder / f'hashes-{i}-{number}.npy', hashes[where == i])


def line_hashes(content: str) -> list[int]:
  return [int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), 'little')
          for line in set(corpus.judged_lines(content))]


def partition(hashes: np.ndarray, partitions: int) -> np.ndarray:
  return (hashes >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)


def find_shared(i: int, folder: pathlib.Path) -> np.ndarray:
  """Returns the hashes of a partition that more than one poem has, rising."""
  paths = list(folder.glob(f'hashes-{i}-*.npy'))
  hashes = np.sort(np.concatenate([np.load(path) for path in paths]))
  for path in paths:
    path.unlink()
  return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def find_related(block: tuple, folder: pathlib.Path) -> list[str]:
  """Returns the poems of a block that have a line in common with another; only these can be near-duplicates."""
  shared = set(np.load(folder / 'shared.npy').tolist())
  return [poem.content for poem in read(block) if not shared.isdisjoint(line_hashes(poem.content))]


def find_moved(contents: list[str]) -> np.ndarray:
  """Returns two digests a row, uint8 `[poems, 64]`: of a poem, and the smallest in its group where that is another."""
  digests = [corpus.digest(content) for content in contents]
  smallest: dict[int, bytes] = {}
  groups = corpus.near_duplicate_groups(contents)
  for group, own in zip(groups, digests):
    smallest[group] = min(own, smallest.get(group, own))
  moved = {own: smallest[group] for group, own in zip(groups, digests) if smallest[group] != own}
  return np.frombuffer(b''.join(own + first for own, first in moved.items()), np.uint8).reshape(-1, 64)


def distribute(numbered: tuple[int, tuple], folder: pathlib.Path, counts: dict[str, int]):
  """Writes the poems of a block to files by shard."""
  number, block = numbered
  moved = {row[:32].tobytes(): row[32:].tobytes() for row in np.load(folder / 'moved.npy')}
  lines: dict[tuple[str, int], list[bytes]] = {}
  for poem in read(block):
    digest = corpus.digest(poem.content)
    part = corpus.part_of(moved.get(digest, digest))
    place = (part, int.from_bytes(digest[:8], 'big') * counts[part] >> 64)
    lines.setdefault(place, []).append(digest + corpus.to_line(poem))
  for (part, i), records in lines.items():
    (folder / f'{part}-{i}-{number}').write_bytes(b''.join(records))


def write_shard(place: tuple[str, int, int], folder: pathlib.Path, finished: pathlib.Path, shard_format: str) -> int:
  """Writes a shard, its poems by their digest; returns how many it has."""
  part, i, count = place
  records = []
  for path in folder.glob(f'{part}-{i}-*'):
    with open(path, 'rb') as file:
      while digest := file.read(32):
        records.append((digest, file.readline()))
    path.unlink()
  records.sort()
  path = finished / shards.name(part, i, count, shard_format)
  if shard_format == shards.TEXT:
    path.write_bytes(b''.join(line for _, line in records))
    return len(records)
  import tensorflow as tf
  with tf.io.TFRecordWriter(str(path)) as writer:
    for _, line in records:
      writer.write(line.rstrip(b'\n'))
  return len(records)


if __name__ == '__main__':
  cli.run(main)
