"""No terminal, no home, no locale, no directory: the poem is written."""

import os
import subprocess
import sys

import pytest

from ..conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='surroundings as POSIX has them')
POEM = '床前明月光，疑是地上霜。举头望明月，低头思故乡。'


def checked(tmp_path, before='', *arguments, **environment):
  """Runs a command that takes and prints Chinese in an environment that has nothing else; returns what it printed."""
  line = f'{before} exec {sys.executable} -m tangshi_tf.prosody --form=五绝 "$@" {POEM}'
  done = subprocess.run(['/bin/bash', '-c', line, 'bash', *arguments], cwd=tmp_path, capture_output=True,
                        env={'PYTHONPATH': str(ROOT), **environment}, start_new_session=True, check=False)
  assert done.returncode in (0, 1) and not done.stderr, done.stderr
  return done.stdout.decode()


@pytest.mark.parametrize('environment', [
    {}, {'LC_ALL': 'C'}, {'LC_ALL': 'C', 'PYTHONUTF8': '0'}, {'LC_ALL': 'POSIX', 'PYTHONCOERCECLOCALE': '0'},
    {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONIOENCODING': 'ascii'}, {'PYTHONIOENCODING': 'gbk'}, {'HOME': '/proc'},
    {'TERM': 'dumb', 'COLUMNS': '5'}, {'COLUMNS': 'x', 'LINES': '-1'}, {'TMPDIR': '/nowhere'}, {'PATH': ''},
    {'HOME': ''},
], ids=str)
def test_environment(tmp_path, environment):
  assert '床前明月光' in checked(tmp_path, **environment)


@pytest.mark.parametrize('before', [
    'mkdir gone; cd gone; rmdir ../gone;', 'mkdir closed; cd closed; chmod 0 .;', "trap '' HUP INT TERM PIPE;",
    'exec 0<&-;'])
def test_the_process_begins_in(tmp_path, before):
  assert '床前明月光' in checked(tmp_path, before)


def test_names_of_files_where_the_locale_has_ascii_alone(tmp_path):
  (tmp_path / '诗.txt').write_text('白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n', encoding='utf-8')
  line = f'{sys.executable} -m tangshi_tf.prosody --file=诗.txt'
  done = subprocess.run(['/bin/bash', '-c', line], cwd=tmp_path, capture_output=True, check=False,
                        env={'PYTHONPATH': str(ROOT), 'LC_ALL': 'C', 'PYTHONUTF8': '0'})
  assert done.returncode == 0 and '黄河入海流' in done.stdout.decode(), done.stderr


def test_a_poem_is_written_from_a_directory_that_is_gone(command, trained):
  environment = {'PYTHONPATH': str(ROOT), 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'HOME': '/proc', 'TMPDIR': '/nowhere'}
  line = (f'mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m tangshi_tf.generate --model={trained[0]} '
          '--begin=日 <&- 2>&-')
  done = subprocess.run(['/bin/bash', '-c', line], cwd=trained[0].parent, capture_output=True, env=environment,
                        check=False)
  assert done.returncode == 0 and done.stdout.decode().startswith('日')
