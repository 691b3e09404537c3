"""The file that says who wrote the poems of a corpus."""

import pytest

from tangshi_tf import corpus
from tangshi_tf.errors import UserError

POEMS = [corpus.Poem('春', '春眠不觉晓，处处闻啼鸟。', '孟浩然', '唐'), corpus.Poem('夏', '夏日。', '', '宋'),
         corpus.Poem('秋', '秋风。')]


@pytest.fixture
def file(tmp_path):
  (tmp_path / 'a.txt').write_bytes(b''.join(map(corpus.to_line, POEMS)))
  (tmp_path / 'a.poets.txt').write_text(corpus.poets_text('a.txt', POEMS), encoding='utf-8')
  return tmp_path / 'a.txt'


def test_the_poets_of_a_file_stand_beside_it(file):
  plain = corpus.read_poems(file)
  assert [poem.poet for poem in plain] == ['', '', '']
  assert corpus.with_poets(plain, file) == POEMS
  (file.parent / 'a.poets.txt').unlink()
  assert corpus.with_poets(plain, file) == plain


def test_those_of_the_package_belong_to_its_poems():
  path = corpus.default_corpus_path()
  poems = corpus.with_poets(corpus.read_poems(path), path)
  written = {(poem.title, poem.poet) for poem in poems}
  assert {('静夜思', '李白'), ('春望', '杜甫'), ('江雪', '柳宗元')} <= written
  assert {poem.dynasty for poem in poems} == {'唐'} and all(poem.poet for poem in poems)
  counts = corpus.poems_by_poet(poems)['唐']
  assert list(counts)[:3] == ['白居易', '杜甫', '李白'] and not {'无名氏', '不详'} & set(counts)


@pytest.mark.parametrize(('damage', 'message'), [
    (lambda text: text.replace('SHA-256 ', 'SHA-256 0', 1), 'a.poets.txt:1: no SHA-256 of a corpus; expected "# poets'),
    (lambda text: text + '唐 李白\n', 'a.poets.txt: has the poets of another corpus than .*4 lines for 3 poems'),
    (lambda text: text.rpartition('宋')[0], 'a.poets.txt: has the poets of another corpus than .*1 lines for 3'),
    (lambda text: '', 'a.poets.txt: is empty; expected poets'), (lambda text: '\0', 'a.poets.txt: holds a NUL byte')])
def test_a_file_that_does_not_fit_is_one_line(file, damage, message):
  path = file.parent / 'a.poets.txt'
  path.write_text(damage(path.read_text(encoding='utf-8')), encoding='utf-8')
  with pytest.raises(UserError, match=message):
    corpus.with_poets(corpus.read_poems(file), file)


def test_that_of_another_order_of_the_same_poems_is_refused(file):
  with pytest.raises(UserError, match='the poets of another corpus'):
    corpus.with_poets(corpus.read_poems(file)[::-1], file)
