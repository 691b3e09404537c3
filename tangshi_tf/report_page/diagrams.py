"""The pictures of the models, as SVG that stands inside the page."""

import html

from tangshi_tf.report_page.facts import Layer
from tangshi_tf.report_page.words import Words

_BOX, _GAP, _TALL = 132, 26, 62  # of a chain
_STEP, _COLUMN = 140, 86  # of the model in time


def cell_name(cell: str) -> str:
  """Returns what Keras calls a cell's layer."""
  return {'rnn': 'SimpleRNN', 'lstm': 'LSTM', 'gru': 'GRU'}[cell]


def layer_name(layer: Layer, alone: bool, words: Words) -> str:
  """Returns what the page calls a layer, as HTML."""
  if layer.kind in ('embedding', 'projection', 'output'):
    return words(layer.kind)
  if alone:
    return cell_name(layer.kind)
  key = 'layer' if layer.first == layer.last else 'layers'
  return words(key, cell=cell_name(layer.kind), first=layer.first, last=layer.last)


def chain(name: str, layers: list[Layer], total: int, words: Words) -> str:
  """Returns the picture of a model: a box a layer, with sizes and parameters."""
  width = len(layers) * (_BOX + _GAP) - _GAP + 2
  alone = sum(layer.first > 1 for layer in layers) == 0
  parts = []
  for i, layer in enumerate(layers):
    left = 1 + i * (_BOX + _GAP)
    middle = left + _BOX / 2
    recurrent = layer.kind in ('rnn', 'lstm', 'gru')
    parts.append(f'<rect class="{"cell" if recurrent else "box"}" x="{left}" y="22" width="{_BOX}" height="{_TALL}" '
                 'rx="5"/>')
    if recurrent:  # its state comes back to it
      parts.append(f'<path class="flow" d="M{middle + 30:g} 22 C{middle + 44:g} -4 {middle - 44:g} -4 '
                   f'{middle - 30:g} 19"/>' + _head(middle - 30, 21, 'down'))
    if i:
      parts.append(f'<path class="flow" d="M{left - _GAP} 53H{left - 5}"/>' + _head(left - 1, 53, 'right'))
    texts = (('name', layer_name(layer, alone, words)), ('size', f'{layer.width:,} → {layer.units:,}'),
             ('size', f'{layer.parameters:,}'))
    parts += [f'<text class="{kind}" x="{middle:g}" y="{41 + 17 * row}">{text}</text>'
              for row, (kind, text) in enumerate(texts)]
  return _svg(width, 22 + _TALL + 1, parts, words('chain', name=name, total=f'{total:,}'), 'chain',
              f'style="max-width: {min(width / 7, 100):.0f}%"')


def unrolled(characters: str, words: Words) -> str:
  """Returns the picture of a model in time, reading these characters of a poem."""
  reads = ['bos', *characters[:-1]]
  parts = []
  for i, (read, label) in enumerate(zip(reads, characters)):
    middle = _COLUMN + i * _STEP + 40
    for y, key, kind in ((128, 'embedding', 'box'), (78, 'recurrent', 'cell'), (28, 'output', 'box')):
      parts.append(f'<rect class="{kind}" x="{middle - 53}" y="{y}" width="106" height="28" rx="5"/>'
                   f'<text class="name" x="{middle}" y="{y + 18}">{words(key)}</text>')
    for low in (176, 128, 78, 28):
      parts.append(f'<path class="flow" d="M{middle} {low}v-{13 if low == 28 else 15}"/>'
                   + _head(middle, low - (16 if low == 28 else 20), 'up'))
    if i:
      parts.append(f'<path class="flow" d="M{middle - _STEP + 53} 92H{middle - 59}"/>' + _head(middle - 54, 92, 'right')
                   + f'<text class="state" x="{middle - _STEP / 2:g}" y="84">h<tspan class="index" dy="3">{i}</tspan>'
                   '</text>')
    parts.append(f'<text class="read{"" if i else " plain"}" x="{middle}" y="192">{html.escape(read)}</text>'
                 f'<text class="read" x="{middle}" y="8">{html.escape(label)}</text>')
  parts += [f'<text class="side" x="0" y="{y}">{words(key)}</text>' for y, key in ((190, 'reads'), (7, 'predicts'))]
  return _svg(_COLUMN + len(characters) * _STEP - 34, 200, parts, words('unrolled'), 'unrolled')


def _head(x: float, y: float, way: str) -> str:
  """Returns the head of an arrow whose tip is there."""
  shape = {'right': '-6 -3.2v6.4z', 'up': '-3.2 6h6.4z', 'down': '-3.2 -6h6.4z'}[way]
  return f'<path class="head" d="M{x:g} {y:g}l{shape}"/>'


def _svg(width: float, height: float, parts: list[str], label: str, kind: str, more: str = '') -> str:
  return (f'<svg class="{kind}" viewBox="0 -8 {width:g} {height + 8:g}" role="img" aria-label="{label}" {more}>'
          f'{"".join(parts)}</svg>')
