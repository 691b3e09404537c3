import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import decoding, gen_poem
from tangshi_tf.decoding import compiled, loop, sampling
from tangshi_tf.errors import UserError
from tangshi_tf.model import CELLS, myRNNModel

from ..checks import model_with_a_will


@pytest.fixture(params=[*CELLS, 'adaptive'])
def model(request, word2id):
  keras.utils.set_random_seed(5)
  options = {'softmax': 'adaptive', 'cutoffs': [9, 20]} if request.param == 'adaptive' else {'cell': request.param}
  model = myRNNModel(word2id, embedding_size=8, units=12, **options)
  for variable in model.trainable_variables:
    variable.assign(variable + tf.random.normal(variable.shape, stddev=0.7))
  return model


@pytest.fixture
def tables(word2id):
  return {'word2id': word2id, 'id2word': {i: word for word, i in word2id.items()}}


def python_loop(model, begin, word2id, id2word, *, state, max_len=30, bos_first=False):
  """The exercise's loop, a call of `get_next_token` for each character."""
  collected = []
  if bos_first:
    _, state = model.get_next_token(tf.constant([word2id['bos']]), state)
  for character in begin:
    collected.append(word2id[character])
    token, state = model.get_next_token(tf.constant([word2id[character]]), state)
  while len(collected) <= max_len:
    if int(token[0]) == word2id['eos']:
      break
    collected.append(int(token[0]))
    token, state = model.get_next_token(token, state)
  return [id2word[i] for i in collected]


@pytest.mark.usefixtures('width')
@pytest.mark.parametrize('bos_first', [False, True])
@pytest.mark.parametrize('eos_bias', [0.0, 6.0])
def test_compiled_loop_equals_the_python_loop(model, tables, bos_first, eos_bias):
  bias = model.dense.bias.numpy()
  bias[tables['word2id']['eos']] += eos_bias
  model.dense.bias.assign(bias)
  for begin in [chr(0x4e00 + i) for i in range(12)] + ['一丁丂', '一' * 40]:
    poem = gen_poem(begin, model=model, bos_first=bos_first, **tables)
    assert poem == python_loop(model, begin, state=model.zero_state(1), bos_first=bos_first, **tables)
    assert ''.join(poem).startswith(begin)


def test_lengths(model, tables):
  model.dense.bias.assign(model.dense.bias + tf.one_hot(tables['word2id']['eos'], 40) * -1e9)
  assert len(gen_poem('一', model=model, **tables)) == 31
  assert len(gen_poem('一丁', model=model, max_len=50, bos_first=True, **tables)) == 51
  model.dense.bias.assign(model.dense.bias + tf.one_hot(tables['word2id']['eos'], 40) * 2e9)
  assert gen_poem('一丁', model=model, **tables) == ['一', '丁']


@pytest.fixture(params=['few', 'many'])
def width(request, monkeypatch):
  """Sends any number of poems down one of the two paths."""
  monkeypatch.setattr(loop, 'SMALL_BATCH', 64 if request.param == 'few' else 0)


@pytest.mark.usefixtures('width')
@pytest.mark.parametrize('init', ('zero', 'random'))
@pytest.mark.parametrize('temperature', [0.0, 1.0])
def test_a_poem_depends_on_its_begin_and_seed_alone(model, tables, init, temperature):
  requests = [(begin, 7 + i) for i, begin in enumerate(['一', '一丁丂七', '丁', '一', '丂' * 9])]
  options = {'model': model, 'init': init, 'temperature': temperature, **tables}
  together = list(decoding.generate(requests, **options))
  assert together == [gen_poem(begin, seed=seed, **options) for begin, seed in requests]
  if init == 'random' or temperature:
    assert together[0] != together[3]


