"""Recipes: the flag files beside this one, for `--recipe` by name, `--flagfile` by path, and `settings_of`."""

import itertools
import pathlib
from collections.abc import Mapping

from absl import flags

from tangshi_tf.errors import UserError, did_you_mean
from tangshi_tf.settings import GROUPS, Settings, define_flags, expand_flag_files, given_flags, model_decides
from tangshi_tf.short import shown

FOLDER = pathlib.Path(__file__).parent
NONE = 'none'  # asks for the flags' own defaults
START = 'finetune'  # of a run that starts from a model


def names() -> list[str]:
  """Returns the names of the recipes in the package."""
  return sorted(path.stem for path in FOLDER.glob('*.flags'))


def implied(start_from: str | None, cell: str) -> str:
  """Returns the recipe of a run that names none."""
  return cell if start_from is None else START


def settings_of(name: str, **changes) -> Settings:
  """Returns the settings of a recipe.

      >>> settings_of('gru', epochs=2).training.epochs
      2

  Args:
    name: one of `names()`, or 'none' for the defaults of the settings.
    **changes: settings by name that are to be others. What the recipe says of
      batches gives way to another kind of batches, and of a model's sizes to
      a model to start from.

  Raises:
    UserError: there is no such recipe or setting, or a value cannot be used.
  """
  if isinstance(name, str) and name == NONE:
    return Settings.of(**changes)
  lines = read_lines(name)
  holder = flags.FlagValues()
  define_flags(GROUPS.values(), holder)
  holder([name, *lines])
  left_out = _displaced_by(changes)
  values = {key: value for key, value in given_flags(GROUPS.values(), holder).items() if key not in left_out}
  return Settings.of(**{**values, **changes, 'recipe': name})


def read_lines(name: str) -> list[str]:
  """Returns the flags in a recipe, without comments.

  Raises:
    UserError: there is no such recipe.
  """
  if not isinstance(name, str) or name not in names():
    raise UserError(f'recipe {shown(name)} is unknown; expected one of {", ".join([*names(), NONE])}'
                    f'{did_you_mean(name, [*names(), NONE])}')
  lines = map(str.strip, (FOLDER / f'{name}.flags').read_text(encoding='utf-8').splitlines())
  return [line for line in lines if line and not line.startswith('#')]


def expand(arguments: list[str]) -> list[str]:
  """Puts the flags of a recipe before all others, so that those given with it win.

  Where no recipe is asked for it is the `implied` one. A run that is resumed has
  its own flags; none of a recipe's is put before them. `--recipe`, `--start_from`
  and `--cell` in a flag file count, too. What is left out of a recipe: see
  `settings_of`.

  Raises:
    UserError: there is no such recipe, or a flag in it is unknown.
  """
  arguments = expand_flag_files(arguments)
  given = _given(arguments)
  if given.get('resume', '').lower() in ('true', 't', '1'):
    return arguments
  name = given.get('recipe')
  if name is None:
    name = implied(given.get('start_from'), given.get('cell', flags.FLAGS['cell'].default))
    if name not in names():
      return arguments
  if name == NONE:
    return arguments
  kept, left_out = [], _displaced_by(given)
  for line in read_lines(name):
    flag = line.lstrip('-').partition('=')[0]
    bare = flag if flag in flags.FLAGS else flag.removeprefix('no')
    if bare not in flags.FLAGS:
      raise UserError(f'{FOLDER / name}.flags: flag {line!r} is unknown; expected flags of tangshi_tf.train')
    if bare not in left_out:
      kept.append(line)
  return [f'--recipe={name}', *kept, *arguments]


def _given(arguments: list[str]) -> dict[str, str]:
  """Returns the text of each flag that is given, the last one where it is given more than once."""
  given = {}
  for argument, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=''):
    if argument.startswith('-'):
      flag, equals, value = argument.lstrip('-').partition('=')
      boolean = flag in flags.FLAGS and flags.FLAGS[flag].boolean
      given[flag] = value if equals else 'true' if boolean else following
  return given


def _displaced_by(given: Mapping[str, object]) -> set[str]:
  """Returns the settings of a recipe that are left out beside those that are given, as values or as a flag's text."""
  left_out = set() if given.get('start_from') is None else model_decides()
  if given.get('bptt') not in (None, 0, '0'):
    left_out |= {'batch_tokens', 'bos_dropout', 'random_states'}
  if given.get('batch_size') is not None or given.get('batching') not in (None, 'bucket'):
    left_out |= {'batch_tokens'}
  return left_out
