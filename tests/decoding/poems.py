"""What the tests of writing compute."""

import tensorflow as tf

from tangshi_tf import corpus


def tables(run):
  return {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word}


def log_probability(run, words):
  """The log-probability of words after bos, by the model's logits without PAD, UNK and bos."""
  ids = [run.word2id[word] for word in words]
  x, state, total = run.word2id[corpus.start_token], run.model.zero_state(1), 0.0
  for i in ids:
    logits, state = run.model.next_logits(tf.constant([x], tf.int32), state)
    total += float(tf.nn.log_softmax(logits)[0, i])
    x = i
  return total
