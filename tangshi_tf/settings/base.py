"""What a setting is, and the command-line flags that are made from dataclasses of them."""

import contextlib
import dataclasses
import functools
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import Any

from absl import flags

from tangshi_tf.errors import UserError, did_you_mean, shorten
from tangshi_tf.short import short_repr, shown

flags.disclaim_key_flags()  # so that --help counts these flags to the command's

_WHOLE_NUMBERS = list[int]  # the kind of a setting that is several; on a command line with commas between them


@dataclasses.dataclass(frozen=True)
class Setting:
  """What is known of a setting besides its default and its type.

  Attributes:
    text: what it does, for --help.
    choices: the values that there are; () for any.
    low, high: the bounds of a number; None for none.
    open_low, open_high: whether the number must lie above `low`, below `high`.
    on_resume: whether a run may be resumed with another value.
    on_start: of a model's settings, whether a run that starts from a model may
      have another value than it.
  """

  text: str
  choices: tuple[str, ...] = ()
  low: float | None = None
  high: float | None = None
  open_low: bool = False
  open_high: bool = False
  on_resume: bool = False
  on_start: bool = False

  __repr__ = short_repr

  def expected(self, kind: type) -> str:
    """Returns what is expected, in words, such as 'a number above 0 up to 1'."""
    if self.choices:
      return f'one of {", ".join(self.choices)}'
    if kind == _WHOLE_NUMBERS:
      return 'whole numbers from 1, each greater than the one before'
    if kind not in (int, float):
      return {bool: 'True or False', str: 'a text'}.get(kind, 'a text, or a list of one or more')
    number = 'a whole number' if kind is int else 'a number'
    if self.open_high:
      return f'a rate from {self.low:g} to below {self.high:g}'
    low = '' if self.low is None else f' {"above" if self.open_low else "from"} {_plain(self.low)}'
    high = '' if self.high is None else f' {"up " if self.open_low else ""}to {_plain(self.high)}'
    return number + low + high

  def allows(self, value, kind: type) -> bool:
    """Returns whether a value that is not None can be used."""
    if self.choices:
      return isinstance(value, str) and value in self.choices
    if kind is bool or kind is str:
      return isinstance(value, kind)
    if kind == _WHOLE_NUMBERS:
      return isinstance(value, (list, tuple)) and all(self.allows(number, int) for number in value) and all(
          low < high < 2**31 for low, high in zip([0, *value], value))
    if kind not in (int, float):
      return bool(_texts(value))
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if kind is int else numbers.Real):
      return False
    number: float = value  # type: ignore[assignment]
    low = -math.inf if self.low is None else self.low
    high = math.inf if self.high is None else self.high
    return (low < number if self.open_low else low <= number) and (number < high if self.open_high else number <= high)


def _texts(value) -> list[str]:
  """Returns the texts or paths that a text, a path or a list of them holds; none if it holds anything else."""
  parts = [value] if isinstance(value, (str, os.PathLike)) else value if isinstance(value, (list, tuple)) else []
  return [os.fspath(part) for part in parts] if all(isinstance(part, (str, os.PathLike)) for part in parts) else []


def _plain(number: float) -> str:
  return str(number) if isinstance(number, int) else f'{number:g}'


def setting(default, text: str, **rest) -> Any:
  """Returns a dataclass's field for a setting: its default, and what a `Setting` says of it."""
  return dataclasses.field(default=default, metadata={'setting': Setting(text, **rest)})


def rate(text: str, **rest) -> Any:
  """Returns the field of a setting from 0, the default, to below 1."""
  return setting(0.0, text, low=0, high=1, open_high=True, **rest)


@functools.cache
def _kinds(group: type) -> dict[str, type]:
  """Returns the type of each field of a dataclass, without its None."""
  def plain(hint):
    parts = [part for part in typing.get_args(hint) if part is not types.NoneType]
    if isinstance(hint, types.UnionType):
      return plain(parts[0])
    return hint if hint == _WHOLE_NUMBERS else typing.get_origin(hint) or hint

  return {name: plain(hint) for name, hint in typing.get_type_hints(group).items()}


@functools.cache
def known(group: type) -> dict[str, Setting]:
  """Returns the settings of a dataclass by name."""
  return {field.name: field.metadata['setting'] for field in dataclasses.fields(group)}


