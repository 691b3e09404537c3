"""Poems with blanks that are filled in."""

import pytest

import tangshi_tf
from tangshi_tf import decoding, prosody
from tangshi_tf.errors import UserError

from .poems import tables

TEMPLATE = '一日重阳陌上春，□□□□□□□。东风忽到花前立，飞□朝来不语频。'


@pytest.fixture(scope='module')
def writer():
  return tangshi_tf.load('rnn')


@pytest.mark.parametrize('template', [TEMPLATE, TEMPLATE.replace('，', '\n').replace('。', '\n')],
                         ids=['with marks', 'a line each'])
def test_what_is_given_stays_and_the_form_is_kept(writer, template):
  for poem in writer.write(template=template, num=5, seed=1):
    assert poem.form.name == '七绝' and poem.checked.keeps()
    assert poem.lines[0] == '一日重阳陌上春' and poem.lines[2] == '东风忽到花前立'
    assert poem.lines[3][0] == '飞' and poem.lines[3][2:] == '朝来不语频'
    assert '□' not in poem.text and len(set(''.join(poem.lines))) == 28  # no character twice, those given either


def test_the_same_with_other_ways_of_writing(writer, run):
  assert ''.join(writer.stream(template=TEMPLATE, seed=3)) == writer.write(template=TEMPLATE, seed=3).text
  assert writer.write(template=TEMPLATE, beam=4).lines[2] == '东风忽到花前立'
  session = writer.session(template=TEMPLATE)
  session.finish(0.0)
  assert session.text == writer.write(template=TEMPLATE, temperature=0).text
  plan = decoding.FormPlan(prosody.find_form('2x3'), run.word2id, rhyme=None)
  poem, = decoding.generate([('', 0)], plan=plan, template='日□□，□月□。', **tables(run))
  assert poem[0] == '日' and poem[5] == '月' and len(poem) == 8


@pytest.mark.parametrize(('options', 'message'), [
    ({'template': '床前明月光，疑是地上霜。举头望山月，低头思故乡。'}, 'template .* has no □; expected one for each'),
    ({'template': '床前□'}, "template '床前□.?' has the lines of none of 五绝, 七绝"),
    ({'template': TEMPLATE, 'form': '五绝'}, 'template .* line 1 has 7 characters; expected 5 as in 五绝'),
    ({'template': '□□□□□。', 'form': '五绝'}, 'template .* has 1 lines; expected 4, those of 五绝'),
    ({'template': TEMPLATE, 'begin': '日'}, 'both template and begin; expected one of them'),
    ({'template': TEMPLATE, 'acrostic': '日'}, 'both template and acrostic; expected one of them'),
    ({'template': TEMPLATE.replace('一', '𠀀')}, "character '𠀀' is not in the model's vocabulary"),
    ({'template': TEMPLATE.replace('春', '月')}, 'line 1, character 7: 月 is 仄'), ({'template': ''}, 'template')])
def test_what_cannot_be_filled_in_is_one_line(writer, options, message):
  with pytest.raises(UserError, match=message) as caught:
    writer.write(**options)
  assert '\n' not in str(caught.value)
