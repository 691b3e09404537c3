"""Reading a page as a browser does, far enough to check it."""

import html.parser

VOID = {'meta', 'br', 'link', 'img', 'input', 'hr', 'mspace'}


class Page(html.parser.HTMLParser):
  """A parsed page.

  Attributes:
    tags: name and attributes of each element.
    faults: what is not nested as it should be.
    text: by the id of its section, and under '' in all.
    tables: of each the rows, lists of the cells' texts, by its class.
  """

  def __init__(self, text: str):
    super().__init__()
    self.tags, self.faults, self.text, self.tables = [], [], {'': ''}, {}
    self._open, self._section, self._rows = [], '', None
    self.feed(text)
    self.close()
    self.faults += self._open

  def handle_starttag(self, tag, attributes):
    given = dict(attributes)
    self.tags.append((tag, given))
    if tag not in VOID:
      self._open.append(tag)
    if tag == 'section':
      self._section = given['id']
      self.text[self._section] = ''
    if tag == 'table':
      self._rows = self.tables.setdefault(given.get('class', ''), [])
    elif tag == 'tr':
      self._rows.append([])
    elif tag in ('td', 'th'):
      self._rows[-1].append('')

  def handle_startendtag(self, tag, attributes):
    self.tags.append((tag, dict(attributes)))

  def handle_endtag(self, tag):
    if tag not in VOID and (not self._open or self._open.pop() != tag):
      self.faults.append(f'/{tag}')
    if tag == 'section':
      self._section = ''

  def handle_data(self, data):
    if 'style' in self._open[-1:]:
      return
    self.text[''] += data
    if self._section:
      self.text[self._section] += data
    if {'td', 'th'} & set(self._open) and self._rows and self._rows[-1]:
      self._rows[-1][-1] += data
