"""Poems of many requests, written side by side in one thread.

Poems of the same model and the same options are a lane: they are rows of one call of the compiled loop, which stops
after a few tokens, so that new ones can join and complete ones, or those whose reader has gone, make room. A poem does
not depend on its neighbours.
"""

import dataclasses
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from tangshi_tf.decoding import Writer, loop
from tangshi_tf.decoding.poem import WrittenPoem
from tangshi_tf.decoding.request import Request
from tangshi_tf.errors import UserError

MOST_POEMS = 512  # written or waiting
_ROWS = 256  # of a lane
_STEPS, _STEPS_WATCHED = 8, 2  # tokens at a time; fewer where somebody sees them come
_WINDOW = 0.004  # seconds in which requests that come together are begun together

log = logging.getLogger('tangshi_tf.service')


class BusyError(Exception):
  """There are too many poems already.

  Attributes:
    seconds: after which it may be better.
  """

  def __init__(self, seconds: int):
    super().__init__(f'{MOST_POEMS} poems are being written already; expected a request after {seconds} s')
    self.seconds = seconds


@dataclasses.dataclass(eq=False)
class Ticket:
  """A request and who waits for it.

  Attributes:
    writer: the model.
    request: what is to be written, as the model has it (`Writer.spelled`).
    tell: called in the engine's thread with what happens: ('text', number of the poem, its text so far), where
      `watched`; ('poem', number, a `WrittenPoem`); ('error', a `UserError` or another exception); ('end',).
    watched: whether somebody sees the poems come.
    pairs: begin word and seed of each poem.
    gone: whether nobody waits any more.
    left: how many poems are not complete.
  """

  writer: Writer
  request: Request
  tell: Callable[..., None]
  watched: bool = False
  pairs: list[tuple[str, int]] = dataclasses.field(default_factory=list)
  gone: bool = False
  left: int = 0


@dataclasses.dataclass(eq=False)
class _Row:
  """A poem of a ticket."""

  ticket: Ticket
  task: loop.Task
  number: int
  poem: loop.Poem
  begin: str
  seed: int
  told: int = 0  # words that the reader has seen


class _Lane:
  """Poems that can be written side by side."""

  def __init__(self, task: loop.Task):
    self._writing = loop.Writing(task)
    self._waiting: deque[_Row] = deque()
    self._rows: dict[int, _Row] = {}  # by the id of their poems

  def __len__(self):
    return len(self._waiting) + len(self._rows)

  def add(self, rows: Iterable[_Row]):
    self._waiting.extend(rows)

  def tickets(self) -> list[Ticket]:
    """Returns the tickets whose poems these are, each once."""
    return list({id(row.ticket): row.ticket for row in (*self._rows.values(), *self._waiting)}.values())

  def tick(self) -> list[_Row]:
    """Writes the next tokens; returns the rows that were written, those that are complete now for the last time."""
    self._let_go()
    begun = [self._waiting.popleft() for _ in range(min(len(self._waiting), _ROWS - len(self._rows)))]
    for task, group in itertools.groupby(begun, key=lambda row: row.task):
      self._writing.add([row.poem for row in group], task)
    self._rows |= {id(row.poem): row for row in begun}
    rows = list(self._rows.values())
    if self._writing.poems:
      watched = any(row.ticket.watched for row in rows)
      self._writing.step(len(self._writing.poems) <= loop.SMALL_BATCH, _STEPS_WATCHED if watched else _STEPS)
    self._rows = {key: row for key, row in self._rows.items() if not row.poem.complete}
    return rows

  def _let_go(self):
    """Forgets poems that nobody waits for."""
    if any(ticket.gone for ticket in self.tickets()):
      self._writing.keep([not self._rows[id(poem)].ticket.gone for poem in self._writing.poems])
      self._rows = {key: row for key, row in self._rows.items() if not row.ticket.gone}
      self._waiting = deque(row for row in self._waiting if not row.ticket.gone)


