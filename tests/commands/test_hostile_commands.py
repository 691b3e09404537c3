"""Made-up flags and standard input for the command lines."""

import importlib
import io
import itertools
import json
import math
import re
import sys

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tangshi_tf import cli, corpus, prosody, recipes, run_dir
from tangshi_tf.decoding import Request
from tangshi_tf.model import myRNNModel
from tangshi_tf.settings import WritingSettings, given_flags

from ..conftest import tried
from ..hostile import HUGE, LONG, SIGNS, TIMES, any_bytes, at_once, encoded, many, some, texts, verses

PROGRAMS = ('train', 'generate', 'evaluate', 'score', 'write_shards', 'launch', 'report',
            'prosody.__main__')


@pytest.fixture(scope='module')
def program(request):
  """Imports a command line's module; it and its flags are gone afterwards, since programs share names of flags."""
  known, name = set(flags.FLAGS), f'tangshi_tf.{request.param}'
  module = importlib.import_module(name)
  own = set(flags.FLAGS) - known
  yield module, sorted(own)
  for flag in own:
    delattr(flags.FLAGS, flag)
  del sys.modules[name]


def run(main, arguments=(), typed: bytes = b'', **options):
  """Runs a command line in this process; returns its status and what it printed."""
  before = sys.argv, sys.stdin, sys.stdout, sys.stderr
  sys.argv = ['program', *arguments]
  sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(part)) for part in (typed, b'', b''))
  with flagsaver.flagsaver():
    try:
      with pytest.raises(SystemExit) as ended:
        cli.run(main, **options)
      for stream in (sys.stdout, sys.stderr):
        stream.flush()
      out, error = (stream.buffer.getvalue().decode() for stream in (sys.stdout, sys.stderr))
    finally:
      sys.argv, sys.stdin, sys.stdout, sys.stderr = before
  status = ended.value.code
  if status == cli.BAD_INPUT:
    assert len(error.splitlines()) == 1 and len(error) < 3000, error
  else:
    assert not error or re.match('Warning: Hit circular flagfile dependency|Read |[0-9,]+ of the texts|'
                                 '.*held_out.txt: ', error), error
  return status, out


def check_flags(module, arguments):
  """Parses flags as a program does, up to where it would load a model or begin to train."""
  tried['flags'] += 1

  def main(_):
    if hasattr(module, '_check_flags'):
      asked = WritingSettings(**given_flags([WritingSettings]))
      module._check_flags(asked)
      Request.of(asked, interactive=flags.FLAGS['interactive'].value)
    for name in flags.FLAGS:
      value = flags.FLAGS[name].value
      assert not isinstance(value, float) or math.isfinite(value), name
    return 0

  expand = recipes.expand if hasattr(module, '_RECIPE') else list
  status, _ = run(main, arguments, expand=expand, rest_of_line=True)
  assert status in (0, cli.BAD_INPUT)
  return status


SHAPES = ['--{}={}', '-{}={}', '--no{}=', '--{}', '--no{}', '{}', '--{}\n={}', '----{}={}']
VALUES = ['', '0', '-0', '-1', '1', '0.5', 'nan', '-nan', 'inf', '1e999', '1e-999', '9' * 30, '9' * 5000, '３', '٣',
          '1_0', ' 1', '0x1', 'true', 'x' * LONG, '日' * LONG, '日月山水', '五绝', '七律', '3x3', '0x0', '９x９',
          '99999999999x1', '东', '先', 'off', 'any', 'strict', 'random', 'gru', *SIGNS.values()]
values = st.one_of(st.sampled_from(VALUES), texts, st.integers().map(str), st.floats().map(str))


@pytest.mark.parametrize('program', PROGRAMS, indirect=True)
def test_flags(program):
  module, names = program

  @settings(many, max_examples=100 * TIMES)
  @given(st.lists(st.tuples(st.sampled_from([*names, 'nosuch', 'undefok']), st.sampled_from(SHAPES), values),
                  max_size=4))
  def holds(given_flags):
    check_flags(module, [shape.format(name, value) for name, shape, value in given_flags])

  holds()
  for name, value in itertools.product(names, VALUES):
    check_flags(module, [f'--{name}={value}'])


@pytest.mark.parametrize('program', ['train'], indirect=True)
def test_flag_files(program, folder):
  module, _ = program
  path = folder / 'some.flags'

  @some
  @given(st.one_of(st.binary(max_size=40), encoded.map(lambda text: b'--run_dir=' + text)))
  @example(b'--flagfile=a\0b')
  @example(b'--flagfile=' + str(path).encode())
  @example(b'--flagfile=/')
  @example(b'--flagfile=none')
  @example(b'--epochs=3\xff')
  @example(b'--units=' + b'8' * LONG)
  def holds(content):
    path.write_bytes(content)
    check_flags(module, [f'--flagfile={path}'])

  holds()


def lines_of(typed: bytes) -> list[str]:
  """Returns the lines of standard input as the commands read it."""
  text = typed.decode('utf-8-sig', 'surrogateescape').replace('\r\n', '\n').replace('\r', '\n')
  return text.removesuffix('\n').split('\n') if text else []


def is_text(typed: bytes) -> bool:
  """Returns whether all that is typed is UTF-8; no surrogates are."""
  return not any('\ud800' <= character <= '\udfff' for line in lines_of(typed) for character in line)


