import math

import pytest

from tangshi_tf.errors import UserError
from tangshi_tf.training.schedules import LearningRate


def rates(steps, **options):
  rate = LearningRate(0.8, steps_per_epoch=10, epochs=4, **options)
  return [rate(step) for step in steps]


def test_constant_with_warmup():
  assert rates([0, 3, 39]) == [0.8] * 3
  assert rates([0, 1, 3, 4, 39], warmup_steps=4) == pytest.approx([0.2, 0.4, 0.8, 0.8, 0.8])


def test_cosine():
  assert rates([0, 20, 40], schedule='cosine') == pytest.approx([0.8, 0.4, 0])
  assert rates([0, 10, 25, 40], schedule='cosine', warmup_steps=10, final=0.1) == pytest.approx(
      [0.08, 0.8, 0.44, 0.08])
  assert rates([18], schedule='cosine') == pytest.approx([0.4 * (1 + math.cos(math.pi * 18 / 40))])


def test_decay_by_epoch_as_in_the_ptb_model():
  assert rates([0, 19, 20, 29, 30], schedule='decay', hold_epochs=2, decay=0.5) == [0.8, 0.8, 0.4, 0.4, 0.2]


def test_plateau():
  rate = LearningRate(1.0, schedule='plateau', decay=0.5)
  seen = []
  for nll in (5.0, 4.0, 4.0, 3.0, 3.5, 3.2):
    rate.after_epoch(nll)
    seen.append(rate(0))
  assert seen == [1, 1, 0.5, 0.5, 0.25, 0.125]


def test_out_of_range():
  with pytest.raises(UserError, match='constant, cosine, decay, plateau'):
    LearningRate(1, schedule='linear')
  with pytest.raises(UserError, match='fewer than the 40'):
    rates([0], warmup_steps=40)
