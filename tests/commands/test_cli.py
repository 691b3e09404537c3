"""The command lines as processes of their own."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from tangshi_tf import cli, decoding, prosody, recipes, run_dir, settings
from tangshi_tf.model import devices

from ..checks import assert_one_line
from ..conftest import ROOT


@pytest.mark.parametrize(('flag', 'message'), [
    ('--epochs=0', r'--epochs=0: .* range \[1'), ('--units=-1', '--units=-1'), ('--units=1e3', '--units=1e3'),
    ('--learning_rate=nan', 'number above 0 up to 100'), ('--learning_rate=inf', 'up to 100'),
    ('--learning_rate=0', 'above 0'), ('--batch_size=0', '--batch_size'), ('--seed=-1', '--seed'),
    ('--cell=tree', '<rnn|lstm|gru>'), ('--precision=int8', '<float32|bfloat16|float16>'),
    ('--vocabulary_size=4', '--vocabulary_size'), ('--nosuchflag=1', 'nosuchflag'),
    ('extra', "unexpected argument 'extra'"), ('--bos_dropout=1.1', 'number from 0 to 1'),
    ('--random_states=-0.1', 'number from 0 to 1'), ('--random_states=nan', 'number from 0 to 1'),
    ('--state_stddev=inf', 'number from 0 to 100'), ('--state_stddev=-1', 'number from 0 to 100'),
    ('--unlikelihood=-1', 'number from 0 to 100'), (('--bptt=20', '--bos_dropout=0.5'), 'expected --bos_dropout=0'),
    ('--corpus=none.txt', 'none.txt: cannot be read'), ('--run_dir=file/run', 'file.run: cannot be written'),
    ('--run_dir=file', 'file: is a file'),
])
def test_train_bad_flags(command, tmp_path, flag, message):
  (tmp_path / 'file').write_text('')
  done = command('tangshi_tf.train', *([flag] if isinstance(flag, str) else flag))
  assert_one_line(done, message)  # and no "Device: ..." before it, let alone an epoch
  assert sorted(path.name for path in tmp_path.iterdir()) == ['file']


@pytest.mark.parametrize(('data', 'message'), [
    (b'', 'is empty'), (b'a\0b', 'NUL byte'), (b'\xff\xfe', 'not UTF-8'), ('甲:诗\n无\n'.encode(), ':2: no ":"'),
    (('甲:' + '月' * 300).encode(), 'none of at most 200 tokens'),
])
def test_train_bad_corpus(command, tmp_path, data, message):
  (tmp_path / 'c.txt').write_bytes(data)
  assert_one_line(command('tangshi_tf.train', '--corpus=c.txt'), f'c.txt.*{message}')
  assert not (tmp_path / 'runs').exists()


def test_train_never_overwrites_without_being_told(command, trained, tmp_path):
  shutil.copytree(trained[0], tmp_path / 'run')
  before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*')}
  assert_one_line(command('tangshi_tf.train', '--run_dir=run'),
                  'holds a run already; resume it, replace it with --overwrite, or choose another --run_dir')
  assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*')} == before


def test_streams_without_an_encoding_are_left_as_they_are(monkeypatch):
  shown = io.StringIO()  # as in a notebook
  monkeypatch.setattr(sys, 'argv', ['program'])
  monkeypatch.setattr(sys, 'stdin', io.StringIO('春\n'))
  monkeypatch.setattr(sys, 'stdout', shown)
  with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
    cli.run(lambda: print(*cli.texts([], None), end=''))
  assert not ended.value.code and shown.getvalue() == '春\n'


def test_the_number_of_cores_may_be_unknown(monkeypatch):
  monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
  monkeypatch.setattr(os, 'cpu_count', lambda: None)
  monkeypatch.setattr(tf.config, 'list_physical_devices', lambda _: [])
  assert devices.start() == 'Device: CPU (1 cores); TensorFlow sees no GPU'


@pytest.mark.parametrize('program', ['train', 'generate'])
def test_help_does_not_load_tensorflow(tmp_path, program):
  (tmp_path / 'tensorflow.py').write_text('raise SystemExit("TensorFlow was loaded")')
  environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), str(ROOT)])}
  for argument, status in (('--help', 0), ('--seed=x', 2)):
    done = subprocess.run([sys.executable, '-m', f'tangshi_tf.{program}', argument], env=environment,
                          capture_output=True, text=True, encoding='utf-8', check=False)
    assert done.returncode == status, done.stderr
  done = subprocess.run([sys.executable, '-m', f'tangshi_tf.{program}', '--help'], env=environment,
                        capture_output=True, text=True, encoding='utf-8', check=True)
  assert '--seed' in done.stdout and 'A number' in done.stdout


@pytest.mark.parametrize(('flags', 'message'), [
    (['--temperature=-1'], 'number from 0 to 100'), (['--temperature=nan'], 'number from 0'),
    (['--temperature=1e39'], 'to 100'),
    (['--max_len=0'], '--max_len'), (['--num=0'], '--num'), (['--init=one'], '<zero|random>'),
    (['--state_stddev=-0.1'], '--state_stddev'), (['--begin='], 'begin word is empty'),
    (['--model=nowhere'], "'nowhere': no such directory"), (['--model=.'], 'no manifest.json'),
    (['--begin=bos'], 'special token'), (['--begin=日', '--begin=x'], "'x' is not in the model's vocabulary"),
])
def test_generate_bad_flags(command, trained, flags, message):
  arguments = flags if '--model' in flags[0] else [f'--model={trained[0]}', *flags]
  assert_one_line(command('tangshi_tf.generate', *arguments), message)


def test_generate_from_damaged_weights(command, trained, tmp_path):
  shutil.copytree(trained[0], tmp_path / 'run')
  best = run_dir.RunDir(trained[0]).best
  with open(tmp_path / f'run/weights/{best}.npz', 'r+b') as file:
    file.truncate(1000)
  assert_one_line(command('tangshi_tf.generate', '--model=run'), f'{best}.npz: is damaged')


@pytest.mark.parametrize(('file', 'data', 'message'), [
    ('config.json', b'{', 'config.json: is damaged'), ('vocabulary.json', b'["PAD"]', 'holds 7 bytes; expected'),
    ('manifest.json', b'{}', 'manifest.json: is damaged'),
])
def test_generate_from_other_damage(command, trained, tmp_path, file, data, message):
  shutil.copytree(trained[0], tmp_path / 'run')
  (tmp_path / 'run' / file).write_bytes(data)
  assert_one_line(command('tangshi_tf.generate', '--model=run'), message)


def test_generate_with_the_weights_of_an_epoch(command, trained):
  done = command('tangshi_tf.generate', f'--model={trained[0]}', '--weights=epoch-01', '--begin=日')
  assert done.returncode == 0 and done.stdout.startswith('日')
  assert_one_line(command('tangshi_tf.generate', f'--model={trained[0]}', '--weights=epoch-09'), 'epoch-09')


@pytest.mark.parametrize('begin', ['bos', 'x'])
def test_generate_with_the_default_model_fails_in_one_line(command, begin):
  assert_one_line(command('tangshi_tf.generate', f'--begin={begin}'), 'begin word')


def test_a_small_vocabulary_in_mixed_precision(command, poems_file, tmp_path):
  done = command('tangshi_tf.train', f'--corpus={poems_file}', '--vocabulary_size=300', '--precision=bfloat16',
                 '--epochs=1', '--units=8', '--embedding_size=4')
  assert done.returncode == 0, done.stderr
  assert 'vocabulary of 300' in done.stdout and 'steps; the learning rate rises in the first 1.' in done.stdout
  assert done.stdout.count('precision=bfloat16: this device has no units') == (not devices.gains('bfloat16'))
  config = json.loads((tmp_path / 'runs/gru/config.json').read_text(encoding='utf-8'))
  assert config['training']['flags']['precision'] == 'bfloat16' and config['training']['flags']['recipe'] == 'gru'
  written = command('tangshi_tf.generate', '--temperature=1', '--num=20', '--begin=人', '--max_len=5')
  assert written.returncode == 0 and 'UNK' not in written.stdout


def test_sizes_beyond_memory(command, trained, tmp_path, poems_file, monkeypatch):
  resource = pytest.importorskip('resource')
  if sys.platform == 'darwin':
    pytest.skip('macOS does not keep to the limit that is set here')
  if tf.config.list_physical_devices('GPU'):
    pytest.skip('CUDA maps more address space than the limit that is set here')
  for name in ('TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS', 'OPENBLAS_NUM_THREADS'):
    monkeypatch.setenv(name, '1')  # where there are many cores, their threads' stacks would take all address space
  shutil.copytree(trained[0], tmp_path / 'run')
  done = command('tangshi_tf.train', f'--corpus={poems_file}', '--run_dir=run', '--overwrite', '--cell=lstm',
                 '--units=16384', '--embedding_size=16384',
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30)))
  assert done.returncode == 2 and 'not enough memory for 16384 units' in done.stderr.splitlines()[-1], done.stderr
  assert (tmp_path / 'run/weights/epoch-01.npz').exists()


@pytest.mark.skipif(os.name == 'nt', reason='sends POSIX signals')
def test_killed_at_the_start_and_started_again(command, tmp_path, poems_file):
  # A TensorFlow whose loading never ends, so that the run is at its start for as long as the test needs it there.
  (tmp_path / 'endless').mkdir()
  (tmp_path / 'endless/tensorflow.py').write_text('import sys\nprint("loading", flush=True)\nsys.stdin.read()\n')
  environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path / 'endless'), str(ROOT)])}
  arguments = [f'--corpus={poems_file}', '--epochs=1', '--units=8', '--run_dir=r']
  with subprocess.Popen([sys.executable, '-m', 'tangshi_tf.train', *arguments], cwd=tmp_path, env=environment,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    assert process.stdout.readline() == b'loading\n'
    held = command('tangshi_tf.train', *arguments)
    process.kill()
  assert_one_line(held, f'process {process.pid} is training into it')
  assert (tmp_path / 'r/.lock').read_text() == str(process.pid)
  done = command('tangshi_tf.train', *arguments)
  assert done.returncode == 0, done.stderr


def test_bom_crlf_and_poems_without_titles(command, tmp_path, poems_file):
  text = poems_file.read_text(encoding='utf-8')
  (tmp_path / 'windows.txt').write_bytes(b'\xef\xbb\xbf' + text.replace('\n', '\r\n').encode())
  bare = '\n\n'.join(line.partition(':')[2].replace('。', '。\n') for line in text.splitlines())
  (tmp_path / 'bare.txt').write_text(bare, encoding='utf-8')
  vocabularies = []
  for name in (poems_file, 'windows.txt', 'bare.txt'):
    done = command('tangshi_tf.train', f'--corpus={name}', '--epochs=1', '--units=4', '--run_dir=r', '--overwrite')
    assert done.returncode == 0, done.stderr
    vocabularies.append((tmp_path / 'r/vocabulary.json').read_text(encoding='utf-8'))
  assert vocabularies[0] == vocabularies[1] == vocabularies[2]


def test_generate_prints_poems_only(command, trained):
  done = command('tangshi_tf.generate', f'--model={trained[0]}', '--exercise')
  assert done.returncode == 0 and not done.stderr
  poems = done.stdout.rstrip('\n').split('\n\n')
  assert [poem[0] for poem in poems] == [c for c in '日红山夜湖海月' if c in run_dir.load(trained[0]).word2id]
  assert command('tangshi_tf.generate', f'--model={trained[0]}', '--exercise').stdout == done.stdout


def test_generate_writes_by_its_presets(command, trained):
  run = run_dir.load(trained[0])
  tables = {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word}

  def written(*arguments):
    done = command('tangshi_tf.generate', f'--model={trained[0]}', '--seed=3', '--json', *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]

  for poem in written('--exercise', '--init=random'):
    words = decoding.gen_poem(poem['begin'], init='random', seed=poem['seed'], **tables)  # gen_poem's own defaults
    assert poem['text'] == ''.join(words) and settings.EXERCISE.items() <= poem.items()
  poems = written()
  # Together, as the command writes them: alone a poem's last digits are others, and so might be a word that is drawn.
  every = decoding.generate([(poem['begin'], poem['seed']) for poem in poems], **tables, **settings.FREE)
  for poem, words in zip(poems, every, strict=True):
    assert poem['text'] == ''.join(words) and settings.FREE.items() <= poem.items()
  # A flag changes its setting alone; beam search has its old ones.
  for poem in written('--temperature=0', '--nobos_first'):
    assert {**settings.FREE, 'temperature': 0, 'bos_first': False}.items() <= poem.items()
  for poem in written('--max_len=9', '--nowhole_sentences', '--max_repeat=0', '--min_p=0.2', '--shortest_line=2'):
    asked = {'max_len': 9, 'whole_sentences': False, 'max_repeat': 0, 'min_p': 0.2, 'shortest_line': 2}
    assert (settings.FREE | asked).items() <= poem.items()
  done = command('tangshi_tf.generate', f'--model={trained[0]}', '--beam=2', '--begin=日', '--json')
  poem = json.loads(done.stdout)
  assert not poem['bos_first'] and poem['max_repeat'] == 0 and poem['max_len'] == 30


def test_columns_beside_lines(command, trained):
  arguments = 'tangshi_tf.generate', f'--model={trained[0]}', '--form=五绝', '--seed=1'
  done = command(*arguments, '--beside')
  rows = done.stdout.rstrip('\n').split('\n')
  columns, lines = [row[:7] for row in rows], [row[9:] for row in rows[:2]]
  assert len(rows) == 5 and all(row[7:9] == '\u3000\u3000' for row in rows[:2])
  plain = ''.join(lines)
  assert plain == ''.join(command(*arguments).stdout.split())
  verses = plain.replace('，', '。').split('。')[:4]
  assert [''.join(row[place] for row in columns) for place in (6, 4, 2, 0)] == verses


@pytest.mark.parametrize('arguments', [
    ['generate', '--model=gru', '--begin=月'], ['score', '--model=gru', '明月'],
    ['evaluate', '--model=gru', '--split=poem.txt']])
def test_tensorflow_starts_off_the_screen(tmp_path, arguments):
  # In a process of its own: those that the other tests fork have loaded TensorFlow before.
  (tmp_path / 'poem.txt').write_text('题:床前明月光。', encoding='utf-8')
  environment = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
  done = subprocess.run([sys.executable, '-m', f'tangshi_tf.{arguments[0]}', *arguments[1:]], cwd=tmp_path,
                        env={**environment, 'PYTHONPATH': str(ROOT)}, capture_output=True, text=True, encoding='utf-8',
                        timeout=300, check=False)
  assert done.returncode == 0 and done.stdout and not done.stderr, done.stderr


def test_generate_json_is_enough_to_repeat_a_poem(command, trained):
  model = f'--model={trained[0]}'
  # Of few words: one poem and four are not computed alike, and the last digits of many chances could decide for others.
  options = ['--init=random', '--temperature=0.9', '--top_k=9', '--json', '--bos_first', '--max_len=20']
  done = command('tangshi_tf.generate', model, *options, '--begin=日', '--begin=山月', '--num=2', '--seed=5')
  objects = [json.loads(line) for line in done.stdout.splitlines()]
  assert [(o['begin'], o['seed']) for o in objects] == [('日', 5), ('日', 6), ('山月', 7), ('山月', 8)]
  assert all(o['text'].startswith(o['begin']) and o['init'] == 'random' and o['model'] == str(trained[0])
             for o in objects)
  again = command('tangshi_tf.generate', model, *options, '--begin=山月', '--seed=8')
  repeated = json.loads(again.stdout)
  for figure in ('log_probability', 'perplexity'):  # of one poem and of four, and so not to the last digit
    assert repeated.pop(figure) == pytest.approx(objects[3].pop(figure), rel=1e-5)
  assert repeated == objects[3]


def test_generate_takes_the_newest_run_by_default(command, trained, tmp_path):
  shutil.copytree(trained[0], tmp_path / 'runs' / 'mine')
  done = command('tangshi_tf.generate', '--begin=日')
  assert done.returncode == 0
  assert done.stderr.splitlines() == [f'model: {os.path.join("runs", "mine")}']


def test_generate_uses_a_shipped_model_from_anywhere(command):
  done = command('tangshi_tf.generate', '--begin=春风', '--json')
  assert done.returncode == 0
  assert json.loads(done.stdout)['model'] == 'best'


@pytest.mark.skipif(os.name == 'nt', reason='uses a POSIX shell')
def test_a_reader_that_stops_early(tmp_path):
  environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
  for program in ('train --help', 'generate --temperature=1 --num=1000'):
    done = subprocess.run(f'{shlex.quote(sys.executable)} -m tangshi_tf.{program} | head -1', shell=True, cwd=tmp_path,
                          env=environment, capture_output=True, text=True, encoding='utf-8', check=False)
    assert len(done.stdout.splitlines()) == 1
    assert 'Traceback' not in done.stderr and 'BrokenPipe' not in done.stderr


@pytest.mark.skipif(os.name == 'nt', reason='sends POSIX signals')
def test_ctrl_c_keeps_what_is_trained(command, tmp_path, poems_file):
  environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1'}
  process = subprocess.Popen(
      [sys.executable, '-m', 'tangshi_tf.train', f'--corpus={poems_file}', '--epochs=100000', '--units=8',
       '--batch_size=5'], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
      encoding='utf-8')
  for line in process.stdout:
    if line.startswith('epoch 1/'):
      break
  process.send_signal(signal.SIGINT)
  out, error = process.communicate(timeout=120)
  assert process.returncode == 130
  assert 'Traceback' not in error
  assert 'weights so far are kept' in out
  assert (tmp_path / 'runs/gru/weights/last.npz').exists()
  assert not list(tmp_path.rglob('*.partial'))
  done = command('tangshi_tf.generate', '--begin=日')
  assert done.returncode == 0 and done.stdout.startswith('日')


def test_same_seed_same_weights(command, tmp_path, poems_file):
  for name, seed in (('a', 3), ('b', 3), ('c', 4)):
    done = command('tangshi_tf.train', f'--corpus={poems_file}', '--epochs=1', '--cell=gru', '--units=8',
                   f'--run_dir={name}', f'--seed={seed}', '--batching=shuffle')
    assert done.returncode == 0, done.stderr
  a, b, c = ((tmp_path / name / 'weights/epoch-01.npz').read_bytes() for name in 'abc')
  assert a == b != c


def test_a_corpus_of_one_poem(command, tmp_path):
  (tmp_path / 'c.txt').write_text('题:床前明月光，疑是地上霜。\n', encoding='utf-8')
  done = command('tangshi_tf.train', '--corpus=c.txt', '--epochs=2', '--run_dir=r')
  assert done.returncode == 0 and 'too small for a validation part' in done.stdout, done.stderr
  assert command('tangshi_tf.generate', '--model=r', '--begin=月').returncode == 0


@pytest.fixture
def load_train():
  """The flags of training, for this test."""
  import importlib

  from absl import flags
  known = set(flags.FLAGS)
  importlib.import_module('tangshi_tf.train')
  yield
  for name in set(flags.FLAGS) - known:
    delattr(flags.FLAGS, name)
  sys.modules.pop('tangshi_tf.train')


@pytest.fixture
def recipe(tmp_path, monkeypatch):
  """A recipe of the package for this test: its path, for `command`s too."""
  path = ROOT / 'tangshi_tf/recipes/for_a_test.flags'
  yield path
  path.unlink(missing_ok=True)


def test_a_recipe_with_an_unknown_flag(command, recipe):
  recipe.write_text('# Units.\n--units=8\n\n--nolayers\n--nosuchflag=3\n', encoding='utf-8')
  assert_one_line(command('tangshi_tf.train', '--recipe=for_a_test'), "for_a_test.flags: flag '--nosuchflag=3' is unk")
  assert_one_line(command('tangshi_tf.train', '--recipe', 'mine'), "recipe 'mine' is unknown; .* pytorch.* none")
  assert_one_line(command('tangshi_tf.train', '--recipe'), 'recipe')


def test_a_recipe_in_a_flag_file_and_flags_without_effect(command, poems_file, tmp_path):
  (tmp_path / 'mine.flags').write_text('--recipe=gru\n--epochs=1\n', encoding='utf-8')
  done = command('tangshi_tf.train', '--flagfile=mine.flags', '--units=4', '--batch_size=7', '--layer_dropout=0.5',
                 '--final=0', '--run_dir=r', f'--corpus={poems_file}', '--warmup_steps=0')
  assert done.returncode == 0, done.stderr
  config = json.loads((tmp_path / 'r/config.json').read_text(encoding='utf-8'))
  assert config['model']['cell'] == 'gru' and config['model']['softmax'] == 'adaptive'
  assert config['training']['flags']['epochs'] == 1
  notes = [line for line in done.stdout.splitlines() if 'no effect' in line]
  assert [note.split('=')[0] for note in notes] == ['--layer_dropout']
  # Poems by number take the place of the recipe's tokens.
  assert config['training']['flags']['batch_size'] == 7 and config['training']['flags']['batch_tokens'] == 0


@pytest.mark.parametrize(('arguments', 'expected'), [
    ([], 'gru'), (['--cell=lstm'], 'lstm'), (['--start_from=rnn'], 'finetune'),
    (['--start_from', 'a', '--cell=rnn'], 'finetune'),
    (['--cell', 'rnn', '--bptt=0'], 'rnn'), (['--recipe=best'], 'best'),
    (['--recipe', 'tensorflow', '--cell=lstm'], 'tensorflow'), (['--flagfile=mine.flags'], 'lstm'),
    (['--recipe=none'], None), (['--resume'], None), (['--resume=True', '--cell=lstm'], None), (['--resume=0'], 'gru'),
    (['--recipe=best', '--resume'], None),
    (['--cell=tree'], None),
])
def test_training_takes_the_recipe_of_its_cell(load_train, monkeypatch, tmp_path, arguments, expected):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'mine.flags').write_text('--cell=lstm\n--units=3\n', encoding='utf-8')
  expanded = recipes.expand(arguments)
  lines = [f'--recipe={expected}', *recipes.read_lines(expected)] if expected else []
  assert expanded[:len(lines)] == lines
  assert expanded[len(lines):] == (['--cell=lstm', '--units=3'] if '--flagfile=mine.flags' in arguments else arguments)


@pytest.mark.parametrize(('arguments', 'gone'), [
    (['--batch_size=9'], {'batch_tokens'}), (['--batching=shuffle'], {'batch_tokens'}), (['--batching=bucket'], set()),
    (['--bptt', '20'], {'batch_tokens', 'bos_dropout', 'random_states'}), (['--noresume', '--batch_tokens=50'], set()),
])
def test_a_recipe_gives_way_to_other_batches(load_train, arguments, gone):
  names = {line.lstrip('-').partition('=')[0] for line in recipes.read_lines('gru')}
  kept = {line.lstrip('-').partition('=')[0] for line in recipes.expand(arguments)[1:-len(arguments)]}
  assert names - kept == gone


def test_the_exercises_train_to_the_letter():
  for name in ('tensorflow', 'pytorch'):
    text = ' '.join(recipes.read_lines(name))
    assert not any(flag in text for flag in ('bos_dropout', 'random_states', 'unlikelihood', 'tied'))
  for name in ('rnn', 'lstm', 'gru', 'wide', 'best'):
    text = ' '.join(recipes.read_lines(name))
    assert all(flag in text for flag in ('--bos_dropout=', '--random_states=', '--unlikelihood='))


@pytest.mark.parametrize('name', [
    name if name in ('best', 'pytorch', 'ptb_small') else pytest.param(name, marks=pytest.mark.long)
    for name in recipes.names()])
def test_every_recipe_starts(command, name, poems_file, tmp_path):
  small = ['--units=8', '--epochs=1', '--run_dir=r', f'--corpus={poems_file}', '--batch_size=4',
           '--warmup_steps=0']
  if any(line.startswith('--start_from=') for line in recipes.read_lines(name)):  # with the sizes of that model
    first = command('tangshi_tf.train', '--recipe=tang_song', *small, '--run_dir=runs/tang_song')
    assert first.returncode == 0, first.stderr
    small[0] = '--start_from=runs/tang_song'
  done = command('tangshi_tf.train', f'--recipe={name}', *small)
  assert done.returncode == 0, done.stderr
  config = json.loads((tmp_path / 'r/config.json').read_text(encoding='utf-8'))
  assert config['model']['units'] == 8  # given beside the recipe
  for line in recipes.read_lines(name):
    flag, equals, value = line.removeprefix('--').partition('=')
    if not equals:
      flag, value = (flag, True) if flag in config['training']['flags'] else (flag.removeprefix('no'), False)
    # Tokens a batch give way to poems a batch.
    if flag != 'batch_tokens' and not any(given.startswith(f'--{flag}=') for given in small):
      assert str(config['training']['flags'][flag]).removesuffix('.0') == str(value), flag
  written = command('tangshi_tf.generate', '--model=r', '--begin=日')
  assert written.returncode == 0 and written.stdout.startswith('日')


def test_evaluate(command, trained, poems_file, tmp_path):
  model = f'--model={trained[0]}'
  done = command('tangshi_tf.evaluate', model, '--json', '--split=validation', f'--corpus={poems_file}')
  assert done.returncode == 0 and not done.stderr, done.stderr
  figures = json.loads(done.stdout)
  assert {'tokens', 'nll', 'perplexity', 'chars_perplexity', 'by_form'} <= figures.keys()
  best = json.loads((trained[0] / 'metrics.json').read_text(encoding='utf-8'))
  assert figures['nll'] == pytest.approx(min(epoch['validation_nll'] for epoch in best['epochs']), rel=1e-5)
  people = command('tangshi_tf.evaluate', model, '--split=validation', f'--corpus={poems_file}')
  assert f'{figures["perplexity"]:.2f}  perplexity' in people.stdout
  other = command('tangshi_tf.evaluate', '--model=rnn', '--split=validation', f'--corpus={poems_file}', '--json')
  assert 'may not be held out' in other.stderr and json.loads(other.stdout)['other_corpus']
  (tmp_path / 'mine.txt').write_text('题:床前明月光，疑是地上🙂。\n长:' + '月' * 300, encoding='utf-8')
  mine = command('tangshi_tf.evaluate', model, '--split=mine.txt')
  assert re.search(r'mine.txt: 1 poems, 13 tokens, \d of them outside the vocabulary \(1 poems of more', mine.stdout)
  assert_one_line(command('tangshi_tf.evaluate', model, '--split=tset'), 'tset: cannot be read')
  assert_one_line(command('tangshi_tf.evaluate', model, '--split=mine.txt', '--corpus=/no/such'),
                  "split 'mine.txt' is a file, which is measured as a whole; expected no corpus beside it")
  (tmp_path / 'long.txt').write_text('长:' + '月' * 300, encoding='utf-8')
  assert_one_line(command('tangshi_tf.evaluate', model, '--split=long.txt'), 'evaluate: long.txt has no poem of at')


def test_score(command, trained, tmp_path):
  model = f'--model={trained[0]}'
  texts = ['日暮苍山远', '', '日' * 3000, '山🙂 水']
  (tmp_path / 'lines.txt').write_text('\n'.join(texts) + '\n', encoding='utf-8')
  from_file = command('tangshi_tf.score', model, '--file=lines.txt', '--json')
  assert from_file.returncode == 0 and not from_file.stderr, from_file.stderr
  results = [json.loads(line) for line in from_file.stdout.splitlines()]
  assert [result['text'] for result in results] == [text.replace(' ', '') for text in texts]
  assert [len(result['tokens']) for result in results] == [5, 0, 3000, 3]
  assert results[0]['bits'] == pytest.approx(sum(token['bits'] for token in results[0]['tokens']))
  assert results[0]['most_surprising'] == max(range(5), key=lambda i: results[0]['tokens'][i]['bits'])
  assert [result['unknown'] for result in results] == [[], [], [], ['🙂']]
  from_input = command('tangshi_tf.score', model, '--json', input='\n'.join(texts))
  assert from_input.stdout == from_file.stdout
  people = command('tangshi_tf.score', model, '--whole', texts[0], texts[3])
  first, second = people.stdout.splitlines()
  assert first.count('*') == 2 and 'eos' in first and '日' in first
  assert second.endswith('(outside the vocabulary: 🙂)')
  assert_one_line(command('tangshi_tf.score', '--file=lines.txt', '山'), 'expected one of them')
  assert_one_line(command('tangshi_tf.score', '--file=none.txt'), 'none.txt: cannot be read')


def test_poems_in_a_form(command, trained, tmp_path):
  model = f'--model={trained[0]}'
  # Of few words, so that rounding, which is not the same for one poem and for several, does not choose among them.
  options = (model, '--acrostic=日，月', '--form=五绝', '--seed=3', '--top_k=9')
  drawn = command('tangshi_tf.generate', *options, '--json', '--num=2', '--max_repeat=2', '--rhyme=阳', '--tones=loose')
  assert drawn.returncode == 0 and drawn.stderr == 'acrostic: its punctuation is left out: 日月\n', drawn.stderr
  poems = [json.loads(line) for line in drawn.stdout.splitlines()]
  assert [poem['seed'] for poem in poems] == [3, 4]
  for poem in poems:
    assert prosody.check(poem['text'], prosody.FORMS['五绝'], 'loose').keeps()
    assert poem['text'][0] == '日' and poem['text'][6] == '月' and poem['form'] == '五绝'
    assert poem['temperature'] == 0.8 and poem['max_repeat'] == 2 and poem['copied_run'] in poem['text']
    assert poem['perplexity'] > 1 and len(poem['line_tones']) == 4 and '下平七阳' in prosody.readings(poem['text'][10])
  again = command('tangshi_tf.generate', model, '--acrostic=日月', '--form=五绝', '--seed=4', '--max_repeat=2',
                  '--rhyme=下平七阳', '--tones=loose', '--top_k=9')
  assert ''.join(again.stdout.split()) == poems[1]['text']
  columns = command('tangshi_tf.generate', *options, '--vertical').stdout.split('\n')
  assert [len(row) for row in columns] == [7] * 5 + [0] and columns[0].endswith('月\u3000日')
  for extra in (['--beam=3', f'--corpus={ROOT / "poems.txt"}', '--json'], ['--best_of=3', '--original', '--seed=1']):
    done = command('tangshi_tf.generate', model, '--form=6x3', *extra)
    assert done.returncode == 0 and not done.stderr, done.stderr
  together = command('tangshi_tf.generate', model, '--form=五绝', '--interactive', '--begin=日', '--seed=0',
                     input='1\nu\n，\ng\n')
  assert together.returncode == 0 and not together.stderr
  assert prosody.check(''.join(together.stdout.split()[-2:]), prosody.FORMS['五绝']).keeps()
  assert command('tangshi_tf.generate', model, '--interactive', input='1\n').returncode == 130
  assert command('tangshi_tf.generate', model, '--interactive', input='1\nq\n').returncode == 0


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--form=六绝'], "form '六绝' is unknown; expected 五绝"), (['--beam=2', '--temperature=1'], 'both --beam and'),
    (['--form=五绝', '--rhyme=屋'], "'屋' is unknown; .*上平一东"),
    (['--rhyme=东'], ': rhyme goes with a form'), (['--tones=off'], 'tones goes with a form'),
    (['--form=五绝', '--max_len=3'], 'max_len does not go'), (['--form=2x3', '--tones=loose'], 'has no tone pattern'),
    (['--acrostic=一二三四五六七八九'], '9 characters; expected at most 8'), (['--acrostic=，'], 'no characters in it'),
    (['--form=五绝', '--acrostic=一二三四五'], 'at most 4, the lines of 五绝'),
    (['--form=五绝', '--acrostic=🙂'], "'🙂' is not in the model"), (['--top_p=0'], 'above 0 up to 1'),
    (['--min_p=2'], 'from 0 to 1'), (['--top_k=-1'], '--top_k'), (['--beam=1025'], '--beam'),
    (['--best_of=2', '--temperature=0'], 'expected one above 0'), (['--json', '--vertical'], 'both --json and'),
    (['--interactive', '--json'], 'both --interactive and --json'), (['--vertical', '--beside'], 'both --beside and'),
    (['--exercise', '--max_repeat=1'], 'both --exercise and --max_repeat; expected one of them'),
    (['--exercise', '--form=五绝'], 'both --exercise and --form'), (['--exercise', '--nobos_first'], 'both --exercise'),
    (['--max_repeat=40'], 'no poem of at most 33 characters has one more often'),
    (['--max_repeat=25', '--form=五绝'], 'no poem of at most 24 characters'),
    (['--whole_sentences', '--form=五绝'], 'whole_sentences does not go with a form'),
    (['--temperature=0', '--min_p=0.1'], 'min_p is for drawing'), (['--exercise', '--top_k=5'], 'both --exercise'),
    (['--state_stddev=1'], 'init=random, too'), (['--interactive', '--exercise'], 'both --exercise and --inter'),
    (['--shortest_line=3', '--form=五绝'], 'shortest_line does not go with a form'),
    (['--interactive', '--whole_sentences'], 'both --interactive and --whole_sentences'),
])
def test_forms_that_cannot_be_met(command, trained, arguments, message):
  assert_one_line(command('tangshi_tf.generate', f'--model={trained[0]}', *arguments), message)


def test_an_installed_package_carries_corpus_and_models(tmp_path):
  source, target = tmp_path / 'source', tmp_path / 'site'
  shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
      '.git', '.venv', 'build', 'runs', '*.egg-info', '.*cache',
      '__pycache__', 'for_a_test.flags'))  # files in these come and go while other tests run beside this one
  subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-build-isolation',
                  '--disable-pip-version-check', f'--target={target}', str(source)], check=True)
  shutil.rmtree(source)
  script = ('import tangshi_tf.corpus as c, tangshi_tf.run_dir as r, tangshi_tf.recipes as s;'
            'assert "best" in s.names();'
            'print(len(c.read_poems(c.default_corpus_path())), *r.shipped_names(), c.__file__);'
            '[r.load(name) for name in r.shipped_names()]')
  done = subprocess.run([sys.executable, '-c', script], cwd=tmp_path, check=True, capture_output=True, text=True,
                        env={**os.environ, 'PYTHONPATH': str(target)})
  count, *names, home = done.stdout.split()
  assert int(count) > 50_000 and 'rnn' in names and home.startswith(str(target))


@pytest.mark.parametrize(('message', 'said'), [
    ('num=3: expected num=1', '--num=3: expected --num=1'), ('stream=False, or else', '--nostream, or else'),
    ('with overwrite=True', 'with --overwrite'), ('another run_dir.', 'another --run_dir.'),
    ('a form of (form=3)', 'a form of (--form=3)'), ('in runs/form=3: form', 'in runs/form=3: form'),
    ('both num and form; expected', 'both --num and --form; expected'),
    ("'run_dir' and --form=3", "'run_dir' and --form=3"), ('run_dir/x and numb=3', 'run_dir/x and numb=3')])
def test_settings_are_said_as_flags(monkeypatch, message, said):
  known = flags.FlagValues()
  for name in ('num', 'form', 'run_dir'):
    flags.DEFINE_string(name, None, '', flag_values=known)
  for name in ('stream', 'overwrite'):
    flags.DEFINE_bool(name, False, '', flag_values=known)
  monkeypatch.setattr(flags, 'FLAGS', known)
  assert cli.with_flags(message) == said
