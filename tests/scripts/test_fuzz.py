"""The targets of the fuzzer, on their own seeds and on its dictionary."""

import importlib.util

import pytest


@pytest.fixture(scope='module')
def fuzz(load_script):
  return load_script('faults/fuzz')


@pytest.mark.parametrize('name', ['corpus', 'prosody', 'texts', 'json', 'weights', 'flags'])
def test_targets(fuzz, tmp_path, name):
  once, seeds = fuzz.TARGETS[name](tmp_path)
  for content in (*seeds, *fuzz.PIECES, b''.join(fuzz.PIECES)):
    once(content)


def test_every_target_is_tested(fuzz):
  assert set(fuzz.TARGETS) == {'corpus', 'prosody', 'texts', 'json', 'weights', 'flags'}


@pytest.mark.skipif(importlib.util.find_spec('atheris') is not None, reason='atheris is installed')
def test_without_atheris(script):
  done = script('faults/fuzz.py', '--seconds=1')
  assert (done.returncode, done.stdout) == (2, '')
  assert done.stderr == "fuzz.py: atheris is not installed; run: pip install '.[fuzz]'\n"
