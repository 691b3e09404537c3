"""Beam search: the most likely poem that can be found by keeping a few at a time."""

import numbers
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tangshi_tf import long_work
from tangshi_tf.decoding import directed
from tangshi_tf.decoding.form_plan import FormPlan
from tangshi_tf.decoding.rules import MAX_LEN, NEVER, UNFIXED, GraphRules, RuleOptions, Rules, RuleState, tables_of
from tangshi_tf.decoding.text import without_cut_sentence
from tangshi_tf.errors import UserError
from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.quiet import tf
from tangshi_tf.settings import require_iterable
from tangshi_tf.short import shown


def beam_search(begins: Iterable[str], *, model, width: int, word2id: dict[str, int] | None = None,
                id2word: dict[int, str] | None = None,
                max_len: int = MAX_LEN, max_repeat: int = 0, shortest_line: int = 0, bos_first: bool = False,
                whole_sentences: bool = False, plan: FormPlan | None = None, acrostic: str = '',
                template: str = '', told: Sequence[int] = (), guidance: float = 0.0) -> Iterator[list[str]]:
  """Finds one poem for each begin word, from the zero state.

  A beam is judged by its log-probability after the first token, as the model
  has it: what the rules forbid does not make the rest likelier. Poems that
  ended stay beside those that continue; of the last beams the one with the
  greatest log-probability a token wins, since the sum alone would prefer short
  poems (Graves 2012, arXiv:1211.3711; Wu et al. 2016, arXiv:1609.08144, with
  their exponent at 1).

  Args:
    begins: what each poem begins with.
    model, word2id, id2word, max_len, max_repeat, shortest_line, bos_first,
      whole_sentences, plan, acrostic, template, told, guidance: see `generate`.
    width: poems kept at a time; 1 is greedy.

  Yields:
    The words of each poem, in order.

  Raises:
    UserError: as `generate`, or the beam is wider than the vocabulary.
  """
  word2id, id2word = tables_of(model, word2id, id2word)
  if not isinstance(width, numbers.Integral) or isinstance(width, bool) or not 1 <= width <= len(word2id):
    raise UserError(f'beam of {shown(width)}: expected 1 to {len(word2id)}, the words of the vocabulary')
  rules = Rules(word2id, plan=plan, acrostic=acrostic, template=template, max_len=max_len, bos_first=bos_first,
                max_repeat=max_repeat, shortest_line=shortest_line)
  eos, bos = rules.options.eos, int(rules.bos_first)
  writing = directed.model_to_write(model, told, guidance)
  state = directed.first_state(writing, told, model.zero_state(width))
  find = compiled_search(writing, width, rules.options)
  for begin in require_iterable('begins', begins, 'a list of texts'):
    start = rules.start(begin)
    fixed = start.fixed + [UNFIXED] * (start.limit - len(start.fixed))
    with long_work.waiting('searching'):
      ids = find(np.array(fixed, np.int32), np.int32(start.patterns), np.int32(start.group), state, rules.tables)
      ids = ids.numpy().tolist()
    first = fixed.index(UNFIXED) if UNFIXED in fixed else len(fixed)
    ended = eos in ids[first:]
    words = [id2word[i] for i in (ids[:ids.index(eos, first)] if ended else ids)[bos:]]
    cut = whole_sentences and plan is None and not ended
    yield without_cut_sentence(words, first - bos) if cut else words


@kept_with_model(4)
def compiled_search(model, width: int, options: RuleOptions):
  """Returns the search as one graph.

  Its arguments: the fixed ids of a poem, int32 `[limit]`, `UNFIXED` where there is
  none; `patterns` and `group` of `rules.Start`, int32; the state that all beams
  begin with; and the tables of `rules.Rules`. It returns the best poem's ids, int32 `[limit]`; what stands
  after eos has no meaning.
  """
  scalar = tf.TensorSpec((), tf.int32)

  @tf.function(input_signature=(tf.TensorSpec((None,), tf.int32), scalar, scalar, model.state_spec,
                                options.tables_spec), autograph=False)
  def find(fixed, patterns, group, state, tables):
    limit, classes = tf.shape(fixed)[0], tf.range(model.dense.units)
    logits_of = model.next_logits_of()
    rules = GraphRules(options, model, tables)

    def body(step, ids, score, tokens, done, state, rule_state):
      hidden, state = model.step(ids[:, step], state)
      likely = tf.nn.log_softmax(logits_of(hidden))
      here, length = fixed[step + 1], tf.fill((width,), step + 1)
      free = here < 0
      # A fixed token costs what it costs, allowed or not; a poem that ended adds eos at no cost.
      found = rules.restrict(likely, rule_state, length)
      found = tf.where(free, found, tf.where(classes == here, likely, NEVER))
      found = tf.where(done[:, None], tf.where(classes == options.eos, 0.0, NEVER), found)
      values, tokens_of = tf.math.top_k(score[:, None] + found, width)
      score, best = tf.math.top_k(tf.reshape(values, (-1,)), width)
      parent, token = best // width, tf.gather(tf.reshape(tokens_of, (-1,)), best)
      ids, done, tokens, state, rule_state = tf.nest.map_structure(
          lambda tensor: tf.gather(tensor, parent), (ids, done, tokens, state, rule_state))
      tokens += tf.cast(~done, tf.float32)
      done |= (token == options.eos) & free
      ids = tf.where(tf.range(limit) == step + 1, token[:, None], ids)
      return step + 1, ids, score, tokens, done, state, rules.advance(rule_state, token, length, free)

    ids = tf.tile(fixed[None], (width, 1))
    # The beams begin alike: all but one wait until there is something to choose from.
    score = tf.where(tf.range(width) == 0, 0.0, NEVER)
    rule_state = RuleState(tf.fill((width,), patterns), tf.fill((width,), group), ids)
    _, ids, score, tokens, *_ = tf.while_loop(
        lambda step, ids, score, tokens, done, *_: (step < limit - 1) & ~tf.reduce_all(done), body,
        (0, ids, score, tf.zeros((width,)), tf.zeros((width,), tf.bool), state, rule_state))
    return ids[tf.argmax(score / tf.maximum(tokens, 1.0))]

  return find
