"""The README files are true: commands and flags exist, links lead somewhere, the Python in them runs.

What the models write is not compared with the poems that are shown: the last digits of a logit differ between releases
of TensorFlow and between kernels, and now and then such a digit decides which character is drawn. So it is checked
that the shown poems, and those that the commands write here, have the form and the characters that the flags ask for.
"""

import ast
import collections
import configparser
import functools
import json
import os
import re
import shlex
import unicodedata

import pytest

from tangshi_tf import corpus, prosody

from . import forked
from .conftest import ROOT

LINES, COLUMNS = 150, 100
_HIDDEN = {'build', 'dist', 'runs'}
PAGES = sorted(path for path in ROOT.rglob('*.md')
               if not any(part in _HIDDEN or part.startswith('.') for part in path.relative_to(ROOT).parts))
ENGLISH, CHINESE = ROOT / 'README.md', ROOT / 'README.zh-CN.md'
# They install what the others need, and take no flags.
PLAIN = {'scripts/quickstart.py', 'scripts/test.py'}
TAKE_TEXTS = {'tangshi_tf.prosody', 'tangshi_tf.score'}
_COMMAND = re.compile(r'python3? (?:-m (tangshi_tf\.[\w.]+)|(scripts/\S+\.py))(.*)')
_PATH_ONLY = r'\]\([^)]*\)'


def blocks(page) -> list[tuple[str, str]]:
  """Returns language and text of each fenced block."""
  return re.findall(r'^```(\w*)\n(.*?)^```$', page.read_text(encoding='utf-8'), re.MULTILINE | re.DOTALL)


def spans(page) -> list[str]:
  """Returns the inline code."""
  prose = re.sub(r'^```.*?^```$', '', page.read_text(encoding='utf-8'), flags=re.MULTILINE | re.DOTALL)
  return [' '.join(span.split()) for span in re.findall(r'`([^`]+)`', prose)]


def commands(page) -> list[tuple[str, list[str]]]:
  """Returns each command, a module of the package or the path of a script, and its arguments."""
  lines = [line for _, text in blocks(page) for line in text.replace('\\\n', ' ').splitlines()] + spans(page)
  found = []
  for match in filter(None, map(_COMMAND.search, lines)):
    arguments = shlex.split(match[3], comments=True)
    if '--' in arguments:  # what follows is for the training that the command starts
      found.append(('tangshi_tf.train', arguments[arguments.index('--') + 1:]))
      arguments = arguments[:arguments.index('--')]
    found.append((match[1] or match[2], arguments))
  return found


def parse(place: str, arguments: list[list[str]]) -> dict:
  """Returns what `parsing` prints of a command and lists of arguments."""
  done = forked.run('tests.parsing', [place], cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT)}, timeout=120,
                    input=json.dumps(arguments))
  assert done.returncode == 0, f'{place}: {done.stderr}'
  return json.loads(done.stdout.splitlines()[-1])


def width(line: str) -> int:
  """Returns the columns that a line takes: two for a full-width character."""
  return sum(2 if unicodedata.east_asian_width(character) in 'WF' else 1 for character in line)


@pytest.fixture(scope='module')
def parsed() -> dict[str, dict]:
  """What `parsing` says of each documented command: the names of its flags, and faults by page and arguments."""
  uses = collections.defaultdict(list)
  for page in PAGES:
    for command, arguments in commands(page):
      uses[command].append((page.relative_to(ROOT), arguments))
  results = {}
  for command, used in uses.items():
    if command in PLAIN:
      continue
    place = command
    if command.endswith('.py'):
      assert (ROOT / command).is_file(), f'{used[0][0]}: {command} does not exist'
      place = str(ROOT / command)
    result = parse(place, [arguments for _, arguments in used])
    faults = [f'{page}: {command} {shlex.join(arguments)}: {fault}'
              for (page, arguments), fault in zip(used, result['faults'], strict=True) if fault]
    results[command] = {'names': set(result['names']), 'faults': faults}
  return results


def test_commands_exist_and_their_flags_parse(parsed):
  assert not [fault for result in parsed.values() for fault in result['faults']]
  assert {'tangshi_tf.train', 'tangshi_tf.generate', 'tangshi_tf.prosody'} <= set(parsed)
  for page in PAGES:
    for command, arguments in commands(page):
      assert (ROOT / command).is_file() if command in PLAIN else command in parsed
      texts = [argument for argument in arguments if not argument.startswith('-')]
      assert not texts or command in TAKE_TEXTS | PLAIN, f'{page}: {command} {arguments}'


@pytest.mark.parametrize(('command', 'good', 'bad'), [
    ('tangshi_tf.generate', '--num=2', '--num=many'), ('tangshi_tf.prosody', '--tones=loose', '--tones=other'),
    (str(ROOT / 'scripts' / 'faults' / 'fuzz.py'), '--seconds=2', '--seconds=many'),
])
def test_wrong_flags_are_found(command, good, bad):
  unknown, wrong, fault = parse(command, [['--nosuchflag=1'], [bad], [good]])['faults']
  assert 'nosuchflag' in unknown and bad.split('=')[1] in wrong and fault is None


def test_flags_in_prose_exist(parsed):
  names = {'help', 'flagfile'}.union(*(result['names'] for result in parsed.values()))
  names |= {f'no{name}' for name in names}
  for page in PAGES:
    for span in spans(page):
      if not _COMMAND.search(span) and span.startswith('--'):
        used = {word.removeprefix('--').partition('=')[0] for word in span.split() if word.startswith('--')}
        assert used <= names, f'{page}: {span}'


