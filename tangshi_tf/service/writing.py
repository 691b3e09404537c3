"""Between the application, which is asynchronous, and the engine, which is a thread."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from tangshi_tf.decoding import Writer
from tangshi_tf.decoding.poem import WrittenPoem
from tangshi_tf.decoding.request import Request
from tangshi_tf.service.engine import BusyError, Engine, Ticket

_MOST_SLOW = 8  # requests that are not written side by side, waiting for the one thread that does


class Desk:
  """Takes requests to whatever writes them."""

  def __init__(self, engine: Engine):
    self._engine = engine
    self._slow = concurrent.futures.ThreadPoolExecutor(1, 'slow')
    self._slow_places = threading.BoundedSemaphore(_MOST_SLOW)

  @contextlib.asynccontextmanager
  async def ticket(self, writer: Writer, request: Request, watched: bool) -> AsyncIterator[asyncio.Queue]:
    """Submits a request; yields the queue of what happens to it, see `Ticket.tell`, and gives it up at the end.

    Raises:
      BusyError: there is no room.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple] = asyncio.Queue()

    def tell(*event):
      with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(queue.put_nowait, event)

    ticket = Ticket(writer, request, tell, watched)
    self._engine.submit(ticket)
    try:
      yield queue
    finally:
      ticket.gone = True

  async def poems(self, writer: Writer, request: Request) -> list[WrittenPoem]:
    """Returns the poems of a request.

    Raises:
      BusyError: there is no room.
      UserError: it cannot be met.
    """
    if request.beam or request.best_of > 1:
      return await self.slowly(lambda: list(writer.compose(request)))
    poems: dict[int, WrittenPoem] = {}
    async with self.ticket(writer, request, watched=False) as queue:
      while True:
        kind, *rest = await queue.get()
        if kind == 'poem':
          poems[rest[0]] = rest[1]
        elif kind == 'error':
          raise rest[0]
        elif kind == 'end':
          return [poems[number] for number in sorted(poems)]

  async def slowly(self, work: Callable[[], Any]):
    """Returns what a function returns that takes long, in a thread of its own, one at a time.

    Raises:
      BusyError: too many wait already.
    """
    if not self._slow_places.acquire(blocking=False):
      raise BusyError(5)
    future = self._slow.submit(work)  # which goes to its end, even if nobody waits any more
    future.add_done_callback(lambda _: self._slow_places.release())
    return await asyncio.wrap_future(future)
