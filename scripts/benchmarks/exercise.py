"""The exercise's recipe as it is written, on Keras 3: the baseline of benchmark.py.

Random batches of 100 poems padded to the longest, logits at every padded position,
a new graph for every batch shape, and a poem written with one eager call a character.
Nothing else uses it; the package has the same names with better insides.
"""

import collections

import keras
import tensorflow as tf

CELLS = {'rnn': keras.layers.SimpleRNNCell, 'lstm': keras.layers.LSTMCell, 'gru': keras.layers.GRUCell}


def process_dataset(path):
  """Returns the poems of a `title:content` file as (ids, length), and the vocabulary both ways."""
  poems = []
  with open(path, encoding='utf-8') as file:
    for line in file:
      words = ['bos', *line.strip().split(':', 1)[1], 'eos']
      if len(words) <= 200:
        poems.append(words)
  counts = collections.Counter(word for words in poems for word in words)
  id2word = dict(enumerate(['PAD', 'UNK', *(word for word, _ in counts.most_common())]))
  word2id = {word: i for i, word in id2word.items()}
  return [([word2id[word] for word in words], len(words)) for words in poems], word2id, id2word


def poem_dataset(path):
  """Returns shuffled batches `(x, y, seqlen)` and the vocabulary both ways."""
  instances, word2id, id2word = process_dataset(path)
  # Not from_generator, which is common but makes all steps a tenth slower: the faster one is the fairer baseline.
  ids = tf.ragged.constant([ids for ids, _ in instances], tf.int64)
  ds = tf.data.Dataset.from_tensor_slices((ids, [length for _, length in instances]))
  ds = ds.map(lambda x, seqlen: (x, tf.cast(seqlen, tf.int64)))  # rows become plain tensors
  ds = ds.shuffle(10240).padded_batch(100, padded_shapes=([None], []))
  return ds.map(lambda x, seqlen: (x[:, :-1], x[:, 1:], seqlen - 1)), word2id, id2word


class myRNNModel(keras.Model):  # noqa: N801 (the exercise's name)
  """Embedding, recurrent layer, logits."""

  def __init__(self, word2id, cell):
    super().__init__()
    self.embed_layer = keras.layers.Embedding(len(word2id), 64)
    self.rnncell = CELLS[cell](128)
    self.rnn_layer = keras.layers.RNN(self.rnncell, return_sequences=True)
    self.dense = keras.layers.Dense(len(word2id))
    self(tf.zeros((1, 1), tf.int64))  # Keras 3 must make the variables outside the graph

  def call(self, inputs):
    return self.dense(self.rnn_layer(self.embed_layer(inputs)))

  def get_next_token(self, x, state):
    hidden, state = self.rnncell(self.embed_layer(x), state)
    return tf.argmax(self.dense(hidden), axis=-1), state


def compute_loss(logits, labels, seqlen):
  """Returns the cross-entropy, averaged over each poem's length and then over the batch."""
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  mask = tf.sequence_mask(seqlen, tf.shape(labels)[1], tf.float32)
  return tf.reduce_mean(tf.reduce_sum(losses * mask, axis=1) / tf.cast(seqlen, tf.float32))


@tf.function
def train_one_step(model, optimizer, x, y, seqlen):
  """Takes a step and returns the loss."""
  with tf.GradientTape() as tape:
    loss = compute_loss(model(x), y, seqlen)
  gradients = tape.gradient(loss, model.trainable_variables)
  optimizer.apply_gradients(zip(gradients, model.trainable_variables))
  return loss


def gen_poem(begin, model, word2id, states, length=30):
  """Returns the ids of a poem of `length` tokens, from zero states."""
  state = [tf.zeros((1, 128)) for _ in range(states)]
  token = tf.constant([word2id[begin]])
  collected = [int(token[0])]
  while len(collected) < length:
    token, state = model.get_next_token(token, state)
    collected.append(int(token[0]))
  return collected