@pytest.mark.parametrize('way', [{}, {'xla': False}, {'xla': False, 'quick_start': True}], ids=str)
@pytest.mark.parametrize('options', [{}, {'softmax': 'adaptive', 'cutoffs': [100, 250]}])
def test_few_poems_are_drawn_as_many_are(options, way):
  words = ['PAD', 'UNK', 'bos', 'eos', '，', '。', *(chr(0x4e00 + i) for i in range(594))]
  model = model_with_a_will({word: i for i, word in enumerate(words)}, times=1.5, **options)
  requests = [('一', seed) for seed in range(2 * loop.SMALL_BATCH)]
  many = list(decoding.generate(requests, model=model, temperature=0.7))
  assert [next(decoding.generate([request], model=model, temperature=0.7, **way)) for request in requests[:3]] == (
      many[:3])


def test_complete_poems_make_room_for_waiting_ones(model, tables, monkeypatch):
  expected = [gen_poem('一', model=model, temperature=1.0, seed=s, **tables) for s in range(50)]
  assert len({len(poem) for poem in expected}) > 3
  monkeypatch.setattr(loop, 'BATCH', 10)
  widths, begun = [], []
  decode = loop._Decoder.decode
  monkeypatch.setattr(loop._Decoder, 'decode', lambda *args: (widths.append(len(args[1])), decode(*args))[1])

  def requests():
    for seed in range(50):
      begun.append(seed)
      yield '一', seed

  poems = decoding.generate(requests(), model=model, temperature=1.0, **tables)
  assert next(poems) == expected[0] and len(begun) < 50
  assert list(poems) == expected[1:]
  steps = loop._STEPS * sum(widths)
  assert widths[0] == 10 and widths[-1] < 10 and steps < 1.5 * sum(map(len, expected)) + 10 * 31


def test_one_endless_poem_does_not_hold_back_thousands(model, tables, monkeypatch):
  monkeypatch.setattr(loop, 'BATCH', 4)
  monkeypatch.setattr(loop, '_MOST_BEGUN', 12)
  model.dense.bias.assign(model.dense.bias + tf.one_hot(tables['word2id']['eos'], 40) * 1e9)
  begun = []
  requests = ((begin, begun.append(begin) or 0) for begin in ['一' * 999, *['丁'] * 100])
  poems = decoding.generate(requests, model=model, max_len=998, **tables)
  assert len(next(poems)) == 999
  assert len(begun) <= 12
  assert list(poems) == [['丁']] * 100


def test_random_state_has_the_stated_deviation(model, tables, monkeypatch):
  seen = []
  decode = loop._Decoder.decode
  monkeypatch.setattr(loop._Decoder, 'decode', lambda *args: (seen.append(args[2]), decode(*args))[1])
  list(decoding.generate([('一', s) for s in range(512)], model=model, init='random', state_stddev=2.0, **tables))
  assert len(seen[0]) == model.state_tensors
  for tensor in seen[0]:
    assert np.std(tensor) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize('extreme', [{'temperature': 100}, {'init': 'random', 'state_stddev': 100}])
def test_extremes_stay_poems(model, tables, extreme):
  for poem in decoding.generate([('一', s) for s in range(50)], model=model, **extreme, **tables):
    assert not {'PAD', 'UNK', 'bos', 'eos'} & set(poem)


@pytest.mark.usefixtures('width')
@pytest.mark.parametrize('block', [8, 64])
def test_sampling_follows_the_softmax(tables, block, monkeypatch):
  monkeypatch.setattr(sampling, 'BLOCK', block)
  model = myRNNModel(tables['word2id'], embedding_size=4, units=4)
  for variable in model.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  bias = np.random.default_rng(0).normal(size=40).astype(np.float32)
  model.dense.bias.assign(bias)
  temperature = 0.7
  expected = np.exp(bias / temperature)
  expected[:3] = 0
  expected /= expected.sum()
  poems = decoding.generate([('一', seed) for seed in range(20_000)], model=model, temperature=temperature,
                            max_len=1, **tables)
  drawn = np.bincount([tables['word2id'][poem[1]] if len(poem) > 1 else tables['word2id']['eos'] for poem in poems],
                      minlength=40)
  assert not drawn[:3].any()
  # Pearson's statistic has mean 36 and standard deviation 8.5 for 37 outcomes.
  assert ((drawn[3:] - 20_000 * expected[3:]) ** 2 / (20_000 * expected[3:])).sum() < 36 + 5 * 8.5


