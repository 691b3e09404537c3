"""The command that serves."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tangshi_tf import run_dir

from ..checks import assert_one_line


@pytest.fixture
def serve(tmp_path):
  """Starts the command; returns its process and the address that it prints."""
  started = []

  def start(*arguments):
    process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.serve', '--port=0', '--model=rnn', *arguments],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, 'PYTHONUNBUFFERED': '1'}, start_new_session=True)
    started.append(process)
    line = process.stdout.readline()
    return process, re.match(r'(http://\S+?)/ ', line)[1]

  yield start
  for process in started:
    with contextlib.suppress(OSError):
      os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started
    process.communicate()


def ready(address):
  for _ in range(600):
    try:
      return urllib.request.urlopen(f'{address}/readyz', timeout=5).status
    except OSError:
      time.sleep(0.1)
  raise AssertionError('the service is not ready after a minute')


def ask(address, **body):
  request = urllib.request.Request(f'{address}/api/generate', json.dumps(body).encode(),
                                   {'content-type': 'application/json'})
  return json.load(urllib.request.urlopen(request, timeout=60))


def test_it_serves_until_it_is_told_to_end(serve):
  process, address = serve()
  assert ready(address) == 200
  assert len(ask(address, form='五绝')['poems'][0]['lines']) == 4
  assert '<title>' in urllib.request.urlopen(address, timeout=5).read().decode()
  # What is being written is written to its end.
  connection = socket.create_connection(address.removeprefix('http://').split(':'))
  body = b'{"form": "\xe4\xb8\x83\xe5\xbe\x8b", "num": 24}'
  connection.sendall(b'POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
                     b'Content-Length: %d\r\n\r\n' % len(body) + body)
  time.sleep(0.2)
  process.send_signal(signal.SIGTERM)
  received = b''
  while part := connection.recv(2**16):
    received += part
  assert received.startswith(b'HTTP/1.1 200') and received.count(b'"lines"') == 24
  assert process.wait(30) in (0, -signal.SIGTERM, 143)
  assert 'Traceback' not in process.stderr.read()


def test_several_processes_serve_and_end(serve):
  process, address = serve('--workers=2')
  assert ready(address) == 200
  for _ in range(20):  # no process answers before it can write
    assert len(ask(address, form='五绝', num=3)['poems']) == 3
  process.send_signal(signal.SIGTERM)
  assert process.wait(120) in (0, -signal.SIGTERM, 143)
  errors = process.stderr.read()
  assert 'Traceback' not in errors and 'Stopping parent process' in errors
  with pytest.raises(OSError):
    urllib.request.urlopen(f'{address}/healthz', timeout=5)


def test_half_a_request_and_a_client_that_vanishes_harm_nobody(serve):
  _, address = serve()
  ready(address)
  place = address.removeprefix('http://').split(':')
  slow = [socket.create_connection(place) for _ in range(20)]
  for connection in slow:
    connection.sendall(b'POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Le')
  for _ in range(20):
    connection = socket.create_connection(place)
    body = b'{"form": "\xe4\xb8\x83\xe5\xbe\x8b", "num": 20}'
    connection.sendall(b'POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: '
                       b'text/event-stream\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
    connection.recv(100)
    connection.close()
  assert len(ask(address, form='五绝')['poems'][0]['lines']) == 4
  for connection in slow:
    connection.close()


def test_a_model_directory_that_disappears_is_missed_by_nobody(serve, tmp_path):
  copy = tmp_path / 'copy'
  shutil.copytree(run_dir.locate('rnn'), copy)
  _, address = serve(f'--model={copy}')
  ready(address)
  asked = {'model': 'copy', 'form': '五绝', 'seed': 1}
  before = ask(address, **asked)
  shutil.rmtree(copy)
  assert [poem['text'] for poem in ask(address, **asked)['poems']] == [poem['text'] for poem in before['poems']]


def test_a_log_line_cannot_be_forged(serve):
  process, address = serve('--access_log')
  ready(address)
  place = address.removeprefix('http://').split(':')
  with socket.create_connection(place) as connection:
    connection.sendall(b'GET /x%0d%0aINFO:%20forged HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    while connection.recv(2**16):
      pass
  ask(address, begin='月', acrostic=None)
  process.send_signal(signal.SIGINT)
  process.wait(30)
  lines = (process.stdout.read() + process.stderr.read()).split('\n')
  assert not any(line.startswith('INFO: forged') for line in lines)


def test_bad_flags_are_one_line(command):
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))
    taken.listen()
    port = taken.getsockname()[1]
    assert_one_line(command('tangshi_tf.serve', f'--port={port}', '--model=rnn'),
                    f'--port={port}: cannot listen there .*; expected')
  assert_one_line(command('tangshi_tf.serve', '--model=nothing'), 'nothing')
  assert_one_line(command('tangshi_tf.serve', '--port=70000'), '--port')
  assert_one_line(command('tangshi_tf.serve', '--host=no.such.host.invalid', '--model=rnn'),
                  '--host=no.such.host.invalid')
