"""Sets everything up in .venv and writes the first poems with a shipped model.

    python3 scripts/quickstart.py
"""

import sys

import environment

if __name__ == '__main__':
  environment.prepare()
  print('\nPoems from the zero state:')
  status = environment.run('-m', 'tangshi_tf.generate', '--model=rnn')
  print('\nPoems from random states:')
  status = status or environment.run('-m', 'tangshi_tf.generate', '--model=rnn', '--init=random')
  if not status:
    print('\nNext: activate .venv (source .venv/bin/activate; on Windows .venv\\Scripts\\activate) and run\n'
          '  python -m tangshi_tf.train')
  sys.exit(status)
