"""The plots, as SVG that stands inside the page: no fonts, no scripts, nothing from elsewhere."""

import dataclasses
import io
import math
import re
from collections.abc import Sequence

from tangshi_tf.errors import UserError

# Apart in colour also for people who see few of them, and in shape where a page is printed in grey.
STYLES = (('#1f5a94', 'o'), ('#b3412e', 's'), ('#3d7d57', '^'), ('#8c6a14', 'D'), ('#6d4b8d', 'v'), ('#4d4d4d', 'P'),
          ('#2a8894', 'X'))
_SIZE = 3.45, 2.35  # inches
_WIDE = 7.0, 2.7
_DIGITS = 5  # that are drawn, so that the last bits of a float32 do not change the page
_FAR = 8  # times as great: so far apart values have a logarithmic axis, where one is wanted
_MARKED = 12  # at most so many points of a line have a marker
_RC = {'svg.fonttype': 'none', 'svg.hashsalt': 'tangshi_tf', 'font.size': 8, 'axes.edgecolor': '#777',
       'axes.linewidth': 0.6, 'axes.labelcolor': '#444', 'xtick.color': '#777', 'ytick.color': '#777',
       'xtick.labelcolor': '#444', 'ytick.labelcolor': '#444', 'xtick.major.width': 0.6, 'ytick.major.width': 0.6,
       'ytick.minor.width': 0.4, 'xtick.major.size': 3, 'ytick.major.size': 3, 'ytick.minor.size': 2,
       'axes.spines.top': False, 'axes.spines.right': False, 'grid.color': '#ddd', 'grid.linewidth': 0.5}


@dataclasses.dataclass(frozen=True)
class Line:
  """A line of a plot.

  Attributes:
    xs, ys: its points; those whose y is None are left out.
    style: the number of its run, which decides colour and marker.
    dashed: whether it is.
  """

  xs: Sequence[float]
  ys: Sequence[float | None]
  style: int
  dashed: bool = False


def require_matplotlib():
  """Raises a `UserError` where matplotlib is not installed."""
  try:
    import matplotlib  # noqa: F401 (here, so that --help does not wait for it)
  except ImportError:
    raise UserError("matplotlib, which draws the curves, is not installed; expected it: pip install "
                    "'tangshi_tf[report]'") from None


def draw(name: str, lines: Sequence[Line], label: str, *, log: bool = False, wide: bool = False) -> str:
  """Draws lines.

  Args:
    name: of the plot, which tells its ids from those of other plots of the page.
    lines: at least one point in all.
    label: what it shows, as HTML, for those who cannot see it.
    log: whether the vertical axis is logarithmic where the values lie far apart.
    wide: whether the plot is as wide as the page, or half as wide.

  Returns:
    An `<svg>` element without text but the numbers at the axes.
  """
  import matplotlib
  from matplotlib import ticker
  from matplotlib.backends.backend_svg import FigureCanvasSVG
  from matplotlib.figure import Figure
  with matplotlib.rc_context():
    matplotlib.rcdefaults()  # a person's own matplotlibrc must not change the page
    matplotlib.rcParams.update(_RC)
    figure = Figure(figsize=_WIDE if wide else _SIZE, layout='constrained')
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for line in lines:
      points = [(x, _rounded(y)) for x, y in zip(line.xs, line.ys) if y is not None]
      colour, marker = STYLES[line.style % len(STYLES)]
      if points:
        axes.plot(*zip(*points), color=colour, linewidth=1.2, linestyle='--' if line.dashed else '-',
                  dashes=(3, 1.5) if line.dashed else (None, None), marker=marker, markersize=3.4, markeredgewidth=0,
                  markevery=max(math.ceil(len(points) / _MARKED), 1))
    axes.grid(axis='y')
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    ys = [y for line in lines for y in line.ys if y is not None]
    if log and max(ys) > _FAR * min(ys):
      axes.set_yscale('log')
      axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if max(ys) < 100 * min(ys) else (1,), numticks=20))
      axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f'{value:g}'))
      axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    buffer = io.StringIO()
    figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None, 'Creator': None})
  return _inline(buffer.getvalue(), name, label)


def _rounded(value: float) -> float:
  return float(f'{value:.{_DIGITS}g}')


def _inline(svg: str, name: str, label: str) -> str:
  """Returns a file's `<svg>` for the inside of a page: with ids of its own, and nothing that reaches beyond it."""
  svg = svg[svg.index('<svg'):]
  svg = re.sub(r'<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->| xmlns(:\w+)?="[^"]*"', '', svg,
               flags=re.DOTALL)
  size = re.search(r'viewBox="[^"]*"', svg)
  assert size is not None, 'matplotlib wrote an SVG without its size'
  svg = re.sub(r'^<svg[^>]*>', f'<svg {size[0]} role="img" aria-label="{label}">', svg)
  used = set(re.findall(r'#([\w.-]+)', re.sub(r'#[0-9a-f]{6}\b', '', svg)))
  svg = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else '', svg)
  svg = re.sub(r'xlink:href="#|href="#', f'href="#{name}-', svg).replace('url(#', f'url(#{name}-')
  svg = re.sub(r"font-family: [^;\"]*;? ?|font: ([\d.]+px) [^;\"]*", lambda found: (
      f'font-size: {found[1]}' if found[1] else ''), svg)
  return re.sub(r'\s*\n\s*', '\n', svg).strip()


def swatch(style: int) -> str:
  """Returns a small picture of a run's line and marker, for a legend."""
  colour, marker = STYLES[style % len(STYLES)]
  shape = {
      'o': '<circle cx="14" cy="5" r="2.6"/>', 's': '<rect x="11.6" y="2.6" width="4.8" height="4.8"/>',
      '^': '<path d="M14 2l3 5.4h-6z"/>', 'D': '<path d="M14 1.6L17.4 5 14 8.4 10.6 5z"/>',
      'v': '<path d="M14 8.2l3-5.4h-6z"/>',
      'P': '<path d="M13 2h2v2h2v2h-2v2h-2V6h-2V4h2z"/>',
      'X': '<path d="M12 2l2 2 2-2 1 1-2 2 2 2-1 1-2-2-2 2-1-1 2-2-2-2z"/>'}[marker]
  return (f'<svg class="swatch" viewBox="0 0 28 10" aria-hidden="true"><path d="M1 5h26" stroke="{colour}" '
          f'stroke-width="1.5"/><g fill="{colour}">{shape}</g></svg>')
