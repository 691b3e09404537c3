"""Runs `tangshi_tf.train` and kills its own process (SIGKILL) at the place that the environment variable CRASH names.

    CRASH=PLACE:N    at the N-th time of: step (an optimizer step is done), write (a file is
                     half written), sync (before a file is forced to the disk), replace (before
                     a new file takes the old one's place), replaced (after it has)
    STEPS=FILE       each step's number is appended to this file
"""

import builtins
import os
import runpy
import signal

from tangshi_tf.run_dir import safe_files
from tangshi_tf.training import callback, fitting

place, _, count = os.environ.get('CRASH', ':0').partition(':')
left = int(count)


def reached(here: str) -> bool:
  """Counts one time more at this place; returns whether it is the one to end at."""
  global left
  left -= here == place
  return here == place and left == 0


def die():
  os.kill(os.getpid(), signal.SIGKILL)


class Steps(callback.Callback):
  """Appends the number of each step, whole or not at all."""

  def __init__(self, file: str):
    self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

  def on_step(self, step, result):
    float(result.loss)  # the device may still be at work
    os.write(self._file, b'%d\n' % step)
    if reached('step'):
      die()


class HalfFile:
  """An open file that may end the process in the middle of a write."""

  def __init__(self, file):
    self._file = file

  def __getattr__(self, name):
    return getattr(self._file, name)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._file.close()

  def write(self, data):
    if reached('write'):
      self._file.write(bytes(data)[:len(data) // 2])
      self._file.flush()
      die()
    return self._file.write(data)


def ends_at(here: str, function, after: str = ''):
  """Returns the function with the places before and after it."""

  def run(*arguments, **options):
    if reached(here):
      die()
    result = function(*arguments, **options)
    if reached(after):
      die()
    return result

  return run


def open_file(path, mode='r', *arguments, **options):
  file = builtins.open(path, mode, *arguments, **options)
  return HalfFile(file) if mode == 'xb' else file


def fit(*arguments, callbacks, **options):
  return original_fit(*arguments, callbacks=[*callbacks, Steps(os.environ['STEPS'])], **options)


original_fit, fitting.fit = fitting.fit, fit
safe_files.open = open_file
os.fsync = ends_at('sync', os.fsync)
os.replace = ends_at('replace', os.replace, 'replaced')
runpy.run_module('tangshi_tf.train', run_name='__main__', alter_sys=True)
