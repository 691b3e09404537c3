"""How far gradients reach, against the chain rule, steps that begin anew, and differences."""

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, evaluation
from tangshi_tf.errors import UserError

from ..checks import model_with_a_will

DISTANCE = 7


@pytest.fixture(scope='module')
def poems(word2id):
  text = ''.join(list(word2id)[6:]) * 2
  return [corpus.Poem('', text[:12]), corpus.Poem('', text[2:14]), corpus.Poem('', text[:DISTANCE])]


def loss_from(model, state, ids):
  """Returns the loss of the last id of each row after all others, for a state before the first of them."""
  for t in range(ids.shape[1] - 1):
    hidden, state = model.step(ids[:, t], state)
  return tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, -1], model.logits(hidden))


def states_of(model, ids):
  """Returns the state after each of the ids but the last."""
  state, found = model.zero_state(len(ids)), []
  for t in range(ids.shape[1] - 1):
    _, state = model.step(ids[:, t], state)
    found.append(state)
  return found


@pytest.mark.parametrize('options', [{'cell': 'rnn'}, {'cell': 'lstm'}, {'cell': 'gru'}, {'cell': 'gru', 'layers': 2},
                                     {'cell': 'lstm', 'layers': 2, 'layer_norm': True, 'tied': True}], ids=str)
def test_steps_that_begin_anew_have_the_same_gradients(options, word2id, poems):
  model = model_with_a_will(word2id, units=6, **options)
  found = evaluation.gradient_norms(model, word2id, poems, distance=DISTANCE)
  ids = tf.constant([corpus.encode(poem.content, word2id)[:DISTANCE + 2] for poem in poems[:2]])
  norms = []
  for k in range(1, DISTANCE + 1):
    state = [tf.convert_to_tensor(part) for part in states_of(model, ids)[DISTANCE - k]]
    with tf.GradientTape() as tape:
      tape.watch(state)
      loss = loss_from(model, state, ids[:, DISTANCE - k + 1:])
    norms.append(np.mean(np.linalg.norm(np.concatenate(tape.gradient(loss, state), 1), axis=1)))
  assert found.shape == (DISTANCE + 1,) and found[0] == 1
  np.testing.assert_allclose(found[1:] / found[1], np.array(norms) / norms[0], rtol=1e-4)


def test_the_chain_rule(word2id, poems):
  model = model_with_a_will(word2id, cell='rnn', units=6)
  found = evaluation.gradient_norms(model, word2id, poems, distance=DISTANCE)
  kernel, recurrent, bias = (weight.numpy() for weight in model.rnncell.weights)
  by_poem = []
  for poem in poems[:2]:
    ids = corpus.encode(poem.content, word2id)[:DISTANCE + 2]
    states = [np.zeros(6)]
    for x in model.embed_layer.embeddings.numpy()[ids[:-1]]:
      states.append(np.tanh(x @ kernel + states[-1] @ recurrent + bias))
    logits = states[-1] @ model.dense.kernel.numpy() + model.dense.bias.numpy()
    error = np.exp(logits) / np.exp(logits).sum() - np.eye(len(logits))[ids[-1]]
    gradient, norms = model.dense.kernel.numpy() @ error, []
    for state in states[:0:-1]:
      norms.append(np.linalg.norm(gradient))
      gradient = recurrent @ (gradient * (1 - state**2))
    by_poem.append(norms)
  expected = np.mean(by_poem, axis=0)
  np.testing.assert_allclose(found, expected / expected[0], rtol=1e-3)


@pytest.mark.parametrize('cell', ['rnn', 'lstm', 'gru'])
def test_differences(cell, word2id, poems):
  model = model_with_a_will(word2id, cell=cell, units=4)
  ids = tf.constant([corpus.encode(poems[0].content, word2id)[:DISTANCE + 2]])
  states, step, norms = states_of(model, ids), 1e-2, []
  for k in (1, 4):
    state, slopes = [part.numpy() for part in states[DISTANCE - k]], []
    for part in state:
      for place in np.ndindex(part.shape):
        before, losses = part[place], []
        for moved in (before + step, before - step):
          part[place] = moved
          losses.append(float(loss_from(model, [tf.constant(one) for one in state], ids[:, DISTANCE - k + 1:])[0]))
        part[place] = before
        slopes.append((losses[0] - losses[1]) / (2 * step))
    norms.append(np.linalg.norm(slopes))
  found = evaluation.gradient_norms(model, word2id, poems[:1], distance=DISTANCE)
  assert found[4] / found[1] == pytest.approx(norms[1] / norms[0], rel=0.02)


def test_short_poems_do_not_count(word2id, poems):
  model = model_with_a_will(word2id)
  some = evaluation.gradient_norms(model, word2id, poems, distance=DISTANCE)
  np.testing.assert_array_equal(some, evaluation.gradient_norms(model, word2id, poems[:2], distance=DISTANCE))
  first = evaluation.gradient_norms(model, word2id, poems, distance=DISTANCE, most=1)
  np.testing.assert_array_equal(first, evaluation.gradient_norms(model, word2id, poems[:1], distance=DISTANCE))
  assert not np.array_equal(some, first)
  with pytest.raises(UserError, match='none of 3 poems has more than 12 characters'):
    evaluation.gradient_norms(model, word2id, poems, distance=12)
