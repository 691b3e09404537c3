"""Sets everything up in .venv and writes the first poems with a shipped model.

    python3 scripts/quickstart.py

The first run fetches about 700 MB, nearly all of it TensorFlow.
"""

import sys

import environment

GENERATE = '-m', 'tangshi_tf.generate', '--model=best', '--seed=3'
SHOWN = (
    ('The likeliest of 50 七绝, four lines of seven; in columns, to be read from the right, and in lines:',
     (*GENERATE, '--form=七绝', '--best_of=50', '--beside')),
    ('On a title, the likeliest of 50:', (*GENERATE, '--form=七绝', '--title=秋夜', '--best_of=50')),
    ('A 五律: eight lines of five.', (*GENERATE, '--form=五律', '--beside')),
    ('An acrostic: the lines begin with 春 夏 秋 冬.', (*GENERATE, '--acrostic=春夏秋冬')),
    ("The exercise's seven begin words, without a form, from the zero state:", GENERATE),
    ('The same from random states:', (*GENERATE, '--init=random')),
)


def main(arguments: list[str]) -> int:
  if arguments and arguments[0] in ('-h', '--help'):
    print(__doc__)
    return 0
  if arguments:
    print(f'quickstart.py: unexpected argument {arguments[0]!r}; expected none', file=sys.stderr)
    return 2
  environment.prepare()
  for title, command in SHOWN:
    print(f'\n{title}')
    status = environment.run(*command)
    if status:
      return status
  print('\nLeave out --seed=3 for other poems. Next: activate .venv (source .venv/bin/activate; on Windows\n'
        '.venv\\Scripts\\activate) and run\n'
        '  python -m tangshi_tf.train')
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
