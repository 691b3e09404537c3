"""Beam search: the likeliest poem that can be found by keeping a few at a time."""

import functools
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus, decoding
from tangshi_tf.decoding import verse
from tangshi_tf.errors import UserError


def search(begins: Iterable[str], *, model, word2id: dict[str, int], id2word: dict[int, str], width: int,
           max_len: int = decoding.MAX_LEN, max_repeat: int = 0, shortest_line: int = 0,
           bos_first: bool = False, whole_sentences: bool = False, plan: verse.Plan | None = None,
           acrostic: str = '') -> Iterator[list[str]]:
  """Finds one poem for each begin word, from the zero state.

  A beam is judged by its log-probability after the first token, as the model
  has it: what a plan or a guard forbids does not make the rest likelier.
  Poems that ended stay beside those that go on; of the last beams the one with
  the greatest log-probability a token wins, since the sum alone would prefer
  short poems (Graves 2012, arXiv:1211.3711; Wu et al. 2016, arXiv:1609.08144,
  with their exponent at 1).

  Args:
    begins: what each poem begins with.
    model, word2id, id2word, max_len, max_repeat, shortest_line, bos_first,
      whole_sentences, plan, acrostic: see `decoding.generate`.
    width: poems kept at a time; 1 is greedy.

  Yields:
    The words of each poem, in order.

  Raises:
    UserError: as `decoding.generate`, or the beam is wider than the vocabulary.
  """
  if not 1 <= width <= len(word2id):
    raise UserError(f'beam of {width}: expected 1 to {len(word2id)}, the words of the vocabulary')
  sampling = decoding.Sampling(max_repeat=max_repeat, shortest_line=0 if plan is not None else shortest_line)
  decoding.check_max_len(max_len)
  eos = word2id[corpus.end_token]
  bos_first = bos_first or plan is not None
  tables = decoding.plan_tables(plan) if plan is not None else []
  find = compiled_search(model, width, sampling, plan is not None)
  for begin in begins:
    commitment = 0, 0
    if plan is None:
      given = decoding.encode_begin(begin, word2id, bos_first=bos_first)
      given += [-1] * (max_len + 1 + bos_first - len(given))
    else:
      words = plan.given(begin, acrostic)
      given = [word2id[corpus.start_token], *(-1 if word is None else word2id[word] for word in words)]
      commitment = plan.start(words)
    found = find(np.array(given, np.int32), np.int32(eos), np.array(commitment, np.int32), tables)
    ids = found.numpy().tolist()
    first = given.index(-1) if -1 in given else len(given)
    ended = eos in ids[first:]
    poem = [id2word[i] for i in (ids[:ids.index(eos, first)] if ended else ids)[bos_first:]]
    cut = whole_sentences and plan is None and not ended
    yield decoding.without_cut_sentence(poem, first - bos_first) if cut else poem


@functools.lru_cache(maxsize=4)
def compiled_search(model, width: int, sampling: decoding.Sampling, formed: bool):
  """Returns the search as one graph.

  Its arguments: the ids of a poem, int32 `[length]`, -1 where none is given;
  the id of eos; for a formed poem the two numbers that `verse.Plan.start`
  returns, int32 `[2]`; and the plan's tables. It returns the best poem's ids,
  int32 `[length]`; what stands after eos has no meaning. Of `sampling` the
  guards count.
  """
  signature = (tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32),
               decoding.tables_spec() if formed else [])

  @tf.function(input_signature=signature)
  def find(given, eos, commitment, tables):
    form = decoding.FormTables(*tables) if formed else None
    length, classes = tf.shape(given)[0], model.dense.units
    kernel, bias = tf.convert_to_tensor(model.dense.kernel), model.next_bias()
    def body(step, ids, score, tokens, done, state, commitment):
      hidden, state = model.step(ids[:, step], state)
      likely = tf.nn.log_softmax(tf.matmul(hidden, kernel) + bias)
      found, place = likely, tf.fill((width,), step)
      if formed:
        found += tf.gather(form.masks[:, :classes], form.kinds(place, *commitment))
        found = form.rhyming(found, place, *commitment)
      if sampling.guards:
        found = decoding.guarded(found, ids, place + 1, model, eos, sampling)
      # A given token costs what it costs, allowed or not; a poem that ended adds eos at no cost.
      forced = given[step + 1]
      found = tf.where((forced >= 0) & (tf.range(classes) != forced), verse.NEVER, tf.where(forced >= 0, likely, found))
      found = tf.where(done[:, None], tf.where(tf.range(classes) == eos, 0.0, verse.NEVER), found)
      values, tokens_of = tf.math.top_k(score[:, None] + found, width)
      score, best = tf.math.top_k(tf.reshape(values, (-1,)), width)
      parent, token = best // width, tf.gather(tf.reshape(tokens_of, (-1,)), best)
      state = [tf.gather(tensor, parent) for tensor in state]
      ids, done, tokens = (tf.gather(tensor, parent) for tensor in (ids, done, tokens))
      commitment = [tf.gather(tensor, parent) for tensor in commitment]
      tokens += tf.cast(~done, tf.float32)
      done |= (token == eos) & (forced < 0)
      ids = tf.where(tf.range(length) == step + 1, token[:, None], ids)
      if formed:
        commitment = [tf.where(forced < 0, new, old) for new, old in zip(
            form.commit(token, place, *commitment), commitment)]
      return step + 1, ids, score, tokens, done, state, commitment

    rows = tf.tile(given[None], (width, 1))
    # The beams begin alike: all but one wait until there is something to choose from.
    score = tf.where(tf.range(width) == 0, 0.0, verse.NEVER)
    _, ids, score, tokens, *_ = tf.while_loop(
        lambda step, ids, score, tokens, done, *_: (step < length - 1) & ~tf.reduce_all(done), body,
        (0, rows, score, tf.zeros((width,)), tf.zeros((width,), tf.bool), model.zero_state(width),
         [tf.fill((width,), commitment[0]), tf.fill((width,), commitment[1])]))
    return ids[tf.argmax(score / tf.maximum(tokens, 1.0))]

  return find
