import itertools
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, data, evaluation
from tangshi_tf.evaluation import likelihood
from tangshi_tf.model import myRNNModel


@pytest.fixture(scope='module')
def poems(poems_file):
  return corpus.keep_short(corpus.read_poems(poems_file))


@pytest.fixture(scope='module')
def word2id(poems):
  return corpus.word_tables(corpus.build_vocabulary(poems))[0]


@pytest.fixture(scope='module', params=[{'cell': 'lstm', 'layers': 2}, {'cell': 'rnn'}], ids=str)
def model(request, word2id):
  keras.utils.set_random_seed(0)
  model = myRNNModel(word2id, units=12, embedding_size=8, **request.param)
  model.dense.kernel.assign(3 * model.dense.kernel)
  return model


def test_each_token_against_the_logits(model, poems, word2id):
  some = poems[:40]
  ids, splits = corpus.encode_all(some, word2id)
  nll = evaluation.token_nll(model, ids, splits)
  for first, end in itertools.pairwise(splits):
    logits = model(ids[None, first:end - 1])
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(ids[None, first + 1:end], logits)[0]
    assert nll[first] == 0
    np.testing.assert_allclose(nll[first + 1:end], expected, rtol=1e-4)


def test_long_texts_are_measured_in_windows(model, poems, word2id, monkeypatch):
  ids, splits = corpus.encode_all(poems[:40], word2id)
  expected = evaluation.token_nll(model, ids, splits)
  monkeypatch.setattr(likelihood, '_POSITIONS', 17)
  np.testing.assert_allclose(evaluation.token_nll(model, ids, splits), expected, rtol=1e-4, atol=1e-5)


def test_figures_agree_with_training_and_among_each_other(model, poems, word2id):
  figures = evaluation.evaluate(model, poems, word2id)
  measured = evaluation.validate(model, data.batches(data.pack(*corpus.encode_all(poems, word2id))))
  assert figures['tokens'] == measured['tokens']
  assert figures['nll'] == pytest.approx(measured['nll'], rel=1e-5)
  assert figures['perplexity'] == pytest.approx(math.exp(figures['nll']))
  assert figures['bits'] == pytest.approx(figures['nll'] / math.log(2))
  assert figures['poems'] == len(poems) == sum(row['poems'] for row in figures['by_form'].values())
  total = sum(row['tokens'] * math.log(row['perplexity']) for row in figures['by_form'].values())
  assert total / figures['tokens'] == pytest.approx(figures['nll'], rel=1e-5)
  assert figures['chars'] == sum(mark not in corpus.PUNCTUATION for poem in poems for mark in poem.content)
  json.dumps(figures, allow_nan=False)


def test_forms_positions_and_unknown_characters_by_hand():
  poems = [corpus.Poem('', '一二三四五，' * 4), corpus.Poem('', '一二三四五六七。甲乙'), corpus.Poem('', '，')]
  word2id = {word: i for i, word in enumerate(['PAD', 'UNK', 'bos', 'eos', '，', '。', *'一二三四五六七'])}
  ids, splits = corpus.encode_all(poems, word2id)
  nll = np.log(np.where(ids == 6, 4.0, np.where(ids == 3, 9.0, 2.0)))
  figures = evaluation.summarize(poems, ids, splits, nll)
  assert figures['tokens'] == 25 + 11 + 2 and figures['unknown'] == 2
  assert figures['by_form'].keys() == {'五绝', 'other'}
  assert figures['by_form']['五绝']['perplexity'] == pytest.approx((4**4 * 9 * 2**20) ** (1 / 25))
  assert figures['by_position'] == {5: pytest.approx([4, 2, 2, 2, 2]), 7: pytest.approx([4, 2, 2, 2, 2, 2, 2])}
  assert figures['chars'] == 29
  assert figures['chars_perplexity'] == pytest.approx((4**5 * 2**24) ** (1 / 29))
  nothing = evaluation.summarize(poems[2:], ids[splits[2]:], splits[2:] - splits[2], nll[splits[2]:])
  assert nothing['chars_perplexity'] is None and nothing['by_position'] == {}
