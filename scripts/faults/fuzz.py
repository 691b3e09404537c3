"""Feeds made-up bytes to what reads a user's files and flags, for a given time.

    python scripts/faults/fuzz.py --seconds=60
    python scripts/faults/fuzz.py --target=corpus --seconds=600 --seed=7

Needs atheris: pip install '.[fuzz]'. An input that reaches new code is kept and changed further. Each target has a
process of its own and an equal share of the time; its executions are printed. Whatever a user may give ends in a
result or in one line (`UserError`, or a `flags.Error` that the command lines print). If anything else comes out, the
input is saved, its repr is printed, and the script ends with status 1.

TensorFlow is not loaded, so that most targets run thousands of times a second.
"""

import argparse
import contextlib
import importlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile

FAILED, BAD_INPUT = 1, 2
_MARKS = ('\ud800', '\u0301', '\u200f', '\u202e', '\0', '\ufeff', '🙂', '𠀀', '\x85', '\u2028', '\v', '\f', '\r', '\n',
          ':', '：', '，', '。', '"', '\\', '=', '--', '月', '平', '9' * 20, 'nan')
PIECES = [mark.encode('utf-8', 'surrogatepass') for mark in _MARKS] + [b'\xff', b'PK\x01\x02', b'\x93NUMPY', b'[' * 200]


def main() -> int:
  arguments = _parse()
  names = sorted(TARGETS) if arguments.target is None else [arguments.target]
  if arguments.child:
    _fuzz(names[0], arguments)
  if importlib.util.find_spec('atheris') is None:
    print("fuzz.py: atheris is not installed; run: pip install '.[fuzz]'", file=sys.stderr)
    return BAD_INPUT
  status = 0
  for name in names:
    # A process each: atheris never returns, and a crash of the interpreter itself is a finding, too.
    done = subprocess.run(
        [sys.executable, __file__, '--child', f'--target={name}', f'--seconds={arguments.seconds / len(names)}',
         f'--seed={arguments.seed}', f'--save={arguments.save}'],
        check=False, stderr=subprocess.PIPE, text=True, encoding='utf-8', errors='replace')
    if done.returncode:
      print(f'{name}: ended with status {done.returncode}')
      if done.returncode != FAILED and done.stderr:
        print(done.stderr[-2000:])
      status = FAILED
  return status


def _parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--seconds', type=float, default=60, help='for all targets together (default: 60)')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--target', choices=sorted(TARGETS), help='only this one')
  parser.add_argument('--save', default=tempfile.gettempdir(), help='folder for an input that fails')
  parser.add_argument('--child', action='store_true', help=argparse.SUPPRESS)
  return parser.parse_args()


# Targets: each is called once for what stays, and returns a function of bytes and seeds for it.


def corpus_target(folder):
  from tangshi_tf import corpus
  path = folder / 'corpus.txt'

  def once(content):
    path.write_bytes(content)
    for corpus_format in corpus.FORMATS:
      with _refused():
        poems = corpus.read_poems(path, corpus_format=corpus_format)
        assert all(poem.content for poem in poems)
        words, _ = corpus.word_tables(corpus.build_vocabulary(poems))
        assert len(corpus.encode_all(poems, words)[0]) == sum(len(poem.content) + 2 for poem in poems)
        assert sum(map(len, corpus.split_poems(poems).values())) == len(poems)
        corpus.fingerprint(poems)

  return once, ['甲:床前明月光，疑是地上霜。\n乙:月\n'.encode(), '床前明月光，\n疑是地上霜。\n\n月\n'.encode(),
                b'\xef\xbb\xbf\r\n:\r']


def prosody_target(folder):
  from tangshi_tf import prosody
  forms = [*prosody.FORMS.values(), prosody.find_form('2x3')]

  def once(content):
    text = _text(content)
    with _refused():
      prosody.find_form(text)
    with _refused():
      prosody.find_group(text)
    for form in forms:
      for tones in prosody.TONES:
        prosody.check(text, form, tones)

  return once, [text.encode() for text in (
      '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。', '题:朝辞白帝彩云间\n月', '一二三，四五六。')]


def texts_target(folder):
  """What the scorer reads: arguments, a file or standard input."""
  from tangshi_tf import cli, corpus
  path = folder / 'lines.txt'
  word2id = {word: i for i, word in enumerate([*corpus.SPECIAL_TOKENS, *'日月'])}

  def measure(arguments, file):
    with _refused():
      poems = [corpus.Poem('', ''.join(text.split())) for text in cli.texts(arguments, file)]
      assert len(corpus.encode_all(poems, word2id)[0]) == sum(len(poem.content) + 2 for poem in poems)

  def once(content):
    path.write_bytes(content)
    measure([], str(path))
    measure([_text(content)], None)
    with _typed(content):
      measure([], None)

  return once, ['日月\n山\n'.encode(), b'\xef\xbb\xbf\n\n\xff\n', b'']


def json_target(folder):
  """JSON of a run directory, and the manifest, with and without a checksum that fits."""
  from tangshi_tf import run_dir
  from tangshi_tf.run_dir import manifest, safe_files
  path = folder / manifest.MANIFEST

  def once(content):
    for kind in (dict, list):
      with _refused():
        assert isinstance(safe_files.parse_json(path, content, kind), kind)
    for data in (content, manifest._sealed(content)):
      path.write_bytes(data)
      with _refused():
        manifest.Manifest.read(folder)

  shipped = run_dir.PRETRAINED / 'gru'
  return once, [(shipped / run_dir.CONFIG).read_bytes(), (shipped / manifest.MANIFEST).read_bytes(), b'{"a": 1e9}',
                '["PAD", "UNK", "bos", "eos", "月"]'.encode()]


