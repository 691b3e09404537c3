"""From arguments to flags."""

from collections.abc import Callable

from absl import flags

from tangshi_tf.errors import UserError, did_you_mean, shorten
from tangshi_tf.settings import Setting, define_flag, expand_flag_files

flags.disclaim_key_flags()  # so that --help counts define_number's flags to the caller's

HELP = {'--help', '-help', '-h', '--helpfull', '--helpshort'}
_DASHES = '‐‑‒–—―−－'  # what some editors make of two hyphens


def parse(arguments: list[str], expand: Callable[[list[str]], list[str]]) -> list[str]:
  """Sets the flags; returns the arguments that are none.

  Args:
    arguments: with the program's name.
    expand: may change the arguments before they are parsed.

  Raises:
    UserError, flags.Error: they cannot be parsed.
  """
  flags.FLAGS.set_gnu_getopt()  # so that a flag after a text is no text
  program, *rest = arguments
  try:
    rest = flags.FLAGS([program, *expand(expand_flag_files(rest))])[1:]
  except UserError:
    raise
  except flags.UnrecognizedFlagError as error:
    name = error.flagname.partition('=')[0]
    raise UserError(f'--{shorten(name, 100)[1:-1]}: unknown flag'
                    f'{did_you_mean(name, _names(), before="--") or "; see --help"}') from None
  except ValueError as error:  # as a NUL in a name raises it
    raise UserError(f'the flags cannot be read ({error}); expected UTF-8 text') from None
  for argument in rest if '--' not in arguments else ():
    if argument[:1] in _DASHES and argument.lstrip(_DASHES).partition('=')[0] in flags.FLAGS:
      raise unexpected(argument)
  return rest


def unexpected(argument: str) -> UserError:
  """Returns the error for an argument that is no flag."""
  name = argument.lstrip(_DASHES).partition('=')[0]
  meant = f'; did you mean --{name}?' if name in flags.FLAGS else ' (see --help)'
  return UserError(f'unexpected argument {shorten(argument)}; expected flags only{meant}')


def _names() -> list[str]:
  """Returns the names of all flags, those of switches with and without no."""
  return [name for flag in flags.FLAGS for name in (flag, *([f'no{flag}'] if flags.FLAGS[flag].boolean else []))]


def define_model() -> tuple[flags.FlagHolder, flags.FlagHolder]:
  """Defines the flags --model, for `run_dir.RunDir.open`, and --weights, for its `load`."""
  return (flags.DEFINE_string('model', None, 'A run directory or the name of a shipped model '
                              '(default: the newest run under runs/, else the shipped best).'),
          flags.DEFINE_string('weights', None, 'best, last (an interrupted epoch) or epoch-NN (default: best where '
                              'there is one).'))


def define_number(name: str, default: float | None, text: str, *, low: float, high: float, open_low: bool = False):
  """Defines a flag for a number from `low` (excluded if `open_low`) to `high`.

  Unlike absl's own bounds it does not let NaN pass.
  """
  return define_flag(name, default, Setting(text, low=low, high=high, open_low=open_low), float)
