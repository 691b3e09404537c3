"""Beam search, candidates, originality, and writing together."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, decoding, prosody, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.decoding import beam, composing, interactive, verse
from tangshi_tf.errors import UserError

from ..checks import model_with_a_will


@pytest.fixture(scope='module', params=[{'cell': 'gru'}, {'cell': 'lstm', 'layers': 2, 'tied': True}], ids=str)
def run(request, real_word2id):
  model = model_with_a_will(real_word2id, **request.param)
  return run_dir.Run('', model, real_word2id, {i: word for word, i in real_word2id.items()}, {})


@pytest.fixture(scope='module')
def tiny():
  """A model of few words, so that every poem can be tried."""
  word2id = {word: i for i, word in enumerate([*corpus.SPECIAL_TOKENS, *'，。东红空山日月水'])}
  model = model_with_a_will(word2id, times=8, seed=1, cell='lstm', layers=2, units=6, embedding_size=5)
  return run_dir.Run('', model, word2id, {i: word for word, i in word2id.items()}, {})


def tables(run):
  return {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word}


def log_probability(run, words):
  """The log-probability of words after bos, by the model's logits without PAD, UNK and bos."""
  ids = [run.word2id[word] for word in words]
  x, state, total = run.word2id[corpus.start_token], run.model.zero_state(1), 0.0
  for i in ids:
    logits, state = run.model.next_logits(tf.constant([x], tf.int32), state)
    total += float(tf.nn.log_softmax(logits)[0, i])
    x = i
  return total


def test_a_beam_as_wide_as_all_poems_finds_the_likeliest(tiny):
  """Against trying every poem; the width is that of all beams that can matter."""
  plan = verse.Plan(prosody.find_form('1x3'), tiny.word2id, rhyme=None)
  characters = '东红空山日月水'
  every = [''.join(some) + '。' for some in itertools.permutations(characters, 3)]
  every += [a + a + b + '。' for a in characters for b in characters if a != b]
  every += [a + b + b + '。' for a in characters for b in characters if a != b]
  found, = beam.search([''], width=13, plan=plan, max_repeat=1, **tables(tiny))
  scores = {poem: log_probability(tiny, poem) for poem in every}
  assert scores[''.join(found)] == pytest.approx(max(scores.values()), abs=1e-4)


def test_a_beam_of_one_is_greedy(run):
  begins = ['日', '春风', '山']
  greedy = list(decoding.generate([(begin, 0) for begin in begins], **tables(run)))
  assert list(beam.search(begins, width=1, **tables(run))) == greedy
  guards = {'max_repeat': 1, 'shortest_line': 3, 'whole_sentences': True, 'bos_first': True}
  greedy = list(decoding.generate([(begin, 0) for begin in begins], **guards, **tables(run)))
  assert list(beam.search(begins, width=1, **guards, **tables(run))) == greedy
  plan = verse.Plan(prosody.FORMS['七绝'], run.word2id)
  greedy = list(decoding.generate([(begin, 0) for begin in begins], plan=plan, max_repeat=1, **tables(run)))
  assert list(beam.search(begins, width=1, plan=plan, max_repeat=1, **tables(run))) == greedy


