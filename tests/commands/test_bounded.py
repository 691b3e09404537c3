"""Whatever is given in the place of a file ends in one line at once, and so does what is too much."""

import os
import socket
import subprocess
import sys

import pytest

from tangshi_tf import cli
from tangshi_tf.cli import given_texts

from ..checks import assert_one_line

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='files as POSIX has them')
KINDS = {'pipe': 'a pipe', 'socket': 'a socket', 'folder': 'a directory', '/dev/zero': 'a device'}


@pytest.fixture
def place(tmp_path):
  """Makes something that is no file; a reader of the pipe would wait for ever."""

  def make(kind):
    if kind == 'pipe':
      os.mkfifo(tmp_path / kind)
    elif kind == 'folder':
      (tmp_path / kind).mkdir()
    elif kind == 'socket':
      before = os.getcwd()
      os.chdir(tmp_path)  # a socket's path is short
      try:
        socket.socket(socket.AF_UNIX).bind(kind)
      finally:
        os.chdir(before)
    return kind

  return make


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(('name', 'flag'), [
    ('train', '--corpus'), ('write_shards', '--corpus'), ('evaluate', '--split'), ('score', '--file'),
    ('prosody', '--file'), ('generate', '--flagfile'), ('train', '--flagfile'), ('launch', '--flagfile')])
def test_no_file(command, place, kind, name, flag):
  done = command(f'tangshi_tf.{name}', f'{flag}={place(kind)}')
  assert_one_line(done, f'{kind}.*cannot be read .{KINDS[kind]}, not a file.')


@pytest.mark.parametrize('kind', KINDS)
def test_no_model(command, place, kind):
  assert_one_line(command('tangshi_tf.generate', f'--model={place(kind)}'),
                  'no such directory|is no directory|has no manifest.json')


def test_flags_of_the_workers_of_launch(command, place):
  done = command('tangshi_tf.launch', '--workers=1', '--restarts=0', '--', f'--flagfile={place("pipe")}')
  assert done.returncode == 2 and 'a pipe, not a file' in done.stderr


def test_shards_that_are_pipes(command, tmp_path):
  for part in ('train', 'validation', 'test'):
    os.mkfifo(tmp_path / f'{part}-00000-of-00001.tfrecord')
  assert_one_line(command('tangshi_tf.train', '--corpus=*.tfrecord'), 'a pipe, not a file')


def test_texts_from_a_pipe(tmp_path):
  done = subprocess.run(['bash', '-c', f'{sys.executable} -m tangshi_tf.prosody --file=<(echo 白日依山尽)'],
                        capture_output=True, text=True, encoding='utf-8', check=False)
  assert done.returncode == 0 and '白日依山尽' in done.stdout


def test_a_dash_is_standard_input(command):
  assert '白日依山尽' in command('tangshi_tf.prosody', '--file=-', input='白日依山尽\n').stdout


@pytest.mark.parametrize('name', ['score', 'prosody'])
@pytest.mark.parametrize('how', ['argument to --file', 'standard input'])
def test_a_line_of_54_mb(command, tmp_path, name, how):
  with open(tmp_path / 'long.txt', 'w', encoding='utf-8') as file:
    for _ in range(3000):
      file.write('床前明月光，' * 1000)
  options = {'instead': {0: str(tmp_path / 'long.txt')}} if how == 'standard input' else {}
  done = command(f'tangshi_tf.{name}', *([] if options else ['--file=long.txt']), **options)
  where = 'standard input' if options else 'long.txt'
  assert_one_line(done, f'{where}:1: a text of more than 1,000,000 characters; expected shorter ones, one a line')


def test_a_file_beyond_memory(command, tmp_path):
  with open(tmp_path / 'long.txt', 'wb') as file:
    file.truncate(2**40)
  assert_one_line(command('tangshi_tf.prosody', '--file=long.txt'), 'holds 1,099,511,627,776 bytes; expected at most')
  assert_one_line(command('tangshi_tf.train', '--corpus=long.txt'), 'NUL')


def test_lines_are_read_one_at_a_time(monkeypatch):
  monkeypatch.setattr(given_texts, '_LONGEST', 3)
  reader, writer = os.pipe()
  os.write(writer, '春\r\n夏秋冬\n\n江\r'.encode())
  os.close(writer)
  with open(reader, encoding='utf-8') as stream:
    monkeypatch.setattr(sys, 'stdin', stream)
    assert [line.rstrip('\n') for line in cli.texts([], None)] == ['春', '夏秋冬', '', '江']


def test_more_poems_than_anybody_wants(command):
  assert_one_line(command('tangshi_tf.generate', f'--num={10**21}', '--temperature=0'), r'--num=10+: .*\[1, 1000000\]')


@pytest.mark.parametrize('flags', [
    ['--temperature=0'], ['--exercise'], ['--top_k=1'], ['--min_p=1'], ['--form=五绝', '--temperature=0']])
def test_greedy_poems_are_all_the_same(command, trained, flags):
  begin = [] if '--form=五绝' in flags else ['--begin=日']
  assert_one_line(command('tangshi_tf.generate', f'--model={trained[0]}', '--num=3', *begin, *flags),
                  ': --num=3: the most likely characters alone make the same poem each time; expected --num=1, a '
                  'temperature above 0, or --init=random')


def test_greedy_poems_from_random_states_are_not(command, trained):
  done = command('tangshi_tf.generate', f'--model={trained[0]}', '--num=3', '--begin=日', '--exercise', '--init=random')
  assert done.returncode == 0 and done.stdout.count('日') >= 3
