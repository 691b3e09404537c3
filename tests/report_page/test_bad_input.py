"""Runs, poems and places that no report can be made of: one line, nothing written."""

import json
import shutil
import sys

import pytest

from tangshi_tf import corpus, report_page, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.report_page import runs, writing

from ..checks import assert_one_line, claim
from .conftest import make_run


@pytest.fixture
def rnn(few_runs, tmp_path):
  """A run that may be damaged."""
  return shutil.copytree(few_runs / 'a-rnn', tmp_path / 'runs' / 'rnn')


def assert_refused(message, given, out, **options):
  before = sorted(out.parent.iterdir())
  with pytest.raises(UserError, match=message) as error:
    report_page.write(given, out, **options)
  assert '\n' not in str(error.value)
  assert sorted(out.parent.iterdir()) == before


@pytest.mark.parametrize(('given', 'message'), [
    ('missing', "runs 'missing': no such folder; expected a folder of run directories, a run directory, or one of the"),
    ('rn', 'did you mean rnn'), ([], 'runs: none are named'), (7, r'runs 7: expected a run directory'),
    ([None], 'expected that of a run directory'), ('a\0b', 'no file can have this name')])
def test_what_is_no_run(given, message, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert_refused(message, given, tmp_path / 'report.html')


def test_folders_without_runs(tmp_path):
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'other' / 'deeper' / 'x').mkdir(parents=True)
  (tmp_path / 'file').write_text('x', encoding='utf-8')
  for name in ('empty', 'other'):
    assert_refused(f'{name}: holds no runs; expected a run directory', tmp_path / name, tmp_path / 'report.html')
  assert_refused('file: is a file; expected a run directory', tmp_path / 'file', tmp_path / 'report.html')


def test_damaged_runs(rnn, tmp_path):
  out = tmp_path / 'report.html'
  weights = rnn / 'weights' / 'best.npz'
  weights.write_bytes(weights.read_bytes()[:-9])
  assert_refused(r'best.npz: ', rnn.parent, out, ngrams=False)
  (rnn / 'config.json').write_text('{}', encoding='utf-8')
  assert_refused(r'config.json: ', rnn, out)
  (rnn / 'manifest.json').unlink()
  assert_refused(r'manifest.json: is missing', rnn.parent, out)


def test_runs_that_say_too_little(tmp_path):
  claim(tmp_path / 'young')
  assert_refused('config.json: names no corpus; expected a run made by tangshi_tf.train', tmp_path / 'young',
                 tmp_path / 'report.html')


def test_runs_that_have_no_weights_yet(rnn, poems_file, tmp_path):
  with run_dir.claim(rnn.parent / 'young') as run:
    run.create(['PAD', 'UNK', 'bos', 'eos'], run_dir.RunDir(rnn).config())
  assert_refused('holds neither the weights of an epoch nor last.npz', rnn.parent, tmp_path / 'report.html')


@pytest.mark.parametrize(('value', 'message'), [
    ({'epochs': 7}, 'has no figures by epoch'), ({'epochs': [7]}, 'has other figures by epoch than objects')])
def test_figures_that_are_none(value, message, rnn, tmp_path):
  with run_dir.claim(rnn, resume=True) as run:
    run.write_json(run_dir.METRICS, value)
  assert_refused(message, rnn, tmp_path / 'report.html')


def test_runs_of_different_corpora(rnn, poems_file, tmp_path):
  make_run(rnn.parent / 'other', poems_file, cell='gru', fingerprint='0' * 64)
  assert_refused('the runs are of different corpora: other of poems.txt .SHA-256 000000000000….*; expected runs of one',
                 rnn.parent, tmp_path / 'report.html')


def test_a_corpus_that_is_gone_or_another(few_runs, poems_file, tmp_path):
  poems = tmp_path / 'mine.txt'
  shutil.copy(poems_file, poems)
  run = make_run(tmp_path / 'run', poems, cell='rnn')
  with poems.open('a', encoding='utf-8') as file:
    file.write('题:一二三四五，六七八九十。\n')
  out = tmp_path / 'report.html'
  assert_refused('mine.txt: has other poems, or in another order; expected the poems of the runs', run, out)
  assert_refused('mine.txt: has other poems', run, out, corpus=[str(poems)])
  poems.unlink()
  assert_refused('mine.txt: cannot be read .*; expected the poems of the runs, mine.txt .SHA-256', run, out)
  assert_refused('nowhere.txt: cannot be read', run, out, corpus=['nowhere.txt'])
  found = runs.read_poems(runs.find(run), [str(poems_file)])
  assert found.name == 'poems.txt' and found.test and found.fingerprint == corpus.fingerprint(
      corpus.read_poems(poems_file))


def test_poems_are_not_fetched(poems_file, tmp_path):
  places = {'given': ['gs://nowhere/poems.txt'], 'absolute': [7, 'x']}
  run = make_run(tmp_path / 'run', poems_file, cell='rnn', training={'corpus_files': places})
  assert_refused('the corpus of the runs is on another machine; expected the poems of the runs', run,
                 tmp_path / 'report.html')