def test_a_wider_beam_finds_likelier_poems_that_keep_the_form(run):
  plan = verse.Plan(prosody.FORMS['五绝'], run.word2id)
  poems = [next(beam.search(['日'], width=width, plan=plan, max_repeat=1, acrostic='日月', **tables(run)))
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
  found, = beam.search(['日'], width=13, max_len=3, bos_first=True, **tables(tiny))
  full = found if len(found) == 4 else found + eos
  assert scores[tuple(full)] / len(full) == pytest.approx(scores[best] / len(best), abs=0.02), (found, best)


def test_beams_out_of_range(run):
  for width in (0, len(run.word2id) + 1):
    with pytest.raises(UserError, match='the words of the vocabulary'):
      list(beam.search(['日'], width=width, **tables(run)))


def test_originality(tmp_path):
  index = originality.Index([corpus.Poem('', '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'),
                             corpus.Poem('', '一二三，四五六。')])
  assert index.copied_lines('白日依山尽，黄河流入海。更上一层楼，一二三。') == ['白日依山尽', '更上一层楼']
  assert index.copied_lines('白日依山尽，更上一层楼。', given=5) == ['更上一层楼']
  assert index.copied_lines('白日依山尽，更上一层楼。', given=9) == ['更上一层楼']
  assert index.longest_run('我见黄河入海流。欲问') == '黄河入海流。欲'
  assert index.longest_run('') == '' and index.longest_run('猫') == ''
  # Not over the border of two poems.
  assert index.longest_run('更上一层楼。一二三') == '更上一层楼。'


def test_the_best_of_several(run):
  plan = verse.Plan(prosody.FORMS['五绝'], run.word2id)
  # Of few words, so that rounding, which is not the same for one poem and for several, does not choose among them.
  options = {'plan': plan, 'temperature': 1.0, 'max_repeat': 1, 'top_k': 5}
  requests = [('', 5), ('日', 6)]
  single = {(begin, seed + 2 * k): ''.join(next(decoding.generate([(begin, seed + 2 * k)], **options, **tables(run))))
            for begin, seed in requests for k in range(4)}
  best = list(composing.compose(requests, run=run, stride=2, best_of=4, **options))
  for (begin, seed), poem in zip(requests, best):
    candidates = {key: log_probability(run, text) for key, text in single.items()
                  if key[0] == begin and (key[1] - seed) % 2 == 0}
    assert single[begin, poem.seed] == poem.text
    assert (begin, poem.seed) == max(candidates, key=candidates.get)
    assert poem.perplexity == pytest.approx(np.exp(-poem.log_probability / 24))


def test_copies_are_drawn_again_and_cost_rank(run):
  plan = verse.Plan(prosody.FORMS['五绝'], run.word2id)
  options = {'plan': plan, 'temperature': 1.0, 'max_repeat': 1}
  first, = composing.compose([('', 0)], run=run, **options)
  assert first.log_probability is None and first.perplexity is None and not first.copied
  index = originality.Index([corpus.Poem('', first.text)])
  copy, = composing.compose([('', 0)], run=run, index=index, measure=True, **options)
  assert len(copy.copied) == 4
  assert copy.rank() == pytest.approx(copy.log_probability / 24 - composing.COPY_PENALTY)
  again, = composing.compose([('', 0)], run=run, stride=1, index=index, original=True, **options)
  assert not again.copied and again.seed == 1
  begun, = composing.compose([(first.text[:12], 0)], run=run, stride=1, index=index, original=True, **options)
  assert begun.text[:12] == first.text[:12] and begun.copied == []
  with pytest.raises(UserError, match='temperature 0 writes the same poem'):
    list(composing.compose([('', 0)], run=run, best_of=2, plan=plan))


def converse(run, answers, **options):
  lines, answers = [], iter(answers)

  def read():
    try:
      return next(answers)
    except StopIteration:
      raise EOFError from None

  session = interactive.Session(run, **options)
  complete = interactive.converse(session, read=read, say=lines.append, shown=5, temperature=1.0,
                                  generator=np.random.default_rng(0))
  return session, complete, lines


def test_a_poem_written_together_keeps_the_form(run):
  plan = verse.Plan(prosody.FORMS['五绝'], run.word2id)
  session, complete, lines = converse(run, ['3', '', 'u', 'm', '2', '999999', '，', '猫', 'g'], plan=plan, max_repeat=1,
                                      acrostic='春夏')
  assert complete and session.text[0] == '春' and session.text[6] == '夏'
  assert prosody.check(session.text, plan.form).keeps()
  assert sum('expected 1 to' in line for line in lines) == 1
  assert any('is not in the model' in line for line in lines) or '猫' in run.word2id
  proposals = [line for line in lines if line.startswith('1 ')]
  assert len(proposals[0].split('  ')) == 5 and len(proposals[4].split('  ')) == 25


def test_what_is_proposed_is_what_the_loop_would_take(run):
  plan = verse.Plan(prosody.FORMS['七绝'], run.word2id)
  greedy, = decoding.generate([('春', 0)], plan=plan, max_repeat=1, **tables(run))
  session, complete, _ = converse(run, [''] * 27, plan=plan, begin='春', max_repeat=1)
  assert complete and session.text == ''.join(greedy)
  plain, = decoding.generate([('日', 0)], max_len=9, **tables(run))
  session, complete, _ = converse(run, [''] * 10, begin='日', max_len=9)
  assert complete and session.text == ''.join(plain)


def test_objections(run):
  plan = verse.Plan(prosody.FORMS['五绝'], run.word2id, rhyme='东')
  session = interactive.Session(run, plan=plan, begin='白日依山尽', max_repeat=1)
  assert session.text == '白日依山尽，'
  for word, message in (('月', '月 is 仄; expected 平'), ('白', '白 stands in the poem'),
                        ('，', 'a character is expected'), ('🙂', 'not in the model')):
    with pytest.raises(UserError, match=message):
      session.take(word)
  for word in '江河入海':
    session.take(word)
  with pytest.raises(UserError, match='流 rhymes as 下平十一尤; expected 上平一东'):
    session.take('流')
  session.take('东')
  assert session.text == '白日依山尽，江河入海东。'
  assert session.undo() and session.text == '白日依山尽，江河入海'
  for _ in range(4):
    assert session.undo()
  assert not session.undo() and session.text == '白日依山尽，'


def test_leaving_before_the_end(run):
  session, complete, _ = converse(run, ['1', 'q'], begin='日')
  assert not complete and len(session.text) == 2
  assert not converse(run, [], begin='日')[1]
