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
  single = {(begin, seed + 2 * k): ''.join(next(decoding.generate([(begin, seed + 2 * k)], **options, **tables(run))))
            for begin, seed in requests for k in range(4)}
  best = list(decoding.write_best(requests, run=run, stride=2, best_of=4, **options))
  for (begin, seed), poem in zip(requests, best):
    candidates = {key: log_probability(run, text) for key, text in single.items()
                  if key[0] == begin and (key[1] - seed) % 2 == 0}
    assert single[begin, poem.seed] == poem.text
    assert (begin, poem.seed) == max(candidates, key=candidates.get)


def test_copies_are_drawn_again_and_cost_rank(run):
  plan = decoding.FormPlan(prosody.FORMS['五绝'], run.word2id)
  options = {'plan': plan, 'temperature': 1.0, 'max_repeat': 1}
  first, = decoding.write_best([('', 0)], run=run, **options)
  assert first.log_probability is None and not first.copied
  index = originality.Index([corpus.Poem('', first.text)])
  copy, = decoding.write_best([('', 0)], run=run, index=index, measure=True, **options)
  assert len(copy.copied) == 4
  assert copy.rank() == pytest.approx(copy.log_probability / 24 - candidates.COPY_PENALTY)
  again, = decoding.write_best([('', 0)], run=run, stride=1, index=index, original=True, **options)
  assert not again.copied and again.seed == 1
  begun, = decoding.write_best([(first.text[:12], 0)], run=run, stride=1, index=index, original=True, **options)
  assert begun.text[:12] == first.text[:12] and begun.copied == []
  with pytest.raises(UserError, match='temperature 0 writes the same poem'):
    list(decoding.write_best([('', 0)], run=run, best_of=2, plan=plan))
  with pytest.raises(UserError, match='original poems without an index of the corpus'):
    list(decoding.write_best([('', 0)], run=run, original=True, **options))
