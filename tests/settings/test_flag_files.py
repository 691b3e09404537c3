"""Flag files: within bounds, whatever they hold."""

import pytest

from tangshi_tf.errors import UserError
from tangshi_tf.settings import expand_flag_files


@pytest.fixture
def write(tmp_path, monkeypatch):
  """Writes a flag file into the working directory."""
  monkeypatch.chdir(tmp_path)

  def write(name, text):
    (tmp_path / name).write_text(text, encoding='utf-8')

  return write


def test_lines_stand_in_the_place_of_their_file(write):
  write('inner', '--begin=月\n')
  write('outer', '\ufeff# a comment\n// another\n\n  --seed=1\r\n--flagfile inner\n--flagfile=inner\n')
  assert expand_flag_files(['--num=2', '--flagfile=outer', '--json']) == [
      '--num=2', '--seed=1', '--flagfile inner', '--begin=月', '--json']
  assert expand_flag_files(['-flagfile', 'inner', 'text']) == ['--begin=月', 'text']
  assert expand_flag_files(['--json', '--', '--flagfile=inner']) == ['--json', '--', '--flagfile=inner']


@pytest.mark.parametrize(('text', 'message'), [
    ('--flagfile=f', "flag file 'f': names itself"), ('--flagfile=none', "'none': cannot be read .No such file"),
    ('--flagfile=', "'': cannot be read"), ('--flagfile', "'': cannot be read"), ('--flagfile=a\0b', 'cannot be read'),
    ('--seed=1\n' * 10_000, "'f': is too long; expected at most 65,536 bytes")])
def test_what_cannot_be(write, text, message):
  write('f', text)
  with pytest.raises(UserError, match=message):
    expand_flag_files(['--flagfile=f'])


def test_files_that_double_each_other(write):
  for i in range(18):  # 131,072 lines
    write(f'f{i}', f'--flagfile=f{i + 1}\n' * 2)
  write('f18', '--seed=1\n')
  with pytest.raises(UserError, match='is too long'):
    expand_flag_files(['--flagfile=f0'])


def test_no_utf_8(tmp_path):
  (tmp_path / 'f').write_bytes(b'--begin=\xff')
  with pytest.raises(UserError, match='cannot be read .*expected a UTF-8 text file'):
    expand_flag_files([f'--flagfile={tmp_path / "f"}'])
