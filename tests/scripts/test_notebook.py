"""The notebook of the exercise: clean, and run for real, cell by cell in a kernel, as a reader does."""

import configparser
import json
import re
import subprocess
import sys

import pytest

from ..conftest import ROOT

NOTEBOOK = ROOT / 'scripts' / 'reports' / 'exercise.ipynb'


@pytest.fixture
def clean():
  """The notebook as it is committed."""
  return json.loads(NOTEBOOK.read_text(encoding='utf-8'))


def test_it_is_committed_without_outputs(clean):
  assert clean['nbformat'] == 4 and {cell['cell_type'] for cell in clean['cells']} == {'code', 'markdown'}
  code = [cell for cell in clean['cells'] if cell['cell_type'] == 'code']
  assert code and all(cell['outputs'] == [] and cell['execution_count'] is None for cell in code)
  for cell in code:
    lines = ''.join(cell['source']).splitlines()
    assert not any(line.lstrip().startswith(('%', '!')) for line in lines)  # it is plain Python
    assert all(len(line) <= 120 for line in lines)
  assert all(cell['metadata'] == {} for cell in clean['cells'])


def test_its_code_is_clean():
  pytest.importorskip('ruff')
  settings = configparser.ConfigParser()
  settings.read(ROOT / 'setup.cfg', encoding='utf-8')
  options = [f'--{name}={value}' for name, value in settings['ruff'].items()]
  done = subprocess.run([sys.executable, '-m', 'ruff', 'check', '--isolated', '--no-cache', *options, NOTEBOOK],
                        capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stdout


def test_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
  nbclient = pytest.importorskip('nbclient', reason="pip install '.[notebook]'")
  nbformat = pytest.importorskip('nbformat')
  pytest.importorskip('ipykernel')
  for name in ('IPYTHONDIR', 'JUPYTER_CONFIG_DIR', 'JUPYTER_RUNTIME_DIR', 'MPLCONFIGDIR'):
    monkeypatch.setenv(name, str(tmp_path / name.lower()))
  monkeypatch.delenv('MPLBACKEND', raising=False)  # so that the kernel takes its own, which shows pictures
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  nbformat.validate(notebook)
  nbclient.NotebookClient(notebook, timeout=900, kernel_name='python3',
                          resources={'metadata': {'path': str(tmp_path)}}).execute()
  outputs = [output for cell in notebook.cells for output in cell.get('outputs', [])]
  printed = ''.join(output.text for output in outputs if output.output_type == 'stream' and output.name == 'stdout')
  assert not [output.text for output in outputs if output.get('name') == 'stderr']
  assert sum('image/png' in output.get('data', {}) for output in outputs) == 2

  words = int(re.search(r'([\d,]+) words', printed)[1].replace(',', ''))
  perplexities = [float(number) for number in re.findall(r'validation perplexity ([\d.]+)', printed)]
  assert len(perplexities) == 3 and all(1 < perplexity < words / 10 for perplexity in perplexities)
  poems = re.findall(r'^[ ×] ([日红山夜湖海月].*)$', printed, re.MULTILINE)
  assert len(poems) == 7 * (3 * 2 + 1)  # three cells from two states, and the change
  assert [title[0] for title in re.findall(r'^\S+, (?:zero|random) state$', printed, re.MULTILINE)] == list('SSLLGG')
