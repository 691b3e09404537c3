"""Tones, rhymes and forms; the poems are well-known ones of each pattern."""

import json
import re

import pytest

from tangshi_tf import prosody
from tangshi_tf.corpus.text import HAN
from tangshi_tf.errors import UserError
from tangshi_tf.prosody.tones import rhyme_groups

GOOD = {
    '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。': ('五绝', '仄起首句不入韵', '下平十一尤'),
    '鸣筝金粟柱，素手玉房前。欲得周郎顾，时时误拂弦。': ('五绝', '平起首句不入韵', '下平一先'),
    '朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。': ('七绝', '平起首句入韵', '上平十五删'),
    '黄河远上白云间，一片孤城万仞山。羌笛何须怨杨柳，春风不度玉门关。': ('七绝', '平起首句入韵', '上平十五删'),
    '月落乌啼霜满天，江枫渔火对愁眠。姑苏城外寒山寺，夜半钟声到客船。': ('七绝', '仄起首句入韵', '下平一先'),
    '国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。':
        ('五律', '仄起首句不入韵', '下平十二侵'),
    '空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可留。':
        ('五律', '平起首句不入韵', '下平十一尤'),
    '相见时难别亦难，东风无力百花残。春蚕到死丝方尽，蜡炬成灰泪始干。晓镜但愁云鬓改，夜吟应觉月光寒。'
    '蓬山此去无多路，青鸟殷勤为探看。': ('七律', '仄起首句入韵', '上平十四寒'),
    '锦瑟无端五十弦，一弦一柱思华年。庄生晓梦迷蝴蝶，望帝春心托杜鹃。沧海月明珠有泪，蓝田日暖玉生烟。'
    '此情可待成追忆，只是当时已惘然。': ('七律', '仄起首句入韵', '下平一先'),
}


def check(content, tones='strict'):
  return prosody.check(content, prosody.FORMS[prosody.form_of(content)], tones)


def rules(content, tones='strict'):
  return [(fault.line, fault.position, fault.rule) for fault in check(content, tones).faults]


@pytest.mark.parametrize('content', GOOD)
@pytest.mark.parametrize('tones', ['strict', 'loose'])
def test_good_poems(content, tones):
  checked = check(content, tones)
  assert not checked.faults and checked.keeps() and checked.keeps('tone', 'rhyme')
  assert (checked.form.name, checked.pattern.name, checked.rhyme) == GOOD[content]


@pytest.mark.parametrize('tones', ['OFF', 'lose', ''])
def test_tones_that_there_are_not(tones):
  message = f"tones '{tones}' is unknown; expected one of strict, loose, off"
  for ask in (lambda: prosody.check('月，', prosody.find_form('6x5'), tones),
              lambda: prosody.check_text('', None, tones), lambda: prosody.line_pattern('A', 5, tones)):
    with pytest.raises(UserError, match=message):
      ask()
  assert prosody.line_pattern('A', 7, 'off') == '中' * 7


def test_texts_far_beyond_a_form():
  checked = prosody.check('月，' * 1_000_000, prosody.FORMS['七绝'])
  assert [fault.line for fault in checked.faults] == [0, 1, 2, 3, 4]
  checked = prosody.check('🙂' * 1_000_000, prosody.FORMS['七绝'])
  assert [str(fault) for fault in checked.faults] == ['1 lines; expected 4', 'line 1: 1000000 characters; expected 7']


def test_the_table():
  groups = rhyme_groups()
  assert len(groups) == 106 and len(prosody.level_groups()) == 30
  assert [sum(name[:2] == start for name in groups) for start in ('上平', '下平', '上声', '去声', '入声')] == [
      15, 15, 29, 30, 17]
  assert list(groups)[:30] == list(prosody.level_groups())
  assert prosody.tone('东') == '平' and prosody.tone('月') == '仄' and prosody.tone('🙂') == '？'
  assert prosody.tone('看') == '中' and {'上平十四寒', '去声十五翰'} <= set(prosody.readings('看'))
  # Simplified characters that stand for two: 發 and 髮 are both entering tone, 乾 (干) and 幹 are not of one tone.
  assert prosody.tone('发') == '仄' and prosody.tone('干') == '中' and prosody.readings('乾')
  assert prosody.rhymes_of('看') == prosody.usual_rhymes_of('看') == {'上平十四寒'}
  assert prosody.rhymes_of('平') == {'下平八庚', '下平一先'} and prosody.usual_rhymes_of('平') == {'下平八庚'}
  assert prosody.usual_rhymes_of('涯') == {'下平六麻', '上平四支'}
  assert prosody.rhymes_of('梦') == {'上平一东'} and not prosody.usual_rhymes_of('梦')  # poets have it oblique
  assert all(prosody.usual_rhymes_of(mark) for name in prosody.level_groups() for mark in groups[name]
             if prosody.tone(mark) == prosody.LEVEL)
  assert all(re.fullmatch(HAN, mark) for characters in groups.values() for mark in characters)


