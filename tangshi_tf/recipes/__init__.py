"""Recipes: the flag files beside this one, for `--recipe` by name or `--flagfile` by path."""

import pathlib

from absl import flags

from tangshi_tf.errors import UserError

FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
  """Returns the names of the recipes in the package."""
  return sorted(path.stem for path in FOLDER.glob('*.flags'))


def read(name: str) -> list[str]:
  """Returns the arguments that a recipe stands for.

  Raises:
    UserError: there is no such recipe, or a flag in it is unknown.
  """
  if name not in names():
    raise UserError(f'recipe {name!r} is unknown; expected one of {", ".join(names())}')
  path = FOLDER / f'{name}.flags'
  arguments = [line for line in map(str.strip, path.read_text(encoding='utf-8').splitlines())
               if line and not line.startswith('#')]
  for argument in arguments:
    flag = argument.lstrip('-').partition('=')[0]
    if flag not in flags.FLAGS and flag.removeprefix('no') not in flags.FLAGS:
      raise UserError(f'{path}: flag {argument!r} is unknown; expected flags of tangshi_tf.train, one a line')
  return arguments


def expand(arguments: list[str]) -> list[str]:
  """Puts the flags of `--recipe` before all others, so that those given beside it win."""
  name = None
  for i, argument in enumerate(arguments):
    flag, equals, value = argument.partition('=')
    if flag in ('--recipe', '-recipe'):
      name = value if equals else next(iter(arguments[i + 1:]), '')
  return arguments if name is None else [*read(name), *arguments]
