"""What a report measures of runs and of their corpus."""

import math
from typing import Any

import numpy as np

from tangshi_tf import corpus, evaluation
from tangshi_tf.decoding.composer import Composer
from tangshi_tf.decoding.request import Request
from tangshi_tf.evaluation.gradients import DISTANCE, POEMS
from tangshi_tf.prosody import soundness
from tangshi_tf.report_page.facts import STATES, WAYS, Curve, Facts, Layer, RunFacts, Written
from tangshi_tf.report_page.runs import Found, Poems
from tangshi_tf.settings import WritingSettings

ORDERS = (2, 3, 5)  # of the n-gram models
_LONG_POEMS = 20  # that the greatest distance of gradient norms must leave, where there are as many


def measure(found: list[Found], poems: Poems, *, ngrams: bool = True, seed: int = 0) -> Facts:
  """Measures runs.

  Args:
    found: the runs.
    poems: those of their corpus.
    ngrams: whether n-gram models are made, too.
    seed: of the first poem of each way of writing.

  Raises:
    UserError: one of the runs is damaged.
  """
  distance = _distance(poems.test)
  runs, known = [], None
  for one in found:
    facts, words = _measure_run(one, poems.test, distance, seed)
    runs.append(facts)
    known = words if known is None else known & words
  return Facts(
      runs, _ngrams(poems, known or set()) if ngrams else [], poems.name, poems.fingerprint,
      {'train': len(poems.train), 'validation': poems.validation, 'test': len(poems.test)}, poems.test[0].content[:4],
      distance, min(sum(len(poem.content) > distance for poem in poems.test), POEMS), seed)


def _distance(poems: list[corpus.Poem]) -> int:
  """Returns the greatest distance, at most `DISTANCE`, that still leaves enough poems for gradient norms."""
  lengths = sorted((len(poem.content) for poem in poems), reverse=True)
  return min(DISTANCE, lengths[min(_LONG_POEMS, len(lengths)) - 1] - 1)


def _measure_run(found: Found, poems: list[corpus.Poem], distance: int, seed: int) -> tuple[RunFacts, set[str]]:
  """Returns what is known of a run, and the words that it knows."""
  run = found.run.load(found.weights)
  figures = evaluation.evaluate(run.model, poems, run.word2id)
  norms = evaluation.gradient_norms(run.model, run.word2id, poems, distance=distance) if distance > 0 else None
  return RunFacts(
      found.name, found.weights, run.model.hyperparameters, layers_of(run.model), run.model.count_params(),
      curve_of(found.epochs, found.metrics), figures, _written(Composer(run, xla=False, quick_start=True), seed), norms,
      found.training), set(run.word2id)


def layers_of(model) -> list[Layer]:
  """Returns the layers of a `myRNNModel`; recurrent ones that are alike are one."""
  options, words = model.hyperparameters, len(model.word2id)
  width, units = options['embedding_size'], options['units']
  found = [Layer('embedding', words, width, model.embed_layer.count_params())]
  sizes = [layer.count_params() for layer in model.rnn_layers]
  for i, norm in enumerate(model.norms):
    sizes[i] += norm.count_params()
  found.append(Layer(model.cell, width, units, sizes[0]))
  if len(sizes) > 1:
    found.append(Layer(model.cell, units, units, sum(sizes[1:]), 2, len(sizes)))
  seen = units
  if model.projection is not None:
    seen = model.projection.units
    found.append(Layer('projection', units, seen, model.projection.count_params()))
  output = model.dense.count_params() + (0 if model.clusters is None else model.clusters.count_params())
  return [*found, Layer('output', seen, words, output)]


def curve_of(epochs: list[dict], metrics: dict) -> Curve:
  """Returns the curve of a run from what its metrics.json says; what is no number there was not recorded."""
  rows = sorted((epoch for epoch in epochs if _number(epoch.get('epoch')) is not None),
                key=lambda epoch: epoch['epoch'])

  def column(name: str) -> list[float | None]:
    return [_number(epoch.get(name)) for epoch in rows]

  start = metrics.get('start')
  seconds = [second for second in column('seconds') if second is not None]
  return Curve([int(epoch['epoch']) for epoch in rows], column('train_loss'), column('validation_loss'),
               column('validation_perplexity'),
               _number(start.get('validation_perplexity')) if isinstance(start, dict) else None,
               sum(seconds) if rows and len(seconds) == len(rows) else None)


def _number(value: Any) -> float | None:
  return value if type(value) in (int, float) and math.isfinite(value) else None


def _written(composer: Composer, seed: int) -> dict[tuple[str, str], list[Written]]:
  """Returns the poems of the exercise's begin words, by way of writing and state."""
  begins = [begin for begin in corpus.SAMPLE_BEGINS if begin in composer.word2id]
  if not begins:
    return {(way, state): [] for way in WAYS for state in STATES}
  found = {}
  for way in WAYS:
    for state in STATES:
      request = Request.of(WritingSettings(begin=begins, exercise=way == 'exercise', init=state, seed=seed))
      found[way, state] = [Written(poem.begin, str(poem).splitlines(), soundness.is_sound(poem.text))
                           for poem in composer.compose(request, measure=False)]
  return found


def _ngrams(poems: Poems, known: set[str]) -> list[tuple[int, dict[str, Any]]]:
  """Returns the figures of n-gram models of the training part, over those of its words that all runs know."""
  words = [word for word in corpus.build_vocabulary(poems.train) if word in known]
  word2id, _ = corpus.word_tables(words)
  train_ids, train_splits = corpus.encode_all(poems.train, word2id)
  ids, splits = corpus.encode_all(poems.test, word2id)
  found = []
  for order in ORDERS:
    nll = evaluation.KneserNey(train_ids, train_splits, len(words), order).nll(ids, splits)
    found.append((order, evaluation.summarize(poems.test, ids, splits, np.asarray(nll))))
  return found
