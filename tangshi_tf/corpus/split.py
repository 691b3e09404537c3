"""The split into training, validation and test poems, without near-duplicates of one in another."""

import bisect
import collections
import hashlib
import os

from tangshi_tf import long_work
from tangshi_tf.corpus.poems import MAX_TOKENS, SPLITS, Poem, keep_short, to_bytes
from tangshi_tf.corpus.text import verse_lines
from tangshi_tf.errors import UserError

_MIN_LINE = 5  # characters; shorter lines are too formulaic to prove kinship


def judged_lines(content: str) -> list[str]:
  """Returns the lines by which a poem's kinship is judged, at least one."""
  every = verse_lines(content)
  return [line for line in every if len(line) >= _MIN_LINE] or every or [content]


def near_duplicate_groups(contents: list[str]) -> list[int]:
  """Groups poems that share half or more of their lines.

  Two poems are near-duplicates when at least half of the lines of either one,
  counted with or without repetition, are also in the other. Only lines of
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
  for i, poem_lines in enumerate(long_work.told(lines, 'poems compared', len(lines))):
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


def without_near_duplicates(poems: list[Poem], others: list[Poem]) -> list[Poem]:
  """Returns the poems that are no near-duplicate of any of the others, see `near_duplicate_groups`."""
  lines = [collections.Counter(judged_lines(other.content)) for other in others]
  holders = collections.defaultdict(list)
  for i, of_other in enumerate(lines):
    for line in of_other:
      holders[line].append(i)

  def is_near(content: str) -> bool:
    own = collections.Counter(judged_lines(content))
    near = {i for line in own for i in holders.get(line, ())}
    return any(_has_half(own, lines[i]) or _has_half(lines[i], own) for i in near)

  return [poem for poem in long_work.told(poems, 'poems compared', len(poems)) if not is_near(poem.content)]


def _has_half(lines: collections.Counter[str], others: collections.Counter[str]) -> bool:
  """Returns whether half or more of the lines, counted with or without repetition, are among others."""
  shared = [line for line in lines if line in others]
  return 2 * sum(lines[line] for line in shared) >= lines.total() or 2 * len(shared) >= len(lines)


def _divide(occurrences: dict[str, int], total: int, holders: dict[str, list[int]]) -> tuple[list[str], list[str]]:
  """Divides a poem's lines into rare ones and the most common ones, which are less than half of it.

  So what shares half of the poem shares a rare line.
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
  return hashlib.sha256(to_bytes(content)).digest()


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
