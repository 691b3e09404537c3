"""All workers of a cluster meet before TensorFlow starts, whose own wait for them cannot be ended.

Worker 0 listens at its address. Each other worker connects and says a line with its index and digests of all
addresses and of what they must agree on. Once all of them have come, worker 0 says `go` to each and frees its port for
TensorFlow.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import socket
import time

from tangshi_tf.errors import LostWorkerError, UserError, shorten

_ATTEMPT = 10  # most seconds of an attempt to connect, and until one that has connected says who it is
_PAUSE = 0.2  # seconds between attempts
_LONGEST = 2000  # bytes of a line
_TimedOut = asyncio.TimeoutError  # in Python 3.10 another class than TimeoutError


def meet(addresses: list[str], index: int, timeout: float, agreement: str = ''):
  """Returns once all workers have come; at once where there is only one.

  Args:
    addresses: "host:port" of each worker, in the same order for all of them.
    index: this process's worker, from 0.
    timeout: seconds to wait from now on.
    agreement: what must be the same for all workers, such as corpus and flags.

  Raises:
    LostWorkerError: a worker did not arrive in time.
    UserError: an address has another form, this worker's port is in use, or
      worker 0 has other addresses, another agreement or another worker of this
      index.
  """
  places = [_place(address) for address in addresses]
  if len(addresses) == 1:
    return
  asyncio.run(_meet(places, addresses, index, timeout, agreement))


async def _meet(places: list[tuple[str, int]], addresses: list[str], index: int, timeout: float, agreement: str):
  deadline = time.monotonic() + timeout
  with _listen(addresses[index], places[index][1]) as server:  # TensorFlow will need each worker's port
    if index == 0:
      await _gather(server, addresses, timeout, agreement)
  if index:
    await _join(places[0], addresses, index, timeout, deadline, agreement)


def _place(address: str) -> tuple[str, int]:
  parts = re.fullmatch(r'(\[[!-Z^-~]+\]|[!-Z^-~]+):([0-9]{1,5})', address)
  if parts is None or not 0 < int(parts[2]) < 2**16:
    raise UserError(f'{shorten(address, 80)} is no address of a worker; expected "host:port"')
  return parts[1].strip('[]'), int(parts[2])


def _listen(address: str, port: int) -> socket.socket:
  """Returns a socket that listens on all interfaces, as TensorFlow's own will."""
  dual = socket.has_dualstack_ipv6()
  try:
    return socket.create_server(('', port), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual)
  except OSError as error:
    raise UserError(f"{address}: this worker's port cannot be opened ({error.strerror}); expected a free one") from None


def _hello(addresses: list[str], index: int, agreement: str = '') -> bytes:
  digests = ' '.join(hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()
                     for text in ('\n'.join(addresses), agreement))
  return f'tangshi_tf {index} {digests}\n'.encode()


async def _gather(server: socket.socket, addresses: list[str], timeout: float, agreement: str):
  """Waits as worker 0 for the others and lets them go."""
  hellos = {_hello(addresses, index, agreement): index for index in range(1, len(addresses))}
  same_addresses = tuple(hello.rpartition(b' ')[0] for hello in hellos)
  come: dict[int, asyncio.StreamWriter] = {}
  all_have_come = asyncio.Event()
  refused = ''

  async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
    nonlocal refused
    index = None
    # ValueError: the line is too long. CancelledError: the meeting is over; Python 3.11 would print where it came from.
    with contextlib.closing(writer), contextlib.suppress(OSError, ValueError, _TimedOut, asyncio.CancelledError):
      line = await asyncio.wait_for(reader.readline(), _ATTEMPT)
      index, answer = hellos.get(line), ''
      if index is None:
        if line.startswith(same_addresses):
          answer, refused = 'settings', ' (one with another corpus or other settings came)'
        elif line.startswith(b'tangshi_tf '):
          answer, refused = f'other {", ".join(addresses)}', ' (one with other addresses came)'
        writer.write(f'{answer}\n'.encode())
        return
      if index in come:
        come[index].write(b'twice\n')
        come[index].close()
      come[index] = writer
      if len(come) == len(hellos):
        all_have_come.set()
      while await reader.read(_LONGEST):
        pass
    if index is not None and come.get(index) is writer:  # it is gone again
      del come[index]

  with contextlib.closing(await asyncio.start_server(receive, sock=server, limit=_LONGEST)):
    with contextlib.suppress(_TimedOut):
      await asyncio.wait_for(all_have_come.wait(), timeout)
    missing = '' if all_have_come.is_set() else ', '.join(
        f'worker {index} ({addresses[index]})' for index in hellos.values() if index not in come)
    for writer in come.values():
      writer.write((f'missing {missing}\n' if missing else 'go\n').encode())
  if missing:
    raise LostWorkerError(f'{missing} did not come within {timeout:g} s{refused}; expected all workers to be started '
                          'within worker_timeout')


async def _join(place: tuple[str, int], addresses: list[str], index: int, timeout: float, deadline: float,
                agreement: str):
  """Comes to worker 0 and waits until it says go."""
  chief, trouble = f'worker 0 at {addresses[0]}', ''
  while (left := deadline - time.monotonic()) > 0:
    word = rest = ''
    try:
      reader, writer = await asyncio.wait_for(asyncio.open_connection(*place), min(left, _ATTEMPT))
      with contextlib.closing(writer):
        writer.write(_hello(addresses, index, agreement))
        trouble = 'it does not say that all have come'
        word, _, rest = (await _answer(reader, deadline)).partition(' ')
    except (OSError, UnicodeError, _TimedOut) as error:  # UnicodeError: what cannot be a host's name
      trouble = _reason(error)
    if word == 'go':
      return
    if word == 'missing':
      raise LostWorkerError(f'{chief} waited for all the others: {rest} did not come')
    if word == 'other':
      raise UserError(f'{chief} has the workers {rest}, but worker {index} has {", ".join(addresses)}; expected the '
                      'same for all')
    if word == 'settings':
      raise UserError(f'{chief} has another corpus or other settings than worker {index}; expected the same for all')
    if word == 'twice':
      raise UserError(f'another process came to {chief} as worker {index}; expected one of each index')
    await asyncio.sleep(_PAUSE)
  raise LostWorkerError(f'{chief} did not answer within {timeout:g} s ({trouble}); expected all workers to be started '
                        'within worker_timeout')


async def _answer(reader: asyncio.StreamReader, deadline: float) -> str:
  """Returns a line without its end, or '' where none has come in time."""
  with contextlib.suppress(_TimedOut):
    line = await asyncio.wait_for(reader.readline(), max(deadline - time.monotonic(), 0.01))
    return line.decode('utf-8', 'replace').strip()
  return ''


def _reason(error: Exception) -> str:
  """Returns what the system says of a connection that failed."""
  if isinstance(error, ConnectionError) and error.errno:  # asyncio has a text of its own, with the address
    return os.strerror(error.errno)
  return getattr(error, 'strerror', None) or str(error) or 'timed out'
