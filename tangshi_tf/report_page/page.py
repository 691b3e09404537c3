"""The whole page."""

import functools
import pathlib

from tangshi_tf import __version__
from tangshi_tf.report_page import results, sections
from tangshi_tf.report_page.facts import Facts
from tangshi_tf.report_page.markup import escape
from tangshi_tf.report_page.words import Words

_PARTS = (sections.summary, sections.models, sections.cells, results.training, results.perplexities, results.poems,
          results.gradients, sections.settings)


@functools.cache
def _style() -> str:
  return pathlib.Path(__file__).with_name('page.css').read_text(encoding='utf-8')


def page(facts: Facts, language: str = 'en', title: str = '', author: str = '') -> str:
  """Returns a report as an HTML page that needs no other file.

  Args:
    facts: what it says.
    language: one of `words.LANGUAGES`.
    title: by default one that fits any runs.
    author: whose report it is, or nothing.
  """
  words = Words(language)
  heading = escape(title) or words('title')
  sizes = {name: f'{size:,}' for name, size in facts.sizes.items()}
  weights = words('list').join(f'{run.name} ({run.weights})' for run in facts.runs)
  return '\n'.join([
      '<!DOCTYPE html>', f'<html lang="{words.tag}">', '<head>', '<meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">', f'<title>{heading}</title>',
      f'<style>\n{_style()}</style>', '</head>', '<body>', '<header>', f'<h1>{heading}</h1>',
      f'<p class="author">{escape(author)}</p>' if author else '',
      f'<p class="corpus">{words("corpus", name=facts.corpus, **sizes)}</p>', '</header>', '<main>',
      *(part(facts, words) for part in _PARTS), '</main>',
      f'<footer>{words("made", version=__version__, digest=facts.fingerprint, weights=weights)}</footer>',
      '</body>', '</html>', ''])