def test_the_form_of_a_poem():
  for name, form in prosody.FORMS.items():
    line = '山' * form.characters
    assert prosody.form_of(f'{line}，' * (form.lines - 1) + line) == name
  for other in ('', '，', '山', '山山山山山。' * 3, '山山山山山，山山山山山山山。' * 2, '山山山山山' * 4):
    assert prosody.form_of(other) == prosody.OTHER


def test_patterns_oppose_and_cling():
  for form in prosody.FORMS.values():
    found = prosody.patterns(form)
    assert len({pattern.name for pattern in found}) == 4
    for pattern in found:
      lines = [prosody.line_pattern(kind, form.characters, 'loose') for kind in pattern.kinds]
      assert len(lines) == form.lines
      seconds = [line[1] for line in lines]
      assert all(first != second for first, second in zip(seconds[::2], seconds[1::2]))
      assert all(above == below for above, below in zip(seconds[1::2], seconds[2::2]))
      assert [line[-1] == '平' for line in lines] == [pattern.rhymes(i) for i in range(form.lines)]
      assert pattern.name[0] == seconds[0]
      for kind, line in zip(pattern.kinds, lines):
        strict = prosody.line_pattern(kind, form.characters, 'strict')
        assert all(want in (wanted, '中') for wanted, want in zip(strict, line))
        assert set(line[1::2]) <= {'平', '仄'} and line[-1] != '中'


@pytest.mark.parametrize(('line', 'replaced', 'fault'), [
    ('欲得周郎顾', '欲得周郎歌', (3, 5, 'tone')),
    ('时时误拂弦', '时时误垂弦', (4, 4, 'tone')),
    ('时时误拂弦', '日时误拂弦', (4, 1, '孤平')),
    ('素手玉房前', '素手金房前', (2, 3, '三平尾')),
    ('鸣筝金粟柱', '鸣筝玉粟柱', (1, 3, '三仄尾')),
    ('素手玉房前', '素手金玉前', (2, 4, 'tone')),
    ('时时误拂弦', '时时误拂门', (4, 5, 'rhyme')),
    ('时时误拂弦', '时时误拂目', (4, 5, 'tone')),
])
def test_faults(line, replaced, fault):
  content = '鸣筝金粟柱，素手玉房前。欲得周郎顾，时时误拂弦。'.replace(line, replaced)
  assert fault in rules(content)
  in_loose = check(content, 'loose')
  assert (fault in rules(content, 'loose')) == (fault[2] in ('tone', 'rhyme'))
  assert (fault in [(note.line, note.position, note.rule) for note in in_loose.notes]) == (
      fault[2] not in ('tone', 'rhyme'))


def test_what_makes_up_for_a_fault():
  assert not rules('鸣筝金粟柱，素手玉房前。欲得周郎顾，日时空拂弦。')  # 孤平, but level third
  assert not rules('鸣筝玉房柱，素手玉房前。欲得周郎顾，时时误拂弦。')  # 平平仄平仄
  assert rules('玉筝玉房柱，素手玉房前。欲得周郎顾，时时误拂弦。') == [(1, 4, 'tone')]
  assert rules('鸣筝金粟柱，素手金玉前。欲得周郎顾，时时误拂弦。') == [(2, 4, 'tone')]  # no 三平尾


def test_lines_of_the_wrong_length_and_number():
  content = '白日依山尽，黄河入海流。欲穷千里目，更上一层。'
  assert rules_of(content, '五绝') == [(4, 0, 'form')]
  assert rules_of('白日依山尽，黄河入海流。', '五绝') == [(0, 0, 'form')]
  assert rules_of('', '七律') == [(0, 0, 'form')]


