"""Poems of many requests, written side by side."""

import queue
import threading

import pytest

from tangshi_tf import decoding, run_dir
from tangshi_tf.decoding.request import Request
from tangshi_tf.errors import UserError
from tangshi_tf.service import engine as engines
from tangshi_tf.settings import WritingSettings


@pytest.fixture(scope='module')
def writer():
  return decoding.Writer(run_dir.load('rnn'), xla=False)


@pytest.fixture
def engine():
  found = engines.Engine()
  yield found
  found.end(30)


def submit(engine, writer, *, watched=False, **options):
  """Submits a request; returns its ticket and the queue of what happens."""
  happened = queue.Queue()
  request = writer.spelled(Request.of(WritingSettings(**options)))
  ticket = engines.Ticket(writer, request, lambda *event: happened.put(event), watched)
  engine.submit(ticket)
  return ticket, happened


def until_end(happened):
  events = []
  while not events or events[-1][0] not in ('end', 'error'):
    events.append(happened.get(timeout=60))
  return events


def poems_of(events):
  return [event[2] for event in sorted((event for event in events if event[0] == 'poem'), key=lambda event: event[1])]


def test_poems_are_those_of_the_writer_whoever_is_beside_them(engine, writer):
  asked = [{'form': '七绝', 'seed': 1}, {'form': '七绝', 'seed': 2, 'acrostic': '春夏'},
           {'form': '五绝', 'seed': 3, 'num': 3}, {'begin': '月', 'seed': 4},
           {'begin': ['春', '秋'], 'seed': 5, 'temperature': 1.1}, {'form': '七绝', 'seed': 6, 'tones': 'loose'},
           {'exercise': True, 'begin': '山', 'init': 'random', 'seed': 7}]
  waiting = [submit(engine, writer, **options)[1] for options in asked]
  for options, happened in zip(asked, waiting):
    several = 'num' in options or isinstance(options.get('begin'), list)
    expected = writer.write(**options) if several else [writer.write(**options)]
    found = poems_of(until_end(happened))
    assert [poem.text for poem in found] == [poem.text for poem in expected]
    assert [poem.seed for poem in found] == [poem.seed for poem in expected]
    assert found[0].log_probability == pytest.approx(expected[0].log_probability, abs=1e-3)
  assert engine.poems == 0


def test_a_poem_that_is_watched_grows_to_what_it_is_in_the_end(engine, writer):
  _, happened = submit(engine, writer, watched=True, form='七律', seed=2)
  *texts, poem, end = until_end(happened)
  assert poem[0] == 'poem' and end == ('end',) and len(texts) > 8
  for event in texts:
    assert event[0] == 'text' and poem[2].text.startswith(event[2])
  assert texts[-1][2] == poem[2].text


def test_a_client_that_leaves_frees_its_rows_and_harms_nobody(engine, writer):
  gone, _ = submit(engine, writer, watched=True, form='七律', seed=1, num=50)
  gone.gone = True
  _, happened = submit(engine, writer, form='七律', seed=2)
  assert poems_of(until_end(happened))[0].text == writer.write('七律', seed=2).text
  for _ in range(100):
    if not engine.poems:
      break
    threading.Event().wait(0.05)
  assert engine.poems == 0


def test_more_poems_than_there_is_room_for_are_refused(engine, writer, monkeypatch):
  monkeypatch.setattr(engines, 'MOST_POEMS', 20)
  _, happened = submit(engine, writer, form='七律', seed=1, num=20)
  with pytest.raises(engines.BusyError) as caught:
    submit(engine, writer, form='七律', seed=2, num=8)
  assert caught.value.seconds >= 1
  assert len(poems_of(until_end(happened))) == 20
  _, happened = submit(engine, writer, form='五绝', seed=2, num=8)
  assert len(poems_of(until_end(happened))) == 8


def test_what_fails_is_told_and_others_go_on(engine, writer, monkeypatch):
  _, happened = submit(engine, writer, form='五绝', begin='𠀀')
  kind, error = until_end(happened)[-1]
  assert kind == 'error' and isinstance(error, UserError) and "not in the model's vocabulary" in str(error)
  monkeypatch.setattr(type(writer), 'log_probabilities', lambda *_: 1 / 0)
  _, happened = submit(engine, writer, form='五绝')
  assert isinstance(until_end(happened)[-1][1], ZeroDivisionError)
  monkeypatch.undo()
  _, happened = submit(engine, writer, form='五绝', seed=1)
  assert poems_of(until_end(happened))[0].text == writer.write('五绝', seed=1).text
  assert engine.poems == 0


def test_the_end_waits_for_what_is_begun(writer):
  engine = engines.Engine()
  _, happened = submit(engine, writer, form='七律', seed=1, num=8)
  engine.end(60)
  assert len(poems_of(until_end(happened))) == 8
  with pytest.raises(engines.BusyError):
    submit(engine, writer, form='五绝')
