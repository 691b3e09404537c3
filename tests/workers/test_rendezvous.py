import concurrent.futures
import contextlib
import json
import socket
import threading
import time

import pytest

from tangshi_tf.errors import LostWorkerError, UserError
from tangshi_tf.training import distribution
from tangshi_tf.workers import local, rendezvous

from ..checks import assert_one_line

LONG = 60  # seconds: a worker that is expected to come


@pytest.fixture
def addresses():
  """Addresses of this many workers."""
  return lambda count: [f'localhost:{port}' for port in local.free_ports(count)]


@pytest.fixture
def pool(caplog):
  with concurrent.futures.ThreadPoolExecutor(8) as made:
    yield made
  assert not caplog.get_records('call')  # what asyncio has to say


def knock(address: str) -> socket.socket:
  """Connects to worker 0, as soon as it listens."""
  host, _, port = address.partition(':')
  deadline = time.monotonic() + LONG
  while True:
    try:
      return socket.create_connection((host, int(port)), timeout=LONG)
    except ConnectionRefusedError:
      assert time.monotonic() < deadline
      time.sleep(0.01)


@pytest.mark.parametrize('count', [1, 2, 4])
@pytest.mark.parametrize('first', [0, 1])
def test_all_come(addresses, pool, count, first):
  named = addresses(count)
  order = [*range(first, count), *range(first)]
  meetings = []
  for index in order:
    meetings.append(pool.submit(rendezvous.meet, named, index, LONG))
    time.sleep(0.05)
  for meeting in meetings:
    assert meeting.result(LONG) is None
  for _ in range(2):  # the port is free for TensorFlow, and for another meeting
    again = [pool.submit(rendezvous.meet, named, index, LONG) for index in order]
    assert [meeting.result(LONG) for meeting in again] == [None] * count


def test_one_is_missing(addresses, pool):
  named = addresses(4)
  chief = pool.submit(rendezvous.meet, named, 0, 3)
  others = [pool.submit(rendezvous.meet, named, index, LONG) for index in (1, 3)]
  missing = rf'worker 2 \({named[2]}\) did not come'
  with pytest.raises(LostWorkerError, match=f'^{missing} within 3 s; expected'):
    chief.result(LONG)
  for meeting in others:
    with pytest.raises(LostWorkerError, match=f'worker 0 at {named[0]} waited .*: {missing}'):
      meeting.result(LONG)


@pytest.mark.parametrize('host', ['localhost', 'no-such-host.invalid', 'a..b'])
def test_worker_0_is_missing(addresses, host):
  named = addresses(2)
  named[0] = named[0].replace('localhost', host)
  with pytest.raises(LostWorkerError, match=r'worker 0 at .* did not answer within 0\.5 s \(.+\)'):
    rendezvous.meet(named, 1, 0.5)


def test_worker_0_waits_longer(addresses, pool):
  named = addresses(3)
  chief = pool.submit(rendezvous.meet, named, 0, LONG)
  knock(named[0]).close()
  with pytest.raises(LostWorkerError, match='did not answer .*it does not say that all have come'):
    rendezvous.meet(named, 1, 0.5)
  others = [pool.submit(rendezvous.meet, named, i, LONG) for i in (1, 2)]
  assert [meeting.result(LONG) for meeting in (chief, *others)] == [None] * 3


def test_strangers(addresses, pool):
  named = addresses(2)
  chief = pool.submit(rendezvous.meet, named, 0, LONG)
  with contextlib.ExitStack() as held:
    for said in (b'', b'GET / HTTP/1.1\r\n\r\n', b'tangshi_tf 1', b'\0' * 100_000, b'tangshi_tf 0 \xff\n'):
      stranger = held.enter_context(knock(named[0]))
      with contextlib.suppress(ConnectionError):  # it hangs up on the longest
        stranger.sendall(said)
    knock(named[0]).close()
    for _ in range(200):
      held.enter_context(knock(named[0]))
    rendezvous.meet(named, 1, LONG)
    chief.result(LONG)


def test_a_restarted_worker_counts_once(addresses, pool):
  named = addresses(3)
  chief = pool.submit(rendezvous.meet, named, 0, LONG)
  hello = rendezvous._hello(named, 1)
  with knock(named[0]) as killed:
    killed.sendall(hello)
    time.sleep(0.2)
  with knock(named[0]) as stuck:
    stuck.sendall(hello)
    first = pool.submit(rendezvous.meet, named, 1, LONG)
    assert stuck.recv(100) == b'twice\n'
    assert not chief.done() and not first.done()
    rendezvous.meet(named, 2, LONG)
    assert [meeting.result(LONG) for meeting in (chief, first)] == [None, None]


