"""Recipes: the flag files beside this one, for `--recipe` by name or `--flagfile` by path."""

import pathlib

from absl import flags

from tangshi_tf.errors import UserError

FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
  """Returns the names of the recipes in the package."""
  return sorted(path.stem for path in FOLDER.glob('*.flags'))


def read_lines(name: str) -> list[str]:
  """Returns the flags in a recipe, without comments.

  Raises:
    UserError: there is no such recipe.
  """
  if name not in names():
    raise UserError(f'recipe {name!r} is unknown; expected one of {", ".join(names())}')
  lines = map(str.strip, (FOLDER / f'{name}.flags').read_text(encoding='utf-8').splitlines())
  return [line for line in lines if line and not line.startswith('#')]


def expand(arguments: list[str]) -> list[str]:
  """Puts the flags of `--recipe` before all others, so that those given beside it win.

  A `--recipe` in a flag file counts, too.

  Raises:
    UserError: there is no such recipe, or a flag in it is unknown.
  """
  arguments = flags.FLAGS.read_flags_from_files(arguments)
  name = None
  for i, argument in enumerate(arguments):
    flag, equals, value = argument.partition('=')
    if flag in ('--recipe', '-recipe'):
      name = value if equals else next(iter(arguments[i + 1:]), '')
  if name is None:
    return arguments
  lines = read_lines(name)
  for line in lines:
    flag = line.lstrip('-').partition('=')[0]
    if flag not in flags.FLAGS and flag.removeprefix('no') not in flags.FLAGS:
      raise UserError(f'{FOLDER / name}.flags: flag {line!r} is unknown; expected flags of tangshi_tf.train')
  return [*lines, *arguments]
