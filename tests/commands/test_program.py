"""All commands as one program, and what a misspelt flag or name is answered with."""

import configparser
import importlib.util
import os
import sys

import pytest

from tangshi_tf import __main__ as program
from tangshi_tf import __version__

from ..checks import assert_one_line
from ..conftest import ROOT
from ..test_house import COMMANDS


def test_the_list_has_the_commands_and_what_they_say_of_themselves():
  listed = dict(line.split(maxsplit=1) for line in program.__doc__.split('\n\n')[1].splitlines())
  assert tuple(listed) == program.COMMANDS and set(listed) == COMMANDS - {'__main__'} | {'prosody'}
  for name, text in listed.items():
    place = f'tangshi_tf.{name}' + '.__main__' * (name == 'prosody')
    source = importlib.util.find_spec(place).loader.get_source(place)
    assert source.startswith(f'"""{text}')


@pytest.mark.parametrize('arguments', [[], ['--help'], ['help']])
def test_what_there_is(command, arguments):
  done = command('tangshi_tf', *arguments)
  assert done.returncode == 0 and done.stdout.startswith(program.__doc__.rstrip()) and not done.stderr


def test_the_version(command):
  for name in ('tangshi_tf', 'tangshi_tf.prosody'):
    assert command(name, '--version').stdout == f'tangshi_tf {__version__}\n'


def test_a_command_of_the_program(command):
  done = command('tangshi_tf', 'prosody', '白日依山尽', '--tones=off')
  assert done.returncode == 0 and done.stdout == command('tangshi_tf.prosody', '--tones=off', '白日依山尽').stdout
  assert command('tangshi_tf', 'help', 'score').stdout == command('tangshi_tf.score', '--help').stdout
  assert_one_line(command('tangshi_tf', 'write-shards', '--corpus=none'), 'none: cannot be read',
                  program='python -m tangshi_tf write_shards: ')


@pytest.mark.parametrize(('arguments', 'message'), [
    (['genrate'], "'genrate': unknown command; did you mean generate.$"),
    (['xyz'], "'xyz': unknown command; expected one of generate, train, evaluate, "),
    (['--frm'], '--frm: unknown flag; see --help')])
def test_no_such_command(command, arguments, message):
  assert_one_line(command('tangshi_tf', *arguments), message, program='python -m tangshi_tf: ')


def test_the_installed_program(monkeypatch, capsys):
  settings = configparser.ConfigParser()
  settings.read(ROOT / 'setup.cfg', encoding='utf-8')
  assert settings['options.entry_points']['console_scripts'].strip() == 'tangshi = tangshi_tf.__main__:main'
  monkeypatch.setattr(sys, 'argv', [os.path.join('bin', 'tangshi'), 'genrate'])
  with pytest.raises(SystemExit) as ended:
    program.main()
  assert ended.value.code == 2
  assert capsys.readouterr().err == "tangshi: 'genrate': unknown command; did you mean generate?\n"


@pytest.mark.parametrize(('name', 'flag', 'message'), [
    ('train', '--epoch=3', '--epoch: unknown flag; did you mean --epochs.'),
    ('generate', '--frm=七绝', '--frm: unknown flag; did you mean --form.'),
    ('generate', '--nojsn', '--nojsn: unknown flag; did you mean --nojson.'),
    ('generate', '--num＝3', '--num＝3: unknown flag; did you mean --num.'),
    ('evaluate', '--modle=gru', '--modle: unknown flag; did you mean --model.'),
    ('score', '--flie=x', '--flie: unknown flag; did you mean --file.'),
    ('prosody', '--tone=off', '--tone: unknown flag; did you mean --tones.'),
    ('write_shards', '--shard=3', '--shard: unknown flag; did you mean --shards.'),
    ('launch', '--worker=2', '--worker: unknown flag; did you mean --workers.'),
    ('generate', '--qqqqqq', '--qqqqqq: unknown flag; see --help'),
    ('generate', 'form=七绝', "unexpected argument 'form=七绝'; expected flags only; did you mean --form."),
    ('prosody', '—form=七绝', "unexpected argument '—form=七绝'; expected flags only; did you mean --form."),
    ('generate', '--model=gur', 'model .gur.: no such directory.*did you mean gru.'),
    ('generate', '--model=BEST', 'did you mean best.'),
    ('train', '--recipe=tensorflwo', "recipe 'tensorflwo' is unknown.*did you mean tensorflow."),
    ('generate', '--form=七决', "form '七决' is unknown; .*did you mean 七"),
])
def test_the_nearest_is_named(command, name, flag, message):
  assert_one_line(command(f'tangshi_tf.{name}', flag), message + '$' * message.endswith('.'))


def test_a_flag_after_a_text_is_no_text(command):
  assert command('tangshi_tf.prosody', '白日依山尽', '--json').stdout.startswith('{')
  assert '--json' in command('tangshi_tf.prosody', '--', '--json').stdout


@pytest.mark.parametrize('arguments', [
    ['白日依山尽', '黄河入海流', '欲穷千里目', '更上一层楼'], ['白日依山尽，黄河入海流。', '欲穷千里目，更上一层楼。'],
    ['白日依山尽/黄河入海流/欲穷千里目/更上一层楼'], ['白日依山尽\\n黄河入海流\\n欲穷千里目\\n更上一层楼']])
def test_prosody_reads_a_poem_that_is_several_arguments_or_lines(command, arguments):
  done = command('tangshi_tf.prosody', *arguments)
  assert done.returncode == 0, done.stderr
  assert done.stdout.startswith('五绝, 仄起首句不入韵, rhyme 下平十一尤\n') and done.stdout.count('no faults') == 1


def test_prosody_reads_each_poem_that_is_an_argument(command):
  poem = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'
  done = command('tangshi_tf.prosody', poem, poem, '', f'登鹳雀楼:{poem}')
  assert done.returncode == 0 and done.stdout.count('no faults') == 3
