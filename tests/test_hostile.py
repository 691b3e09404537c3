"""What no user would type, but a file, a script or a joker may: made-up input by the thousand.

Every case ends in a right result or in a UserError of one line. The cases are the same at every run; how many there
were is printed at the end of it. `scripts/fuzz.py` goes on where this ends.
"""

import contextlib
import importlib
import io
import itertools
import json
import math
import shutil
import sys
import time
import zipfile

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tangshi_tf import cli, corpus, data, decoding, evaluation, manifest, prosody, recipes, run_dir, verse
from tangshi_tf.errors import UserError
from tangshi_tf.model import HYPERPARAMETERS, myRNNModel

from .conftest import tried

# Repeatable, and no failure because the machine is busy.
many = settings(max_examples=200, derandomize=True, deadline=None, database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
some = settings(many, max_examples=60)
few = settings(many, max_examples=20)  # where each writes a poem

SIGNS = {
    'lone surrogates': '\ud800\udfff\udcff', 'a pair of surrogates': '\ud83d\ude42', 'NUL': '日\0月',
    'combining marks': '月\u0301\u20dd日\u0308', 'right-to-left marks': '\u202e日\u200f月\u2067山\u2069',
    'a BOM inside': '日\ufeff月', 'emoji': '🙂👨\u200d👩\u200d👧🇨🇳', 'astral characters': '𠀀\U0010ffff',
    'line separators': '日\x85月\u2028山\u2029水\v火\f土\x1c金\x1d\x1e', 'newlines': '日\n月\r\n山\r水',
    'CR alone': '日:月\r山:水\r',
    'colons': '送别:其一:日月', 'full-width punctuation': '日，月。山！水？火；土、金：木．「」',
    'full-width blank': '日\u3000月',
    'controls': '\x1b[2J\x07\x08\x7f', 'no characters': '\U000e0fff\ufffe', 'a special token': 'bos', 'nothing': '',
    'blanks': ' \t\n',
}
characters = st.one_of(st.sampled_from(sorted(set(''.join(SIGNS.values()) + '，。：:\n\r一二三'))), st.characters())
texts = st.lists(characters, max_size=40).map(''.join)
encoded = texts.map(lambda text: text.encode('utf-8', 'surrogatepass'))
any_bytes = st.one_of(st.binary(max_size=60), encoded)
LONG = 100_000  # characters of a begin word
HUGE = 10_000_000 // 3  # Chinese characters of a line of 10 MB


def signs(test):
  """Adds the texts in `SIGNS` to the cases of a test of one text."""
  for text in SIGNS.values():
    test = example(text)(test)
  return test


def outcome(call, *arguments, **options):
  """Returns what a call returns, or None where it ends with a UserError, which must be of one line."""
  try:
    return call(*arguments, **options)
  except UserError as error:
    assert len(str(error).splitlines()) == 1, str(error)
    return None


@contextlib.contextmanager
def at_once():
  """Fails where a quadratic time would show."""
  start = time.process_time()
  yield
  assert time.process_time() - start < 20


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('hostile')


@pytest.fixture(scope='module')
def model(word2id):
  return myRNNModel(word2id, cell='gru', units=4, embedding_size=3)


# The corpus reader.


def read(folder, content: bytes, **options):
  tried['corpus reader'] += 1
  (folder / 'corpus.txt').write_bytes(content)
  poems = outcome(corpus.read_poems, folder / 'corpus.txt', **options)
  if poems is not None:
    assert poems and all(poem.content and len(poem.content.split()) == 1 for poem in poems)
    assert not any(':' in poem.title or '\n' in poem.title for poem in poems)
  return poems


@many
@given(st.binary(max_size=60), st.sampled_from(corpus.FORMATS))
@example(b'\xff\xfe\xe5e', 'auto')
@example(b'\xef\xbb\xbf\xef\xbb\xbf', 'titled')
@example(b'\xed\xa0\x80:\xed\xa0\x80', 'titled')
def test_reader_of_bytes(folder, content, corpus_format):
  read(folder, content, corpus_format=corpus_format)


@many
@given(texts)
@signs
def test_reader_of_texts_with_any_line_ends(folder, text):
  plain = text.replace('\r\n', '\n').replace('\r', '\n')
  for corpus_format in corpus.FORMATS:
    one, *others = (read(folder, plain.replace('\n', end).encode('utf-8', 'surrogatepass'), corpus_format=corpus_format)
                    for end in ('\n', '\r\n', '\r'))
    assert others == [one, one]


@many
@given(st.lists(st.tuples(texts, texts), max_size=5))
@example([('送别:其一', '日月'), ('一\u2028二\x85', '月\ufeff日:山')])
def test_reader_returns_what_was_written(folder, written):
  def without(text, left_out):
    return ''.join(c for c in text if c not in left_out and not '\ud800' <= c <= '\udfff')

  pairs = [(without(title, '\0\n\r:'), without(content, '\0\n\r')) for title, content in written]
  expected = [corpus.Poem(title.strip(), ''.join(content.split())) for title, content in pairs if content.split()]
  content = '\ufeff' + ''.join(f'{title}:{content}\n' for title, content in pairs)
  assert read(folder, content.encode(), corpus_format='titled') == (expected or None)


@pytest.mark.parametrize(('text', 'count'), [
    ('甲:' + '月' * HUGE, 1), ('月' * HUGE, None), ('甲' * HUGE + ':月', 1), (':' * 3 * HUGE, 1),
    ('甲:' + '月 ' * HUGE, 1), ('甲:月', 1), ('\n' * 100_000, None), ('甲:月' + '\n' * 100_000, 1),
    ('月' + '\n' * 100_000 + '日', 2), ('月\n \n' * 100_000, 100_000), ('甲:日照香炉生紫烟\n' * 100_000, 100_000),
    ('甲:月\r' * 100_000, 100_000), ('甲:月\u2028' * 100_000, 1), ('甲:' + '日照香炉，' * (HUGE // 5), 1),
], ids=['a line of 10 MB', 'without a colon', 'a title of 10 MB', 'colons', 'blanks in a line', 'one poem',
        'empty lines', 'empty lines at the end', 'empty lines between', 'many blank lines', 'one line again and again',
        'CR alone', 'one line of U+2028', 'a poem of 10 MB'])
def test_corpora_of_an_odd_size(folder, text, count):
  with at_once():
    poems = read(folder, text.encode())
    assert (poems and len(poems)) == count
    if poems is not None:
      parts = corpus.split_poems(poems)
      assert sum(map(len, parts.values())) == count
      words, _ = corpus.word_tables(corpus.build_vocabulary(poems))
      ids, splits = corpus.encode_all(poems, words)
      assert len(ids) == splits[-1] == sum(len(poem.content) + 2 for poem in poems)


@many
@given(st.lists(texts, max_size=8), st.integers(5, 30))
@example(list(SIGNS.values()), 5)
@example(['月' * 1000] * 3, 5)
def test_vocabulary_encoding_and_split(contents, size):
  tried['vocabulary and split'] += 1
  poems = [corpus.Poem('', content) for content in contents]
  words = corpus.build_vocabulary(poems)
  assert len(set(words)) == len(words) and set(words) <= {*''.join(contents), *corpus.SPECIAL_TOKENS}
  limited = corpus.build_vocabulary(poems, size=size)
  assert limited == words if len(words) <= size else len(limited) == size
  word2id, id2word = corpus.word_tables([*dict.fromkeys([*limited, corpus.start_token, corpus.end_token])])
  ids, splits = corpus.encode_all(poems, word2id)
  assert [ids[a:b].tolist() for a, b in itertools.pairwise(splits)] == [
      corpus.encode(content, word2id) for content in contents]
  for content, first in zip(contents, splits):
    assert all(id2word[i] == mark or (i == corpus.UNK_ID and mark not in word2id)
               for mark, i in zip(content, ids[first + 1:].tolist()))
  parts = corpus.split_poems(poems)
  assert sorted(poem.content for part in parts.values() for poem in part) == sorted(contents)
  backwards = corpus.split_poems(poems[::-1])
  assert all(sorted(map(repr, parts[name])) == sorted(map(repr, backwards[name])) for name in corpus.SPLITS)
  assert all(not set(parts[one]) & set(parts[other]) for one, other in itertools.combinations(corpus.SPLITS, 2))


@pytest.mark.parametrize('contents', [['月'], ['月' * 150] * 50, ['🙂\u202e'] * 3, ['一' * n for n in range(1, 40)]])
def test_batches_of_odd_corpora(contents):
  poems = [corpus.Poem('', content) for content in contents]
  packed = data.pack(*corpus.encode_all(poems, corpus.word_tables(corpus.build_vocabulary(poems))[0]))
  assert sum(int(lengths.numpy().sum()) for _, _, lengths in data.batches(packed, batch_size=7)) == sum(
      len(content) + 1 for content in contents)


# Flags.

PROGRAMS = ('train', 'generate', 'evaluate', 'score', 'prosody.__main__')


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
    assert not error or error.startswith('Warning: Hit circular flagfile dependency.'), error
  return status, out


def check_flags(module, arguments):
  """Parses flags as a program does, up to where it would load a model or begin to train."""
  tried['flags'] += 1

  def main(_):
    if hasattr(module, '_check_flags'):
      with contextlib.redirect_stderr(io.StringIO()):  # a note on the acrostic
        form, _ = module._form()
      module._check_flags(form)
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

  @settings(many, max_examples=100)
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


# What poems begin with.


@many
@given(st.one_of(texts, st.text('一二三，。🙂\u200f', max_size=8)), st.booleans())
@example('一' * LONG, False)
@example('🙂' * LONG, False)
def test_begin_words(word2id, begin, bos_first):
  tried['begin words'] += 1
  ids = outcome(decoding.encode_begin, begin, word2id, bos_first=bos_first)
  known = all(mark in word2id for mark in begin) and begin
  assert ids == ([word2id['bos']] * bos_first + [word2id[mark] for mark in begin] if known else None)


@pytest.fixture(scope='module')
def plans():
  """Forms over the vocabulary of a shipped model."""
  words = json.loads((run_dir.PRETRAINED / 'gru' / run_dir.VOCABULARY).read_text(encoding='utf-8'))
  word2id, _ = corpus.word_tables(words)
  return [verse.Plan(prosody.find_form(name), word2id, tones=tones, rhyme=rhyme) for name, tones, rhyme in (
      ('五绝', 'strict', 'any'), ('七律', 'loose', '东'), ('七绝', 'off', None), ('3x4', 'off', None),
      ('1x1', 'off', 'any'))]


begins = st.one_of(texts, st.text('春夏秋冬日月山水风花一，。🙂\u200f\n', max_size=16))


@many
@given(begins, begins, st.integers(0, 4))
@example('日' * LONG, '', 0)
@example('', '月' * LONG, 1)
@example('日\n月', '日', 0)
@example('月', '\n', 3)
@example('\u202e日', '\u200f', 2)
def test_begins_and_acrostics_in_a_form(plans, begin, acrostic, number):
  tried['begins and acrostics in a form'] += 1
  plan = plans[number]
  found = outcome(plan.given, begin, acrostic)
  if found is None:
    return
  characters = [word for word, mark in zip(found, plan.marks) if mark < 0]
  assert ''.join(filter(None, characters)).startswith(''.join(corpus.verse_lines(begin)))
  assert all(found[line * (plan.form.characters + 1)] == mark for line, mark in enumerate(acrostic))
  kept = outcome(plan.start, found)
  assert kept is None or (0 < kept[0] < 2 ** max(len(plan.patterns), 1) and 0 <= kept[1] <= plan.no_group)


@few
@given(st.one_of(texts, st.text('一二三，。', max_size=40)), st.sampled_from([0.0, 1.0]), st.integers(1, 12))
@example('一\n', 0.0, 1)
@example('\ud800', 1.0, 3)
@example('一' * LONG, 0.0, 30)
@example('二' * 9_995, 0.0, 10_000)
@example('🙂' * LONG, 1.0, 5)
@example('一\u202e', 1.0, 5)
def test_poems(model, word2id, begin, temperature, max_len):
  tried['poems'] += 1
  id2word = {i: word for word, i in word2id.items()}
  poem = outcome(decoding.gen_poem, begin, model=model, word2id=word2id, id2word=id2word, seed=1, max_len=max_len,
                 temperature=temperature)
  if poem is not None:
    assert ''.join(poem).startswith(begin) and len(poem) <= max(max_len + 1, len(begin))
    assert not set(poem) & set(corpus.SPECIAL_TOKENS)


# The scorer.


def lines_of(typed: bytes) -> list[str]:
  """Returns the lines of standard input as the commands read it."""
  text = typed.decode('utf-8-sig', 'surrogateescape').replace('\r\n', '\n').replace('\r', '\n')
  return text.removesuffix('\n').split('\n') if text else []


@pytest.mark.parametrize('program', ['score'], indirect=True)
def test_scores(program, model, word2id, monkeypatch):
  module, _ = program
  loaded = run_dir.Run('tiny', model, word2id, {}, {})
  monkeypatch.setattr(run_dir, 'load', lambda *_: loaded)

  def score(typed, whole):
    tried['scorer'] += 1
    options = ['--model=gru', *(['--whole'] if whole else [])]
    status, out = run(module.main, [*options, '--json'], typed, rest_of_line=True)
    assert status == 0
    found = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    expected = [''.join(line.split()) for line in lines_of(typed)]
    # A pair of surrogates is one character in JSON.
    assert [one['text'] for one in found] == [json.loads(json.dumps(text)) for text in expected]
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


@some
@given(st.lists(texts.filter(bool), min_size=1, max_size=6))
@example(list(filter(None, SIGNS.values())))
@example(['，'])
@example(['一' * 30_000, '一'])
def test_evaluation(model, word2id, contents):
  tried['evaluation'] += 1
  figures = evaluation.evaluate(model, [corpus.Poem('', content) for content in contents], word2id)
  json.dumps(figures, allow_nan=False)
  assert figures['tokens'] == sum(len(content) + 1 for content in contents)
  assert evaluation.table({**figures, 'model': 'm', 'split': 's', 'left_out': 0})


# Prosody.

forms = st.one_of(st.sampled_from(sorted(prosody.FORMS.values(), key=str)),
                  st.builds(lambda lines, width: prosody.Form(f'{lines}x{width}', lines, width),
                            st.integers(1, 6), st.integers(1, 6)))
lines_of_five = st.text('春月平看🙂\u202e', min_size=5, max_size=5)
verses = st.one_of(texts, st.lists(lines_of_five, min_size=4, max_size=4).map('，'.join))


@many
@given(verses, forms, st.sampled_from(prosody.TONES))
def test_checks(content, form, tones):
  tried['prosody'] += 1
  checked = prosody.check(content, form, tones)
  lines = corpus.verse_lines(content)
  fits = [len(line) for line in lines] == [form.characters] * form.lines
  assert checked.keeps('form') == fits
  for fault in checked.faults + checked.notes:
    assert 0 <= fault.line <= form.lines and 0 <= fault.position <= form.characters
    assert not fault.position or fits
  assert set(map(prosody.tone, content)) <= set('平仄中？')


@pytest.mark.parametrize('program', ['prosody.__main__'], indirect=True)
def test_prosody_command(program):
  module, _ = program

  def check(typed, form):
    tried['prosody'] += 1
    arguments = [f'--form={form}'] if form else []
    status, out = run(module.main, [*arguments, '--json'], typed, rest_of_line=True)
    contents = [content for line in lines_of(typed) if (content := ''.join(line.split()).rpartition(':')[2])]
    found = [json.loads(line) for line in out.splitlines()]
    assert [one['text'] for one in found] == [json.loads(json.dumps(content)) for content in contents]
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


# A run directory of anybody's.


@pytest.fixture(scope='module')
def good_run(folder, model, word2id):
  with run_dir.claim(folder / 'good') as path:
    run_dir.create(path, list(word2id), {'model': model.hyperparameters})
    run_dir.save_weights(path, run_dir.BEST, model)
  return path


def load_changed(good_run, changed: dict[str, bytes]):
  """Loads the good run with some files changed: it does not load, or what it gives is a model."""
  tried['run directories'] += 1
  path = good_run.with_name('changed')
  shutil.rmtree(path, ignore_errors=True)
  shutil.copytree(good_run, path)
  for name, content in changed.items():
    (path / name).write_bytes(content)
  listed = manifest.Manifest.read(path)  # by someone who knows how
  for name in changed:
    listed.files[name] = [manifest.measure(path / name)]
  listed.write()
  loaded = outcome(run_dir.load, path)
  if loaded is not None:
    assert {corpus.start_token, corpus.end_token} <= set(loaded.word2id)
    assert np.isfinite(loaded.model(np.array([[2, 3, 2]]))).all()


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts,
                    st.sampled_from([10**400, 1e308, 2**31, 2**63, -1, 0, 1, 4, 'gru', 'lstm', 'rnn']))
keys = st.sampled_from([*HYPERPARAMETERS, 'model', 'format_version', ''])
json_values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner)), max_leaves=6)


