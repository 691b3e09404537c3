"""A Chromium that takes pictures of pages, for page_shots.py and tensorboard_shots.py."""

import contextlib
import shutil

from tangshi_tf.errors import UserError

_NAMES = 'chromium', 'chromium-browser', 'google-chrome'


@contextlib.contextmanager
def started(*arguments: str):
  """A context with a browser of playwright; arguments are the browser's.

  Raises:
    UserError: there is no playwright, or no Chromium.
  """
  try:
    from playwright import sync_api
  except ImportError:
    raise UserError("playwright is not installed; run: pip install '.[browser]'") from None
  path = next(filter(None, map(shutil.which, _NAMES)), None)
  if path is None:
    raise UserError(f'there is none of {", ".join(_NAMES)}; expected a Chromium')
  with sync_api.sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path=path, args=['--no-sandbox', *arguments])
    try:
      yield chromium
    finally:
      chromium.close()
