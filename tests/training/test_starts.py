"""How poems begin in training."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, training
from tangshi_tf.training import starts

ROWS, TIME = 4000, 6


@pytest.fixture(scope='module')
def batch():
  """Poems of bos and two to five characters, all different from each other within a row, padded."""
  lengths = np.arange(ROWS) % 4 + 3
  x = np.where(np.arange(TIME) < lengths[:, None], np.arange(2, TIME + 2), corpus.PAD_ID)
  y = np.where(np.arange(TIME) < lengths[:, None], np.arange(3, TIME + 3), corpus.PAD_ID)
  return tuple(tf.constant(array, tf.int32) for array in (x, y, lengths))


def vary(batch, model, step=0, **options):
  x, y, seqlen, first, state = starts.vary(*batch, options=training.StepOptions(**options),
                                           step_seed=tf.constant([7, step]), model=model)
  assert first is None  # the model has no controls
  return [tensor.numpy() for tensor in (x, y, seqlen)], state and [tensor.numpy() for tensor in state]


def close(count, share):
  return abs(count - share * ROWS) < 5 * np.sqrt(share * (1 - share) * ROWS)


def test_shares_are_independent_of_each_other(batch, model):
  (_, _, seqlen), state = vary(batch, model, bos_dropout=0.3, random_states=0.6, state_stddev=0.5)
  without_bos, random = seqlen < batch[2].numpy(), np.any(state[0] != 0, axis=1)
  for counted, share in ((without_bos, 0.3), (random, 0.6), (without_bos & random, 0.18),
                         (~without_bos & ~random, 0.28)):
    assert close(np.sum(counted), share)
  drawn = state[0][random]
  assert abs(np.std(drawn) - 0.5) < 0.02 and abs(np.mean(drawn)) < 0.02
  assert len(np.unique(drawn)) > 0.99 * drawn.size


def test_a_row_without_bos_is_the_same_poem_from_its_first_character(batch, model):
  (x, y, seqlen), _ = vary(batch, model, bos_dropout=0.5)
  before = [tensor.numpy() for tensor in batch]
  moved = seqlen < before[2]
  np.testing.assert_array_equal(seqlen, before[2] - moved)
  for ours, theirs in zip((x, y), before):
    np.testing.assert_array_equal(ours[~moved], theirs[~moved])
    np.testing.assert_array_equal(ours[moved], np.pad(theirs[moved][:, 1:], ((0, 0), (0, 1))))


def test_all_and_none(batch, model):
  (_, _, seqlen), state = vary(batch, model, bos_dropout=1, random_states=1)
  assert np.all(seqlen == batch[2] - 1) and np.all(np.any(state[0] != 0, axis=1))
  (x, _, seqlen), state = vary(batch, model, random_states=1e-9)
  assert np.all(x == batch[0]) and np.all(seqlen == batch[2]) and not np.any(state)
  assert vary(batch, model, bos_dropout=0.5)[1] is None


def test_the_step_decides_and_the_batch_does_not(batch, model):
  options = {'bos_dropout': 0.4, 'random_states': 0.4}
  (x, _, _), state = vary(batch, model, **options)
  (again, _, _), state_again = vary(batch, model, **options)
  np.testing.assert_array_equal(x, again)
  np.testing.assert_array_equal(state, state_again)
  (other, _, _), other_state = vary(batch, model, step=1, **options)
  assert np.any(x != other) and np.any(state[0] != other_state[0])
  (few, _, _), few_state = vary([tensor[:9] for tensor in batch], model, **options)
  np.testing.assert_array_equal(x[:9], few)
  np.testing.assert_array_equal(state[0][:9], few_state[0])


def test_an_lstm_has_a_random_cell_state_too(batch, word2id):
  from tangshi_tf import myRNNModel
  model = myRNNModel(word2id, cell='lstm', units=4, embedding_size=3, layers=2)
  _, state = vary(batch, model, random_states=0.5)
  assert len(state) == 4
  random = [np.any(tensor != 0, axis=1) for tensor in state]
  assert all(np.array_equal(random[0], other) for other in random)
  assert np.any(state[0] != state[1])


def test_a_step_trains_from_these_starts(model, word2id):
  """The loss of a step is that of the rows as `vary` returns them."""
  from tangshi_tf import compute_loss
  x = tf.constant([[word2id['bos'], 6, 7, 8], [word2id['bos'], 9, 10, 11]])
  y, seqlen = tf.constant([[6, 7, 8, word2id['eos']], [9, 10, 11, word2id['eos']]]), tf.constant([4, 4])
  options = training.StepOptions(bos_dropout=1.0, random_states=1.0, state_stddev=2.0, seed=3)
  optimizer = training.make_optimizer()
  varied = starts.vary(x, y, seqlen, options=options, step_seed=tf.constant([3, 0]), model=model)
  expected = compute_loss(model(varied[0], varied[4]), varied[1], varied[2])
  loss = training.train_one_step(model, optimizer, x, y, seqlen, options=options)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert abs(float(loss) - float(compute_loss(model(x), y, seqlen))) > 1e-3


CONTROLS = ['dynasty=唐', 'dynasty=宋', 'form=五绝', 'form=七绝', 'poet=甲', 'title=']


@pytest.fixture(scope='module')
def told(word2id):
  """A model with controls, poems of 40 lengths that are told all of it, and how many words each is told."""
  from tangshi_tf import controls, myRNNModel
  vocabulary = {**word2id, **{word: len(word2id) + i for i, word in enumerate(CONTROLS)}}
  model = myRNNModel(vocabulary, units=4, embedding_size=3)
  rows, counts = [], []
  for i in range(ROWS):
    ids = controls.Direction('唐', '七绝', '甲', '一丁丂'[:i % 3 + 1]).ids(vocabulary)
    counts.append(len(ids))
    rows.append([*ids, 2, *range(8, 8 + i % 5 + 2), 3])
  tokens = np.zeros((ROWS, max(map(len, rows))), np.int32)
  for row, ids in zip(tokens, rows):
    row[:len(ids)] = ids
  batch = tokens[:, :-1], tokens[:, 1:], np.array([len(ids) - 1 for ids in rows], np.int32)
  return model, tuple(map(tf.constant, batch)), np.array(counts)


def vary_told(told, **options):
  model, batch, _ = told
  options = training.StepOptions(**options)
  return [tensor.numpy() for tensor in starts.vary(*batch, options=options, step_seed=tf.constant([7, 1]),
                                                   model=model)[:4]]


@pytest.mark.parametrize(('bos_dropout', 'options'), [
    *itertools.product([0.0, 1.0], [{'control_dropout': 1.0, 'uncontrolled': 0.0},
                                    {'control_dropout': 0.0, 'uncontrolled': 1.0}]),
    (1.0, {'control_dropout': 0.0, 'uncontrolled': 0.0})], ids=str)  # without bos there is nothing to tell
def test_poems_that_are_told_nothing_are_the_plain_sequences(told, bos_dropout, options):
  x, y, seqlen, first = vary_told(told, bos_dropout=bos_dropout, **options)
  _, (whole, _, lengths), counts = told
  skipped = counts + int(bos_dropout)
  assert not first.any() and np.array_equal(seqlen, lengths.numpy() - skipped)
  for row, next_row, full, skip, size in zip(x, y, whole.numpy(), skipped, seqlen):
    np.testing.assert_array_equal(row[:size], full[skip:skip + size])
    np.testing.assert_array_equal(next_row[:size - 1], row[1:size])
    assert next_row[size - 1] == 3 and not next_row[size:].any()


def test_poems_that_are_told_all_are_as_they_were_and_count_from_bos(told):
  x, y, seqlen, first = vary_told(told, control_dropout=0.0, uncontrolled=0.0)
  _, batch, counts = told
  for ours, theirs in zip((x, y, seqlen, first), (*batch, counts)):
    np.testing.assert_array_equal(ours, theirs)
  assert np.all(x[np.arange(ROWS), first] == 2)


def test_each_control_is_left_out_by_itself_and_a_title_as_a_whole(told):
  model, batch, counts = told
  x, _, seqlen, first = vary_told(told, control_dropout=0.3, uncontrolled=0.2)
  kept = {word: np.any(x == model.word2id[word], axis=1) for word in ('dynasty=唐', 'form=七绝', 'poet=甲', 'title=')}
  for has in kept.values():
    assert close(np.sum(has), 0.8 * 0.7)
  assert close(np.sum(kept['form=七绝'] & kept['title=']), 0.8 * 0.7**2)
  nothing = ~np.any(list(kept.values()), axis=0)
  assert close(np.sum(nothing), 0.2 + 0.8 * 0.3**4)
  title = np.array([i % 3 + 2 for i in range(ROWS)])  # its word and one to three characters
  expected = sum(kept[word].astype(int) for word in ('dynasty=唐', 'form=七绝', 'poet=甲')) + kept['title='] * title
  np.testing.assert_array_equal(first, expected)
  np.testing.assert_array_equal(seqlen, batch[2].numpy() - counts + expected)


def test_what_a_poem_is_told_does_not_depend_on_the_batch(told):
  model, batch, counts = told
  every = vary_told(told, bos_dropout=0.4)
  few = vary_told((model, tuple(tensor[:9] for tensor in batch), counts), bos_dropout=0.4)
  for ours, theirs in zip(few, every):
    width = ours.shape[1] if ours.ndim == 2 else None
    np.testing.assert_array_equal(ours, theirs[:9, :width] if width else theirs[:9])


def test_no_rows_of_a_replica(told):
  model, batch, counts = told
  x, y, seqlen, first = vary_told((model, tuple(tensor[:0] for tensor in batch), counts))
  assert x.shape == y.shape == (0, 1) and seqlen.shape == first.shape == (0,)
