"""Copied lines."""

from tangshi_tf import corpus
from tangshi_tf.corpus import originality


def test_originality():
  index = originality.Index([corpus.Poem('', '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'),
                             corpus.Poem('', '一二三，四五六。')])
  assert index.copied_lines('白日依山尽，黄河流入海。更上一层楼，一二三。') == ['白日依山尽', '更上一层楼']
  assert index.copied_lines('白日依山尽，更上一层楼。', given=5) == ['更上一层楼']
  assert index.copied_lines('白日依山尽，更上一层楼。', given=9) == ['更上一层楼']
  assert index.longest_run('我见黄河入海流。欲问') == '黄河入海流。欲'
  assert index.longest_run('') == '' and index.longest_run('猫') == ''
  # Not over the border of two poems.
  assert index.longest_run('更上一层楼。一二三') == '更上一层楼。'
