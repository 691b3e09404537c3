"""Pictures of the page, taken in a real browser.

    pip install '.[web,browser]'
    python scripts/reports/page_shots.py --figures=scripts/reports/figures

Starts the service, writes poems with fixed seeds, and saves page.png (what is shown of a
poem, and the proposals for a character), page_dark.png and page_phone.png. Needs
Chromium.
"""

import pathlib

import browser
from absl import flags

from tangshi_tf import cli
from tangshi_tf.service import process

_MODEL = flags.DEFINE_string('model', 'best', 'The model that writes.')
_FIGURES = flags.DEFINE_string('figures', str(pathlib.Path(__file__).parent / 'figures'), 'Where the pictures go.')
_SEED = flags.DEFINE_integer('seed', 1, 'Seed of the first poem.', lower_bound=0)
_TITLE = flags.DEFINE_string('title', '', 'The title of the poems, of a model with controls.')


def main() -> int:
  with browser.started() as chromium, process.started(f'--model={_MODEL.value}') as (_, address):
    folder = pathlib.Path(_FIGURES.value)
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in (('page', {}), ('page_dark', {'color_scheme': 'dark'}),
                          ('page_phone', {'viewport': {'width': 390, 'height': 900}})):
      context = chromium.new_context(**{'viewport': {'width': 1280, 'height': 820}, 'locale': 'zh-CN', **options})
      take(context.new_page(), address, folder / f'{name}.png', watched=name == 'page')
      context.close()
  return 0


def take(page, address: str, path: pathlib.Path, *, watched: bool):
  """Writes poems and takes a picture; with what is shown of a poem where `watched`."""
  page.goto(address)
  page.locator('#model option').first.wait_for(state='attached', timeout=120_000)
  if _TITLE.value:
    page.fill('#title', _TITLE.value)
  page.locator('details.more summary').click()
  page.fill('#seed', str(_SEED.value))
  page.locator('details.more summary').click()
  page.select_option('#num', '2')
  page.click('#write')
  page.locator('.tools .link').nth(1).wait_for()
  if watched:
    for name in ('tones', 'rhyme', 'surprise'):
      page.click(f'[data-show={name}]')
    page.locator('[class*=surprise-]').nth(40).wait_for()
    page.locator('.character').nth(8).click()
    page.locator('.choices button').nth(4).wait_for()
  page.wait_for_timeout(300)
  page.screenshot(path=path)


if __name__ == '__main__':
  cli.run(main)
