"""Writing a poem together."""

import numpy as np
import pytest

from tangshi_tf import decoding, prosody
from tangshi_tf.errors import UserError

from .poems import tables


def converse(run, answers, **options):
  lines, answers = [], iter(answers)

  def read():
    try:
      return next(answers)
    except StopIteration:
      raise EOFError from None

  session = decoding.Session(run, **options)
  complete = decoding.converse(session, read=read, say=lines.append, shown=5, temperature=1.0,
                                  generator=np.random.default_rng(0))
  return session, complete, lines


def test_a_poem_written_together_keeps_the_form(run):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], run.word2id)
  session, complete, lines = converse(run, ['3', '', 'u', 'm', '2', '999999', '，', '猫', 'g'], plan=plan, max_repeat=1,
                                      acrostic='春夏')
  assert complete and session.text[0] == '春' and session.text[6] == '夏'
  assert prosody.check(session.text, plan.form).keeps()
  assert sum('expected a number from 1 to' in line for line in lines) == 1
  assert any('is not in the model' in line for line in lines) or '猫' in run.word2id
  proposals = [line for line in lines if line.startswith('1 ')]
  assert len(proposals[0].split('  ')) == 5 and len(proposals[4].split('  ')) == 25


def test_what_is_proposed_is_what_the_loop_would_take(run):
  plan = decoding.FormPlan(prosody.FORMS['七绝'], run.word2id)
  greedy, = decoding.generate([('春', 0)], plan=plan, max_repeat=1, **tables(run))
  session, complete, _ = converse(run, [''] * 27, plan=plan, begin='春', max_repeat=1)
  assert complete and session.text == ''.join(greedy)
  plain, = decoding.generate([('日', 0)], max_len=9, **tables(run))
  session, complete, _ = converse(run, [''] * 10, begin='日', max_len=9)
  assert complete and session.text == ''.join(plain)


def test_objections(run):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], run.word2id, rhyme='东')
  session = decoding.Session(run, plan=plan, begin='白日依山尽', max_repeat=1)
  assert session.text == '白日依山尽，'
  for word, message in (('月', '月 is 仄; expected 平'), ('白', '白 is in the poem'),
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
  session, ended, _ = converse(run, ['1', 'q'], begin='日')
  assert ended and not session.complete and len(session.text) == 2
  assert not converse(run, [], begin='日')[1]  # there is nothing more to read


def test_typing_the_end(run):
  session, ended, lines = converse(run, ['1', 'eos'], begin='日')
  assert ended and session.complete and len(session.text) == 2
  assert not any('expected' in line for line in lines)


def test_a_number_of_thousands_of_digits(run):
  _, _, lines = converse(run, ['9' * 5000, 'q'], begin='日')
  assert sum(line.startswith("'99999999999999999999…': expected a number from 1 to ") for line in lines) == 1


def test_a_number_takes_what_was_shown(run):
  _, _, lines = converse(run, ['6', 'm', '6', '26', 'help', 'q'], begin='日')
  assert sum(line.startswith("'6': expected a number from 1 to 5, or") for line in lines) == 1
  assert sum(line.startswith("'26': expected a number from 1 to 5, or") for line in lines) == 1
  assert sum(line == decoding.interactive.HELP for line in lines) == 2
