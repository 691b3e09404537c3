"""What a new user sees first."""

import pytest

SCREEN = 24  # lines


@pytest.fixture
def quickstart(load_script, monkeypatch):
  module = load_script('quickstart')
  monkeypatch.setattr(module.environment, 'prepare', lambda: None)
  return module


def test_it_shows_what_its_commands_print(quickstart, command, monkeypatch, capsys):
  ran = []

  def run(*arguments):
    assert arguments[:2] == ('-m', 'tangshi_tf.generate')
    done = command('tangshi_tf.generate', *arguments[2:])
    assert done.returncode == 0 and not done.stderr, done.stderr  # no library's log between the poems
    assert 0 < len(done.stdout.splitlines()) <= SCREEN
    ran.append(done.stdout)
    print(done.stdout, end='')
    return 0

  monkeypatch.setattr(quickstart.environment, 'run', run)
  assert quickstart.main([]) == 0
  shown = capsys.readouterr().out
  for (title, _), poems in zip(quickstart.SHOWN, ran, strict=True):
    assert f'\n{title}\n{poems}' in shown
  assert len(shown.splitlines()) == sum(len(text.splitlines()) for text in ran) + 2 * len(ran) + 4
  acrostic = ran[3].replace('，', '\n').split()
  assert [line[0] for line in acrostic] == list('春夏秋冬')


def test_help_and_bad_arguments_prepare_nothing(quickstart, monkeypatch, capsys):
  monkeypatch.setattr(quickstart.environment, 'prepare', lambda: pytest.fail('prepared'))
  assert quickstart.main(['--help']) == 0 and '700 MB' in capsys.readouterr().out
  assert quickstart.main(['now']) == 2 and capsys.readouterr().err == (
      "quickstart.py: unexpected argument 'now'; expected none\n")


def test_a_command_is_shown_as_it_is_run(quickstart, monkeypatch, capfd):
  import sys
  monkeypatch.setattr(quickstart.environment, '_PYTHON', sys.executable)
  monkeypatch.setenv('PYTHONUTF8', '1')  # this program prints as the locale says
  assert quickstart.environment.run('-c', 'print("日月")') == 0
  assert capfd.readouterr().out == '$ python -c print("日月")\n日月\n'


def test_a_command_that_fails_ends_it(quickstart, monkeypatch):
  calls = []
  monkeypatch.setattr(quickstart.environment, 'run', lambda *arguments: calls.append(arguments) or 3)
  assert quickstart.main([]) == 3 and len(calls) == 1
