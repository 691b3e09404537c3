"""What may come next: the decoding loop, beam search and interactive writing agree, and the rules are what they say."""

import collections
import itertools

import numpy as np
import pytest

from tangshi_tf import corpus, decoding, prosody, run_dir
from tangshi_tf.decoding import loop
from tangshi_tf.decoding.rules import Start
from tangshi_tf.errors import UserError

from ..checks import model_with_a_will
from .poems import tables

WORDS = '，。？东风红空中公同翁山日月水花天年前边烟千一三不看白雨夜人春何处'
FORM_OPTIONS = ({'form': '五绝'}, {'form': '五绝', 'max_repeat': 1, 'acrostic': '春'}, {'form': '3x4', 'max_repeat': 2},
                {'form': '七绝', 'tones': 'loose', 'rhyme': '东', 'max_repeat': 3})
FREE_OPTIONS = ({}, {'max_repeat': 1}, {'shortest_line': 3}, {'max_repeat': 2, 'shortest_line': 2, 'max_len': 25})


@pytest.fixture(scope='module')
def small():
  """A model of few words, so that a flat distribution shows each that is allowed."""
  word2id = {word: i for i, word in enumerate([*corpus.SPECIAL_TOKENS, *WORDS])}
  model = model_with_a_will(word2id, seed=3, cell='gru')
  return run_dir.Run('', model, word2id, {i: word for word, i in word2id.items()}, {})


def options_of(run, form=None, tones='strict', rhyme='any', **options):
  """Returns options of writing, with the plan of a form."""
  if form is None:
    return {'begin': '日', 'bos_first': True, **options}
  form = prosody.find_form(form)
  plan = decoding.FormPlan(form, run.word2id, tones=tones if form.regulated else 'off', rhyme=rhyme)
  return {'plan': plan, **options}


def drawn_by_the_loop(run, session):
  """Returns all words that the compiled loop draws where a session stands, from evenly spaced uniform numbers."""
  now, start, count = session._past[-1], session._start, 800
  poems = []
  for i in range(count):
    poem = loop.Poem(Start(start.fixed, start.limit, *(int(part[0]) for part in now.rule_state[:2])), 0)
    poem.ids, poem.uniforms = list(now.ids), np.full(start.limit, (i + 0.5) / count, np.float32)
    poems.append(poem)
  before = run.model.zero_state(1)
  if now.ids[:-1]:
    _, before = run.model.unroll(np.array([now.ids[:-1]], np.int32), before)
  state = [np.repeat(tensor, count, axis=0) for tensor in before]
  decoder = loop._Decoder(run.model, decoding.Sampling(temperature=100.0), session._rules, xla=True, quick_start=False)
  decoder.decode(poems, state, len(poems) <= loop.SMALL_BATCH)
  place = len(now.ids)
  return {run.id2word[poem.ids[place]] if len(poem.ids) > place else corpus.end_token for poem in poems}


@pytest.mark.parametrize(('options', 'small_batch'), [
    *((options, False) for options in (*FORM_OPTIONS, *FREE_OPTIONS)),
    (FORM_OPTIONS[1], True), (FREE_OPTIONS[3], True)], ids=str)
def test_a_session_allows_what_the_loop_draws(small, monkeypatch, options, small_batch):
  if small_batch:
    monkeypatch.setattr(loop, 'SMALL_BATCH', 800)
  options = options_of(small, **options)
  begin = options.pop('begin', '')
  session = decoding.Session(small, begin=begin, **options)
  generator, compared = np.random.default_rng(1), 0
  while not session.complete:
    words, _ = session.choices(100.0)
    if len(session.text) in (1, 2, 4, 9, 10, 16):
      assert set(words) == drawn_by_the_loop(small, session), session.text
      compared += 1
    words = [word for word in words if word != corpus.end_token]
    session.take(words[generator.integers(len(words))])
  assert compared >= 3


@pytest.mark.parametrize('options', [*FORM_OPTIONS, *FREE_OPTIONS], ids=str)
def test_loop_beam_and_session_write_the_same_greedy_poem(small, options):
  options = options_of(small, **options)
  begin = options.pop('begin', '')
  by_loop = decoding.gen_poem(begin, **options, **tables(small))
  by_beam, = decoding.beam_search([begin], width=1, **options, **tables(small))
  session = decoding.Session(small, begin=begin, **options)
  while not session.complete:
    session.take(session.choices()[0][0])
  assert by_loop == by_beam and ''.join(by_loop) == session.text


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('most', [1, 2])
def test_free_choices_against_counting(small, seed, most):
  """Against a plain reading of `max_repeat` and `shortest_line`."""
  session = decoding.Session(small, begin='日', max_repeat=most, shortest_line=3, bos_first=True)
  generator = np.random.default_rng(seed)
  while not session.complete:
    text = session.text
    groups = [word for word, _ in itertools.groupby(text)]
    full = {word for word, times in collections.Counter(groups).items() if times >= most} - set(corpus.PUNCTUATION)
    if text[-1:] not in corpus.PUNCTUATION and text[-2:-1] != text[-1:]:
      full.discard(text[-1])
    line = len(text) - max(map(text.rfind, '，。？')) - 1
    expected = set(WORDS) - full - (set('，。？') if line < 3 else set())
    assert set(session.choices()[0]) == expected | ({corpus.end_token} if not line else set()), text
    words = [word for word in session.choices()[0] if word != corpus.end_token]
    session.take(words[generator.integers(len(words))])


def test_refusals_of_short_lines(small):
  session = decoding.Session(small, begin='日', shortest_line=3)
  for word in ('，', 'eos'):
    with pytest.raises(UserError, match=f'{word}: a character is expected here'):
      session.take(word)
  for word in '月水，':
    session.take(word)
  session.take('eos')
  assert session.complete and session.text == '日月水，'


@pytest.mark.parametrize('argument', [
    {'max_repeat': -1}, {'max_repeat': 0.5}, {'shortest_line': -1}, {'shortest_line': 101}, {'max_len': 0}])
def test_rules_out_of_range(small, argument):
  with pytest.raises(UserError, match='expected'):
    decoding.Rules(small.word2id, **argument)
