"""The folder of an export: there as a whole or not at all."""

import functools
import json
import os

import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import exporting, run_dir
from tangshi_tf.exporting import litert

from ..checks import assert_one_line


@pytest.fixture
def export(command):
  """Runs the command, for the format that takes the least time."""
  return functools.partial(command, 'tangshi_tf.export', '--format=litert')


def test_the_command_writes_a_folder_once(export, one, tmp_path):
  path, _ = one
  out = tmp_path / 'new' / 'out'
  done = export(f'--model={path}', f'--out={out}')
  assert done.returncode == 0 and str(out) in done.stdout and not done.stderr
  assert set(os.listdir(out)) == {'step.tflite', 'vocabulary.json', 'write_poem.py', 'export.json'}
  assert os.listdir(out.parent) == ['out']
  before = (out / 'step.tflite').stat().st_mtime_ns
  assert_one_line(export(f'--model={path}', f'--out={out}'), 'out: exists already; expected a new folder')
  assert (out / 'step.tflite').stat().st_mtime_ns == before
  assert export(f'--model={path}', f'--out={out}', '--overwrite').returncode == 0
  assert os.listdir(out.parent) == ['out'] and (out / 'step.tflite').stat().st_mtime_ns > before


def test_what_is_no_export_is_kept(export, one, tmp_path):
  path, _ = one
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine' / 'letter.txt').write_text('dear')
  (tmp_path / 'file').write_text('text')
  for name, options in (('mine', ['--overwrite']), ('file', ['--overwrite']), ('mine', [])):
    assert_one_line(export(f'--model={path}', f'--out={tmp_path / name}', *options),
                    f'{name}: is no folder that an export has written')
  assert_one_line(export(f'--model={path}', f'--out={tmp_path / "file" / "out"}'), 'cannot be written')
  assert_one_line(export(f'--model={path}', '--out='), 'expected the name of a new folder')
  assert_one_line(export(f'--model={path}', f'--out={tmp_path / "new"}', '--format=onnx', '--quantization=int8'),
                  'expected --format=litert')
  assert (tmp_path / 'mine' / 'letter.txt').read_text() == 'dear' and (tmp_path / 'file').read_text() == 'text'


def test_folders_of_like_names_are_kept(one, tmp_path):
  _, model = one
  run = run_dir.Run('one', model, model.word2id, model.id2word, {})
  kept = [tmp_path / f'out{end}' for end in ('.partial', '.old', f'.{os.getpid()}-0.partial')]
  for folder in kept:
    folder.mkdir()
    (folder / 'letter.txt').write_text('dear')
  for _ in range(2):
    out = exporting.export(run, tmp_path / 'out', format='litert', overwrite=True)
    assert json.loads((out / 'export.json').read_text())['model'] == 'one'
  assert sorted(path for path in tmp_path.iterdir() if 'out' in path.name) == sorted([out, *kept])
  assert all((folder / 'letter.txt').read_text() == 'dear' for folder in kept)


def test_of_two_exports_the_second_keeps_the_first(one, tmp_path, monkeypatch):
  _, model = one
  run = run_dir.Run('one', model, model.word2id, model.id2word, {})
  write = litert.write

  def beside(*arguments, **options):
    monkeypatch.setattr(litert, 'write', write)
    (exporting.export(run, tmp_path / 'out', format='litert') / 'first').touch()
    write(*arguments, **options)

  monkeypatch.setattr(litert, 'write', beside)
  with pytest.raises(tangshi_tf.UserError, match='out: exists already'):
    exporting.export(run, tmp_path / 'out', format='litert')
  assert (tmp_path / 'out' / 'first').exists() and not list(tmp_path.glob('out.*'))


def test_a_failure_leaves_nothing_behind(one, tmp_path, monkeypatch):
  _, model = one
  run = run_dir.Run('one', model, model.word2id, model.id2word, {})
  out = tmp_path / 'out'

  def fail(*_, **__):
    folder, = tmp_path.glob('out.*')
    (folder / '1' / 'half').write_text('half')
    raise KeyboardInterrupt

  monkeypatch.setattr(tf.saved_model, 'save', fail)
  with pytest.raises(KeyboardInterrupt):
    exporting.export(run, out)
  assert 'out' not in ''.join(os.listdir(tmp_path)).replace('one', '')
  for options, message in (({'format': 'pb'}, "format 'pb' is unknown; expected one of saved_model"),
                           ({'quantization': 'int4'}, "quantization 'int4' is unknown")):
    with pytest.raises(tangshi_tf.UserError, match=message):
      exporting.export(run, out, **options)
