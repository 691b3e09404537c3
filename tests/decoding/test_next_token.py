"""The choice of the next token from parts of the vocabulary."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import decoding
from tangshi_tf.decoding import next_token, sampling
from tangshi_tf.decoding.rules import NEVER, RuleState
from tangshi_tf.model import myRNNModel

SAMPLERS = [{'temperature': 0.3}, {'temperature': 0.8}, {'temperature': 1.0}, {'temperature': 2.5},
            {'temperature': 0.8, 'min_p': 0.05}, {'temperature': 1.5, 'min_p': 0.3}, {'temperature': 0.7, 'top_k': 3},
            {'temperature': 1.3, 'top_k': 30, 'min_p': 0.02}, {'temperature': 0.9, 'top_p': 0.7}]
ROWS = 8


class Forbids:
  """Rules that give some words, bool `[V]`, the lowest logit, in all poems."""

  masks = None

  def __init__(self, words):
    self._words = tf.pad(words, [[0, sampling.missing(40)]])

  def restrict(self, logits, state, length, first=0):
    return self.exclude(logits, state, length, first)

  def exclude(self, logits, state, length, first=0):
    return tf.where(self._words[first:first + tf.shape(logits)[1]], NEVER, logits)


@pytest.fixture(scope='module', params=[{'tied': True}, {'tied': False}], ids=str)
def model(request, word2id):
  made = myRNNModel(word2id, cell='gru', embedding_size=6, units=6, softmax='adaptive', cutoffs=[8, 21],
                    **request.param)
  for i, variable in enumerate(made.trainable_variables):
    variable.assign(tf.random.stateless_normal(variable.shape, (2, i), stddev=0.9))
  return made


@pytest.fixture(scope='module')
def hidden():
  return tf.random.stateless_normal((ROWS, 6), (5, 5))


@functools.lru_cache
def compiled(model, sampler, small_batch, in_turn):
  """Returns the choice as one graph for any number of rows."""

  @tf.function(input_signature=[tf.TensorSpec((None, 6)), tf.TensorSpec((None,)), tf.TensorSpec((None,), tf.bool),
                                tf.TensorSpec((40,), tf.bool)], autograph=False)
  def choose(hidden, uniforms, needed, forbidden):
    rows = tf.shape(hidden)[0]
    state = RuleState(*(tf.zeros(shape, tf.int32) for shape in ((rows,), (rows,), (rows, 1))))
    find = next_token.chooser(model, Forbids(forbidden), sampler, tf.constant(sampler.temperature or 1.0), small_batch,
                              in_turn)
    return find(hidden, uniforms, state, tf.ones((rows,), tf.int32), needed)

  return choose


def tokens(model, hidden, uniforms, *, small_batch=False, in_turn=False, forbidden=(), needed=None, **options):
  """Returns the tokens, `[rows]`, of a sampler with these options."""
  choose = compiled(model, sampling.Sampling(**options), small_batch, in_turn)
  needed = np.full(len(hidden), True) if needed is None else needed
  return choose(hidden, tf.constant(uniforms, tf.float32), tf.constant(needed),
                tf.constant(np.isin(np.arange(40), forbidden))).numpy()


def shares(model, hidden, forbidden=(), **options):
  """Returns the distribution, float64 `[rows, V]`, from the logits of all words."""
  logits = model.next_logits_of()(hidden).numpy()
  logits[:, list(forbidden)] = -np.inf
  kept = sampling.filtered(tf.constant(logits / options['temperature']), sampling.Sampling(**options)).numpy()
  e = np.exp(kept.astype(np.float64) - kept.max(1, keepdims=True))
  return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize('forbidden', [[], [0, 4, 5, 6, 7, 9, 22], list(range(8)), list(range(21))], ids=str)
@pytest.mark.parametrize('options', SAMPLERS, ids=str)
def test_words_come_as_often_as_they_are_likely(model, hidden, options, forbidden):
  count = 20_000
  uniforms = (np.arange(count, dtype=np.float32) + 0.5) / count
  found = tokens(model, np.repeat(hidden, count, axis=0), np.tile(uniforms, ROWS), forbidden=forbidden, **options)
  often = np.stack([np.bincount(row, minlength=40) for row in found.reshape(ROWS, count)]) / count
  # Of evenly spaced numbers each interval of a word has its length's share, but for one number at each end.
  np.testing.assert_allclose(often, shares(model, hidden, forbidden, **options), atol=6 / count)


@pytest.mark.parametrize('in_turn', [False, True], ids=['nested', 'in turn'])
@pytest.mark.parametrize('forbidden', [[], list(range(8))], ids=str)
@pytest.mark.parametrize('options', [{}, *SAMPLERS], ids=str)
def test_few_rows_choose_as_many_do(model, hidden, options, forbidden, in_turn):
  rows = tf.concat([hidden] * 20, 0)
  uniforms = np.random.default_rng(3).random(len(rows), np.float32)
  options = {**options, 'forbidden': forbidden}
  many = tokens(model, rows, uniforms, **options)
  few = {'small_batch': True, 'in_turn': in_turn, **options}
  np.testing.assert_array_equal(tokens(model, rows, uniforms, **few), many)
  single = [tokens(model, rows[i:i + 1], uniforms[i:i + 1], **few)[0] for i in range(4)]
  np.testing.assert_array_equal(single, many[:4])
  needed = np.arange(len(rows)) % 3 > 0
  np.testing.assert_array_equal(tokens(model, rows, uniforms, needed=needed, **few)[needed], many[needed])


@pytest.mark.parametrize(('small_batch', 'in_turn'), [(False, False), (True, False), (True, True)])
def test_the_likeliest_word_is_that_of_all(model, small_batch, in_turn):
  hidden = tf.random.stateless_normal((300, 6), (7, 7))
  best = tf.argmax(model.next_logits_of()(hidden), axis=1).numpy()
  assert {sum(word >= bound for bound in (8, 21)) for word in best} == {0, 1, 2}  # from all parts
  np.testing.assert_array_equal(tokens(model, hidden, np.zeros(300), small_batch=small_batch, in_turn=in_turn), best)


@pytest.mark.parametrize('options', [{}, {'temperature': 0.8}], ids=str)
def test_where_everything_is_forbidden_some_word_comes(model, hidden, options):
  found = tokens(model, hidden, np.full(ROWS, 0.999), forbidden=list(range(3, 40)), **options)
  assert ((found >= 0) & (found < 40)).all()
  assert not set(found) & {0, 1, 2}  # never PAD, UNK and bos


def test_rows_that_need_no_token_are_not_looked_up_in_the_tails(model, hidden, monkeypatch):
  looked_up = []
  of_part = next_token._part_logits

  def recorded(model, rules, temperature, part, bounds):
    logits_of = of_part(model, rules, temperature, part, bounds)

    def logits(rows):
      tf.py_function(lambda count: looked_up.append((part, int(count))), [tf.shape(rows.hidden)[0]], [])
      return logits_of(rows)

    return logits

  monkeypatch.setattr(next_token, '_part_logits', recorded)
  monkeypatch.setitem(globals(), 'compiled', compiled.__wrapped__)
  head = list(range(8))  # forbidden, so that it never tells
  tokens(model, hidden, np.zeros(ROWS), forbidden=head, needed=[False] * ROWS)
  assert not looked_up
  tokens(model, hidden, np.zeros(ROWS), forbidden=head, needed=[True, False, True] + [False] * 5)
  assert (1, 2) in looked_up and all(count <= 2 for _, count in looked_up)  # in the order in which they are told


@pytest.mark.parametrize('options', [{}, {'temperature': 0.8}, {'temperature': 1.2, 'min_p': 0.02, 'max_repeat': 1,
                                                              'shortest_line': 3}], ids=str)
def test_poems_do_not_depend_on_the_poems_beside_them(model, word2id, options):
  words = [word for word in word2id if len(word) == 1 and word not in '，。']
  requests = [(words[i % len(words)], i) for i in range(40)]
  together = list(decoding.generate(requests, model=model, init='random', max_len=12, **options))
  alone = [decoding.gen_poem(begin, model=model, seed=seed, init='random', max_len=12, **options)
           for begin, seed in requests[:10]]
  assert together[:10] == alone