def dump(value) -> bytes:
  return json.dumps(value).encode()


@some
@given(st.sampled_from([run_dir.CONFIG, run_dir.VOCABULARY, 'weights/best.npz']),
       st.one_of(st.binary(max_size=100), json_values.map(dump)))
@example(run_dir.CONFIG, b'[' * 100_000)
@example(run_dir.CONFIG, b'{"a":' * 100_000)
@example(run_dir.CONFIG, b'{"format_version":' + b'9' * 5000 + b'}')
@example(run_dir.VOCABULARY, b'\xef\xbb\xbf[]')
def test_run_directories_of_any_bytes(good_run, name, content):
  load_changed(good_run, {name: content})


@some
@given(st.dictionaries(st.sampled_from(sorted(HYPERPARAMETERS)), scalars, max_size=2))
@example({'embedding_range': 1e39})
@example({'embedding_range': 10**400})
@example({'embedding_range': math.inf})
@example({'input_dropout': 10**400})
@example({'cell': 'a\nb'})
def test_run_directories_of_any_settings(good_run, changes):
  config = json.loads((good_run / run_dir.CONFIG).read_text(encoding='utf-8'))
  load_changed(good_run, {run_dir.CONFIG: dump({**config, 'model': {**config['model'], **changes}})})


@some
@given(st.dictionaries(st.integers(0, 39), scalars, max_size=3), st.integers(0, 40))
@example({7: '\ud800'}, 40)
@example({7: 'a\nb'}, 40)
@example({7: ''}, 40)
def test_run_directories_of_any_words(good_run, changes, length):
  words = json.loads((good_run / run_dir.VOCABULARY).read_text(encoding='utf-8'))
  words = [changes.get(i, word) for i, word in enumerate(words)]
  load_changed(good_run, {run_dir.VOCABULARY: dump(words[:length])})


