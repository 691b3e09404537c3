"""What is kept with a model goes with it."""

import gc
import weakref

import pytest
import tensorflow as tf

from tangshi_tf import decoding, evaluation, run_dir, training
from tangshi_tf.model import myRNNModel
from tangshi_tf.model.kept import kept_with_model

BATCH = tf.constant([[2, 7, 8]]), tf.constant([[7, 8, 3]]), tf.constant([3])


def train(model, tables):
  training.train_one_step(model, training.make_optimizer(), *BATCH, options=training.StepOptions(average=0.5))


def measure(model, tables):
  evaluation.validate(model, [BATCH])


def write(model, tables):
  decoding.gen_poem('一', model=model, **tables)


def search(model, tables):
  list(decoding.beam_search(['一'], model=model, width=2, **tables))


def write_together(model, tables):
  decoding.Session(run_dir.Run('one', model, config={}, **tables), begin='一').take('丁')


@pytest.mark.parametrize('use', [train, measure, write, search, write_together])
def test_a_model_that_nobody_needs_goes_with_its_graphs(use, word2id):
  model = myRNNModel(word2id, cell='gru', units=4, embedding_size=3)
  use(model, {'word2id': word2id, 'id2word': model.id2word})
  assert model.__dict__['_kept']
  left = weakref.ref(model)
  del model
  gc.collect()
  assert left() is None


def test_what_is_kept_is_of_one_model_and_the_newest():
  class Model:
    pass

  made = []

  @kept_with_model(2)
  def make(model, number):
    made.append(number)
    return object()

  one, other = Model(), Model()
  first = make(one, 1)
  assert make(one, 1) is first and make(other, 1) is not first
  make(one, 2), make(one, 3)
  assert make(one, 1) is not first and made == [1, 1, 2, 3, 1]
