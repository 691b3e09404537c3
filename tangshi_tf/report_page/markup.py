"""Small pieces of HTML."""

import html
from collections.abc import Iterable, Sequence


def escape(value: object) -> str:
  """Returns a text of anybody's as HTML."""
  return html.escape(str(value))


def paragraph(text: str, kind: str = '') -> str:
  """Returns HTML text as a paragraph of a class, or of none."""
  return f'<p{_class(kind)}>{text}</p>'


def section(name: str, heading: str, parts: Iterable[str]) -> str:
  return f'<section id="{name}"><h2>{heading}</h2>\n' + '\n'.join(part for part in parts if part) + '\n</section>'


def figure(content: str, caption: str = '', kind: str = '') -> str:
  """Returns a picture with an HTML text below it."""
  below = f'<figcaption>{caption}</figcaption>' if caption else ''
  return f'<figure{_class(kind)}>{content}{below}</figure>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = '', *, texts: int = 1,
          above: str = '') -> str:
  """Returns a table.

  Args:
    head: HTML of the columns' names.
    rows: HTML of the cells; the first one names its row.
    kind: its class.
    texts: how many columns at the left hold text; numbers stand at the right.
    above: a row above the names.
  """
  def cell(tag: str, place: int, content: str) -> str:
    scope = ' scope="row"' if tag == 'th' and place == 0 else ' scope="col"' if tag == 'th' else ''
    return f'<{tag}{scope}{"" if place < texts else _class("number")}>{content}</{tag}>'

  top = ''.join(f'<th scope="col"{"" if place < texts else _class("number")}>{name}</th>'
                for place, name in enumerate(head))
  body = '\n'.join(f'<tr>{"".join(cell("td" if place else "th", place, content) for place, content in enumerate(row))}'
                   '</tr>' for row in rows)
  return f'<table{_class(kind)}><thead>{above}<tr>{top}</tr></thead>\n<tbody>{body}</tbody></table>'


def _class(kind: str) -> str:
  return f' class="{kind}"' if kind else ''