class Engine:
  """Writes the poems of tickets; `submit` may be called from any thread."""

  def __init__(self, observe: Callable[[str, float], None] = lambda name, value: None):
    """Starts the thread.

    Args:
      observe: told figures by name: 'rows' of a call of the loop, 'characters' of complete poems.
    """
    self._observe = observe
    self._lanes: dict[tuple, _Lane] = {}
    self._arrived: deque[Ticket] = deque()
    self._changed = threading.Condition()
    self._ending = False
    self._poems = 0
    self._seconds_a_poem = 0.05
    self._thread = threading.Thread(target=self._run, name='engine', daemon=True)
    self._thread.start()

  @property
  def poems(self) -> int:
    """How many poems are written or waiting."""
    return self._poems

  def submit(self, ticket: Ticket):
    """Takes a ticket.

    Raises:
      BusyError: there are too many poems already, or the engine is ending.
    """
    ticket.pairs = ticket.pairs or ticket.writer.pairs(ticket.request)
    ticket.left = len(ticket.pairs)
    with self._changed:
      if self._ending or self._poems and self._poems + ticket.left > MOST_POEMS:
        raise BusyError(max(1, round(self._poems * self._seconds_a_poem)))
      self._poems += ticket.left
      self._arrived.append(ticket)
      self._changed.notify()

  def end(self, seconds: float):
    """Writes what is begun to its end, if that takes no longer, and ends the thread."""
    with self._changed:
      self._ending = True
      self._changed.notify()
    self._thread.join(seconds)

  def _run(self):
    while True:
      with self._changed:
        while not self._arrived and not self._lanes and not self._ending:
          self._changed.wait()
        if self._ending and not self._arrived and not self._lanes:
          return
        idle = not self._lanes
      if idle:
        time.sleep(_WINDOW)
      self._admit()
      for key, lane in list(self._lanes.items()):
        start = time.perf_counter()
        finished = self._tick(key, lane)
        if finished:
          share = (time.perf_counter() - start) / finished
          self._seconds_a_poem += 0.1 * (share - self._seconds_a_poem)

  def _admit(self):
    with self._changed:
      tickets = list(self._arrived)
      self._arrived.clear()
    for ticket in tickets:
      try:
        task = ticket.writer.task(ticket.request)
        if task.alike not in self._lanes:
          self._lanes[task.alike] = _Lane(task)
        self._lanes[task.alike].add([_Row(ticket, task, number, task.begin((begin, seed)), begin, seed)
                                     for number, (begin, seed) in enumerate(ticket.pairs)])
      except Exception as error:
        self._fail([ticket], error, ticket.left)

  def _tick(self, key, lane: _Lane) -> int:
    """Writes the next tokens of a lane; returns how many poems are complete now."""
    before, tickets = len(lane), lane.tickets()
    try:
      rows = lane.tick()
      self._observe('rows', len(rows))
      complete = [row for row in rows if row.poem.complete]
      for row in rows:
        self._tell_text(row)
      for row, poem in zip(complete, self._finished(complete)):
        row.ticket.tell('poem', row.number, poem)
        row.ticket.left -= 1
        if not row.ticket.left:
          row.ticket.tell('end')
    except Exception as error:
      del self._lanes[key]
      self._fail(tickets, error, before)
      return 0
    if not len(lane):
      del self._lanes[key]
    with self._changed:
      self._poems -= before - len(lane)
    return len(complete)

  def _tell_text(self, row: _Row):
    if row.ticket.watched and not row.ticket.gone:
      words = row.task.words(row.poem)
      if len(words) > row.told:
        row.told = len(words)
        row.ticket.tell('text', row.number, ''.join(words))

  def _finished(self, rows: list[_Row]) -> Iterator[WrittenPoem]:
    """Yields the poems of complete rows, which are of one model, measured together."""
    if not rows:
      return
    texts = [''.join(row.task.words(row.poem)) for row in rows]
    measured = rows[0].ticket.writer.log_probabilities(texts, [row.ticket.request for row in rows])
    for row, text, nats in zip(rows, texts, measured):
      self._observe('characters', len(text))
      yield row.ticket.writer.written(row.ticket.request, text, row.begin, row.seed, nats)

  def _fail(self, tickets: list[Ticket], error: Exception, poems: int):
    """Tells tickets, with so many poems, what went wrong."""
    if not isinstance(error, UserError):
      log.exception('poems could not be written')
    for ticket in tickets:
      ticket.gone = True
      ticket.tell('error', error)
    with self._changed:
      self._poems -= poems
