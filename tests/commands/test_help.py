"""What the small commands say before they begin."""

import os
import subprocess
import sys

import pytest

from ..conftest import ROOT


@pytest.mark.parametrize(('program', 'flag', 'avoided'), [
    ('write_shards', '--shards', ['tensorflow', 'numpy']), ('launch', '--restarts', ['tensorflow']),
    ('report', '--seed', ['tensorflow', 'numpy', 'matplotlib'])])
def test_help_loads_no_more_than_it_needs(tmp_path, program, flag, avoided):
  for name in avoided:
    (tmp_path / f'{name}.py').write_text(f'raise SystemExit("{name} was loaded")')
  environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), str(ROOT)])}
  for argument, status in (('--help', 0), (f'{flag}=x', 2)):
    done = subprocess.run([sys.executable, '-m', f'tangshi_tf.{program}', argument], env=environment,
                          capture_output=True, text=True, encoding='utf-8', check=False)
    assert done.returncode == status and flag in done.stdout + done.stderr, done.stderr
  assert done.stderr.startswith(f'python -m tangshi_tf.{program}: ') and len(done.stderr.splitlines()) == 1
