"""Work that takes long tells how far it is, to whoever listens."""

import time

import pytest

from tangshi_tf import long_work


@pytest.fixture
def lines():
  """What is told, at once."""
  told = []
  long_work.listen(told.append, silence=0)
  yield told
  long_work.listen(None)


def test_nobody_listens(capsys):
  items = [1, 2]
  assert long_work.told(items, 'poems read') is items
  long_work.Meter('poems read').update(1)
  with long_work.waiting('searching'):
    pass
  assert capsys.readouterr() == ('', '')


def test_a_loop(lines):
  assert list(long_work.told('春夏秋', 'poems read', 3)) == ['春', '夏', '秋']
  assert list(long_work.told(iter('春夏'), 'lines read')) == ['春', '夏']
  assert lines == ['1 of 3 poems read ...', '2 of 3 poems read ...', '1 lines read ...']


def test_what_is_done_is_not_told(lines):
  long_work.Meter('characters measured', 1000).update(1000)
  assert not lines


def test_pauses_grow(lines, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])
  long_work.listen(lambda line: lines.append(now[0]), silence=2)
  meter = long_work.Meter('poems read')
  for second in range(200):
    now[0] = float(second)
    meter.update(second)
  assert lines == [2, 6, 14, 30, 62, 122, 182]


def test_waiting(lines):
  with long_work.waiting('searching'):
    while not lines:
      time.sleep(0.01)
  assert lines[0].startswith('searching: ')
