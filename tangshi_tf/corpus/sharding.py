"""Writes a corpus as shards, in several processes and without holding it in memory.

Which part of the split a poem belongs to is what training finds for the same poems. Which shard of its part it is
in, and where, follows from its SHA-256: the order of the files does not matter, and poems that were neighbours are so
no longer.

Each process works on a block of 16 MB at a time. Besides a block it holds in memory a shard, which is sorted there; the
hashes of lines that more than one poem has; and those poems that have a near-duplicate, or share a line with a poem
that may have one. A file whose format is not a poem a line is read whole. For a while the disk holds the corpus twice
more, in a folder beside the new one that can be deleted if the process was killed.
"""

import concurrent.futures
import contextlib
import functools
import hashlib
import itertools
import json
import multiprocessing
import os
import pathlib
import signal
import tempfile
import threading
from collections.abc import Iterator

import numpy as np

from tangshi_tf import long_work
from tangshi_tf.corpus import files, poems, reading, shards, split
from tangshi_tf.corpus.report import Report
from tangshi_tf.errors import UserError

_BLOCK = 2**24  # bytes
_LINES_A_BYTE = 1 / 16  # at most, about; of a poem's lines of verse
_HASHES_AT_ONCE = 2**23  # 64 MB
_LOOK = 0.5  # seconds between looks at how far the processes are


def write(paths: list[str], out: str | os.PathLike, *, count: int = 16, shard_format: str = shards.TEXT,
          corpus_format: str = 'auto', processes: int | None = None,
          source: str | None = None, report: Report | None = None) -> dict[str, dict[str, int]]:
  """Writes the poems of some files as shards, into a new folder that is there once it is complete.

  A program that calls this must not do so while it is imported (`if __name__ == '__main__'`), since each process
  imports it again.

  Args:
    paths: files of poems that are no shards.
    out: the folder to write.
    count: shards of the training part; the other parts have an 18th as many, at least one.
    shard_format: one of `shards.FORMATS`.
    corpus_format: one of `corpus.FORMATS`.
    processes: how many work (default: one a core).
    source: what messages call the paths (default: the paths).
    report: see `corpus.read_poems`.

  Returns:
    How many 'poems' and 'shards' each part has.

  Raises:
    UserError: a file cannot be read or holds no poem, the folder exists or cannot be written, or a process was killed.
  """
  source = ' '.join(paths) if source is None else source
  if count < 1 or shard_format not in shards.FORMATS:
    raise UserError(f'{count} shards of format {shard_format}; expected at least 1, {" or ".join(shards.FORMATS)}')
  if os.path.lexists(out) or files.has_scheme(out):
    raise UserError(f'{out}: {"exists" if os.path.lexists(out) else "has a scheme"}; expected the name of a new '
                    'folder on this machine')
  if shards.by_part(paths) is not None:
    raise UserError(f'{source}: these are shards already; expected other files')
  out = pathlib.Path(out)
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'{out.name}.', dir=out.parent, ignore_cleanup_errors=True) as folder:
      blocks = [block for path in paths for block in _divide(path, corpus_format)]
      made = _write_blocks(blocks, pathlib.Path(folder), count, shard_format, processes,
                           Report() if report is None else report)
      if not sum(counts['poems'] for counts in made.values()):
        raise UserError(f'{source}: holds no poem; expected verse')
      pathlib.Path(folder, 'finished').rename(out)
  except OSError as error:
    if os.path.lexists(out):
      raise UserError(f'{out}: exists by now; expected the name of a new folder') from None
    reason = error.strerror or f'the disk may be full: {error}'  # NumPy says how many items it did not write
    raise UserError(f'{out}: cannot be written ({reason}); expected a place with room for three times the '
                    'corpus') from None
  except concurrent.futures.BrokenExecutor:
    raise UserError('a process was killed, perhaps for lack of memory; expected fewer processes or more '
                    'shards') from None
  return made


@contextlib.contextmanager
def _reading(path: str):
  """A context in which a file that cannot be read is a `UserError`."""
  try:
    yield
  except UserError:
    raise
  except (OSError, ValueError) as error:
    raise UserError(f'{path or repr("")}: cannot be read ({getattr(error, "strerror", None) or error}); '
                    'expected a UTF-8 text file of poems') from None


