"""The sentences of a report, in English or Chinese."""

import html
from collections.abc import Sequence

from tangshi_tf.report_page import chinese, english

_TEXTS = {'en': english.TEXTS, 'zh': chinese.TEXTS}
_TAGS = {'en': 'en', 'zh': 'zh-CN'}
LANGUAGES = tuple(_TEXTS)


class Words:
  """The sentences in one language.

  Attributes:
    tag: the language, as HTML names it.
  """

  def __init__(self, language: str):
    self._texts, self.tag = _TEXTS[language], _TAGS[language]

  def __call__(self, key: str, **values: object) -> str:
    """Returns a sentence as HTML, with these values, which are escaped, in it."""
    return self._texts[key].format_map({name: html.escape(str(value)) for name, value in values.items()})

  def names(self, names: Sequence[str]) -> str:
    """Returns names as a list in a sentence; not yet escaped."""
    *most, last = names
    return f'{self("list").join(most)}{self("and")}{last}' if most else last

  def sentences(self, said: Sequence[str]) -> str:
    """Returns sentences one after the other."""
    return (' ' if self.tag == 'en' else '').join(said)