def test_a_corpus_without_a_test_part(tmp_path):
  poems = tmp_path / 'few.txt'
  for number in range(40):
    poems.write_text(f'题:床前明月光，疑是地上霜{chr(0x4e00 + number)}。\n', encoding='utf-8')
    parts = corpus.split_poems(corpus.read_poems(poems))
    if parts['train']:
      break
  run = make_run(tmp_path / 'run', poems, cell='rnn')
  assert_refused('few.txt: its test part has no poem', run, tmp_path / 'report.html')


def test_where_no_page_can_be_written(few_runs, tmp_path):
  (tmp_path / 'page.html').write_text('mine', encoding='utf-8')
  assert_refused('page.html: exists already; expected another name, or overwrite=True', few_runs,
                 tmp_path / 'page.html')
  assert (tmp_path / 'page.html').read_text(encoding='utf-8') == 'mine'
  assert_refused('is a folder; expected the name of a page', few_runs, tmp_path)
  with pytest.raises(UserError, match='its folder .*nowhere does not exist'):
    report_page.write(few_runs, tmp_path / 'nowhere' / 'page.html')
  with pytest.raises(UserError, match="language 'de' is unknown; expected one of en, zh"):
    report_page.write(few_runs, tmp_path / 'other.html', language='de')
  assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_is_not_writable(few_runs, tmp_path, monkeypatch):
  def too_late(*_):
    raise AssertionError('runs were opened first')

  monkeypatch.setattr(writing.runs, 'find', too_late)
  assert_refused('x: cannot be written .*; expected a writable directory', few_runs, tmp_path / ('x' * 250))


def test_without_matplotlib(few_runs, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'matplotlib', None)
  assert_refused("matplotlib, which draws the curves, is not installed; .* pip install 'tangshi_tf.report.'", few_runs,
                 tmp_path / 'page.html')


@pytest.mark.parametrize('fault', [KeyboardInterrupt, OSError('no room')])
def test_an_interruption_leaves_nothing(fault, rnn, tmp_path, monkeypatch):
  def stop(*_):
    raise fault

  monkeypatch.setattr('os.replace', stop)
  with pytest.raises((KeyboardInterrupt, UserError)):
    report_page.write(rnn, tmp_path / 'page.html', ngrams=False)
  assert sorted(path.name for path in tmp_path.iterdir()) == ['runs']


def test_a_page_that_comes_meanwhile_is_kept(rnn, tmp_path, monkeypatch):
  out, read = tmp_path / 'page.html', runs.read_poems

  def slow(*arguments):
    out.write_text('of another', encoding='utf-8')
    return read(*arguments)

  monkeypatch.setattr(writing.runs, 'read_poems', slow)
  with pytest.raises(UserError, match='exists already'):
    report_page.write(rnn, out, ngrams=False)
  assert out.read_text(encoding='utf-8') == 'of another'
  report_page.write(rnn, out, ngrams=False, overwrite=True)
  assert out.read_text(encoding='utf-8').startswith('<!DOCTYPE html>')


def test_what_is_found(few_runs, tmp_path, monkeypatch):
  monkeypatch.chdir(few_runs.parent)
  assert [one.name for one in runs.find('runs')] == ['a-rnn', 'b-lstm', 'c-gru', 'd-before']
  assert [one.name for one in runs.find(['runs/c-gru', 'runs', few_runs / 'a-rnn'])] == [
      'c-gru', 'a-rnn', 'b-lstm', 'd-before']
  assert [one.name for one in runs.find(['rnn', 'best'])] == ['rnn', 'best']
  shutil.copytree(few_runs, tmp_path / 'more')
  assert [one.name for one in runs.find(['runs/a-rnn', tmp_path / 'more' / 'a-rnn'])] == ['runs/a-rnn', 'more/a-rnn']


def test_the_command(command, trained, poems_file, tmp_path):
  path, _ = trained
  done = command('tangshi_tf.report', f'--runs={path.parent}', '--language=zh', '--author=李白')
  assert done.returncode == 0 and done.stdout == 'report.html\n', done.stderr
  text = (tmp_path / 'report.html').read_text(encoding='utf-8')
  figures = json.loads((path / 'metrics.json').read_text(encoding='utf-8'))['epochs']
  assert '李白' in text and len(figures) == 3 and 'LSTM' in text
  assert_one_line(command('tangshi_tf.report', f'--runs={path.parent}'),
                  'report.html: exists already; expected another name, or --overwrite$')
  assert_one_line(command('tangshi_tf.report', '--runs=nowhere', '--out=new.html'), "runs 'nowhere': no such folder")
  assert_one_line(command('tangshi_tf.report', '--language=de'), 'language')
  assert [one.name for one in tmp_path.iterdir()] == ['report.html']