dtypes = st.sampled_from(['f2', '>f4', 'f8', np.longdouble, 'i4', '?', 'U3', 'S2', 'c8', 'M8[s]', [('a', 'f4')]])


@some
@given(st.sampled_from(['embedding', 'dense_bias', 'cell_kernel', 'a\nb', '\u202e', '']), dtypes,
       st.lists(st.integers(0, 40), max_size=3), st.floats(width=64))
@example('dense_bias', 'f8', [40], 1e300)
@example('dense_bias', 'f8', [40], math.nan)
@example('dense_bias', 'f4', [40], 3e38)
def test_run_directories_of_any_arrays(good_run, key, dtype, shape, value):
  arrays = dict(np.load(good_run / 'weights/best.npz'))
  with np.errstate(all='ignore'):
    arrays[key] = np.full(shape, value, 'f8').astype('U3' if dtype == 'S2' else dtype) if not isinstance(
        dtype, list) else np.zeros(shape, dtype)
  content = io.BytesIO()
  np.savez(content, **arrays)
  load_changed(good_run, {'weights/best.npz': content.getvalue()})


@many
@given(st.data())
def test_run_directories_with_any_bytes_changed(good_run, data):
  name = data.draw(st.sampled_from([run_dir.CONFIG, run_dir.VOCABULARY, 'weights/best.npz']))
  content = bytearray((good_run / name).read_bytes())
  places = st.integers(0, len(content) - 1)
  for place, byte in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=4)).items():
    content[place] = byte
  load_changed(good_run, {name: bytes(content[:data.draw(st.none() | st.integers(0, len(content)))])})


@many
@given(st.sampled_from(['embedding.npy', 'dense_bias.npy']), st.one_of(st.binary(max_size=200), st.data()))
def test_run_directories_with_members_of_any_bytes(good_run, name, member):
  with zipfile.ZipFile(good_run / 'weights/best.npz') as archive:
    members = {one: archive.read(one) for one in archive.namelist()}
  if not isinstance(member, bytes):  # a good one, changed; its checksum is right
    content = bytearray(members[name])
    for place, byte in member.draw(st.dictionaries(st.integers(0, 140), st.integers(0, 255), max_size=3)).items():
      content[place] = byte
    member = bytes(content)
  content = io.BytesIO()
  with zipfile.ZipFile(content, 'w') as archive:
    for one, held in {**members, name: member}.items():
      archive.writestr(one, held)
  load_changed(good_run, {'weights/best.npz': content.getvalue()})
