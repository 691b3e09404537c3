"""Made-up files and poems for the corpus reader, the vocabulary and the split."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tangshi_tf import corpus, data

from ..conftest import tried
from ..hostile import HUGE, SIGNS, at_once, many, outcome, signs, texts


def read(folder, content: bytes, **options):
  tried['corpus reader'] += 1
  (folder / 'corpus.txt').write_bytes(content)
  poems = outcome(corpus.read_poems, folder / 'corpus.txt', **options)
  if poems is not None:
    assert poems and all(poem.content and len(poem.content.split()) == 1 for poem in poems)
    assert not any(':' in poem.title or '\n' in poem.title for poem in poems)
  return poems


@many
@given(st.binary(max_size=60), st.sampled_from(corpus.FORMATS))
@example(b'\xff\xfe\xe5e', 'auto')
@example(b'\xef\xbb\xbf\xef\xbb\xbf', 'titled')
@example(b'\xed\xa0\x80:\xed\xa0\x80', 'titled')
def test_reader_of_bytes(folder, content, corpus_format):
  read(folder, content, corpus_format=corpus_format)


@many
@given(texts)
@signs
def test_reader_of_texts_with_any_line_ends(folder, text):
  plain = text.replace('\r\n', '\n').replace('\r', '\n')
  for corpus_format in corpus.FORMATS:
    one, *others = (read(folder, plain.replace('\n', end).encode('utf-8', 'surrogatepass'), corpus_format=corpus_format)
                    for end in ('\n', '\r\n', '\r'))
    assert others == [one, one]


@many
@given(st.lists(st.tuples(texts, texts), max_size=5))
@example([('送别:其一', '日月'), ('一\u2028二\x85', '月\ufeff日:山')])
def test_reader_returns_what_was_written(folder, written):
  def without(text, left_out):
    return ''.join(c for c in text if c not in left_out and not '\ud800' <= c <= '\udfff')

  pairs = [(without(title, '\0\n\r:'), without(content, '\0\n\r')) for title, content in written]
  expected = [corpus.Poem(title.strip(), corpus.verse(content)) for title, content in pairs if corpus.verse(content)]
  content = '\ufeff' + ''.join(f'{title}:{content}\n' for title, content in pairs)
  assert read(folder, content.encode(), corpus_format='titled') == (expected or None)


@pytest.mark.parametrize(('text', 'count'), [
    ('甲:' + '月' * HUGE, 1), ('月' * HUGE, 1), ('甲' * HUGE + ':月', 1), (':' * 3 * HUGE, None),
    ('甲:' + '月 ' * HUGE, 1), ('甲:月', 1), ('\n' * 100_000, None), ('甲:月' + '\n' * 100_000, 1),
    ('月' + '\n' * 100_000 + '日', 2), ('月\n \n' * 100_000, 100_000), ('甲:日照香炉生紫烟\n' * 100_000, 100_000),
    ('甲:月\r' * 100_000, 100_000), ('甲:月\u2028' * 100_000, 1), ('甲:' + '日照香炉，' * (HUGE // 5), 1),
], ids=['a line of 10 MB', 'without a colon', 'a title of 10 MB', 'colons', 'blanks in a line', 'one poem',
        'empty lines', 'empty lines at the end', 'empty lines between', 'many blank lines', 'one line again and again',
        'CR alone', 'one line of U+2028', 'a poem of 10 MB'])
def test_corpora_of_an_odd_size(folder, text, count):
  with at_once():
    poems = read(folder, text.encode())
    assert (poems and len(poems)) == count
    if poems is not None:
      parts = corpus.split_poems(poems)
      assert sum(map(len, parts.values())) == count
      words, _ = corpus.word_tables(corpus.build_vocabulary(poems))
      ids, splits = corpus.encode_all(poems, words)
      assert len(ids) == splits[-1] == sum(len(poem.content) + 2 for poem in poems)


@many
@given(st.lists(texts, max_size=8), st.integers(5, 30))
@example(list(SIGNS.values()), 5)
@example(['月' * 1000] * 3, 5)
def test_vocabulary_encoding_and_split(contents, size):
  tried['vocabulary and split'] += 1
  poems = [corpus.Poem('', content) for content in contents]
  words = corpus.build_vocabulary(poems)
  assert len(set(words)) == len(words) and set(words) <= {*''.join(contents), *corpus.SPECIAL_TOKENS}
  limited = corpus.build_vocabulary(poems, size=size)
  assert limited == words if len(words) <= size else len(limited) == size
  word2id, id2word = corpus.word_tables([*dict.fromkeys([*limited, corpus.start_token, corpus.end_token])])
  ids, splits = corpus.encode_all(poems, word2id)
  assert [ids[a:b].tolist() for a, b in itertools.pairwise(splits)] == [
      corpus.encode(content, word2id) for content in contents]
  for content, first in zip(contents, splits):
    assert all(id2word[i] == mark or (i == corpus.UNK_ID and mark not in word2id)
               for mark, i in zip(content, ids[first + 1:].tolist()))
  parts = corpus.split_poems(poems)
  assert sorted(poem.content for part in parts.values() for poem in part) == sorted(contents)
  backwards = corpus.split_poems(poems[::-1])
  assert all(sorted(map(repr, parts[name])) == sorted(map(repr, backwards[name])) for name in corpus.SPLITS)
  assert all(not set(parts[one]) & set(parts[other]) for one, other in itertools.combinations(corpus.SPLITS, 2))


@pytest.mark.parametrize('contents', [['月'], ['月' * 150] * 50, ['🙂\u202e'] * 3, ['一' * n for n in range(1, 40)]])
def test_batches_of_odd_corpora(contents):
  poems = [corpus.Poem('', content) for content in contents]
  packed = data.pack(*corpus.encode_all(poems, corpus.word_tables(corpus.build_vocabulary(poems))[0]))
  assert sum(int(lengths.numpy().sum()) for _, _, lengths in data.batches(packed, batch_size=7)) == sum(
      len(content) + 1 for content in contents)
