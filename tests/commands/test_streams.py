"""Standard streams that are full, closed, or without a reader."""

import io
import json
import os
import subprocess
import sys
import tempfile

import pytest

import tangshi_tf
from tangshi_tf import cli, recipes, training
from tangshi_tf.cli.streams import _Descriptor
from tangshi_tf.quiet import quiet_start

from ..conftest import ROOT
from ..forked import CLOSED, GONE

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='streams as POSIX has them')
POEM = '朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。'
FULL = '/dev/full'


def shell(line, tmp_path):
  """Runs a line of a shell, in which `tangshi` is the program."""
  program = f'tangshi() {{ {sys.executable} -m tangshi_tf "$@"; }}\n'
  return subprocess.run(['bash', '-c', program + line], cwd=tmp_path, capture_output=True, text=True, encoding='utf-8',
                        env={**os.environ, 'PYTHONPATH': str(ROOT)}, check=False)


@pytest.fixture(scope='module')
def lines(trained, poems_file):
  """The arguments of each command that prints what it was asked for."""
  model = f'--model={trained[0]}'
  return {
      'generate': [model, '--begin=日', '--seed=1'], 'evaluate': [model, f'--split={poems_file}'],
      'score': [model, '日月'], 'prosody': [POEM],
      'write_shards': [f'--corpus={poems_file}', '--out=shards', '--processes=1'],
  }


COMMANDS = ['generate', 'evaluate', 'score', 'prosody', 'write_shards']


@pytest.mark.skipif(not os.path.exists(FULL), reason='needs /dev/full')
@pytest.mark.parametrize('name', COMMANDS)
def test_standard_output_full(command, lines, name):
  done = command(f'tangshi_tf.{name}', *lines[name], instead={1: FULL})
  assert done.returncode == cli.UNWRITABLE
  assert done.stderr == (f'python -m tangshi_tf.{name}: standard output: cannot be written (No space left on device); '
                         'expected a file, a pipe or a terminal with room\n')


@pytest.mark.parametrize('name', COMMANDS)
def test_standard_output_closed(command, lines, name):
  done = command(f'tangshi_tf.{name}', *lines[name], instead={1: CLOSED})
  assert done.returncode == cli.UNWRITABLE
  assert done.stderr == (f'python -m tangshi_tf.{name}: standard output is closed; expected a file, a pipe or a '
                         'terminal with room\n')


@pytest.mark.parametrize('name', COMMANDS)
def test_a_reader_that_has_gone(command, lines, name):
  done = command(f'tangshi_tf.{name}', *lines[name], instead={1: GONE})
  assert done.returncode == cli.BROKEN_PIPE and not done.stderr


@pytest.mark.parametrize('name', COMMANDS)
def test_standard_input_and_error_closed(command, lines, name):
  done = command(f'tangshi_tf.{name}', *lines[name], instead={0: CLOSED, 2: CLOSED})
  assert done.returncode == 0 and done.stdout and not done.stderr


@pytest.mark.parametrize('name', ['score', 'prosody'])
def test_nothing_to_read_from(command, name):
  done = command(f'tangshi_tf.{name}', instead={0: CLOSED})
  assert done.returncode == 2
  assert done.stderr == (f'python -m tangshi_tf.{name}: standard input is closed; expected texts as arguments, in a '
                         '--file or on standard input\n')


def test_nobody_to_ask(command):
  done = command('tangshi_tf.generate', '--interactive', instead={0: CLOSED})
  assert done.returncode == 2 and 'standard input is closed; --interactive reads' in done.stderr


@pytest.mark.parametrize('instead', [FULL, CLOSED, GONE])
def test_training_goes_on_without_a_stream(command, poems_file, tmp_path, instead):
  done = command('tangshi_tf.train', f'--corpus={poems_file}', '--epochs=2', '--units=8', '--run_dir=r',
                 instead={1: instead})
  assert done.returncode == 0, done.stderr
  assert len(done.stderr.splitlines()) == 1 and done.stderr.endswith('; going on without it\n')
  assert (tmp_path / 'r/weights/epoch-02.npz').exists()


