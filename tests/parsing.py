"""Parses arguments as a command would, without running it: `python -m tests.parsing COMMAND`.

COMMAND is a module of the package, or the path of a script. Standard input holds a JSON list of argument lists.
Prints the names of the command's flags, and for each list what is wrong with it, or null.
"""

import argparse
import importlib
import json
import pathlib
import sys

from absl import flags


class _Parsed(Exception):  # noqa: N818, no error
  """Ends a command as soon as it has parsed its arguments."""


def main(command: str):
  if command.endswith('.py'):
    path = pathlib.Path(command)
    sys.path[:0] = [str(path.parent), str(path.parent.parent)]
    module = importlib.import_module(path.stem)
  else:
    module = importlib.import_module(command)
    if hasattr(module, '__path__'):  # a folder: its __main__ is the command
      module = importlib.import_module(f'{command}.__main__')
  names: set[str] = set(flags.FLAGS)
  if hasattr(module, 'argparse'):
    _parse_only()
    faults = [_argparse_fault(module, [command, *arguments], names) for arguments in json.load(sys.stdin)]
  else:
    faults = [_absl_fault([command, *arguments]) for arguments in json.load(sys.stdin)]
  print(json.dumps({'names': sorted(names), 'faults': faults}))


def _absl_fault(arguments: list[str]) -> str | None:
  for name in flags.FLAGS:
    flags.FLAGS[name].unparse()
  try:
    flags.FLAGS(arguments)
  except flags.Error as error:
    return str(error)
  return None


def _argparse_fault(module, arguments: list[str], names: set[str]) -> str | None:
  sys.argv = arguments
  try:
    module.main()
  except _Parsed as parsed:
    names.update(parsed.args[0])
    return None
  except ValueError as error:
    return str(error)
  return 'runs without parsing its arguments'


def _parse_only():
  """Makes each argparse.ArgumentParser raise: `_Parsed` with its flags, or a ValueError about the arguments."""
  parse_args = argparse.ArgumentParser.parse_args

  def parse(parser, *arguments):
    parse_args(parser, *arguments)
    raise _Parsed([option.lstrip('-') for option in parser._option_string_actions])

  def error(_, message):
    raise ValueError(message)

  argparse.ArgumentParser.parse_args, argparse.ArgumentParser.error = parse, error


if __name__ == '__main__':
  main(*sys.argv[1:])
