import collections
import random
import time

import pytest

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

from ..conftest import ROOT


def write(tmp_path, data):
  path = tmp_path / 'corpus.txt'
  path.write_bytes(data if isinstance(data, bytes) else data.encode('utf-8'))
  return path


def test_titled_form(tmp_path):
  path = write(tmp_path, '春晓:春眠不觉晓，处处闻啼鸟。\n\n 静夜思 : 床前明月光。\n空:\n')
  assert corpus.read_poems(path) == [corpus.Poem('春晓', '春眠不觉晓，处处闻啼鸟。'),
                                     corpus.Poem('静夜思', '床前明月光。')]


def test_blank_form(tmp_path):
  path = write(tmp_path, '春眠不觉晓，\n处处闻啼鸟。\n\n \n床前 明月光。\n')
  assert [poem.content for poem in corpus.read_poems(path)] == ['春眠不觉晓，处处闻啼鸟。', '床前明月光。']


@pytest.mark.parametrize('data', ['\ufeff甲:春眠。\n乙:明月。\n', '甲:春眠。\r\n乙:明月。\r\n', '甲:春眠。\r乙:明月。'])
def test_bom_and_line_ends(tmp_path, data):
  assert corpus.read_poems(write(tmp_path, data)) == [corpus.Poem('甲', '春眠。'), corpus.Poem('乙', '明月。')]


@pytest.mark.parametrize(('data', 'message'), [
    (b'', 'is empty'),
    (b' \n\n', 'is empty'),
    ('甲:春眠。\r乙:明月。\r'.encode() + b'\xff', 'corpus.txt:3: byte 0xff'),
    ('甲:春眠。\r\n\n'.encode() + b'\xff', 'corpus.txt:3: byte 0xff'),
    (b'\x7fELF\0\0', 'NUL byte at offset 4'),
    ('题:诗'.encode('gb18030'), 'corpus.txt:1: byte 0xcc at offset 0 is not UTF-8'),
    ('甲:春眠。\n没有冒号\n', "corpus.txt:2: no \":\" in '没有冒号'"),
    ('no colon\nand no Chinese\n', 'corpus.txt:1: no ":"'),
    ('甲:\n乙:\n', 'holds no poem'),
])
def test_unusable_files(tmp_path, data, message):
  with pytest.raises(UserError) as caught:
    corpus.read_poems(write(tmp_path, data))
  assert message in str(caught.value)
  assert '\n' not in str(caught.value)


def test_missing_file(tmp_path):
  with pytest.raises(UserError, match='No such file'):
    corpus.read_poems(tmp_path / 'none.txt')


def test_vocabulary_order():
  words = corpus.build_vocabulary([corpus.Poem('', '月月月月日'), corpus.Poem('', '山日')])
  assert words == ['PAD', 'UNK', '月', 'bos', '日', 'eos', '山']


def test_keep_short_counts_bos_and_eos():
  poems = [corpus.Poem('', '月' * 198), corpus.Poem('', '月' * 199)]
  assert corpus.keep_short(poems) == poems[:1]


def lines_of(content):
  return [line for line in corpus.verse_lines(content) if len(line) >= 5]


@pytest.fixture(scope='module')
def real_poems():
  return corpus.read_poems(ROOT / 'poems.txt')


@pytest.fixture(scope='module')
def real_parts(real_poems):
  return corpus.split_poems(real_poems)


def test_no_leak_between_the_parts_of_the_real_corpus(real_parts):
  """Counts for each held-out poem the lines that any one training poem shares with it."""
  holders = collections.defaultdict(set)
  for i, poem in enumerate(real_parts['train']):
    for line in lines_of(poem.content):
      holders[line].add(i)
  checked = 0
  for part in ('validation', 'test'):
    for poem in real_parts[part]:
      lines = lines_of(poem.content)
      for counted in (lines, set(lines)):
        shared = collections.Counter(i for line in counted for i in holders[line])
        if shared:
          checked += 1
          assert 2 * max(shared.values()) < len(counted), poem
  assert checked > 100  # poems that share some line were there to be judged


def test_parts_are_90_5_5(real_poems, real_parts):
  assert sum(map(len, real_parts.values())) == len(real_poems)
  for part, share in (('train', 0.90), ('validation', 0.05), ('test', 0.05)):
    assert len(real_parts[part]) / len(real_poems) == pytest.approx(share, abs=0.005)


def part_by_content(poems):
  return {poem.content: name for name, part in corpus.split_poems(poems).items() for poem in part}


def test_split_ignores_order_and_added_poems(real_poems):
  shuffled = real_poems[:5000]
  random.Random(0).shuffle(shuffled)
  few = part_by_content(real_poems[:5000])
  assert part_by_content(shuffled) == few

  more = part_by_content(real_poems[:8000])
  groups = corpus.near_duplicate_groups([poem.content for poem in real_poems[:8000]])
  touched = {groups[i] for i in range(5000, 8000)}
  kept = [poem.content for poem, group in zip(real_poems[:5000], groups) if group not in touched]
  assert 4000 < len(kept) < 5000
  assert all(few[content] == more[content] for content in kept)


def test_near_duplicates_are_judged_from_both_sides():
  fragment = '枫落吴江冷。'
  whole = '枫落吴江冷，云高楚水深。孤舟何处客，一夜故园心。'
  other = '白日依山尽，黄河入海流。'
  assert corpus.near_duplicate_groups([whole, other, fragment]) == [0, 1, 0]