def weights_target(folder):
  import numpy as np

  from tangshi_tf.run_dir.archive import Archive
  path = folder / 'some.npz'

  def read():
    with _refused(), open(path, 'rb') as file:
      archive = Archive(path, file)
      assert all(isinstance(archive.read(name), np.ndarray) for name in archive.headers)

  def once(content):
    path.write_bytes(content)
    read()
    with zipfile.ZipFile(path, 'w') as archive:  # past the checksums
      archive.writestr('a.npy', content)
    read()

  archive, array = io.BytesIO(), io.BytesIO()
  np.savez(archive, a=np.zeros(3, np.float32), b=np.zeros((2, 2), np.float16))
  np.save(array, np.zeros(3, np.float32))
  return once, [archive.getvalue(), array.getvalue()]


def flags_target(folder):
  """The flags of training."""
  from absl import flags

  from tangshi_tf import recipes, settings
  settings.define_flags(settings.GROUPS.values())
  flags.DEFINE_string('recipe', None, '')
  flags.DEFINE_bool('resume', False, '')
  path = folder / 'some.flags'

  def once(content):
    arguments = [argument for argument in _text(content).split('\n')
                 if not argument.lstrip('-').startswith('flagfile')]  # files of this machine are no input
    with _refused():
      assert recipes.expand(arguments)[-len(arguments):] == arguments
    _run(lambda _: 0, arguments, expand=recipes.expand)
    path.write_bytes(content)
    _run(lambda _: 0, [f'--flagfile={path}'])

  return once, [b'--units=8\n--learning_rate=0.1', b'--recipe=gru\n--epochs=2', b'--notied\n--cell\nlstm', b'--recipe',
                b'--recipe\nbest\n--units=3', b'-recipe=../gru']


TARGETS = {'corpus': corpus_target, 'prosody': prosody_target, 'texts': texts_target, 'json': json_target,
           'weights': weights_target, 'flags': flags_target}


def _text(content: bytes) -> str:
  """Returns bytes as an argument of a command line, which may have lone surrogates."""
  return content.decode('utf-8', 'surrogateescape')


@contextlib.contextmanager
def _refused():
  """Lets a UserError pass, if it is of one line."""
  from tangshi_tf.errors import UserError
  try:
    yield
  except UserError as error:
    assert len(str(error).splitlines()) == 1, f'not one line: {error}'


@contextlib.contextmanager
def _typed(content: bytes):
  before = sys.stdin, sys.stdout, sys.stderr
  sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(part)) for part in (content, b'', b''))
  try:
    yield
  finally:
    sys.stdin, sys.stdout, sys.stderr = before


def _run(main, arguments: list[str], **options):
  """Runs a command line: its status is one of its own, and for bad input it prints one line."""
  from absl.testing import flagsaver

  from tangshi_tf import cli
  before = sys.argv
  sys.argv = ['fuzz', *arguments]
  with _typed(b''), flagsaver.flagsaver():
    try:
      cli.run(main, rest_of_line=True, **options)
    except SystemExit as ended:
      sys.stderr.flush()
      said = sys.stderr.buffer.getvalue().decode()
      assert ended.code in (0, 1, cli.BAD_INPUT), ended.code
      assert len(said.splitlines()) == (ended.code == cli.BAD_INPUT), said
    finally:
      sys.argv = before


def _fuzz(name: str, arguments: argparse.Namespace):
  """Fuzzes one target; does not return."""
  import atheris
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    with atheris.instrument_imports(include=['tangshi_tf', 'absl.flags']):
      once, seeds = TARGETS[name](folder)
    end, executed = time.monotonic() + arguments.seconds, 0

    def step(content: bytes):
      nonlocal executed
      try:
        once(content)
      except BaseException:
        _save(name, content, pathlib.Path(arguments.save))
        os._exit(FAILED)
      executed += 1
      if time.monotonic() > end:
        print(f'{name}: {executed:,} executions', flush=True)
        os._exit(0)  # libFuzzer does not return

    inputs = folder / 'inputs'
    inputs.mkdir()
    for i, seed in enumerate(seeds):
      (inputs / str(i)).write_bytes(seed)
    words = folder / 'words'
    words.write_text(''.join('"' + ''.join(f'\\x{byte:02x}' for byte in piece) + '"\n' for piece in PIECES))
    atheris.Setup([sys.argv[0], f'-seed={arguments.seed + 1}', f'-dict={words}', '-max_len=4096', '-timeout=60',
                   f'-artifact_prefix={arguments.save}/', str(inputs)], step)
    atheris.Fuzz()


def _save(name: str, content: bytes, folder: pathlib.Path):
  path = folder / f'fuzz-{name}.bin'
  path.write_bytes(content)
  print(f'{name}: this input, saved as {path}, ended in what no user should see:\n{content!r}\n'
        f'{traceback.format_exc()}', flush=True)


if __name__ == '__main__':
  sys.exit(main())
