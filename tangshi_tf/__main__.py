"""Writes Tang poems with neural networks, and trains them.

    generate       Writes poems with a trained model.
    train          Trains a character-level language model on Tang poems.
    evaluate       Measures a model on held-out poems.
    export         Exports a model for programs that do not have this package.
    report         Writes a report on runs as one page: models, equations, curves, perplexities, poems, gradients.
    score          Says how likely texts are, character by character, in bits of surprisal.
    prosody        Checks poems against a verse form and shows their tones and rhymes.
    serve          Serves a page to write poems on, and an API.
    write_shards   Writes a corpus as shards, which training reads one line at a time.
    launch         Trains with several processes of this machine, which find each other over loopback through TF_CONFIG.

A command has flags of its own, which it lists with --help:

    tangshi generate --help
    python -m tangshi_tf generate --form=七绝
"""

import pathlib
import runpy
import sys

from tangshi_tf import cli
from tangshi_tf.errors import UserError, did_you_mean, shorten

COMMANDS = 'generate', 'train', 'evaluate', 'export', 'report', 'score', 'prosody', 'serve', 'write_shards', 'launch'


def main():
  """Runs the command that the first argument names, with the others."""
  program = pathlib.Path(sys.argv[0]).stem
  cli.call_as('python -m tangshi_tf ' if program == '__main__' else f'{program} ')
  if sys.argv[1:2] == ['help']:
    sys.argv[1:] = [*sys.argv[2:3], '--help']
  name = ''.join(sys.argv[1:2]).replace('-', '_')
  if name not in COMMANDS:
    cli.run(_list, rest_of_line=True)
  del sys.argv[1]
  runpy.run_module(f'tangshi_tf.{name}', run_name='__main__', alter_sys=True)


def _list(arguments: list[str]):
  """Lists the commands."""
  if arguments:
    expected = did_you_mean(arguments[0], COMMANDS) or f'; expected one of {", ".join(COMMANDS)}'
    raise UserError(f'{shorten(arguments[0], 100)}: unknown command{expected}')
  print(__doc__.rstrip())


if __name__ == '__main__':
  main()