def _divide(path: str, corpus_format: str) -> list[tuple[str, str, int, int]]:
  """Returns a file's blocks: path, format, and the bytes between which their lines begin."""
  with _reading(path), files.open_binary(path) as file:
    head = file.read(_BLOCK)
    file.seek(0, os.SEEK_END)
    size = file.tell()
  if not head.strip():
    raise UserError(f'{path}: is empty; expected poems, one "title:content" a line')
  if corpus_format == 'auto':
    corpus_format = reading.detect(head.decode('utf-8-sig', 'ignore'))
  if corpus_format not in reading.BY_LINE:
    return [(path, corpus_format, 0, size)]
  return [(path, corpus_format, first, min(first + _BLOCK, size)) for first in range(0, size, _BLOCK)]


def _read(block: tuple[str, str, int, int], report: Report | None = None) -> Iterator[poems.Poem]:
  """Yields the poems of a block."""
  path, corpus_format, first, end = block
  if corpus_format not in reading.BY_LINE:
    yield from reading.read_poems(path, corpus_format=corpus_format, report=report)
    return
  report = Report() if report is None else report
  report.formats.add(corpus_format)
  with _reading(path):
    lines = files.lines(path, max(first - 1, 0))
    if first:
      next(lines, None)
    for place, line in itertools.takewhile(lambda found: found[0] < end, lines):
      where = f'{path}: line at byte {place}'
      poem = reading.line_poem(shards.decode(line, where, first=not place), corpus_format, where, report)
      if poem is not None and poem.content:
        yield poem


def _write_blocks(blocks: list, folder: pathlib.Path, count: int, shard_format: str, processes: int | None,
                  report: Report) -> dict[str, dict[str, int]]:
  """Writes the shards into folder/finished; returns how many poems and shards each part has."""
  counts = {'train': count, 'validation': max(round(count / 18), 1)}
  counts['test'] = counts['validation']
  size = sum(end - first for _, _, first, end in blocks)
  partitions = 1 + int(size * _LINES_A_BYTE) // _HASHES_AT_ONCE
  numbers = range(len(blocks))
  (folder / 'finished').mkdir()
  # Not forked: TensorFlow may have threads by now.
  with concurrent.futures.ProcessPoolExecutor(
      processes, multiprocessing.get_context('spawn'), _start_process) as pool:

    def each(what: str, work, items, *arguments) -> list:
      meter = long_work.Meter(what, len(items))
      waiting = [pool.submit(work, item, *arguments) for item in items]
      try:
        while not all(future.done() for future in waiting):
          done, _ = concurrent.futures.wait(waiting, _LOOK, concurrent.futures.FIRST_EXCEPTION)
          meter.update(len(done))
          for future in done:
            future.result()  # raises what went wrong
        return [future.result() for future in waiting]
      finally:
        for future in waiting:
          future.cancel()

    for found in each('blocks hashed', _hash_lines, list(zip(numbers, blocks)), folder):
      report.add(found)
    shared = each('parts of the hashes compared', _find_shared, range(partitions), folder, len(blocks), partitions)
    np.save(folder / 'shared.npy', np.concatenate(shared))
    kin = each('blocks searched for lines', _find_kin_lines, blocks, folder)
    np.save(folder / 'kin.npy', np.unique(np.concatenate(kin)))
    related = dict.fromkeys(itertools.chain.from_iterable(
        each('blocks searched for poems', _find_related, blocks, folder)))
    np.save(folder / 'moved.npy', _find_moved(list(related)))
    each('blocks divided', _distribute, list(zip(numbers, blocks)), folder, counts)
    places = [(part, i, count) for part, count in counts.items() for i in range(count)]
    written = each('shards written', _write_shard, places, folder, len(blocks), shard_format)
  made = {part: {'poems': 0, 'shards': count} for part, count in counts.items()}
  for (part, _, _), number in zip(places, written):
    made[part]['poems'] += number
  return made


def _start_process():
  """Leaves Ctrl-C to the process that has started this one, and ends with it."""
  for name in ('SIGINT', 'SIGHUP'):
    if hasattr(signal, name):
      signal.signal(getattr(signal, name), signal.SIG_IGN)

  def end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)

  threading.Thread(target=end_with_parent, daemon=True).start()


def _line_hashes(content: str) -> list[int]:
  """Returns 64 bits for each line by which a poem's kinship is judged."""
  return [int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), 'little')
          for line in split.judged_lines(content)]


