"""What a report says of its runs; without TensorFlow."""

import dataclasses
from typing import Any

import numpy as np

from tangshi_tf.short import short_repr

WAYS = ('exercise', 'default')  # of writing: the exercise's bare loop, and what `tangshi_tf.generate` does
STATES = ('zero', 'random')  # in which a poem begins
REACHED = 0.01  # share of the gradient's norm at distance 0 that still counts as reaching


@dataclasses.dataclass(frozen=True)
class Layer:
  """A layer of a model, or several that are alike.

  Attributes:
    kind: 'embedding', 'rnn', 'lstm', 'gru', 'projection' or 'output'.
    width: of what goes in; for 'embedding' the words of the vocabulary.
    units: of what comes out; for 'output' the words of the vocabulary.
    parameters: of all of them together.
    first, last: the numbers of recurrent layers, from 1.
  """

  kind: str
  width: int
  units: int
  parameters: int
  first: int = 1
  last: int = 1

  __repr__ = short_repr


@dataclasses.dataclass(frozen=True)
class Curve:
  """What a run recorded of each epoch; None for what it did not.

  Attributes:
    epochs: their numbers, rising.
    train_loss, validation_loss: of the loss that was trained, in nats.
    validation_perplexity: after the epoch.
    start: validation perplexity before the first epoch, where the run began
      from a trained model.
    seconds: of all epochs together.
  """

  epochs: list[int]
  train_loss: list[float | None]
  validation_loss: list[float | None]
  validation_perplexity: list[float | None]
  start: float | None
  seconds: float | None

  __repr__ = short_repr


@dataclasses.dataclass(frozen=True)
class Written:
  """A poem: its begin word, its sentences, and whether it is sound, see `prosody.soundness`."""

  begin: str
  sentences: list[str]
  sound: bool

  __repr__ = short_repr


@dataclasses.dataclass(frozen=True)
class RunFacts:
  """What is known of a run.

  Attributes:
    name: see `runs.Found`.
    weights: the name of the weights that were measured.
    options: the model's hyperparameters.
    layers: from the embedding to the output layer.
    parameters: of the model.
    curve: of its training.
    figures: on the test part, see `evaluation.summarize`.
    poems: by way of writing and state, one for each begin word that the model
      knows.
    norms: see `evaluation.gradient_norms`, `[distance + 1]`; None where all
      poems are too short.
    training: what config.json says of it; nothing in it need be right.
  """

  name: str
  weights: str
  options: dict[str, Any]
  layers: list[Layer]
  parameters: int
  curve: Curve
  figures: dict[str, Any]
  poems: dict[tuple[str, str], list[Written]]
  norms: np.ndarray | None
  training: dict[str, Any]

  __repr__ = short_repr

  @property
  def reach(self) -> int | None:
    """The greatest distance up to which the gradient's norm is `REACHED` or more; None where all poems are too short.

    As great as the greatest distance that was measured where it reaches further.
    """
    if self.norms is None:
      return None
    below = np.flatnonzero(~(self.norms >= REACHED))  # not <, so that NaN reaches nowhere
    return max(int(below[0]) - 1, 0) if len(below) else len(self.norms) - 1

  def sound(self, way: str) -> tuple[int, int]:
    """Returns how many poems of a way are sound, and how many there are, over both states."""
    every = [poem for state in STATES for poem in self.poems[way, state]]
    return sum(poem.sound for poem in every), len(every)


@dataclasses.dataclass(frozen=True)
class Facts:
  """What a report says.

  Attributes:
    runs: in the order of the page.
    ngrams: order and figures (see `evaluation.summarize`) of each n-gram model.
    corpus: name of the corpus.
    fingerprint: its SHA-256.
    sizes: poems by part, those of more than 200 tokens left out.
    opening: the first characters of a held-out poem.
    distance: the greatest distance of the gradient norms; 0 where there are none.
    distance_poems: over how many poems they are averaged.
    seed: of the poems.
  """

  runs: list[RunFacts]
  ngrams: list[tuple[int, dict[str, Any]]]
  corpus: str
  fingerprint: str
  sizes: dict[str, int]
  opening: str
  distance: int
  distance_poems: int
  seed: int

  __repr__ = short_repr