class Checked:
  """A dataclass of settings; names and values are checked when an object is made, numbers kept as plain ones."""

  def __new__(cls, **values):
    require_names(values, known(cls))
    return super().__new__(cls)

  def __post_init__(self):
    given = {name: getattr(self, name) for name in known(type(self))
             if getattr(self, name) is not getattr(type(self), name)}
    require(type(self), **given)
    for name, value in given.items():
      kind = _kinds(type(self))[name]
      if kind is list:
        object.__setattr__(self, name, _texts(value))
      elif kind == _WHOLE_NUMBERS:
        object.__setattr__(self, name, list(map(int, value)))
      elif kind in (int, float) and type(value) not in (int, float):  # NumPy's, for instance
        object.__setattr__(self, name, kind(value))


def require_names(given: Iterable[str], names: Collection[str]):
  """Checks names of settings.

  Raises:
    UserError: one of those given is not among the names.
  """
  for name in given:
    if name not in names:
      raise UserError(f'setting {shorten(name)} is unknown' + (
          did_you_mean(name, names, likeness=0.55) or f'; expected one of {", ".join(names)}'))


def require(group: type, **values):
  """Checks values that are given by themselves, as arguments of a function.

  Args:
    group: the dataclass that has settings of these names.
    **values: by name.

  Raises:
    UserError: one of them cannot be used.
  """
  for name, value in values.items():
    found, kind = known(group)[name], _kinds(group)[name]
    if not found.allows(value, kind):
      unknown = ' is unknown; ' if found.choices else ': '
      raise UserError(f'{name} {shown(value)}{unknown}expected {found.expected(kind)}')


def require_iterable(name: str, value, expected: str) -> Iterator:
  """Returns an iterator over a list or another iterable that has an order and is no text.

  Args:
    name: what messages call it.
    value: what a caller gave.
    expected: what messages say is expected.

  Raises:
    UserError: it is none.
  """
  with contextlib.suppress(TypeError):
    if not isinstance(value, (str, bytes, Mapping, Set)):
      return iter(value)
  raise UserError(f'{name} {shown(value)}: expected {expected}')


def define_flags(groups: Iterable[type], flag_values: flags.FlagValues = flags.FLAGS):
  """Defines a flag for each setting of dataclasses."""
  for group in groups:
    for field in dataclasses.fields(group):
      define_flag(field.name, field.default, field.metadata['setting'], _kinds(group)[field.name], flag_values)


def define_flag(name: str, default, what: Setting, kind: type, flag_values: flags.FlagValues = flags.FLAGS):
  """Defines the flag of a setting; returns what holds its value."""
  options = {'flag_values': flag_values}
  if what.choices:
    return flags.DEFINE_enum(name, default, list(what.choices), what.text, **options)
  if kind is int:
    return flags.DEFINE_integer(name, default, what.text, lower_bound=what.low, upper_bound=what.high, **options)
  if kind is float:  # absl's own bounds let NaN pass
    expected = what.expected(float)
    holder = flags.DEFINE_float(name, default, f'{what.text} {expected.capitalize()}.', **options)
    flags.register_validator(name, lambda value: value is None or what.allows(value, float),
                             message=f'expected {expected}', **options)
    return holder
  if kind == _WHOLE_NUMBERS:
    serializer: Any = flags.CsvListSerializer(',')
    return flags.DEFINE(_WholeNumbers(what), name, default, what.text, serializer=serializer, **options)
  define: dict[type, Callable] = {bool: flags.DEFINE_bool, str: flags.DEFINE_string}
  return define.get(kind, flags.DEFINE_multi_string)(name, default, what.text, **options)


class _WholeNumbers(flags.ArgumentParser):
  """Parses whole numbers with commas between them."""

  def __init__(self, what: Setting):
    super().__init__()
    self._what = what

  def parse(self, argument):
    try:
      numbers = [int(part) for part in argument.split(',') if argument] if isinstance(argument, str) else argument
    except ValueError:
      numbers = None
    if not self._what.allows(numbers, _WHOLE_NUMBERS):
      raise ValueError(f'expected {self._what.expected(_WHOLE_NUMBERS)}, with commas between them')
    return numbers


def given_flags(groups: Iterable[type], flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
  """Returns the values of those settings whose flags were given."""
  return {name: flag_values[name].value for group in groups for name in known(group) if flag_values[name].present}
