"""Choosing among candidates."""

import pytest

from tangshi_tf import corpus, decoding, prosody
from tangshi_tf.corpus import originality
from tangshi_tf.decoding import candidates
from tangshi_tf.errors import UserError

from .poems import log_probability, tables


def test_the_best_of_several(run):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], run.word2id)
  # Of few words, so that rounding, which is not the same for one poem and for several, does not choose among them.
  options = {'plan': plan, 'temperature': 1.0, 'max_repeat': 1, 'top_k': 5}
  requests = [('', 5), ('日', 6)]
  seeds = {seed: [candidates._seed(seed, k) for k in range(4)] for _, seed in requests}
  assert seeds[5][0] == 5 and len({*seeds[5], *seeds[6]}) == 8  # the next seed has no candidate in common
  single = {(begin, one): ''.join(next(decoding.generate([(begin, one)], **options, **tables(run))))
            for begin, seed in requests for one in seeds[seed]}
  best = list(decoding.write_best(requests, run=run, best_of=4, **options))
  for (begin, seed), poem in zip(requests, best):
    likely = {one: log_probability(run, single[begin, one]) for one in seeds[seed]}
    assert single[begin, poem.seed] == poem.text
    assert poem.seed == max(likely, key=likely.get)


def test_copies_are_drawn_again_and_cost_rank(run):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], run.word2id)
  options = {'plan': plan, 'temperature': 1.0, 'max_repeat': 1}
  first, = decoding.write_best([('', 0)], run=run, **options)
  assert first.log_probability is None and not first.copied
  index = originality.Index([corpus.Poem('', first.text)])
  copy, = decoding.write_best([('', 0)], run=run, index=index, measure=True, **options)
  assert len(copy.copied) == 4
  assert copy.rank() == pytest.approx(copy.log_probability / 24 - candidates.COPY_PENALTY)
  again, = decoding.write_best([('', 0)], run=run, index=index, original=True, **options)
  assert not again.copied and again.seed == candidates._seed(0, 1)
  begun, = decoding.write_best([(first.text[:12], 0)], run=run, index=index, original=True, **options)
  assert begun.text[:12] == first.text[:12] and begun.copied == []
  with pytest.raises(UserError, match='temperature 0 writes the same poem'):
    list(decoding.write_best([('', 0)], run=run, best_of=2, plan=plan))
  with pytest.raises(UserError, match='original poems without an index of the corpus'):
    list(decoding.write_best([('', 0)], run=run, original=True, **options))