def rules_of(content, form):
  return [(fault.line, fault.position, fault.rule) for fault in prosody.check(content, prosody.find_form(form)).faults]


def test_characters_that_are_not_in_the_table_are_told():
  checked = check('鸣筝金粟柱，素手玉房🙂。欲得周郎顾，时时误拂弦。')
  assert checked.keeps() and [(note.line, note.position, note.rule) for note in checked.notes] == [(2, 5, 'unknown')]


def test_the_group_of_rhymes_that_disagree():
  # 机 and 旗 are both in 微 and 支, but poets rhyme 旗 in 支.
  assert check('白日依山尽，黄河入海机。欲穷千里目，更上一层旗。').rhyme == '上平四支'
  two = check('白日依山尽，黄河入海流。欲穷千里目，更上一层东。')
  assert two.rhyme is None and not two.keeps('rhyme')


def test_a_form_without_a_name_has_no_tones():
  form = prosody.find_form('2x7')
  assert (form.lines, form.characters, prosody.patterns(form)) == (2, 7, ())
  checked = prosody.check('月落乌啼霜满天，江枫渔火对愁眠。', form)
  assert checked.keeps() and checked.pattern is None and checked.rhyme == '下平一先'
  off = prosody.check('鸣筝金粟柱，素手玉房前。欲得周郎歌，时时误弹弦。', prosody.FORMS['五绝'], 'off')
  assert off.keeps() and off.pattern is None


@pytest.mark.parametrize('name', ['', '五', '七绝句', '0x5', '5x0', '65x5', '4x33', '-1x5', '99999x1', '4x'])
def test_unknown_forms(name):
  with pytest.raises(UserError, match='is unknown; expected 五绝, 七绝, 五律, 七律, or LINESxCHARACTERS'):
    prosody.find_form(name)


def test_names_of_forms_and_groups():
  assert prosody.find_form('七言绝句') is prosody.FORMS['七绝'] and prosody.find_form('6×5').name == '6x5'
  assert prosody.find_group('上平一东') == prosody.find_group('东') == prosody.find_group('一东') == '上平一东'
  for name in ('', '一', '上平', '入声一屋', '屋', '上平一冬'):
    with pytest.raises(UserError, match='expected one of 上平一东 上平二冬'):
      prosody.find_group(name)


def test_command(command, tmp_path):
  good, bad = list(GOOD)[0], '白日依山尽，黄河入海流。欲穷千里目，更上一层。'
  done = command('tangshi_tf.prosody', good)
  assert done.returncode == 0 and not done.stderr
  assert done.stdout.splitlines()[:3] == ['五绝, 仄起首句不入韵, rhyme 下平十一尤', '  白日依山尽', '  仄仄平平仄']
  (tmp_path / 'poems.txt').write_text(f'登鹳雀楼:{good}\n\n{bad}\n', encoding='utf-8')
  done = command('tangshi_tf.prosody', '--form=五绝', '--file=poems.txt', '--json')
  assert done.returncode == 1
  first, second = map(json.loads, done.stdout.splitlines())
  assert first['pattern'] == '仄起首句不入韵' and not first['faults']
  assert second['faults'] == [{'line': 4, 'character': 0, 'rule': 'form', 'text': '4 characters; expected 5'}]
  # One that has no form at all does not end the checking of the others.
  (tmp_path / 'poems.txt').write_text(f'{bad}\n，。\n{"一二三。" * 70}\n{good}\n', encoding='utf-8')
  done = command('tangshi_tf.prosody', '--file=poems.txt')
  assert done.returncode == 1 and not done.stderr
  assert 'lines of 4, 5 characters; expected lines of one length' in done.stdout
  assert '70x3' in done.stdout and done.stdout.splitlines()[-1] == 'no faults'
  for arguments, message in ((['--form=六绝', good], "form '六绝' is unknown"), (['，。'], 'there is no poem'),
                             (['--file=none'], 'none: cannot be read')):
    done = command('tangshi_tf.prosody', *arguments)
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert done.stderr.startswith('python -m tangshi_tf.prosody: ') and message in done.stderr
