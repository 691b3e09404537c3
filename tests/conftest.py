"""What pytest gives to the tests; TensorFlow is loaded by what needs it."""

import collections
import importlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from absl import flags

import tangshi_tf
from tangshi_tf import corpus, run_dir

from . import forked

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ['TANGSHI_SILENCE'] = '1e6'  # seconds; how long work takes is for no test to find
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)  # or each of hundreds of commands would compile the package anew
# What a script in the background or nohup ignores would be ignored by the commands, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, 'SIGHUP'):
  signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ['PYTHONPATH'] = str(ROOT)  # so that no process that a test starts depends on an installation
QUICK = ['--samples=0', '--noprojector']  # a training that writes no poems, which takes a second or two
tried = collections.Counter()  # made-up cases, by what they were tried on


def pytest_sessionfinish(session):
  if hasattr(session.config, 'workeroutput'):  # one of several processes that run the tests
    session.config.workeroutput['tried'] = dict(tried)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
  tried.update(getattr(node, 'workeroutput', {}).get('tried', {}))


def pytest_terminal_summary(terminalreporter):
  if tried:
    terminalreporter.write_line(f'Made-up cases: {sum(tried.values()):,}: ' + ', '.join(
        f'{name} {count:,}' for name, count in tried.items()))


@pytest.fixture(scope='session')
def poems_file(tmp_path_factory):
  """The first 400 poems of the real corpus."""
  path = tmp_path_factory.mktemp('corpus') / 'poems.txt'
  with open(ROOT / 'poems.txt', encoding='utf-8') as file:
    path.write_text(''.join(line for line, _ in zip(file, range(400))), encoding='utf-8')
  return path


@pytest.fixture(scope='session')
def word2id():
  """A vocabulary of 40 words, the special ones first."""
  words = ['PAD', 'UNK', 'bos', 'eos', '，', '。', *(chr(0x4e00 + i) for i in range(34))]
  return {word: i for i, word in enumerate(words)}


@pytest.fixture(scope='session')
def real_word2id(poems_file):
  """The vocabulary of `poems_file`."""
  return corpus.word_tables(corpus.build_vocabulary(corpus.keep_short(corpus.read_poems(poems_file))))[0]


@pytest.fixture(scope='module')
def model(word2id):
  """A small untrained model."""
  return tangshi_tf.myRNNModel(word2id, cell='gru', units=4, embedding_size=3)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A directory for all tests of a module."""
  return tmp_path_factory.mktemp('folder')


@pytest.fixture(params=['rnn', 'lstm', 'gru', 'gru-before'])
def saved(request, tmp_path, word2id):
  """A run, of each cell, and its model."""
  cell, _, before = request.param.partition('-')
  model = tangshi_tf.myRNNModel(word2id, cell=cell, embedding_size=4, units=6, reset_after=not before)
  with run_dir.claim(tmp_path / 'runs' / 'a') as run:
    run.create(list(word2id), {'model': model.hyperparameters})
    run.save_weights(run_dir.BEST, model)
  return run.path, model


@pytest.fixture
def one(tmp_path, word2id):
  """A run whose best weights have biases of 1, and its model."""
  from .checks import save
  model = tangshi_tf.myRNNModel(word2id, embedding_size=4, units=6)
  with run_dir.claim(tmp_path / 'one') as run:
    run.create(list(word2id), {'model': model.hyperparameters})
  save(run.path, model, 1)
  return run.path, model


@pytest.fixture
def command(tmp_path):
  """Runs a command line of the package from an empty directory."""

  def run(module, *arguments, **options):
    environment = {**os.environ}
    environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
    arguments = list(map(str, arguments))
    if module == 'tangshi_tf.train' and not any('samples' in given or 'projector' in given for given in arguments):
      arguments = [*QUICK, *arguments]  # what else a training does is for the tests of TensorBoard
    return forked.run(module, arguments, cwd=tmp_path, env=environment, timeout=300, **options)

  return run


@pytest.fixture(scope='module')
def load_script():
  """Imports scripts, such as 'reports/plot_curves', as modules; they and their flags, whose names they share, are gone
  afterwards."""
  known_flags, known_modules, known_path = set(flags.FLAGS), set(sys.modules), [*sys.path]

  def load(name):
    script = ROOT / 'scripts' / name
    sys.path.insert(0, str(script.parent))  # as Python does for a script
    return importlib.import_module(script.name)

  yield load
  sys.path[:] = known_path
  for name in set(flags.FLAGS) - known_flags:
    delattr(flags.FLAGS, name)
  for name in set(sys.modules) - known_modules:
    if (getattr(sys.modules[name], '__file__', None) or '').startswith(str(ROOT / 'scripts')):
      del sys.modules[name]


@pytest.fixture
def script(tmp_path):
  """Runs a script, such as 'build/build_corpus.py', from an empty directory."""

  def run(name, *arguments):
    environment = {**os.environ}
    environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
    return subprocess.run([sys.executable, ROOT / 'scripts' / name, *map(str, arguments)], cwd=tmp_path,
                          env=environment, capture_output=True, text=True, encoding='utf-8', timeout=600, check=False)

  return run


@pytest.fixture(scope='session')
def trained(tmp_path_factory, poems_file):
  """A run directory made by the real command, and what the command printed."""
  folder = tmp_path_factory.mktemp('trained')
  environment = {**os.environ}
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
  done = subprocess.run(
      [sys.executable, '-m', 'tangshi_tf.train', '--recipe=none', f'--corpus={poems_file}', '--epochs=3', '--cell=lstm',
       '--units=16', '--embedding_size=8', '--batch_size=20', '--learning_rate=0.01', '--log_every=5'],
      cwd=folder, env=environment, capture_output=True, text=True, encoding='utf-8', timeout=300, check=False)
  assert done.returncode == 0, done.stderr
  return folder / 'runs' / 'lstm', done
