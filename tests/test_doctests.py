"""The examples in the docstrings do what they say."""

import doctest
import importlib

import pytest

import tangshi_tf

from .conftest import ROOT

MODULES = [path for path in sorted((ROOT / 'tangshi_tf').rglob('*.py'))
           if '>>>' in path.read_text(encoding='utf-8')]


@pytest.mark.parametrize('path', MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  parts = path.relative_to(ROOT).with_suffix('').parts
  module = importlib.import_module('.'.join(parts[:-1] if parts[-1] == '__init__' else parts))
  names = {'tangshi_tf': tangshi_tf, 'myRNNModel': tangshi_tf.myRNNModel}
  finder = doctest.DocTestFinder(exclude_empty=True)
  runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
  tried = 0
  for test in finder.find(module, module.__name__, extraglobs=names):
    tried += runner.run(test).attempted
  assert tried and not runner.failures
