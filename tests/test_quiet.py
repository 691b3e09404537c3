"""What TensorFlow's libraries log while they start stays off the screen, in Python as in the commands."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tangshi_tf.quiet import OPTIONAL

from .conftest import ROOT

WRITES = "import tangshi_tf; print(tangshi_tf.load('gru').write('五绝', seed=1))"
LOGS = re.compile(r'oneDNN|cuInit|InitializeLog|cpu_feature_guard')


def kept_environment() -> dict[str, str]:
  """Returns the environment without what it says to TensorFlow."""
  return {name: value for name, value in os.environ.items()
          if name not in ('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS', 'TF_NUM_INTRAOP_THREADS')}


def python(program: str, *, arguments=(), **environment: str) -> subprocess.CompletedProcess:
  """Runs a program in a process that has not loaded TensorFlow."""
  return subprocess.run([sys.executable, *arguments, '-c', program], cwd=ROOT,
                        env={**kept_environment(), **environment}, capture_output=True, text=True, encoding='utf-8',
                        timeout=300, check=False)


@pytest.mark.parametrize('program', [
    WRITES, 'import tangshi_tf; tangshi_tf.process_dataset("poems.txt")', 'from tangshi_tf import myRNNModel; '
    'model = myRNNModel({"PAD": 0, "UNK": 1, "bos": 2, "eos": 3, "月": 4}, units=3); '
    'import tangshi_tf; print(tangshi_tf.gen_poem("月", model=model))',
    'import tangshi_tf.decoding.loop', 'from tangshi_tf import *; help(gen_poem)'])
def test_first_use_leaves_the_screen_clean(program):
  done = python(program, TF_CPP_MIN_LOG_LEVEL='3') if 'decoding.loop' in program else python(program)
  assert done.returncode == 0 and not done.stderr, done.stderr


def test_who_asks_for_the_log_gets_it():
  assert LOGS.search(python('from tangshi_tf.quiet import tf', TF_CPP_MIN_LOG_LEVEL='0').stderr)
  done = python('import tensorflow as tf; from tangshi_tf import myRNNModel; tf.constant(1)')
  assert LOGS.search(done.stderr) and done.returncode == 0


def test_a_start_that_fails_shows_its_log():
  done = python('import sys; sys.modules["numpy"] = None; from tangshi_tf.quiet import tf')
  assert done.returncode == 1 and 'ImportError' in done.stderr.replace('ModuleNotFoundError', 'ImportError')
  shown = python('import os, tangshi_tf.quiet as quiet\n'
                 'with quiet.quiet_start():\n'
                 '  os.write(2, b"I0000 00:00:17.1 1 port.cc:1] a log line\\n")\n'
                 '  raise RuntimeError("broken")')
  assert 'a log line' in shown.stderr and shown.stderr.count('a log line') == 1 and 'broken' in shown.stderr


def test_commands_start_without_what_keras_needs_for_other_things(tmp_path):
  for name in OPTIONAL:
    (tmp_path / f'{name}.py').write_text('print("imported"); raise RuntimeError("broken")', encoding='utf-8')
  path = os.pathsep.join([str(tmp_path), str(ROOT)])
  done = python('import runpy, sys; sys.argv[1:] = ["--model=rnn", "--begin=月", "--seed=1"]; '
                'runpy.run_module("tangshi_tf.generate", run_name="__main__")', PYTHONPATH=path)
  assert done.returncode == 0 and done.stdout.startswith('月'), done.stderr
  assert 'imported' not in done.stdout
  done = python('from tangshi_tf import quiet; quiet.start_without_optional(); quiet.tf; print("started")\n'
                'import PIL', PYTHONPATH=path)
  assert done.stdout.split() == ['started', 'imported'] and 'broken' in done.stderr


@pytest.mark.parametrize(('environment', 'before', 'expected'), [
    ({}, '', '0'), ({'TF_ENABLE_ONEDNN_OPTS': '1'}, '', '1'), ({}, 'quiet.tf', 'None')], ids=str)
def test_generate_starts_without_onednn_unless_the_environment_says_otherwise(environment, before, expected):
  done = python(f'import os, sys; from tangshi_tf import quiet, generate; {before}\n'
                'from absl import flags; flags.FLAGS(["", "--model=rnn", "--begin=月", "--seed=1"]); generate.main()\n'
                'print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))', **environment)
  poem, found = done.stdout.split('\n')[0], done.stdout.split()[-1]
  assert poem.startswith('月') and found == expected, done.stderr


@pytest.mark.parametrize(('environment', 'shared'), [({}, True), ({'TF_NUM_INTRAOP_THREADS': '3'}, False)], ids=str)
def test_loops_side_by_side_share_the_cores_unless_the_environment_says_otherwise(environment, shared):
  done = python('from tangshi_tf.model import devices; from tangshi_tf.quiet import tf\n'
                'devices.start(to_write=True); devices.start(to_write=True)\n'
                'print(devices.cores(), devices.loops(), tf.config.threading.get_intra_op_parallelism_threads())',
                **environment)
  cores, loops, threads = map(int, done.stdout.split())
  assert 1 <= loops <= cores and threads == (cores // loops if shared else 0), done.stderr


# One thread writes to standard error all the time while others start TensorFlow, one of them in a context of its own.
THREADS = '''
import sys, threading, os
from tangshi_tf import quiet
done = threading.Event()
def talk():
  while not done.wait(0.01):
    sys.stderr.write('talk\\n')  # at once, so that no line of others comes between
    sys.stderr.flush()
  os.write(2, b'end of talk')
def start():
  with quiet.quiet_start():
    quiet.tf.constant(1)
talker = threading.Thread(target=talk)
starters = [threading.Thread(target=start) for _ in range(4)] + [threading.Thread(target=lambda: quiet.keras)]
for thread in (talker, *starters):
  thread.start()
for thread in starters:
  thread.join()
done.set()
talker.join()
'''


def test_several_threads_start_it_and_what_others_say_is_shown():
  done = python(THREADS)
  *lines, last = done.stderr.split('\n')
  assert done.returncode == 0 and len(lines) > 10 and set(lines) == {'talk'} and last == 'end of talk', done.stderr


@pytest.mark.skipif(os.name == 'nt', reason='closes POSIX descriptors')
@pytest.mark.parametrize('before', [
    'import os; os.close(2)', 'import sys; sys.stderr = None', 'import sys, io; sys.stderr = io.StringIO()',
    'import sys; sys.stderr.close()', 'import os, sys; os.close(2); sys.stderr = None',
    'import tempfile\ndef full(**_): raise OSError(28, "No space left on device")\ntempfile.TemporaryFile = full'])
def test_any_standard_error_will_do(before):
  done = python(f'{before}\nfrom tangshi_tf.quiet import tf\nprint(int(tf.constant(3)))')
  assert done.returncode == 0 and done.stdout == '3\n' and not LOGS.search(done.stderr), done.stderr


def test_a_file_that_has_the_place_of_standard_error_keeps_what_is_written(tmp_path):
  path = tmp_path / 'mine'
  done = python(f'import os; os.close(2); file = open({str(path)!r}, "wb", buffering=0); assert file.fileno() == 2\n'
                'file.write(b"one\\n"); from tangshi_tf.quiet import tf; tf.constant(1); file.write(b"two\\n")')
  assert done.returncode == 0 and path.read_bytes() == b'one\ntwo\n'


def test_the_script_for_n_grams_is_silent(tmp_path):
  poems = tmp_path / 'poems.txt'
  with open(ROOT / 'poems.txt', encoding='utf-8') as file:
    poems.write_text(''.join(line for line, _ in zip(file, range(300))), encoding='utf-8')
  script = pathlib.Path(ROOT, 'scripts', 'reports', 'evaluate_ngrams.py')
  done = subprocess.run([sys.executable, script, f'--corpus={poems}', '--order=2'], env=kept_environment(),
                        capture_output=True, text=True, encoding='utf-8', timeout=300, check=False)
  assert done.returncode == 0 and done.stdout and not done.stderr, done.stderr
