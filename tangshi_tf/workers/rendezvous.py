"""All workers of a cluster meet before TensorFlow starts, whose own wait for them cannot be ended.

Worker 0 listens at its address. Each other worker connects and says a line with its index and digests of all
addresses and of what they must agree on. Once all of them have come, worker 0 says `go` to each and frees its port for
TensorFlow.
"""

import contextlib
import functools
import hashlib
import re
import selectors
import socket
import time

from tangshi_tf.errors import LostWorkerError, UserError, shorten

_ATTEMPT = 10  # most seconds of an attempt to connect
_PAUSE = 0.2  # seconds between attempts
_LONGEST = 2000  # bytes of a line
_STRANGERS = 100  # most connections that have not said who they are, beyond the number of workers


def meet(addresses: list[str], index: int, timeout: float, agreement: str = ''):
  """Returns once all workers have come; at once where there is only one.

  Args:
    addresses: "host:port" of each worker, in the same order for all of them.
    index: this process's worker, from 0.
    timeout: seconds to wait from now on.
    agreement: what must be the same for all workers, such as corpus and flags.

  Raises:
    LostWorkerError: a worker has not come in time.
    UserError: an address has another form, this worker's port is in use, or
      worker 0 has other addresses, another agreement or another worker of this
      index.
  """
  places = [_place(address) for address in addresses]
  if len(addresses) == 1:
    return
  deadline = time.monotonic() + timeout
  with _listen(addresses[index], places[index][1]) as server:  # TensorFlow will need each worker's port
    if index == 0:
      _gather(server, addresses, timeout, deadline, agreement)
  if index:
    _join(places[0], addresses, index, timeout, deadline, agreement)


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


def _gather(server: socket.socket, addresses: list[str], timeout: float, deadline: float, agreement: str):
  """Waits as worker 0 for the others and lets them go."""
  hellos = {_hello(addresses, index, agreement): index for index in range(1, len(addresses))}
  same_addresses = tuple(hello.rpartition(b' ')[0] for hello in hellos)
  heard: dict[socket.socket, bytes] = {}  # from those that have not said who they are
  come: dict[int, socket.socket] = {}
  refused = ''

  def close(connection, answer=''):
    selector.unregister(connection)
    with contextlib.suppress(OSError):
      connection.sendall(f'{answer}\n'.encode())
    connection.close()

  def accept():
    with contextlib.suppress(OSError):
      connection, _ = server.accept()
      connection.setblocking(False)
      selector.register(connection, selectors.EVENT_READ, functools.partial(listen_to, connection))
      heard[connection] = b''
      if len(heard) > _STRANGERS + len(addresses):
        oldest = next(iter(heard))
        del heard[oldest]
        close(oldest)

  def listen_to(connection):
    nonlocal refused
    if connection.fileno() < 0:
      return  # closed since the selector told of it
    try:
      part = connection.recv(_LONGEST)
    except OSError:
      part = b''
    if connection not in heard:
      if not part:  # a worker that has come is gone again
        del come[next(index for index, held in come.items() if held is connection)]
        close(connection)
      return
    line = heard.pop(connection) + part
    if line in hellos:
      before = come.pop(hellos[line], None)
      if before is not None:
        close(before, 'twice')
      come[hellos[line]] = connection
    elif part and len(line) < _LONGEST and not line.endswith(b'\n'):
      heard[connection] = line
    elif line.startswith(same_addresses):
      refused = ' (one with another corpus or other flags came)'
      close(connection, 'settings')
    elif line.startswith(b'tangshi_tf '):
      refused = ' (one with other addresses came)'
      close(connection, f'other {", ".join(addresses)}')
    else:
      close(connection)

  with selectors.DefaultSelector() as selector:
    answer = ''
    try:
      server.setblocking(False)
      selector.register(server, selectors.EVENT_READ, accept)
      while len(come) < len(hellos):
        missing = ', '.join(f'worker {index} ({addresses[index]})' for index in hellos.values() if index not in come)
        left = deadline - time.monotonic()
        if left <= 0:
          answer = f'missing {missing}'
          raise LostWorkerError(f'{missing} did not come within {timeout:g} s{refused}; expected all workers to be '
                                'started within --worker_timeout')
        for key, _ in selector.select(left):
          key.data()
      answer = 'go'
    finally:
      for connection in come.values():
        close(connection, answer)
      for connection in heard:
        close(connection)


def _join(place: tuple[str, int], addresses: list[str], index: int, timeout: float, deadline: float, agreement: str):
  """Comes to worker 0 and waits until it says go."""
  chief, trouble = f'worker 0 at {addresses[0]}', ''
  while (left := deadline - time.monotonic()) > 0:
    try:
      with socket.create_connection(place, timeout=min(left, _ATTEMPT)) as connection:
        connection.sendall(_hello(addresses, index, agreement))
        trouble = 'it does not say that all have come'
        word, _, rest = _answer(connection, deadline).partition(' ')
    except (OSError, UnicodeError) as error:  # of what cannot be a host's name the latter
      word, trouble = '', getattr(error, 'strerror', None) or str(error)
    if word == 'go':
      return
    if word == 'missing':
      raise LostWorkerError(f'{chief} waited for all the others: {rest} did not come')
    if word == 'other':
      raise UserError(f'{chief} has the workers {rest}, but worker {index} has {", ".join(addresses)}; expected the '
                      'same for all')
    if word == 'settings':
      raise UserError(f'{chief} has another corpus or other flags than worker {index}; expected the same for all')
    if word == 'twice':
      raise UserError(f'another process came to {chief} as worker {index}; expected one of each index')
    time.sleep(_PAUSE)
  raise LostWorkerError(f'{chief} did not answer within {timeout:g} s ({trouble}); expected all workers to be started '
                        'within --worker_timeout')


def _answer(connection: socket.socket, deadline: float) -> str:
  """Returns a line without its end, or what came of it in time."""
  heard = b''
  with contextlib.suppress(TimeoutError):
    while not heard.endswith(b'\n') and len(heard) < _LONGEST:
      connection.settimeout(max(deadline - time.monotonic(), 0.01))
      part = connection.recv(_LONGEST)
      if not part:
        break
      heard += part
  return heard.decode('utf-8', 'replace').strip()