def test_another_process_of_the_same_index(addresses, pool, monkeypatch):
  named = addresses(3)
  said, answer = threading.Event(), rendezvous._answer
  monkeypatch.setattr(rendezvous, '_answer', lambda *arguments: said.set() or answer(*arguments))
  chief = pool.submit(rendezvous.meet, named, 0, LONG)
  first = pool.submit(rendezvous.meet, named, 1, LONG)
  assert said.wait(LONG)  # worker 0 hears those first that connected first
  with knock(named[0]) as second:
    second.sendall(rendezvous._hello(named, 1))
    with pytest.raises(UserError, match='another process came to worker 0 at .* as worker 1') as caught:
      first.result(LONG)
    assert caught.value.status == 2
    rendezvous.meet(named, 2, LONG)
    assert second.recv(100) == b'go\n' and chief.result(LONG) is None


def test_another_list_of_addresses(addresses, pool):
  named = addresses(3)
  chief = pool.submit(rendezvous.meet, named[:2], 0, 3)
  lists = f'has the workers {", ".join(named[:2])}, but worker 1 has {", ".join(named)};'
  with pytest.raises(UserError, match=lists) as caught:
    rendezvous.meet(named, 1, LONG)
  assert caught.value.status == 2
  with pytest.raises(LostWorkerError, match=r'^worker 1 .* 3 s \(one with other addresses came\)'):
    chief.result(LONG)


def test_another_corpus_or_other_flags(addresses, pool):
  named = addresses(2)
  chief = pool.submit(rendezvous.meet, named, 0, 3, 'Tang')
  with pytest.raises(UserError, match='worker 0 at .* has another corpus or other settings than worker 1') as caught:
    rendezvous.meet(named, 1, LONG, 'Song')
  assert caught.value.status == 2
  with pytest.raises(LostWorkerError, match=r'\(one with another corpus or other settings came\)'):
    chief.result(LONG)


@pytest.mark.parametrize('index', [0, 1])
def test_a_port_in_use(addresses, index):
  named = addresses(2)
  with socket.create_server(('', int(named[index].partition(':')[2]))):
    with pytest.raises(UserError, match=f"^{named[index]}: this worker's port cannot be opened"):
      rendezvous.meet(named, index, LONG)


@pytest.mark.parametrize('address', ['', 'a', 'a:', ':1', 'a:0', 'a:65536', 'a:x', 'a b:1', 'ä:1', 'a:١', '[]:1'])
def test_addresses_that_are_none(address):
  with pytest.raises(UserError, match='no address of a worker; expected "host:port"'):
    rendezvous.meet(['localhost:1', address], 0, 1)


def test_ipv6_addresses():
  assert rendezvous._place('[::1]:2222') == ('::1', 2222)


def test_slurm_takes_the_addresses_of_its_resolver(monkeypatch):
  monkeypatch.delenv('TF_CONFIG', raising=False)
  for name, value in {'PROCID': '1', 'STEP_NUM_TASKS': '2', 'STEP_NODELIST': 'n[1-2]',
                      'STEP_TASKS_PER_NODE': '1(x2)'}.items():
    monkeypatch.setenv(f'SLURM_{name}', value)
  resolver = distribution.tf.distribute.cluster_resolver.SlurmClusterResolver
  monkeypatch.setattr(distribution.tf.distribute.cluster_resolver, 'SlurmClusterResolver',
                      lambda: resolver(gpus_per_node=1, auto_set_gpu=False))
  met = []

  def meet(*arguments):
    met.append(arguments)
    raise LostWorkerError

  monkeypatch.setattr(rendezvous, 'meet', meet)
  with pytest.raises(LostWorkerError):
    distribution.start('multi_worker', timeout=7)
  assert met == [(['n1:8888', 'n2:8888'], 1, 7, '')]


@pytest.mark.parametrize(('index', 'message'), [(0, r'worker 1 \(.*\) did not come within 2 s'),
                                                (1, 'worker 0 at .* did not answer within 2 s')])
def test_the_command_line(command, addresses, monkeypatch, poems_file, index, message):
  cluster = {'cluster': {'worker': addresses(2)}, 'task': {'type': 'worker', 'index': index}}
  monkeypatch.setenv('TF_CONFIG', json.dumps(cluster))
  done = command('tangshi_tf.train', f'--corpus={poems_file}', '--worker_timeout=2')
  assert_one_line(done, message, status=LostWorkerError.status)
