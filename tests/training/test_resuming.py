"""A run that is resumed finds its own corpus, and says in one line where that is gone or has changed."""

import json
import re
import shlex

import pytest

from tangshi_tf import run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings

SMALL = {'units': 4, 'embedding_size': 4, 'batch_size': 100, 'epochs': 1, 'samples': 0}


@pytest.fixture
def run(tmp_path, poems_file, monkeypatch):
  """A run in `work/a` on `work/poems/mine.txt`, which it was told from `work`; that is the current directory."""
  (tmp_path / 'work/poems').mkdir(parents=True)
  (tmp_path / 'work/poems/mine.txt').write_bytes(poems_file.read_bytes())
  monkeypatch.chdir(tmp_path / 'work')
  return training.run(Settings.of(corpus=['poems/mine.txt'], **SMALL), tmp_path / 'work/a').path


def epochs(path, **changes):
  return len(training.resume(path, **changes).history)


def test_a_run_finds_its_corpus_from_where_it_began_and_from_elsewhere(run, tmp_path, monkeypatch):
  config = json.loads((run / 'config.json').read_text(encoding='utf-8'))['training']
  assert config['corpus'] == 'mine.txt'
  assert config['corpus_files'] == {'given': ['poems/mine.txt'], 'absolute': [str(run.parent / 'poems/mine.txt')]}
  assert epochs(run, epochs=2) == 2
  (tmp_path / 'else/poems').mkdir(parents=True)
  monkeypatch.chdir(tmp_path / 'else')
  assert epochs(run, epochs=3) == 3
  (tmp_path / 'else/poems/mine.txt').write_text('题:床前明月光，疑是地上霜。\n' * 3, encoding='utf-8')
  assert epochs(run, epochs=4) == 4  # of two files of that name it takes its own
  # A copy of the run and of its poems, on another machine as it were.
  run.parent.rename(tmp_path / 'moved')
  monkeypatch.chdir(tmp_path / 'moved')
  assert epochs('a', epochs=5) == 5


def test_a_corpus_that_is_gone_or_has_changed_is_one_line(run, tmp_path, monkeypatch):
  mine = run.parent / 'poems/mine.txt'
  sha = json.loads((run / 'config.json').read_text(encoding='utf-8'))['training']['corpus_sha256']
  expected = (f'; expected the corpus that the run in {run} began with, {mine} of SHA-256 {sha}, as corpus if it is '
              'elsewhere now')
  mine.rename(tmp_path / 'new.txt')
  with pytest.raises(UserError) as caught:
    training.resume(run)
  assert str(caught.value) == f'{mine}: cannot be read (No such file or directory){expected}'
  mine.write_text('题:床前明月光，疑是地上霜。\n' * 30, encoding='utf-8')
  with pytest.raises(UserError) as caught:
    training.resume(run)
  assert str(caught.value) == f'{mine}: has other poems, or in another order{expected}'
  with pytest.raises(UserError, match='mine.txt: has other poems.*the corpus that the run in .* with, mine.txt of '):
    training.resume(run, corpus=[str(mine)])
  with pytest.raises(UserError, match='nowhere.txt: cannot be read'):
    training.resume(run, corpus=['nowhere.txt'])
  assert epochs(run, corpus=[str(tmp_path / 'new.txt')], epochs=2) == 2
  assert epochs(run, epochs=3) == 3  # it knows where that is from now on


@pytest.mark.parametrize('files', [None, 3, {}, {'given': 'mine.txt', 'absolute': [1]}])
def test_a_run_of_an_older_version_is_resumed_as_before(run, files):
  with run_dir.claim(run, resume=True) as claimed:
    config = claimed.config()
    config['training']['corpus_files'] = files
    claimed.write_json(run_dir.CONFIG, config)
  with pytest.raises(UserError, match='poems.txt: has other poems.*with, mine.txt of SHA-256'):
    training.resume(run)  # the package's own poems
  assert epochs(run, corpus=['poems/mine.txt'], epochs=2) == 2
  assert epochs(run, epochs=3) == 3


def test_a_setting_that_an_older_run_does_not_name_is_refused_all_the_same(run):
  with run_dir.claim(run, resume=True) as claimed:
    config = claimed.config()
    for name in ('start_from', 'bos_dropout'):
      del config['training']['flags'][name]
    claimed.write_json(run_dir.CONFIG, config)
  for name, value in {'start_from': 'rnn', 'bos_dropout': 0.5}.items():
    with pytest.raises(UserError, match=f'^{name}={value}: the run in .* has (none|0.0); leave it out'):
      training.resume(run, **{name: value})
  assert epochs(run, epochs=2, bos_dropout=0.0) == 2


def test_the_command_that_a_stopped_run_prints_continues_it(command, poems_file, tmp_path):
  """From a module that stops a real command after three steps."""
  (tmp_path / 'stopped.py').write_text(
      'import contextlib, itertools\n'
      'from tangshi_tf import cli, recipes\n'
      'steps = itertools.count(1)\n'
      'cli.interruptible = lambda: contextlib.nullcontext(lambda: 130 if next(steps) >= 3 else 0)\n'
      'from tangshi_tf import train\n'
      'cli.run(train.main, expand=recipes.expand)\n', encoding='utf-8')
  (tmp_path / 'my poems.txt').write_bytes(poems_file.read_bytes())
  done = command('stopped', '--corpus=my poems.txt', '--epochs=1', '--units=4', '--run_dir=my run',
                 '--strategy=mirrored')
  assert done.returncode == 130, done.stderr
  found = re.search(r'To continue: python -m (tangshi_tf.train) (.*)', done.stdout)
  again = command(found[1], *shlex.split(found[2]))
  assert again.returncode == 0 and 'Resumed at step 3 of' in again.stdout and 'Done.' in again.stdout, again.stderr
