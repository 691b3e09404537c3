"""The equations of the cells as MathML, as this package's cells, which are Keras's, compute them (`model.network`)."""

from collections.abc import Sequence

Term = str  # MathML


def cell_equations(cell: str, reset_after: bool = True) -> str:
  """Returns the equations of a cell: 'rnn', 'lstm' or 'gru'."""
  if cell == 'rnn':
    return _block([(_H, _tanh(_product('x', 't', 'xh'), '+', _product('h', _BEFORE, 'hh'), '+', _sub('b', 'h')))])
  if cell == 'lstm':
    gates = [(_at(gate), _call('σ', _gate(gate))) for gate in 'ifo']
    return _block([
        *gates, (_at(_TILDE_C), _tanh(_gate('c'))),
        (_at('c'), _row(_at('f'), '⊙', _at('c', _BEFORE), '+', _at('i'), '⊙', _at(_TILDE_C))),
        (_H, _row(_at('o'), '⊙', _tanh(_at('c'))))])
  gates = [(_at(gate), _call('σ', _gate(gate), *(('+', _prime(gate)) if reset_after else ()))) for gate in 'zr']
  reset = (_at('r'), '⊙', _fenced(_product('h', _BEFORE, 'hh'), '+', _prime('h'))) if reset_after else (
      _fenced(_at('r'), '⊙', _at('h', _BEFORE)), _sub('W', 'hh'))
  new = _tanh(_product('x', 't', 'xh'), '+', _sub('b', 'h'), '+', *reset)
  return _block([*gates, (_at(_TILDE_H), new),
                 (_H, _row(_at('z'), '⊙', _at('h', _BEFORE), '+', _fenced('<mn>1</mn>', '−', _at('z')), '⊙',
                           _at(_TILDE_H)))])


def output_equations() -> str:
  """Returns the equations of the output layer and of the perplexity."""
  word, before = _sub('w', _row(_mi('t'), '+', '<mn>1</mn>')), _row(_sub('w', '<mn>1</mn>'), ',', '…', ',', _at('w'))
  chance = _row(_mi('p'), _fenced(word, '|', before))
  hidden = _row(_at('h'), _sub('W', 'hy'), '+', _sub('b', 'y'))
  total = f'<msub>{_mo("∑")}{_mi("t")}</msub>'
  mean = _row('−', '<mn>1</mn>', '/', _mi('T'), _SPACE, total, _SPACE, _named('ln'), _SPACE, _mi('p'),
              _fenced(_at('w'), '|', _sub('w', '<mn>1</mn>'), ',', '…', ',', _sub('w', _BEFORE)))
  power = f'<msup>{_mi("e")}{_mi("L")}</msup>'
  return _block([(chance, _call('softmax', hidden)), (_mi('L'), mean), (_named('perplexity'), power)])


def _block(equations: Sequence[tuple[Term, Term]]) -> str:
  """Returns equations one below the other, aligned at the equals signs."""
  rows = ''.join(f'<mtr><mtd class="left">{left}</mtd><mtd>{_mo("=")}</mtd><mtd class="right">{right}</mtd></mtr>'
                 for left, right in equations)
  return f'<math display="block"><mtable displaystyle="true">{rows}</mtable></math>'


def _mi(name: str) -> Term:
  return f'<mi>{name}</mi>'


def _mo(sign: str) -> Term:
  return f'<mo>{sign}</mo>'


def _named(function: str) -> Term:
  return f'<mi mathvariant="normal" class="upright">{function}</mi>'


def _row(*parts: str) -> Term:
  """Returns terms one after the other; what is no term is an operator."""
  return f'<mrow>{"".join(part if part.startswith("<") else _mo(part) for part in parts)}</mrow>'


def _fenced(*parts: str) -> Term:
  return _row('(', *parts, ')')


def _call(function: str, *parts: str) -> Term:
  return _row(_named(function), _fenced(*parts))


def _tanh(*parts: str) -> Term:
  return _call('tanh', *parts)


def _sub(name: str, index: str) -> Term:
  """Returns a name with an index, of several letters or a term."""
  name = name if name.startswith('<') else _mi(name)
  index = index if index.startswith('<') else ''.join(map(_mi, index))
  return f'<msub>{name}<mrow>{index}</mrow></msub>'


def _at(name: str, time: str = 't') -> Term:
  return _sub(name, time)


def _product(name: str, time: str, matrix: str) -> Term:
  return _row(_at(name, time), _sub('W', matrix))


def _gate(gate: str) -> Term:
  return _row(_product('x', 't', f'x{gate}'), '+', _product('h', _BEFORE, f'h{gate}'), '+', _sub('b', gate))


def _prime(index: str) -> Term:
  return _sub('b′', index)


_SPACE = '<mspace width="0.17em"></mspace>'
_BEFORE = _row(_mi('t'), '−', '<mn>1</mn>')
_TILDE_C, _TILDE_H = _mi('c\u0303'), _mi('h\u0303')  # not mover, which fonts for text place badly
_H = _at('h')
