"""Packages whose names are loaded when they are first used, so that TensorFlow is not loaded before it is needed."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def names(package: str, homes: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
  """Returns the functions `__getattr__` and `__dir__` of a package.

  Args:
    package: its name.
    homes: for each module, by its full name, the names that the package has from it; the module
      itself for ''.
  """
  home = {name: module for module, found in homes.items() for name in found}

  def get(name: str):
    if name not in home:
      raise AttributeError(f'module {package!r} has no attribute {name!r}')
    return getattr(importlib.import_module(home[name]), name)

  return get, lambda: sorted(home)
