"""The house: which module imports which, how large the rooms are, and what loads without TensorFlow."""

import ast
import functools
import graphlib
import importlib
import io
import re
import subprocess
import sys
import tokenize

import pytest

from .conftest import ROOT

PACKAGE = ROOT / 'tangshi_tf'
COMMANDS = {path.stem for path in PACKAGE.glob('*.py')} - {
    '__init__', 'errors', 'lazy', 'long_work', 'plain_file', 'quiet', 'short'}
PLAIN = ('errors', 'lazy', 'long_work', 'plain_file', 'quiet', 'short', 'cli', 'settings', 'corpus', 'recipes',
         'workers', 'prosody', 'run_dir', 'decoding.request', 'decoding.poem', 'decoding.text', 'evaluation.held_out',
         'evaluation.kneser_ney', 'evaluation.measures', 'report_page.chinese', 'report_page.diagrams',
         'report_page.english', 'report_page.equations', 'report_page.facts', 'report_page.markup', 'report_page.page',
         'report_page.plots', 'report_page.results', 'report_page.runs', 'report_page.sections', 'report_page.words',
         'report_page.writing', 'training.callback', 'training.preparation', 'training.progress',
         'training.resuming', 'training.runs', 'training.start_model', *sorted(COMMANDS))
MOST_FLOORS, MOST_LINES, MOST_IN_FUNCTION = 8, 350, 60


@functools.cache
def modules() -> dict[str, ast.Module]:
  """Returns the syntax tree of each module of the package, by its name without the package's."""
  found = {}
  for path in sorted(PACKAGE.rglob('*.py')):
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = ast.parse(path.read_text(encoding='utf-8'))
  return found


def is_face(name: str) -> bool:
  """Returns whether a module only hands on names of others."""
  kinds = (ast.FunctionDef, ast.ClassDef)
  return (PACKAGE / name.replace('.', '/') / '__init__.py').exists() and not any(
      isinstance(node, kinds) for node in modules()[name].body)


def imports(name: str) -> set[str]:
  """Returns the modules of the package that one imports, anywhere in it."""
  found = set()
  for node in ast.walk(modules()[name]):
    if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'tangshi_tf':
      base = (node.module or '').removeprefix('tangshi_tf').lstrip('.')
      for alias in node.names:
        inner = f'{base}.{alias.name}'.lstrip('.')
        found.add(inner if inner in modules() else base)
    elif isinstance(node, ast.Import):
      found |= {alias.name.removeprefix('tangshi_tf.') for alias in node.names if alias.name.startswith('tangshi_tf.')}
  return found - {name, ''}


def order(graph: dict[str, set[str]]) -> list[str]:
  """Returns the nodes so that each comes after what it needs; a circle is an error."""
  return list(graphlib.TopologicalSorter(graph).static_order())


def test_no_circle_and_nothing_imports_a_command():
  graph = {name: imports(name) for name in modules() if name}
  order(graph)
  for name, needed in graph.items():
    assert not needed & COMMANDS, name


def test_a_wing_is_not_entered_through_its_own_face():
  for name in modules():
    wing = name.partition('.')[0]
    if name not in ('', wing) and is_face(wing) and not name.endswith('__main__'):
      assert wing not in imports(name), name


def test_tensorflow_is_imported_in_one_place():
  for name, tree in modules().items():
    for node in ast.walk(tree):
      found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [
          node.module or ''] if isinstance(node, ast.ImportFrom) else []
      assert name == 'quiet' or not {'tensorflow', 'keras'} & {part.split('.')[0] for part in found}, name


def test_messages_name_settings_as_python_and_the_command_line_do():
  """Both get the same text: 'tones=loose' is an argument with quotation marks, and a flag with two hyphens."""
  for name, tree in modules().items():
    wing = name.partition('.')[0]
    if wing in COMMANDS or wing in ('cli', 'recipes') or name.endswith(('__main__', 'flag_files')):
      continue
    for raised in (node for node in ast.walk(tree) if isinstance(node, ast.Raise)):
      for node in ast.walk(raised):
        assert not (isinstance(node, ast.Constant) and re.search('--[a-z]|--$', str(node.value))), (name, node.value)


def test_wings_stand_on_few_floors():
  graph: dict[str, set[str]] = {}
  for name in modules():
    if name:
      wing = name.partition('.')[0]
      graph.setdefault(wing, set()).update({needed.partition('.')[0] for needed in imports(name)} - {wing})
  floor: dict[str, int] = {}
  for wing in order(graph):
    floor[wing] = 1 + max((floor[needed] for needed in graph.get(wing, ())), default=0)
  assert max(floor.values()) <= MOST_FLOORS, floor


def test_rooms_are_small():
  for path in PACKAGE.rglob('*.py'):
    text = path.read_text(encoding='utf-8')
    assert text.count('\n') <= MOST_LINES, path
    lines = {token.start[0] for token in tokenize.generate_tokens(io.StringIO(text).readline)
             if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)}
    for node in ast.walk(ast.parse(text)):
      if isinstance(node, ast.FunctionDef):
        body = node.body[1:] if ast.get_docstring(node) else node.body
        first, last = (body[0].lineno, body[-1].end_lineno) if body else (0, -1)
        assert len(lines & set(range(first, last + 1))) <= MOST_IN_FUNCTION, f'{path}: {node.name}'


@pytest.mark.parametrize('wing', [name for name in ('', 'decoding', 'evaluation', 'training')])
def test_a_lazy_face_says_the_same_to_people_and_to_type_checkers(wing):
  face = importlib.import_module(f'tangshi_tf.{wing}'.rstrip('.'))
  checked = next(node for node in modules()[wing].body if isinstance(node, ast.If))
  names = {alias.name for node in ast.walk(checked) if isinstance(node, ast.ImportFrom) for alias in node.names}
  assert names == set(face.__all__) == set(dir(face)) - {'__version__'}
  assert wing or '__version__' in dir(face)
  assert all(getattr(face, name) is not None for name in names)


def test_the_plain_rooms_load_without_tensorflow():
  plain = [name for name in modules() if any(name == room or name.startswith(f'{room}.') for room in PLAIN)]
  commands = {name for name in plain if name in COMMANDS or name.endswith('__main__')}  # they share names of flags
  for names in ([name for name in plain if name not in commands], *([name] for name in sorted(commands))):
    program = ('import importlib, sys\n'
               'sys.modules.update(dict.fromkeys(("tensorflow", "keras", "tensorboard")))\n'  # importing them fails
               f'for name in {names!r}:\n'
               '  importlib.import_module(f"tangshi_tf.{name}")\n')
    done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
