"""Makes the .venv at the top level, for the scripts that run inside it.

Not run by itself: quickstart.py and test.py call `run_inside`. Needs nothing but
Python's standard library.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
_FOLDER = ROOT / '.venv'
_PYTHON = _FOLDER / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
_OLDEST, _NEWEST = (3, 10), (3, 13)


def prepare(extras: str = ''):
  """Makes or completes the .venv: the package, editable, with the named extras.

  What was installed is noted in the folder together with a digest of
  setup.cfg, so a second call installs nothing, and a call after an
  interruption or after a change of setup.cfg installs again.

  Args:
    extras: names of extras from setup.cfg, separated by commas.
  """
  if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
    sys.exit(f'This is Python {sys.version.split()[0]}; TensorFlow needs 3.10 to 3.13. '
             'Start the script with one of these, such as: python3.12 scripts/quickstart.py')
  digest = hashlib.sha256((ROOT / 'setup.cfg').read_bytes() + sys.version.encode()).hexdigest()
  target = f'.[{extras}]' if extras else '.'
  wanted = {f'{digest} {extra}' for extra in ['', *extras.split(',')]}
  note = _FOLDER / 'tangshi_tf.txt'
  if _FOLDER.exists() and not note.exists():
    sys.exit(f'{_FOLDER} was not made by this script. Move it away, or install into it yourself: '
             f"pip install --editable '{target}'")
  done = set(note.read_text().splitlines()) if note.exists() else set()
  if wanted <= done:
    print(f'Using {_FOLDER}')
    return
  if not any(line.startswith(digest) for line in done):
    print(f'Making {_FOLDER} ...', flush=True)
    try:
      # What marks the folder as ours comes first, so that an interrupted call can be repeated.
      shutil.rmtree(_FOLDER, ignore_errors=True)
      _FOLDER.mkdir(exist_ok=True)
      note.touch()
      venv.create(_FOLDER, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
      sys.exit(f'{_FOLDER}: cannot be made ({error}). On Debian and Ubuntu: apt-get install python3-venv')
    done = set()
  print('Installing TensorFlow and tangshi_tf into it; the first time this fetches about 700 MB ...', flush=True)
  status = subprocess.call([_PYTHON, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check',
                            '--editable', target], cwd=ROOT)
  if status:
    sys.exit('pip could not install the package; see its message above.')
  note.write_text('\n'.join(sorted(done | wanted)) + '\n')


def run(*arguments: str) -> int:
  """Shows a command, runs it with the .venv's Python, and returns its exit status."""
  print('$ python ' + ' '.join(arguments), flush=True)
  return subprocess.call([_PYTHON, *arguments], cwd=ROOT)