def test_training_without_any_stream(command, poems_file, tmp_path):
  done = command('tangshi_tf.train', f'--corpus={poems_file}', '--epochs=1', '--units=8', '--run_dir=r',
                 instead=dict.fromkeys(range(3), CLOSED))
  assert done.returncode == 0 and not done.stdout and not done.stderr
  # No file got the number of a stream, and with it what is printed.
  assert json.loads((tmp_path / 'r/metrics.json').read_text(encoding='utf-8'))['best_epoch'] == 1


@pytest.mark.parametrize(('line', 'out', 'err', 'status'), [
    (f'tangshi prosody {POEM} > /dev/full', '', 'cannot be written (No space', 74),
    (f'tangshi prosody {POEM} >&-', '', 'is closed', 74),
    (f'tangshi prosody {POEM} 2>&- <&-', '七绝', '', 0),
    ('tangshi prosody <&-', '', 'standard input is closed', 2),
    ('tangshi prosody 0> /dev/null', '', 'standard input: cannot be read (Bad file descriptor)', 2),
    (f'tangshi prosody {POEM} <&- >&- 2>&-', '', '', 74),
    # A message goes to whatever is left.
    ('tangshi prosody --no_such 2>&-', 'unknown flag', '', 2),
    ('tangshi prosody --no_such 2> /dev/full', 'unknown flag', '', 2),
    ('tangshi prosody --no_such > /dev/full', '', 'unknown flag', 2),
    ('tangshi prosody --no_such > /dev/full 2>&1', '', '', 2),
    ('tangshi prosody --help > /dev/full', '', 'cannot be written', 74),
    ('tangshi > /dev/full', '', 'cannot be written', 74),
    ('tangshi generate --help | true; echo ${PIPESTATUS[0]}', '141', '', 0),
    # What cannot be written at the end is no traceback of Python's own, either.
    (f'python() {{ {sys.executable} -u -m "$@"; }}; python tangshi_tf.prosody {POEM} > /dev/full', '', 'No space', 74),
])
def test_streams_of_a_shell(tmp_path, line, out, err, status):
  done = shell(line, tmp_path)
  assert done.returncode == status, done.stderr
  assert out in done.stdout and err in done.stderr
  assert bool(done.stdout) == bool(out) and len(done.stderr.splitlines()) == bool(err)


def test_a_pipe_that_does_not_block_is_waited_for():
  reader, writer = os.pipe()
  os.set_blocking(writer, False)
  descriptor, text = _Descriptor(writer, needed=True), b'x' * 200_000  # more than a pipe holds
  program = f'import os; size = 0\nwhile part := os.read({reader}, 4096): size += len(part)\nprint(size)'
  with subprocess.Popen([sys.executable, '-c', program], pass_fds=[reader], stdout=subprocess.PIPE) as process:
    os.close(reader)
    assert descriptor.write(text) == len(text)
    os.close(writer)
    assert int(process.stdout.read()) == len(text)


class _Broken(io.StringIO):

  def write(self, _):
    raise BrokenPipeError


@pytest.mark.parametrize('out', [None, _Broken(), object()])
def test_progress_in_python_ends_no_training(monkeypatch, out, capsys):
  monkeypatch.setattr(sys, 'stdout', out)
  progress = training.Progress()
  for _ in range(2):
    progress.on_note('a note')
  assert capsys.readouterr().err.count('training goes on') == (out is not None)


def test_python_without_streams(monkeypatch, trained, poems_file, tmp_path):
  for name in ('stdin', 'stdout'):
    monkeypatch.setattr(sys, name, None)  # as pythonw has them
  writer = tangshi_tf.load(trained[0])
  assert writer.write(begin='日', seed=1).text == writer.write(begin='日', seed=1).text
  settings = recipes.settings_of('none', corpus=[str(poems_file)], epochs=1, units=4, embedding_size=4)
  assert training.run(settings, tmp_path / 'r', callbacks=[training.Progress()]).history


def test_a_start_without_room_for_its_log(monkeypatch):
  def full(*_, **__):
    raise FileNotFoundError('No usable temporary directory found')

  monkeypatch.setattr(tempfile, 'TemporaryFile', full)
  monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '3')
  with quiet_start():
    os.write(2, b'a log')