@pytest.mark.parametrize('program', ['score'], indirect=True)
def test_scores(program, model, word2id, monkeypatch):
  module, _ = program
  loaded = run_dir.Run('tiny', model, word2id, {}, {})
  monkeypatch.setattr(run_dir.RunDir, 'load', lambda *_: loaded)

  def score(typed, whole):
    tried['scorer'] += 1
    options = ['--model=gru', *(['--whole'] if whole else [])]
    status, out = run(module.main, [*options, '--json'], typed, rest_of_line=True)
    if not is_text(typed):
      assert status == cli.BAD_INPUT
      return
    assert status == 0
    found = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    spelling = corpus.Spelling(word2id)
    expected = [spelling.of(corpus.verse(line, whole=whole))[0] for line in lines_of(typed)]
    assert [one['text'] for one in found] == expected
    for text, one in zip(expected, found):
      assert len(one['tokens']) == len(text) + whole
      assert all(token['bits'] >= 0 for token in one['tokens'])
      assert one['bits'] == pytest.approx(sum(token['bits'] for token in one['tokens']))
    status, out = run(module.main, options, typed, rest_of_line=True)
    assert status == 0 and len(out.splitlines()) == len(expected) and 'nan' not in out

  for text in SIGNS.values():
    score(text.encode('utf-8', 'surrogatepass'), whole=False)
  some(given(any_bytes, st.booleans())(score))()
  with at_once():
    score('日'.encode() * 10_000 + b'\n' * 3, whole=True)
    score(b'\n' * 5000, whole=False)
  # A model may be sure of something else to any degree.
  sure = myRNNModel(word2id, units=2)
  sure.dense.bias.assign(np.where(np.arange(len(word2id)) == 7, 1e5, 0))
  loaded.model = sure
  status, out = run(module.main, ['--model=gru', '--json', '一'], rest_of_line=True)
  assert status == 0 and json.loads(out)['bits'] > 1e5


@pytest.mark.parametrize('program', ['prosody.__main__'], indirect=True)
def test_prosody_command(program):
  module, _ = program

  def check(typed, form):
    tried['prosody'] += 1
    arguments = [f'--form={form}'] if form else []
    status, out = run(module.main, [*arguments, '--json'], typed, rest_of_line=True)
    if not is_text(typed):
      assert status == cli.BAD_INPUT
      return
    contents = [prosody.spelled(poem.content)[0] for poem in corpus.poems_in(lines_of(typed)) if poem.content]
    if not contents:
      assert status == cli.BAD_INPUT
      return
    found = [json.loads(line) for line in out.splitlines()]
    assert [one['text'] for one in found] == contents
    assert status == any(one['faults'] for one in found)
    assert run(module.main, arguments, typed, rest_of_line=True)[0] == status

  for text in SIGNS.values():
    check(text.encode('utf-8', 'surrogatepass'), None)
  some(given(st.one_of(any_bytes, verses.map(lambda text: text.encode('utf-8', 'surrogatepass'))),
             st.sampled_from([None, '七绝', '4x5']))(check))()
  with at_once():
    for line in ('🙂' * (HUGE // 5), '月，' * (HUGE // 10)):
      check(line.encode(), None)
      check(line.encode(), '七绝')


WRITING = ['', '0', '-1', '1', '2', '3', '0.5', '9' * 30, 'nan', '1e-300', '日', '一', '一丁', '一丁七', '2x3', '1x1',
           '3x2', '五绝', '99x99', '999x999', '东', 'off', 'any', 'strict', 'loose', 'zero', 'random', *SIGNS.values()]


@pytest.mark.parametrize('program', ['generate'], indirect=True)
def test_generate_writes_or_says_in_one_line_why_not(program, model, word2id, monkeypatch, folder):
  module, names = program
  monkeypatch.setattr(run_dir.RunDir, 'load', lambda *_: run_dir.Run('tiny', model, word2id, model.id2word, {}))
  (folder / 'mine.txt').write_text('题:一丁七', encoding='utf-8')
  monkeypatch.setattr(corpus, 'default_corpus_path', lambda: folder / 'mine.txt')
  usable = sorted(set(names) - {'model', 'weights', 'corpus', 'traditional', 'flagfile', 'undefok'})

  @settings(many, max_examples=100 * TIMES)
  @given(st.dictionaries(st.sampled_from(usable), st.one_of(st.sampled_from(WRITING), texts), max_size=4), any_bytes)
  @example({'form': '2x3', 'num': '3', 'json': 'true'}, b'')
  @example({'interactive': 'true', 'begin': '一'}, '一\n9999\nx\nu\nm\n\ng\n'.encode())
  @example({'beam': '3', 'acrostic': '一丁', 'vertical': 'true'}, b'')
  @example({'best_of': '3', 'begin': '一', 'original': 'true'}, b'')
  def holds(flag_values, typed):
    tried['generate'] += 1
    arguments = ['--model=gru', '--max_len=20', *(f'--{name}={value}' for name, value in flag_values.items())]
    status, out = run(module.main, arguments, typed)
    assert status in (0, cli.BAD_INPUT, cli.INTERRUPTED)
    assert (status == cli.BAD_INPUT) <= (not out or 'interactive' in flag_values)
    if flag_values.get('json') == 'true':
      assert all(json.loads(line)['text'] for line in out.splitlines())

  holds()


@pytest.mark.parametrize('program', ['evaluate'], indirect=True)
def test_evaluate_measures_any_file_or_says_in_one_line_why_not(program, model, word2id, monkeypatch, folder):
  module, _ = program
  monkeypatch.setattr(run_dir.RunDir, 'load', lambda *_: run_dir.Run('tiny', model, word2id, model.id2word, {}))
  path = folder / 'held_out.txt'

  @some
  @given(any_bytes, st.sampled_from(corpus.FORMATS))
  def holds(content, corpus_format):
    tried['evaluate'] += 1
    path.write_bytes(content)
    status, out = run(module.main, ['--model=gru', f'--split={path}', f'--corpus_format={corpus_format}', '--json'])
    assert (status == 0) == bool(out) and status in (0, cli.BAD_INPUT)
    if out:
      json.loads(out, parse_constant=pytest.fail)

  holds()
