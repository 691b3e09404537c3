"""Pictures of TensorBoard's pages of some runs, taken in a real browser.

    pip install '.[browser]'
    python scripts/reports/tensorboard_shots.py --runs=runs --figures=scripts/reports/figures

Starts TensorBoard and saves tensorboard_curves.png (custom scalars) and
tensorboard_projector.png (the embedding, coloured by tone); with --pages also
tensorboard_hparams.png, tensorboard_poems.png and tensorboard_series.png. Needs Chromium.
"""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import browser
from absl import flags

from tangshi_tf import cli
from tangshi_tf.errors import UserError

_TABS = {'curves': 'custom_scalars', 'projector': 'projector', 'hparams': 'hparams', 'poems': 'text',
         'series': 'timeseries'}
_RUNS = flags.DEFINE_string('runs', 'runs', 'The folder of the run directories.')
_FIGURES = flags.DEFINE_string('figures', str(pathlib.Path(__file__).parent / 'figures'), 'Where the pictures go.')
_PAGES = flags.DEFINE_multi_enum('pages', ['curves', 'projector'], list(_TABS), 'Which pages; may be repeated.')
_COLOUR = flags.DEFINE_string('colour', 'tone', 'By which column of its labels the embedding is coloured.')

_PATIENCE = 120  # seconds
_WIDTHS = {'curves': 1500, 'hparams': 2200}  # pixels, so that all charts and columns are seen
_SOFTWARE = '--use-angle=swiftshader', '--enable-unsafe-swiftshader'  # WebGL, which the projector needs, without a GPU


def main() -> int:
  runs = sorted(str(path.parent.relative_to(_RUNS.value)) for path in pathlib.Path(_RUNS.value).glob('*/config.json'))
  if not runs:
    raise UserError(f'{_RUNS.value}: holds no run directories')
  folder = pathlib.Path(_FIGURES.value)
  folder.mkdir(parents=True, exist_ok=True)
  with browser.started(*_SOFTWARE) as chromium, tensorboard(_RUNS.value, runs) as address:
    for page in _PAGES.value:
      path = folder / f'tensorboard_{page}.png'
      take(chromium, address, page, path)
      print(path)
  return 0


@contextlib.contextmanager
def tensorboard(folder: str, runs: list[str]):
  """A context with the address of a TensorBoard that has read all these runs.

  Raises:
    UserError: it does not start.
  """
  with socket.socket() as taken:
    taken.bind(('localhost', 0))
    port = taken.getsockname()[1]
  address = f'http://localhost:{port}'
  process = subprocess.Popen([sys.executable, '-m', 'tensorboard.main', f'--logdir={folder}', f'--port={port}',
                              '--load_fast=false'], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
  try:
    end = time.monotonic() + _PATIENCE
    while not set(runs) <= set(_asked(f'{address}/data/runs') or []):
      if process.poll() is not None or time.monotonic() > end:
        process.kill()
        said = process.communicate()[1].decode(errors='replace').strip().splitlines()
        raise UserError(f'TensorBoard does not show {folder}: {said[-1] if said else "it says nothing"}')
      time.sleep(0.5)
    while _asked(f'{address}/data/plugins_listing', 'projector', 'enabled') is False and time.monotonic() < end:
      time.sleep(0.5)  # it looks for embeddings in a thread
    yield address
  finally:
    process.terminate()
    process.communicate()


def _asked(address: str, *keys: str):
  """Returns what a server answers in JSON, or the part of it under these keys; None if it does not."""
  try:
    with urllib.request.urlopen(address, timeout=10) as answer:
      found = json.load(answer)
  except (urllib.error.URLError, OSError, ValueError):
    return None
  for key in keys:
    found = found.get(key, {})
  return found


def take(chromium, address: str, name: str, path: pathlib.Path):
  """Opens a page, waits for what is on it, and takes a picture."""
  context = chromium.new_context(viewport={'width': _WIDTHS.get(name, 1400), 'height': 780}, locale='zh-CN')
  page = context.new_page()
  page.set_default_timeout(_PATIENCE * 1000)
  page.goto(f'{address}/#{_TABS[name]}')
  if name == 'curves':
    page.locator('tf-custom-scalar-dashboard svg').first.wait_for()
    smoothing = page.locator('tf-custom-scalar-dashboard tf-smoothing-input input').first
    smoothing.fill('0')  # an epoch has one point
    smoothing.press('Enter')
    page.get_by_text('Ignore outliers in chart scaling').first.click()
  elif name == 'projector':
    _colour(page)
  elif name == 'hparams':
    page.get_by_text('Trial ID').first.wait_for()
  elif name == 'poems':
    page.locator('tf-text-loader td').first.wait_for()
  else:
    page.locator('card-view').first.wait_for()
  page.wait_for_timeout(3000)  # until what moves stands still
  page.screenshot(path=path)
  context.close()


def _colour(page):
  """Colours the points of the projector."""
  frame = page.frame_locator('iframe').frame_locator('iframe')
  frame.locator('#colorby').click()
  frame.locator('#colorby paper-item', has_text=_COLOUR.value).first.click()
  page.wait_for_timeout(500)


if __name__ == '__main__':
  cli.run(main)
