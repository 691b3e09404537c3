import itertools

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, data
from tangshi_tf.errors import UserError
from tangshi_tf.settings import TrainingSettings, known

from ..conftest import ROOT


def test_process_dataset(tmp_path):
  path = tmp_path / 'p.txt'
  path.write_text('甲:月月日。\n长:' + '月' * 199 + '\n乙:日\n', encoding='utf-8')
  instances, word2id, id2word = data.process_dataset(path)
  assert (word2id['PAD'], word2id['UNK']) == (0, 1)
  assert set(word2id) == {'PAD', 'UNK', 'bos', 'eos', '月', '日', '。'}
  assert [[id2word[i] for i in ids] for ids, _ in instances] == [
      ['bos', '月', '月', '日', '。', 'eos'], ['bos', '日', 'eos']]
  assert [length for _, length in instances] == [6, 3]


def test_pack_is_encode_row_by_row(word2id):
  contents = ['一丁', '', '一🙂\ud800一', '。' * 300]
  packed = data.pack(*corpus.encode_all([corpus.Poem('', content) for content in contents], word2id))
  assert packed.dtype == tf.int32
  assert packed.to_list() == [corpus.encode(content, word2id) for content in contents]


@pytest.mark.parametrize('batching', known(TrainingSettings)['batching'].choices)
@pytest.mark.parametrize('shuffle', [True, False])
def test_batches_hold_every_poem_once(poems_file, batching, shuffle):
  instances, word2id, _ = data.process_dataset(poems_file)
  packed = data.pack(*corpus.encode_all(corpus.keep_short(corpus.read_poems(poems_file)), word2id))
  dataset = data.batches(packed, batch_size=30, batching=batching, shuffle=shuffle, seed=1)
  seen, count = [], 0
  for x, y, seqlen in dataset:
    count += 1
    assert x.shape == y.shape
    assert x.shape[0] == seqlen.shape[0] <= 30
    for a, b, n in zip(x.numpy(), y.numpy(), seqlen.numpy()):
      assert not a[n + 1:].any() and not b[n:].any()
      assert (a[1:n] == b[:n - 1]).all()
      seen.append((a[0], *b[:n]))
  assert sorted(seen) == sorted(tuple(ids) for ids, _ in instances)
  assert count == data.count_batches(packed, batch_size=30, batching=batching)


@pytest.mark.parametrize('global_seed', [None, 3])
def test_each_pass_is_shuffled_anew_and_a_seed_repeats_it(poems_file, global_seed, request):
  request.addfinalizer(lambda: tf.random.set_seed(None))

  def passes(seed):
    tf.random.set_seed(global_seed)
    dataset, _, _ = data.poem_dataset(poems_file, batch_size=30, seed=seed)
    return [np.concatenate([y.numpy()[:, :3].ravel() for _, y, _ in dataset]).tolist() for _ in range(2)]

  first = passes(5)
  assert first[0] != first[1]
  assert passes(5) == first
  assert passes(6) != first


def test_padding_and_shapes_on_the_real_corpus():
  dataset, _, _ = data.poem_dataset(ROOT / 'poems.txt', seed=0)
  real = padded = worst = 0
  widths = set()
  for x, _, seqlen in dataset:
    real += int(seqlen.numpy().sum())
    padded += x.shape[0] * x.shape[1]
    widths.add(x.shape[1])
    worst = max(worst, 1 - int(seqlen.numpy().sum()) / (x.shape[0] * x.shape[1]))
  assert 1 - real / padded < 0.02
  assert worst < 0.1
  assert len(widths) <= data.MAX_BUCKETS


def test_bucket_widths_are_optimal():
  lengths = np.random.default_rng(0).integers(3, 14, 60)

  def cost(widths):
    bucket = np.searchsorted(widths, lengths)
    total = 0
    for i, width in enumerate(widths):
      members = lengths[bucket == i]
      waste = width * len(members) - members.sum()
      total += waste + (lengths.max() * len(lengths) if waste > 0.05 * width * len(members) else 0)
    return total

  best = min(cost(sorted((*inner, lengths.max()))) for k in range(3)
             for inner in itertools.combinations(np.unique(lengths)[:-1], k))
  assert cost(data.bucket_widths(lengths, 3)) == best


def test_a_corpus_of_long_poems_only(tmp_path):
  (tmp_path / 'p.txt').write_text('长:' + '月' * 199, encoding='utf-8')
  with pytest.raises(UserError, match='p.txt: all its poems are longer than 200 tokens'):
    data.process_dataset(tmp_path / 'p.txt')


def test_unknown_batching(word2id):
  with pytest.raises(UserError, match='expected one of bucket, shuffle'):
    data.batches(data.pack(*corpus.encode_all([corpus.Poem('', '一')], word2id)), batching='random')


@pytest.fixture(scope='module')
def packed(poems_file):
  poems = corpus.keep_short(corpus.read_poems(poems_file))
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(poems))
  return data.pack(*corpus.encode_all(poems, word2id))


def test_batches_of_as_many_poems_as_fit(packed):
  sizes = [x.shape for x, _, _ in data.batches(packed, batch_tokens=600)]
  assert max(rows * width for rows, width in sizes) <= 600
  assert sum(rows for rows, _ in sizes) == packed.nrows()
  assert len(sizes) == data.count_batches(packed, batch_tokens=600)
  assert {x.shape[0] for x, _, _ in data.batches(packed, batch_tokens=1)} == {1}
  with pytest.raises(UserError, match='expected bucket'):
    data.batches(packed, batch_tokens=600, batching='shuffle')


def test_sorted_batches(packed):
  lengths = [seqlen.numpy() for _, _, seqlen in data.batches(packed, batching='sorted', batch_size=30)]
  assert len(lengths) == data.count_batches(packed, batching='sorted', batch_size=30)
  every = np.concatenate(lengths)
  assert (np.diff(every) >= 0).all() and len(every) == packed.nrows()


def test_the_stream_has_every_token_once_and_in_order(packed):
  windows = [[tensor.numpy() for tensor in batch]
             for batch in data.windows(packed, batch_size=7, window=64, seed=3)]
  assert len(windows) == data.count_windows(packed, batch_size=7, window=64)
  x, y = (np.concatenate([window[i] for window in windows], 1) for i in (0, 1))
  for window in windows:
    np.testing.assert_array_equal(window[2], window[0].shape[1])
  np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
  np.testing.assert_array_equal(x[1:, 0], y[:-1, -1])  # a row begins where the one above it ends
  total = packed.flat_values.shape[0]
  assert total - 7 <= y.size + 1 <= total
  text = np.concatenate([x.ravel(), y[-1, -1:]])
  order = np.random.default_rng(3).permutation(int(packed.nrows()))
  expected = np.concatenate([packed[i].numpy() for i in order])
  np.testing.assert_array_equal(text, expected[:len(text)])
  other = next(iter(data.windows(packed, batch_size=7, window=64, seed=4)))[0]
  assert (other.numpy() != windows[0][0]).any()
  with pytest.raises(UserError, match='expected more than the 1000000 rows'):
    data.windows(packed, batch_size=10**6, window=4)
