"""Sets everything up in .venv, checks the source text and runs the tests.

    python3 scripts/test.py [arguments for pytest]

The first run fetches about 700 MB, nearly all of it TensorFlow.
"""

import configparser
import sys

import environment


def lint() -> int:
  """Runs ruff, with the settings in setup.cfg, which it cannot read itself, and then mypy, which can."""
  settings = configparser.ConfigParser()
  settings.read(environment.ROOT / 'setup.cfg', encoding='utf-8')
  options = [f'--{name}={value}' for name, value in settings['ruff'].items()]
  status = environment.run('-m', 'ruff', 'check', '--isolated', *options, '.')
  return environment.run('-m', 'mypy') or status


if __name__ == '__main__':
  if {'-h', '--help'} & set(sys.argv[1:]):
    sys.exit(print(__doc__))
  environment.prepare('browser,corpus,lint,notebook,plot,test,web')
  status = lint()
  several = '--numprocesses=auto', '--maxprocesses=4', '--dist=worksteal'
  sys.exit(environment.run('-m', 'pytest', *several, *sys.argv[1:]) or status)