def test_extras_exist():
  settings = configparser.ConfigParser()
  settings.read(ROOT / 'setup.cfg', encoding='utf-8')
  named = {extra for page in PAGES for extra in re.findall(r"pip install '\.\[(\w+)\]'",
                                                           page.read_text(encoding='utf-8'))}
  assert named and named <= set(settings['options.extras_require'])


def _anchor(heading: str) -> str:
  """Returns what a code host makes of a heading."""
  return re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
  text = re.sub(r'^```.*?^```$', '', page.read_text(encoding='utf-8'), flags=re.MULTILINE | re.DOTALL)
  targets = re.findall(r'\]\(([^)]+)\)', text) + re.findall(r'^\[[^]]+\]: (\S+)$', text, re.MULTILINE)
  for target in targets:
    if re.match(r'[a-z]+:', target):
      continue
    name, _, anchor = target.partition('#')
    goal = page.parent / name if name else page
    assert goal.exists(), f'{page}: {target}'
    if anchor:
      headings = re.findall(r'^#+ (.*)$', goal.read_text(encoding='utf-8'), re.MULTILINE)
      assert anchor in map(_anchor, headings), f'{page}: {target}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_fit_on_a_screen(page):
  lines = page.read_text(encoding='utf-8').splitlines()
  assert page not in (ENGLISH, CHINESE) or len(lines) <= LINES
  for number, line in enumerate(lines, 1):
    assert width(re.sub(_PATH_ONLY, ']', line)) <= COLUMNS, f'{page}:{number}: wider than {COLUMNS} columns'


def test_both_languages_show_the_same():
  def shown(page):
    texts = [re.sub(r' *#.*$', '', text, flags=re.MULTILINE) for _, text in blocks(page)]
    return texts, re.findall(r'\]\(([^)]+)\)', page.read_text(encoding='utf-8'))

  (english, english_links), (chinese, chinese_links) = shown(ENGLISH), shown(CHINESE)
  assert english == chinese
  assert set(english_links) - {CHINESE.name} == set(chinese_links) - {ENGLISH.name}
  assert CHINESE.name in english_links and ENGLISH.name in chinese_links


def shown_outputs(page, module: str) -> list[tuple[list[str], str]]:
  """Returns arguments and shown output of each block that is one command of that module."""
  found = []
  for _, text in blocks(page):
    if text.startswith(f'$ python -m {module} '):
      first, _, output = text.partition('\n')
      found.append((shlex.split(first)[4:], output))
  return found


PROSODY = shown_outputs(ENGLISH, 'tangshi_tf.prosody')
POEMS = shown_outputs(ENGLISH, 'tangshi_tf.generate')


@pytest.mark.parametrize(('arguments', 'output'), PROSODY)
def test_what_prosody_prints(command, arguments, output):
  assert command('tangshi_tf.prosody', *arguments).stdout == output


def assert_as_promised(arguments: list[str], output: str):
  """Asserts that a poem keeps what its flags ask for."""
  asked = dict(argument.removeprefix('--').partition('=')[::2] for argument in arguments)
  text = output
  if 'beside' in asked:
    rows = [row.split('\u3000\u3000') for row in output.splitlines()]
    text = ''.join(row[1] for row in rows if len(row) > 1)
    columns = list(zip(*(row[0].split('\u3000') for row in rows)))
    assert [''.join(column) for column in reversed(columns)] == corpus.verse_lines(text)
  poem = ''.join(text.split())
  assert poem.startswith(asked.get('begin', ''))
  form = asked.get('form', '七绝' if 'acrostic' in asked else None)
  if form is None:
    assert corpus.verse_lines(poem) and poem[-1] in corpus.PUNCTUATION
  else:
    assert prosody.check(poem, prosody.FORMS[form], 'strict').keeps()
  for first, line in zip(asked.get('acrostic', ''), corpus.verse_lines(poem)):
    assert line[0] == first


def test_some_poems_are_shown():
  assert len(POEMS) >= 3 and PROSODY


@pytest.mark.parametrize(('arguments', 'output'), POEMS)
def test_shown_poems_are_what_their_commands_promise(arguments, output):
  assert_as_promised(arguments, output)


# Of the drawn ones the first; the test of quickstart.py runs such commands, too.
@pytest.mark.parametrize('arguments', [POEMS[0][0], *(shown for shown, _ in POEMS if '--beam=32' in shown)])
def test_the_commands_write_such_poems(command, arguments):
  done = command('tangshi_tf.generate', *arguments)
  assert done.returncode == 0 and not done.stderr, done.stderr
  assert_as_promised(arguments, done.stdout)


def _python() -> list[str]:
  """Returns the Python of all pages, once where pages differ in comments only."""
  texts = [text for page in PAGES for language, text in blocks(page) if language == 'python']
  return list({ast.dump(ast.parse(text)): text for text in texts}.values())


@pytest.mark.parametrize('text', _python())
def test_the_python_runs(text, poems_file, tmp_path, monkeypatch, capsys):
  from tangshi_tf import data
  few = tmp_path / 'poems.txt'  # with all poems it takes minutes
  few.write_text(''.join(poems_file.read_text(encoding='utf-8').splitlines(keepends=True)[:100]), encoding='utf-8')
  monkeypatch.setattr(data, 'poem_dataset', functools.partial(data.poem_dataset, few))
  monkeypatch.chdir(tmp_path)  # for what it saves
  exec(compile(text, 'README', 'exec'), {})
  if 'print' in text:
    assert capsys.readouterr().out
