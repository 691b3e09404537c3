"""How much the service bears: clients at a time, waiting, memory.

    pip install '.[web]'
    python scripts/benchmarks/serving.py                 # three minutes
    python scripts/benchmarks/serving.py --requests=0    # without the test of memory

Starts `python -m tangshi_tf.serve` in a process of its own, and asks it from here, so
that both share the cores. Prints Markdown:

* the time from the start until it is ready, beyond TensorFlow's import;
* the time until the first character of a poem comes, when nobody else asks;
* poems a second and the times of 50 clients who each ask for one 七绝 after the other;
* resident memory before and after many good and bad requests.
"""

import asyncio
import json
import re
import statistics
import subprocess
import sys
import time

from absl import flags

from tangshi_tf import cli
from tangshi_tf.errors import UserError
from tangshi_tf.service import process

_MODEL = flags.DEFINE_string('model', 'gru', 'The model.')
_CLIENTS = flags.DEFINE_integer('clients', 50, 'Clients at a time.', lower_bound=1)
_SECONDS = flags.DEFINE_integer('seconds', 60, 'How long they ask.', lower_bound=1)
_REQUESTS = flags.DEFINE_integer('requests', 10_000, 'Good requests, and as many bad ones, for memory; 0: none.',
                                 lower_bound=0)
_FORM = flags.DEFINE_string('form', '七绝', 'The form of the poems.')

_BAD = ({'form': '七七'}, {'num': 0}, {'begin': '𠀀'}, {'nonsense': 1}, {'model': '../x'}, [])
_TRIES = 20  # for the first character


class Client:
  """A connection that asks one request after the other."""

  def __init__(self, port: int):
    self._port = port
    self._streams = None

  async def post(self, path: str, body, accept: str = 'application/json'):
    """Sends a request; returns the status and the body, and when the first part of it came."""
    if self._streams is None:
      self._streams = await asyncio.open_connection('127.0.0.1', self._port)
    reader, writer = self._streams
    data = json.dumps(body).encode()
    writer.write(f'POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: {accept}\r\n'
                 f'Content-Length: {len(data)}\r\n\r\n'.encode() + data)
    await writer.drain()
    head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').lower()
    status = int(head.split(' ', 2)[1])
    first, parts = None, []
    if 'transfer-encoding: chunked' in head:
      while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        first = first or time.perf_counter()
        await reader.readexactly(2)
      await reader.readexactly(2)
    else:
      parts.append(await reader.readexactly(int(re.search(r'content-length: (\d+)', head)[1])))
      first = time.perf_counter()
    return status, b''.join(parts), first

  def close(self):
    if self._streams is not None:
      self._streams[1].close()


def main() -> int:
  start = time.perf_counter()
  imported = subprocess.run([sys.executable, '-c', 'import tensorflow'], stderr=subprocess.DEVNULL, check=False)
  if imported.returncode:
    raise UserError('TensorFlow cannot be imported')
  importing = time.perf_counter() - start
  start = time.perf_counter()
  with process.started(f'--model={_MODEL.value}') as (pid, address):
    asyncio.run(measure(pid, int(address.rpartition(':')[2]), start, importing))
  return 0


async def measure(pid: int, port: int, start: float, importing: float):
  client = Client(port)
  while (await client.post('/api/generate', {'form': _FORM.value, 'seed': 1}))[0] == 503:
    await asyncio.sleep(0.05)
  ready = time.perf_counter() - start
  firsts = []
  for seed in range(_TRIES):
    asked = time.perf_counter()
    _, _, first = await client.post('/api/generate', {'form': _FORM.value, 'seed': seed}, 'text/event-stream')
    firsts.append(first - asked)
    await asyncio.sleep(0.05)
  print('| alone | |\n| --- | ---: |')
  print(f'| ready after | {ready:.1f} s, {ready - importing:.1f} s beyond importing TensorFlow |')
  print(f'| first character, median and worst of {_TRIES} | {1e3 * statistics.median(firsts[1:]):.0f} and '
        f'{1e3 * max(firsts[1:]):.0f} ms |\n', flush=True)
  await many(port)
  if _REQUESTS.value:
    await soak(pid, port)


async def many(port: int):
  """Asks with many clients at a time."""
  await asyncio.gather(*(ask_until(port, time.perf_counter() + 2, []) for _ in range(_CLIENTS.value)))  # warm-up
  answers: list[tuple[int, float]] = []
  start = time.perf_counter()
  await asyncio.gather(*(ask_until(port, start + _SECONDS.value, answers) for _ in range(_CLIENTS.value)))
  seconds = time.perf_counter() - start
  times = sorted(took for status, took in answers if status == 200)
  print(f'| {_CLIENTS.value} clients for {_SECONDS.value} s, {_MODEL.value}, {_FORM.value} | |\n| --- | ---: |')
  print(f'| poems a second | {len(times) / seconds:.0f} |')
  for name, share in (('median', 0.5), ('99th percentile', 0.99), ('worst', 1)):
    print(f'| {name} | {1e3 * times[min(int(share * len(times)), len(times) - 1)]:.0f} ms |')
  print(f'| errors | {sum(status != 200 for status, _ in answers)} of {len(answers):,} |\n', flush=True)


async def ask_until(port: int, end: float, answers: list):
  client = Client(port)
  while time.perf_counter() < end:
    start = time.perf_counter()
    status, _, _ = await client.post('/api/generate', {'form': _FORM.value})
    answers.append((status, time.perf_counter() - start))
  client.close()


async def soak(pid: int, port: int):
  """Sends good and bad requests, and looks at the memory between."""
  rows, each = [], _REQUESTS.value // 20

  async def send(client: Client, number: int):
    if number % 2:
      return (await client.post('/api/generate', _BAD[number // 2 % len(_BAD)]))[0] in (400, 422)
    return (await client.post('/api/generate', {'form': '五绝', 'seed': number}))[0] == 200

  async def one(client: Client, numbers):
    return sum([not await send(client, number) for number in numbers])

  clients, wrong = [Client(port) for _ in range(20)], 0
  for part in range(21):
    rows.append((part * each * 2, resident_mb(pid)))
    if part < 20:
      numbers = range(part * 2 * each, (part + 1) * 2 * each)
      wrong += sum(await asyncio.gather(*(one(client, numbers[i::20]) for i, client in enumerate(clients))))
  print('| requests, half of them bad | resident memory |\n| --- | ---: |')
  for number, memory in rows[::4]:
    print(f'| {number:,} | {memory:.0f} MB |')
  print(f'| growth from {rows[2][0]:,} on | {rows[-1][1] / rows[2][1] - 1:+.1%} |')
  print(f'| other answers than expected | {wrong} |')


def resident_mb(pid: int) -> float:
  with open(f'/proc/{pid}/status', encoding='utf-8') as file:
    return int(re.search(r'VmRSS:\s+(\d+)', file.read())[1]) / 1024


if __name__ == '__main__':
  cli.run(main)
