"""Beam search."""

import itertools

import pytest

from tangshi_tf import corpus, decoding, prosody, run_dir
from tangshi_tf.errors import UserError

from ..checks import model_with_a_will
from .poems import log_probability, tables


@pytest.fixture(scope='module')
def tiny():
  """A model of few words, so that every poem can be tried."""
  word2id = {word: i for i, word in enumerate([*corpus.SPECIAL_TOKENS, *'，。东红空山日月水'])}
  model = model_with_a_will(word2id, times=8, seed=1, cell='lstm', layers=2, units=6, embedding_size=5)
  return run_dir.Run('', model, word2id, {i: word for word, i in word2id.items()}, {})


def test_a_beam_as_wide_as_all_poems_finds_the_likeliest(tiny):
  """Against trying every poem; the width is that of all beams that can matter."""
  plan = decoding.FormPlan(prosody.find_form('1x3'), tiny.word2id, rhyme=None)
  characters = '东红空山日月水'
  every = [''.join(some) + '。' for some in itertools.permutations(characters, 3)]
  every += [a + a + b + '。' for a in characters for b in characters if a != b]
  every += [a + b + b + '。' for a in characters for b in characters if a != b]
  found, = decoding.beam_search([''], width=13, plan=plan, max_repeat=1, **tables(tiny))
  scores = {poem: log_probability(tiny, poem) for poem in every}
  assert scores[''.join(found)] == pytest.approx(max(scores.values()), abs=1e-4)


def test_a_beam_of_one_is_greedy(run):
  begins = ['日', '春风', '山']
  greedy = list(decoding.generate([(begin, 0) for begin in begins], **tables(run)))
  assert list(decoding.beam_search(begins, width=1, **tables(run))) == greedy
  guards = {'max_repeat': 1, 'shortest_line': 3, 'whole_sentences': True, 'bos_first': True}
  greedy = list(decoding.generate([(begin, 0) for begin in begins], **guards, **tables(run)))
  assert list(decoding.beam_search(begins, width=1, **guards, **tables(run))) == greedy
  plan = decoding.FormPlan(prosody.FORMS['七绝'], run.word2id)
  greedy = list(decoding.generate([(begin, 0) for begin in begins], plan=plan, max_repeat=1, **tables(run)))
  assert list(decoding.beam_search(begins, width=1, plan=plan, max_repeat=1, **tables(run))) == greedy


def test_a_wider_beam_finds_likelier_poems_that_keep_the_form(run):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], run.word2id)
  poems = [next(decoding.beam_search(['日'], width=width, plan=plan, max_repeat=1, acrostic='日月', **tables(run)))
           for width in (1, 8, 64)]
  for poem in poems:
    assert prosody.check(''.join(poem), plan.form).keeps() and poem[6] == '月'
  found = [log_probability(run, poem) for poem in poems]
  assert found[0] < found[2] and found[1] < found[2] + 1e-3


def test_poems_that_end_are_judged_by_token(tiny):
  """Against trying every poem of up to three tokens and its end."""
  eos = [corpus.end_token]
  words = [word for word in tiny.word2id if word not in ('PAD', 'UNK', 'bos', 'eos')]
  every = [list(some) for n in range(3) for some in itertools.product(words, repeat=n)]
  scores = {('日', *some, *eos): log_probability(tiny, ['日', *some, *eos]) for some in every}
  scores |= {('日', *some): log_probability(tiny, ['日', *some]) for some in itertools.product(words, repeat=3)}
  best = max(scores, key=lambda poem: scores[poem] / len(poem))
  found, = decoding.beam_search(['日'], width=13, max_len=3, bos_first=True, **tables(tiny))
  full = found if len(found) == 4 else found + eos
  assert scores[tuple(full)] / len(full) == pytest.approx(scores[best] / len(best), abs=0.02), (found, best)


def test_beams_out_of_range(run):
  for width in (0, len(run.word2id) + 1):
    with pytest.raises(UserError, match='the words of the vocabulary'):
      list(decoding.beam_search(['日'], width=width, **tables(run)))