def _load_hashes(path: pathlib.Path) -> np.ndarray:
  """Returns the numbers in a file, which stay there until they are needed."""
  try:
    return np.load(path, mmap_mode='r')
  except ValueError:  # there are none, and nothing cannot be mapped
    return np.load(path)


def _among(hashes: list[int], known: np.ndarray) -> np.ndarray:
  """Returns which of some hashes are among known ones, which rise, bool `[hashes]`."""
  wanted = np.array(hashes, np.uint64)
  place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
  return known[place] == wanted if len(known) else np.zeros(len(wanted), bool)


def _hash_lines(numbered: tuple[int, tuple], folder: pathlib.Path) -> Report:
  """Writes the hashes of a block's lines of verse, each once a poem, rising; returns how the block was read."""
  number, block = numbered
  report = Report()
  hashes = [value for poem in _read(block, report) for value in set(_line_hashes(poem.content))]
  np.save(folder / f'hashes-{number}.npy', np.sort(np.array(hashes, np.uint64)))
  return report


def _find_shared(i: int, folder: pathlib.Path, blocks: int, partitions: int) -> np.ndarray:
  """Returns the hashes in a partition of all 64-bit numbers that more than one poem has, rising."""
  low, high = (np.uint64(min(2**64 * bound // partitions, 2**64 - 1)) for bound in (i, i + 1))
  parts = []
  for number in range(blocks):
    hashes = _load_hashes(folder / f'hashes-{number}.npy')
    parts.append(hashes[np.searchsorted(hashes, low):np.searchsorted(hashes, high)
                        if i + 1 < partitions else len(hashes)])
  hashes = np.sort(np.concatenate(parts))
  return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _find_kin_lines(block: tuple, folder: pathlib.Path) -> np.ndarray:
  """Returns the hashes of all shared lines of those poems of which they are half or more, so that each may be kin."""
  shared = _load_hashes(folder / 'shared.npy')
  found: set[int] = set()
  for poem in _read(block):
    hashes = _line_hashes(poem.content)
    common = [value for value, is_shared in zip(hashes, _among(hashes, shared)) if is_shared]
    if 2 * len(common) >= len(hashes) or 2 * len(set(common)) >= len(set(hashes)):
      found.update(common)
  return np.array(sorted(found), np.uint64)


def _find_related(block: tuple, folder: pathlib.Path) -> list[str]:
  """Returns the poems of a block with a line that `_find_kin_lines` found; only these can be joined in a group."""
  kin = _load_hashes(folder / 'kin.npy')
  return [poem.content for poem in _read(block) if _among(_line_hashes(poem.content), kin).any()]


def _find_moved(contents: list[str]) -> np.ndarray:
  """Returns two digests a row, uint8 `[poems, 64]`: of a poem, and the smallest in its group where that is another."""
  moved = {own: smallest for own, smallest in split.digests(contents) if smallest != own}
  return np.frombuffer(b''.join(own + first for own, first in moved.items()), np.uint8).reshape(-1, 64)


@functools.lru_cache(maxsize=1)
def _load_moved(folder: pathlib.Path) -> dict[bytes, bytes]:
  return {row[:32].tobytes(): row[32:].tobytes() for row in np.load(folder / 'moved.npy')}


def _distribute(numbered: tuple[int, tuple], folder: pathlib.Path, counts: dict[str, int]):
  """Writes the poems of a block by shard, each after its digest, and where those of each shard begin and end."""
  number, block = numbered
  moved = _load_moved(folder)
  lines: dict[str, list[bytes]] = {}
  for poem in _read(block):
    digest = split.digest(poem.content)
    part = split.part_of(moved.get(digest, digest))
    shard = int.from_bytes(digest[:8], 'big') * counts[part] >> 64
    lines.setdefault(f'{part}-{shard}', []).append(digest + poems.to_line(poem))
  places = {}
  with open(folder / f'poems-{number}', 'wb') as file:
    for name, records in lines.items():
      places[name] = file.tell(), sum(map(len, records))
      file.writelines(records)
  (folder / f'places-{number}.json').write_text(json.dumps(places), encoding='ascii')


def _write_shard(place: tuple[str, int, int], folder: pathlib.Path, blocks: int, shard_format: str) -> int:
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
  from tangshi_tf.quiet import tf
  with files.os_errors(), tf.io.TFRecordWriter(str(path)) as writer:
    for _, line in records:
      writer.write(line.rstrip(b'\n'))
  return len(records)
