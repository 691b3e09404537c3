"""Runs that diverge, with a loss that is not finite or with one that is far worse than guessing."""

import collections
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.model import myRNNModel
from tangshi_tf.settings import Settings
from tangshi_tf.training import callback, divergence

SMALL = {'units': 8, 'embedding_size': 4, 'batch_size': 20, 'samples': 0}


def figures(nll, validation_nll=None):
  """Returns the figures of an epoch as `fit` has them."""
  found = {'train_loss': nll, 'train_nll': nll}
  if validation_nll is not None:
    found |= {'validation_loss': validation_nll, 'validation_nll': validation_nll,
              'validation_perplexity': math.inf if validation_nll > 700 else math.exp(validation_nll)}
  return found


@pytest.mark.parametrize(('first', 'epoch', 'message'), [
    (3.7, figures(12_108.3), 'the loss became 12,108.3 nats a token in epoch 2; expected less than the 3.7 of blind '
                             r'guessing \(try a lower learning_rate\)$'),
    (3.7, figures(7.5), 'became 7.5 nats'), (3.7, figures(4.0, math.nan), 'became nan in epoch 2; expected a finite'),
    (3.7, figures(4.0, 800.0), 'became 800.0 nats'),
    (3.7, figures(7.3), None),  # twice what guessing costs is the limit: log(40) is 3.69
    (3.7, figures(1.0, 12.0), None),  # knows few poems by heart
    (50.0, figures(90.0), None),  # comes down from weights that were large at the beginning
    (50.0, figures(101.0), 'became 101.0 nats'),
])
def test_what_is_worse_than_guessing_diverges_and_no_healthy_run_does(word2id, first, epoch, message):
  model = myRNNModel(word2id, units=2, embedding_size=2)
  watch = divergence.Watch(model, None, callback.Position(epoch=2, first_nll=first))
  if message is None:
    watch.epoch(epoch)
  else:
    with pytest.raises(divergence.DivergedError, match=message):
      watch.epoch(epoch)


def test_a_run_that_never_came_near_guessing_is_told_at_its_end(word2id):
  watch = divergence.Watch(myRNNModel(word2id, units=2, embedding_size=2), None, callback.Position(first_nll=50.0))
  watch.end([figures(40.0), figures(7.0), figures(9.0)])
  watch.end([{'train_loss': 40.0}])  # of an older version
  watch.end([])
  with pytest.raises(UserError, match='came down to no less than 30.0 nats a token in 2 epochs; expected less than'):
    watch.end([figures(40.0), figures(30.0)])


def test_learning_rate_100(command, poems_file, tmp_path):
  """Its loss stays finite on some machines and not on others; either way it is no 'Done'."""
  done = command('tangshi_tf.train', f'--corpus={poems_file}', '--learning_rate=100', '--epochs=2', '--recipe=none',
                 '--run_dir=r', *(f'--{name}={value}' for name, value in SMALL.items()))
  assert done.returncode == 2 and 'Done' not in done.stdout
  assert done.stderr.count('\n') == 1 and 'the loss became' in done.stderr
  assert 'try a lower --learning_rate' in done.stderr
  assert done.stderr.endswith('the last good weights are kept in r as last\n')
  assert not list(tmp_path.glob('r/weights/epoch-*'))
  assert all(np.abs(variable).max() < 10 for variable in run_dir.load(tmp_path / 'r').model.trainable_variables)
  assert command('tangshi_tf.generate', '--model=r', '--begin=日').returncode == 0


@pytest.mark.parametrize(('settings', 'best'), [
    ({'embedding_range': 100.0, 'tied': True, 'learning_rate': 0.001, 'epochs': 1}, False),
    ({'embedding_range': 100.0, 'epochs': 1}, True), ({'clip_norm': 1e-30, 'epochs': 1}, True),
    ({'optimizer': 'adamw', 'weight_decay': 1.0, 'learning_rate': 0.01, 'epochs': 2}, True),
])
def test_siblings(tmp_path, poems_file, settings, best):
  """Other settings that are large or small: a run ends well where it has learned, and in one line where not."""
  made = Settings.of(corpus=[str(poems_file)], **{**SMALL, **settings})
  if best:
    assert len(training.run(made, tmp_path / 'a').history) == made.training.epochs
  else:
    with pytest.raises(UserError, match='came down to no less than .* nats a token in 1 epochs'):
      training.run(made, tmp_path / 'a')


def test_a_finite_figure_beyond_float32_is_a_point_of_tensorboard(tmp_path, model):
  from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

  from tangshi_tf.training.tensorboard import TensorBoard
  board = TensorBoard(tmp_path, model, training.make_optimizer(), model.word2id, model.id2word,
                      settings=Settings.of(log_every=1), counts=collections.Counter())
  board.on_begin(callback.Position(), 1)
  board.on_step(1, training.StepResult(200.0, 200.0, 1.0, 1e300))  # a perplexity of 7e86
  board.checkpoint()
  events = EventAccumulator(str(tmp_path), size_guidance={'tensors': 0})
  events.Reload()
  values = {tag: float(tf.make_ndarray(event.tensor_proto)) for tag in events.Tags()['tensors']
            for event in events.Tensors(tag) if tag.startswith('step/')}
  assert values['step/perplexity'] == math.inf and values['step/loss'] == 200.0


def test_a_run_that_has_diverged_is_told_again_when_it_is_resumed(tmp_path, poems_file):
  made = Settings.of(corpus=[str(poems_file)], epochs=1, embedding_range=100.0, tied=True, learning_rate=1e-6, **SMALL)
  for _ in range(2):
    with pytest.raises(UserError, match='came down to no less than'):
      training.resume(tmp_path / 'a') if (tmp_path / 'a').exists() else training.run(made, tmp_path / 'a')
  assert json.loads((tmp_path / 'a/metrics.json').read_text(encoding='utf-8'))['best_epoch'] == 1


