"""How objects are shown: on one line, whatever they hold."""

import dataclasses
from collections.abc import Iterable, Mapping, Sized
from typing import Any

LONGEST = 120  # characters
_VALUE, _ENTRIES = 40, 3  # characters of a value, entries of a list that is shown in full


def short_repr(self) -> str:
  """The `__repr__` of a dataclass or named tuple: what differs from the defaults, cut to `LONGEST` characters."""
  if dataclasses.is_dataclass(self):
    defaults = {field.name: field.default for field in dataclasses.fields(self)}
  else:
    defaults = dict.fromkeys(self._fields, dataclasses.MISSING)
  values = {name: getattr(self, name) for name in defaults}
  return call(type(self).__name__, {name: value for name, value in values.items()
                                    if type(value) is not type(defaults[name]) or value != defaults[name]})


def call(name: str, values: Mapping[str, Any]) -> str:
  """Returns something that looks like a call, such as `Poem(title='春', content='…')`, on one line."""
  text = f'{name}({", ".join(f"{key}={shown(value)}" for key, value in values.items())})'
  return text if len(text) <= LONGEST else f'{text[:LONGEST - 2]}…)'


def tag(name: str, *facts: object) -> str:
  """Returns something like `<Writer gru: 591,963 parameters>`, on one line."""
  text = ' '.join(': '.join(map(str, facts)).split())
  return f'<{name} {cut(text, LONGEST - len(name) - 3)}>'


def cut(text: str, limit: int = _VALUE) -> str:
  """Returns a text of at most `limit` characters, with … in place of its end."""
  return text if len(text) <= limit else f'{text[:limit - 1]}…'


def shown(value) -> str:
  """Returns a value of any kind for a `repr` or a message."""
  if isinstance(value, str):
    return repr(cut(value))
  if hasattr(value, 'shape') and hasattr(value, 'dtype'):
    if value.shape == () and (hasattr(value, 'item') or hasattr(value, 'numpy')):  # not symbolic
      return _scalar(value)
    return f'<{getattr(value.dtype, "name", value.dtype)} {value.shape}>'
  if isinstance(value, Sized) and isinstance(value, Iterable) and len(value) > _ENTRIES:
    return f'<{type(value).__name__} of {len(value):,}>'
  if type(value) in (list, tuple):
    return f'[{", ".join(map(shown, value))}]'
  if type(value) is dict:
    return f'{{{", ".join(f"{key!r}: {shown(part)}" for key, part in value.items())}}}'
  return cut(' '.join(repr(value).split()), 2 * _VALUE)


def _scalar(value) -> str:
  """Returns what an array or a tensor without dimensions holds."""
  value = value.numpy() if hasattr(value, 'numpy') else value
  value = value.item() if hasattr(value, 'item') else value
  if isinstance(value, float):
    return f'{value:.1f}' if value.is_integer() and abs(value) < 1e6 else f'{value:g}'
  return shown(value)
