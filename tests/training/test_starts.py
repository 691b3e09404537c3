"""How poems begin in training."""

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
  x, y, seqlen, state = starts.vary(*batch, options=training.StepOptions(**options), step_seed=tf.constant([7, step]),
                                    model=model)
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
  expected = compute_loss(model(varied[0], varied[3]), varied[1], varied[2])
  loss = training.train_one_step(model, optimizer, x, y, seqlen, options=options)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert abs(float(loss) - float(compute_loss(model(x), y, seqlen))) > 1e-3