def test_cold_sampling_is_greedy_and_the_loop_is_traced_once(model, tables):
  model.__dict__.pop('_kept', None)
  greedy = gen_poem('一', model=model, **tables)
  for temperature in (1e-5, 1e-7, 1e-45):
    assert gen_poem('一', model=model, temperature=temperature, seed=1, **tables) == greedy
  gen_poem('一丁丂', model=model, max_len=9, **tables)
  list(decoding.generate([('一', s) for s in range(30)], model=model, init='random', **tables))
  list(decoding.generate([('一丁', s) for s in range(20)], model=model, **tables))
  # Greedy and drawing for few poems, greedy for many; each is one concrete graph for all lengths and begin words.
  assert model.__dict__['_kept'][compiled.compiled_decoder.__wrapped__].cache_info().misses == 3


def test_drawing_never_takes_what_has_no_mass():
  rng = np.random.default_rng(0)
  masses = rng.random((4000, 70), np.float32) * (rng.random((4000, 70)) < 0.2)
  masses[:, 0] = 1e-3
  for targets in (np.zeros(4000), masses.sum(1), 1.001 * masses.sum(1), -1e-3 * np.ones(4000)):
    index, before = sampling.first_above(tf.constant(masses), tf.constant(targets, tf.float32))
    taken = masses[np.arange(4000), index]
    assert (taken > 0).all()
    np.testing.assert_allclose(before, [row[:i].sum() for row, i in zip(masses, index.numpy())], atol=1e-5)


def test_what_is_drawn_does_not_change_with_a_constant_added_to_all_logits():
  rng = np.random.default_rng(0)
  logits = rng.normal(scale=3, size=(1000, 100)).astype(np.float32)
  uniforms = rng.random(1000, np.float32)
  drawn = sampling.draw(tf.constant(logits), uniforms).numpy()
  assert len(set(drawn)) > 50
  for constant in (-200, 200):  # exp would underflow, or overflow
    shifted = sampling.draw(tf.constant(logits + np.float32(constant)), uniforms).numpy()
    assert (shifted == drawn).mean() > 0.99  # but for rounding


@pytest.mark.parametrize(('begin', 'message'), [
    ('', 'is empty'), ('bos', 'special token'), ('PAD', 'special token'), ('一🙂', r"character '🙂' is not"),
    ('\udcff', 'is not in'), ('一\n', 'is not in'),
])
def test_unusable_begin_words(model, tables, begin, message):
  with pytest.raises(UserError, match=message) as caught:
    gen_poem(begin, model=model, **tables)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('argument', [
    {'init': 'ones'}, {'temperature': -1}, {'temperature': float('nan')}, {'temperature': 1e39}, {'max_len': 0},
    {'max_len': 2.5}, {'state_stddev': -1}, {'state_stddev': float('inf')}, {'seed': -1}, {'seed': 0.5},
    {'max_repeat': -1}, {'max_repeat': 0.5}, {'shortest_line': -1}, {'shortest_line': 101}])
def test_arguments_out_of_range(model, tables, argument):
  with pytest.raises(UserError, match='expected'):
    gen_poem('一', model=model, **argument, **tables)


