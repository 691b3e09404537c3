"""From runs to a report in a file."""

import os
import pathlib
from collections.abc import Callable, Sequence

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.report_page import plots, runs
from tangshi_tf.report_page.words import LANGUAGES
from tangshi_tf.short import shown


def write(given: str | os.PathLike | Sequence[str | os.PathLike], out: str | os.PathLike = 'report.html', *,
          language: str = 'en', title: str = '', author: str = '', corpus: Sequence[str] | None = None,
          ngrams: bool = True, seed: int = 0, overwrite: bool = False,
          tell: Callable[[str], object] = lambda line: None) -> pathlib.Path:
  """Measures runs and writes a page about them.

      report_page.write(['runs/rnn', 'gru'], 'report.html', language='zh', author='李白')

  The same runs and arguments give the same bytes on the same machine.

  Args:
    given: the runs, see `runs.find`.
    out: the page.
    language: 'en' or 'zh'.
    title, author: what stands at the top; by default a title that fits any runs.
    corpus: the poems that the runs were trained on, see `runs.read_poems`.
    ngrams: whether they are held against n-gram models, which takes half a minute
      for the package's poems.
    seed: of the poems.
    overwrite: whether a page that is there already is replaced.
    tell: gets lines about how the files were read.

  Returns:
    The path of the page.

  Raises:
    UserError: something cannot be used; then nothing has been written.
  """
  if language not in LANGUAGES:
    raise UserError(f'language {shown(language)} is unknown; expected one of {", ".join(LANGUAGES)}')
  path = runs.require_out(out, overwrite)
  plots.require_matplotlib()
  found = runs.find(given)
  poems = runs.read_poems(found, corpus)
  for note in poems.notes:
    tell(note)
  from tangshi_tf.model import devices
  from tangshi_tf.report_page import measuring, page
  devices.start()
  facts = measuring.measure(found, poems, ngrams=ngrams, seed=seed)
  # A path that is not UTF-8 has surrogates, which UTF-8 has no bytes for.
  data = page.page(facts, language, title, author).encode('utf-8', 'backslashreplace')
  runs.require_out(out, overwrite)  # it may have come meanwhile
  run_dir.write_bytes(path, data)
  return path
