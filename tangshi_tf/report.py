"""Writes a report on runs as one page: models, equations, curves, perplexities, poems, gradients.

    python -m tangshi_tf.report --runs=runs --out=report.html
    python -m tangshi_tf.report --runs=rnn --runs=lstm --runs=gru --language=zh --author=李白
    python -m tangshi_tf.report --runs=runs/gru --nongrams --overwrite

The page is one HTML file that needs no other and no network, and prints on A4.
"""

import sys

from absl import flags

from tangshi_tf import cli, report_page

_RUNS = flags.DEFINE_multi_string('runs', ['runs'], 'A folder of run directories, a run directory, or the name of a '
                                  'shipped model; repeat the flag for more.')
_OUT = flags.DEFINE_string('out', 'report.html', 'The page to write; one that is there is kept.')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a page that is there.')
_LANGUAGE = flags.DEFINE_enum('language', 'en', report_page.LANGUAGES, 'English or Chinese.')
_TITLE = flags.DEFINE_string('title', '', 'The title (default: one that fits any runs).')
_AUTHOR = flags.DEFINE_string('author', '', 'Whose report it is.')
_CORPUS = flags.DEFINE_multi_string('corpus', None, 'The poems that the runs were trained on, a file or a glob; repeat '
                                    'the flag for more (default: where the runs found them).')
_NGRAMS = flags.DEFINE_bool('ngrams', True, 'Hold the runs against n-gram models, which takes half a minute.')
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the first poem of each kind.', lower_bound=0,
                             upper_bound=2**62)


def main() -> int:
  cli.exit_in_order()  # so that what is half done is removed
  print(report_page.write(
      _RUNS.value, _OUT.value, language=_LANGUAGE.value, title=_TITLE.value, author=_AUTHOR.value,
      corpus=_CORPUS.value, ngrams=_NGRAMS.value, seed=_SEED.value, overwrite=_OVERWRITE.value,
      tell=lambda note: print(note, file=sys.stderr)))
  return 0


if __name__ == '__main__':
  cli.run(main)