@pytest.mark.usefixtures('width')
@pytest.mark.parametrize(('bos_first', 'temperature', 'max_repeat'), [(False, 1.0, 0), (True, 1.0, 1), (True, 0.0, 2)])
def test_no_line_is_too_short_and_a_poem_ends_after_a_mark(model, tables, bos_first, temperature, max_repeat):
  word2id = tables['word2id']
  likely = tf.one_hot([word2id[word] for word in ('，', '。', 'eos')], 40)
  model.dense.bias.assign(model.dense.bias + 5 * tf.reduce_sum(likely, 0))
  begins = ['一', '丁丂', '一丁，', '一丁丂', '一丁丂。', '一，，'] * 5
  poems = decoding.generate([(begin, i) for i, begin in enumerate(begins)], model=model, **tables, bos_first=bos_first,
                            temperature=temperature, max_repeat=max_repeat, shortest_line=3)
  ended = 0
  for begin, poem in zip(begins, map(''.join, poems)):
    assert poem.startswith(begin)
    for line in poem[:-1].replace('。', '，').split('，')[begin.count('，') + begin.count('。'):-1]:
      assert len(line) >= 3, poem
    if len(poem) <= 30:
      ended += 1
      assert poem[-1] in '，。', poem
  assert ended > 5


def test_poems_without_marks_end_as_they_like():
  word2id = {word: i for i, word in enumerate(['PAD', 'UNK', 'bos', 'eos', *'日月山水'])}
  model = myRNNModel(word2id, embedding_size=3, units=4)
  named = {'model': model, 'word2id': word2id, 'id2word': {i: word for word, i in word2id.items()}}
  options = {**named, 'temperature': 1.0, 'seed': 1}
  assert gen_poem('日', shortest_line=3, **options) == gen_poem('日', **options)


def test_a_short_line_where_nothing_else_is_left(tables):
  word2id = {word: i for i, word in enumerate(['PAD', 'UNK', 'bos', 'eos', '，', '日', '月'])}
  model = myRNNModel(word2id, embedding_size=3, units=4)
  poem = gen_poem('日', model=model, word2id=word2id, id2word={i: word for word, i in word2id.items()}, max_repeat=1,
                  shortest_line=3, max_len=9)
  assert not {'PAD', 'UNK', 'bos'} & set(poem) and poem.count('月') <= 2


@pytest.mark.parametrize(('text', 'given', 'whole'), [
    ('日月，山水。日', 1, '日月，山水。'), ('日月，山水。日月？', 1, '日月，山水。日月？'), ('日月，山', 1, '日月，山'),
    ('日。月，山', 1, '日。'), ('日。月，山', 3, '日。月，山'), ('日。月！山，', 3, '日。月！'), ('日', 1, '日'),
])
def test_without_cut_sentence(text, given, whole):
  assert ''.join(decoding.without_cut_sentence(list(text), given)) == whole


@pytest.mark.usefixtures('width')
def test_whole_sentences_are_what_the_limit_leaves(model, tables):
  word2id = {('？' if word == chr(0x4e05) else word): i for word, i in tables['word2id'].items()}
  named = {'model': model, 'word2id': word2id, 'id2word': {i: word for word, i in word2id.items()}}
  begins = [(chr(0x4e00 + i % 5), i) for i in range(100)]
  options = {**named, 'temperature': 1.0, 'max_len': 12}
  changed = 0
  poems = (decoding.generate(begins, whole_sentences=whole, **options) for whole in (False, True))
  for cut, whole in zip(*poems):
    if len(cut) <= 12:
      assert whole == cut  # eos ended it
    else:
      assert whole == decoding.without_cut_sentence(cut, 1)
      changed += whole != cut
  assert changed


def test_a_sentence_a_line():
  assert decoding.split_sentences('日暮，山。何处？去') == '日暮，山。\n何处？\n去'


def test_a_greatest_number_of_repeats_beyond_what_a_tensor_holds(model, word2id):
  id2word = {i: word for word, i in word2id.items()}
  free, bound = (gen_poem('一', model=model, word2id=word2id, id2word=id2word, seed=1, temperature=1.0, max_repeat=most)
                 for most in (0, 10**30))
  assert free == bound
