import re

import pytest

from tangshi_tf import corpus, run_dir
from tangshi_tf.prosody.soundness import faults, is_sound


@pytest.mark.parametrize('text', [
    # The exercise's report.
    '日日来何处，何处是人间。', '湖里日无人，一枝花落。', '暮风风不见，人间不可知。', '月闻不见，风吹落云声。',
    '春眠不觉晓，处处闻啼鸟。', ' 春眠不觉晓，\n处处闻啼鸟。\n', '一二三，四五六七？',
    '一二三四五六七！一二三四五六七；',
    '春眠不觉晓，处处闻啼鸟。夜来风雨', '春眠不觉晓，处处闻啼鸟。夜来风雨声花落知多少夜来风',  # cut
    '花花天地人，山水云烟月。花开鸟语。',  # three times, but of 18
])
def test_sound(text):
  assert faults(text) == [] and is_sound(text)


@pytest.mark.parametrize(('text', 'message'), [
    ('', 'lines: 0'), ('日月', 'lines: 0'), ('日照香炉生紫烟。', 'lines: 1'), ('，。', 'lines of .0. characters'),
    ('谔谔谔不见，人间不可知。', '谔 comes 3 times in a row'), ('春眠不觉晓，，，处处闻啼鸟。', '， comes 3'),
    ('日月日月日，山水不可知。', '日 is 3 of 12 characters'), ('花好花好人，花山水人云。山花，', '花 is 4 of 15'),
    ('一二，三四。', 'lines of .2. characters; expected 3 to 7'), ('一二三四五六七八，一二三。', 'lines of .8.'),
    ('一二三，四五六七，八九十百千。', 'lines of .3, 4, 5. characters; expected at most two'),
])
def test_not_sound(text, message):
  assert not is_sound(text)
  assert any(re.search(message, fault) for fault in faults(text)), faults(text)


def test_nearly_all_real_poems_of_four_lines_are_sound():
  poems = [poem.content for poem in corpus.read_poems(corpus.default_corpus_path())[:3000]
           if len(corpus.verse_lines(poem.content)) == 4]
  assert sum(map(is_sound, poems)) > 0.97 * len(poems) > 500


@pytest.mark.parametrize('name', run_dir.shipped_names())
@pytest.mark.parametrize('init', ['zero', 'random'])
def test_shipped_models_write_sound_poems(name, init):
  """The floors of verse_report.py's table, on few poems and with room for chance."""
  from tangshi_tf import decoding, settings
  run = run_dir.load(name)
  tables = {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word}
  begins = [(begin, seed) for seed, begin in enumerate('日红山夜湖海月春秋风云江花白青千万不一何' * 3)]
  for options, floor in ((settings.FREE, 0.9), (settings.EXERCISE, 0.65 if name == 'best' else 0.4)):
    poems = [''.join(words) for words in decoding.generate(begins, init=init, **tables, **options)]
    assert sum(map(is_sound, poems)) >= floor * len(poems)
  poems = {''.join(words) for words in decoding.generate((('月', seed) for seed in range(20)), init='random', **tables,
                                                         **settings.FREE)}
  assert len(poems) >= 15
