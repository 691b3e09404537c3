"""Runs command lines in copies of a process that has TensorFlow loaded already, which saves them seconds."""

import io
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile

import pytest

_context = None
if 'forkserver' in multiprocessing.get_all_start_methods():
  _context = multiprocessing.get_context('forkserver')
  _context.set_forkserver_preload(['tensorflow', 'keras'])


CLOSED, GONE = 'closed', 'gone'  # a stream that was closed, and one without a reader


def run(module: str, arguments: list[str], *, cwd: pathlib.Path, env: dict[str, str], input: str = '', timeout: float,
        preexec_fn=None, instead: dict[int, str] | None = None) -> subprocess.CompletedProcess:
  """Runs `python -m module arguments` as `subprocess.run` does; and with it where it cannot be done here.

  `instead` says what standard streams are: a path, or one of the words above.
  """
  command = [sys.executable, '-m', module, *arguments]
  if instead and _context is None:
    pytest.skip('needs processes that fork')
  if _context is None or preexec_fn:
    return subprocess.run(command, cwd=cwd, env=env, input=input, timeout=timeout, preexec_fn=preexec_fn,
                          capture_output=True, text=True, encoding='utf-8', check=False)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    streams = [folder / 'stdin', folder / 'stdout', folder / 'stderr']
    streams[0].write_text(input, encoding='utf-8', errors='surrogateescape')
    process = _context.Process(target=_child, args=(module, arguments, cwd, env, streams, instead or {}))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
      process.kill()
      process.join()
      raise subprocess.TimeoutExpired(command, timeout)
    out, err = (stream.read_text(encoding='utf-8') for stream in streams[1:])
    return subprocess.CompletedProcess(command, process.exitcode, out, err)


def _child(module, arguments, cwd, env, streams, instead):
  for number, stream in enumerate(streams):
    os.dup2(os.open(stream, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o600), number)
  # What multiprocessing has put there is neither encoded nor buffered as in a process of its own.
  sys.stdin, sys.stdout, sys.stderr = (
      io.TextIOWrapper(open(number, mode, buffering=size, closefd=False), line_buffering=number == 2, encoding='utf-8')
      for number, mode, size in ((0, 'rb', -1), (1, 'wb', -1), (2, 'wb', -1)))
  for number, what in instead.items():
    _replace(number, what)
  os.chdir(cwd)
  os.environ.clear()
  os.environ.update(env)
  sys.path[:0] = ['', *env.get('PYTHONPATH', '').split(os.pathsep)]
  sys.argv = [module, *arguments]
  runpy.run_module(module, run_name='__main__', alter_sys=True)


def _replace(number: int, what: str):
  """Makes a standard stream another one, as a shell does before Python starts."""
  if what == CLOSED:
    os.close(number)
    setattr(sys, ('stdin', 'stdout', 'stderr')[number], None)
    return
  reader, writer = os.pipe() if what == GONE else (None, os.open(what, os.O_RDWR))
  os.dup2(writer, number)
  os.close(writer)
  if reader is not None:
    os.close(reader)