def related(one, other):
  """The definition of near-duplicates, word by word."""
  lines, others = (lines_of(content) or corpus.verse_lines(content) or [content] for content in (one, other))
  return any(2 * sum(line in others for line in counted) >= len(counted) for counted in (lines, set(lines)))


def test_groups_are_those_of_the_definition():
  draw = random.Random(0)
  lines = ['日', '月', *(first + '日照香炉' for first in '一二三四五六')]
  for _ in range(1000):
    some = draw.choices(lines, k=draw.randint(2, 8))
    contents = [''.join(draw.choice(some) + draw.choice('，。') for _ in range(draw.randint(1, 8)))
                for _ in range(draw.randint(1, 7))]
    groups = list(range(len(contents)))
    for i, one in enumerate(contents):
      for j, other in enumerate(contents):
        if related(one, other) or related(other, one):
          groups = [min(groups[i], groups[j]) if group in (groups[i], groups[j]) else group for group in groups]
    assert corpus.near_duplicate_groups(contents) == groups, contents


@pytest.mark.parametrize('own', ['', '一{}。', '日照香{}，', '日照香{}，生紫烟{}。遥看瀑{}，'])
@pytest.mark.parametrize('common', ['疑是银河落，', '疑是银河落，九天飞下来。'])
def test_a_line_that_all_poems_have_does_not_make_grouping_slow(common, own):
  contents = [common + own.replace('{}', f'{i:05d}') for i in range(20_000)]
  start = time.process_time()
  groups = corpus.near_duplicate_groups(contents)
  assert time.process_time() - start < 10  # of all pairs: many minutes
  assert len(set(groups)) == (20_000 if own.count('{}') == 3 else 1)  # three lines of its own outweigh two


def test_blank_lines_do_not_make_reading_slow(tmp_path):
  start = time.process_time()
  assert len(corpus.read_poems(write(tmp_path, '月' + '\n' * 100_000))) == 1
  poems = corpus.read_poems(write(tmp_path, '月' + '\n' * 100_000 + '日' + ' \r\n' * 100_000))
  assert [poem.content for poem in poems] == ['月', '日']
  assert time.process_time() - start < 10


def test_surrogates_of_a_callers_own_poems():
  poems = [corpus.Poem('\udcff', '月\ud800'), corpus.Poem('', '月')]
  assert sum(map(len, corpus.split_poems(poems).values())) == 2
  assert corpus.fingerprint(poems) != corpus.fingerprint(poems[1:])


def test_real_corpus_is_clean(real_poems):
  allowed = set(corpus.PUNCTUATION)
  signs = {character for poem in real_poems for character in poem.content} - allowed
  assert all('\u3400' <= c <= '\u9fff' or '\uf900' <= c <= '\ufaff' or c == '〇' or c >= '\U00020000'
             for c in signs)
  assert len({poem.content for poem in real_poems}) == len(real_poems)
  assert all(':' not in poem.title and poem.title for poem in real_poems)


def test_a_vocabulary_of_limited_size():
  poems = [corpus.Poem('', '月月月日日山')] * 2 + [corpus.Poem('', '水')]
  words = corpus.build_vocabulary(poems, size=6)
  assert words[:2] == ['PAD', 'UNK'] and sorted(words[2:]) == sorted(['bos', 'eos', '月', '日'])
  word2id, _ = corpus.word_tables(words)
  assert corpus.encode('月山', word2id) == [word2id['bos'], word2id['月'], corpus.UNK_ID, word2id['eos']]
  assert corpus.build_vocabulary(poems, size=100) == corpus.build_vocabulary(poems)
  assert set(corpus.build_vocabulary(poems, size=5)) == {*corpus.SPECIAL_TOKENS, '月'}


def test_poems_beside_a_corpus_are_no_near_duplicates_of_the_others():
  """Against the groups of near-duplicates, on poems of few lines."""
  rng = random.Random(0)
  lines = [f'{first}{second}山水日' for first in '春夏秋冬' for second in '东南西北']
  poems = [corpus.Poem('', ''.join(rng.choice(lines) + '。' for _ in range(rng.randint(1, 6)))) for _ in range(150)]
  others, poems = poems[:12], poems[12:]
  kept = corpus.without_near_duplicates(poems, others)
  assert 0 < len(kept) < len(poems)
  for poem in poems:
    near = any(corpus.near_duplicate_groups([poem.content, other.content])[1] == 0 for other in others)
    assert (poem not in kept) == near


def test_a_corpus_beside_another_moves_none_of_its_held_out_poems():
  rng = random.Random(1)
  lines = [f'{first}{second}{third}水日' for first in '春夏秋冬' for second in '东南西北' for third in '山川日月星']
  def make(count):
    return [corpus.Poem('', ''.join(rng.choice(lines) + '。' for _ in range(4))) for _ in range(count)]

  tang, song = make(60), make(400)
  before = corpus.split_poems(tang)
  held_out = before['validation'] + before['test']
  assert held_out and len(held_out) < 40
  after = corpus.split_poems(tang + corpus.without_near_duplicates(song, held_out))
  for part in ('validation', 'test'):
    assert {poem.content for poem in before[part]} <= {poem.content for poem in after[part]}
