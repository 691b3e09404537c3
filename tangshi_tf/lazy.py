"""Packages whose names are loaded when they are first used, so that TensorFlow is not loaded before it is needed."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def names(package: str, homes: Mapping[str, tuple[str, ...]], wings: tuple[str, ...] = (),
          own: tuple[str, ...] = ()) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
  """Returns the functions `__getattr__` and `__dir__` of a package.

  Args:
    package: its name.
    homes: the names that it has from each module, by the module's full name.
    wings: its own modules that can be had as attributes.
    own: names that it defines itself, for `dir`.
  """
  home = {name: module for module, found in homes.items() for name in found}

  def get(name: str):
    if name in wings:
      return importlib.import_module(f'{package}.{name}')
    if name in home:
      return getattr(importlib.import_module(home[name]), name)
    raise AttributeError(f'module {package!r} has no attribute {name!r}')

  return get, lambda: sorted([*home, *wings, *own])
