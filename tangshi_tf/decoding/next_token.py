"""The choice of the next tokens in the decoding loop, from no more words than it takes.

Where the softmax is adaptive, the head comes first. A word of a tail is no likelier than the tail, and all of them
together have its probability, so the head often tells which word it is; other rows look at the first tail's words, too,
and so on to all words.
"""

import itertools
from typing import NamedTuple

import numpy as np

from tangshi_tf.decoding import directed, sampling
from tangshi_tf.decoding.rules import GraphRules, RuleState
from tangshi_tf.model.adaptive import log_sum
from tangshi_tf.model.shapes import last_size
from tangshi_tf.quiet import tf


class Rows(NamedTuple):
  """What the next tokens of some poems depend on.

  Attributes:
    hidden: what the output layer sees, `[rows, width]`.
    tails: the logits of the tails as wholes, `[rows, tails]`.
    seen: the logits and the levels of the parts that did not tell the token, where tokens are drawn, see
      `sampling.Words`.
    choice: see `sampling.choose_in_part`.
    rules: the `RuleState`.
    length: int32 `[rows]`, how many tokens each poem has.
  """

  hidden: tf.Tensor
  tails: tf.Tensor
  seen: list[tuple[tf.Tensor, tf.Tensor]]
  choice: sampling.Choice
  rules: RuleState
  length: tf.Tensor


def chooser(model, rules: GraphRules, sampler: sampling.Sampling, temperature, small_batch: bool,
            in_turn: bool = False):
  """Returns a function that finds the next tokens, int32 `[rows]`, where they are needed.

  It takes what the output layer sees, `[rows, width]`; uniform numbers float32
  `[rows]`; the `RuleState`; how many tokens each poem has, int32 `[rows]`; and
  which poems need a token, bool `[rows]`. The weights are read once, here, so
  that a loop need not, but for parts that take turns.

  Args:
    model: a `myRNNModel`.
    rules: what may come next.
    sampler: how the next token is chosen.
    temperature: float32 `[]`; without effect where tokens are not drawn.
    small_batch: whether the rows are few; then all continue together, as XLA has it.
    in_turn: for few rows, whether the parts take turns in a loop, which XLA cannot have. Its graph has the choice once
      instead of once for each part, and is made in half the time.
  """
  if not sampler.draws:
    temperature = None
  if model.clusters is None or sampler.by_mass:
    return _from_all(model, rules, sampler, temperature, small_batch)
  if in_turn:
    choose = _in_turn(model, rules, sampler, temperature)
  else:
    choose = _nested(model, rules, sampler, temperature, small_batch)

  def start(hidden, uniforms, state, length, needed):
    def chosen():
      choice = sampling.Choice.start(uniforms)
      return choose(Rows(hidden, model.clusters(hidden), [], choice, state, length), needed)

    return _where_needed(needed, length, chosen)

  return start


def _where_needed(needed, length, choose):
  """Returns tokens, or zeros where no row needs one: a form fixes the marks of all lines at once."""
  return tf.cond(tf.reduce_any(needed), choose, lambda: tf.zeros_like(length))


def _from_all(model, rules: GraphRules, sampler: sampling.Sampling, temperature, small_batch: bool):
  """Returns the function of `chooser` where the choice looks at all words at once."""
  if small_batch or model.clusters is not None or directed.is_guided(model):
    all_logits = model.next_logits_of()

    def logits_of(hidden, state, length):
      return rules.restrict(_over(all_logits(hidden), temperature), state, length)
  else:
    logits_of = _many_logits(model, rules, temperature, model.dense.units)

  def choose(hidden, uniforms, state, length, needed):
    return _where_needed(needed, length,
                         lambda: sampling.choose(logits_of(hidden, state, length), uniforms, sampler))

  return choose


def _nested(model, rules: GraphRules, sampler: sampling.Sampling, temperature, small_batch: bool):
  """Returns a function from `Rows` and which of them need a token to the tokens, with a choice for each part."""
  bounds = list(itertools.pairwise([0, *model.clusters.bounds]))
  logits_of = [_part_logits(model, rules, temperature, *pair) for pair in enumerate(bounds)]
  starts = [_starts(low, high) for low, high in bounds]
  if not small_batch:
    head = _many_logits(model, rules, temperature, model.clusters.bounds[0])
    logits_of[0] = lambda rows: (head(rows.hidden, rows.rules, rows.length), tf.zeros_like(rows.choice.highest))
  sizes, last = tf.constant(model.clusters.sizes[1:]), len(bounds) - 1

  def choose(rows: Rows, needed, part: int = 0):
    looked_at = [*rows.seen, logits_of[part](rows)]
    begins = starts[part + 1 - len(looked_at):part + 1]
    logits, levels = map(list, zip(*looked_at))
    words = sampling.Words(logits, levels, np.concatenate(begins), sum(map(len, begins[:-1])))
    tokens, found, choice = sampling.choose_in_part(words, rows.tails[:, part:], sizes[part:], rows.choice,
                                                    temperature, sampler)
    if part == last:
      return tokens
    found |= ~needed
    rows = rows._replace(choice=choice, seen=looked_at if sampler.draws else [])

    def among_more():
      if small_batch:
        return tf.where(found, tokens, choose(rows, ~found, part + 1))
      others = tf.where(~found)
      fewer = tf.nest.map_structure(lambda tensor: tf.gather_nd(tensor, others), rows)
      return tf.tensor_scatter_nd_update(tokens, others, choose(fewer, tf.fill(tf.shape(others)[:1], True), part + 1))

    return tf.cond(tf.reduce_all(found), lambda: tokens, among_more)

  return choose


def _in_turn(model, rules: GraphRules, sampler: sampling.Sampling, temperature):
  """Returns what `_nested` returns for few rows, with one choice in a loop over the parts."""
  ends, sizes = tf.constant([0, *model.clusters.bounds]), tf.constant(model.clusters.sizes[1:])

  def choose(rows: Rows, needed):
    def body(part, tokens, found, choice, seen, starts):
      logits, level = _part_logits(model, rules, temperature, part, (ends[part], ends[part + 1]))(rows)
      words = sampling.Words([logits], [level], _starts(ends[part], ends[part + 1]), 0)
      if sampler.draws:
        words = sampling.joined(sampling.Words([seen, logits], [tf.zeros_like(level), level],
                                               tf.concat([starts, words.starts], 0), tf.size(starts)))
        seen, starts = words.logits[0], words.starts
      chosen, found_now, choice = sampling.choose_in_part(words, rows.tails[:, part:], sizes[part:], choice,
                                                          temperature, sampler)
      return part + 1, tf.where(found, tokens, chosen), found | found_now, choice, seen, starts

    count = rows.length.shape[0]
    none = tf.zeros((tf.size(rows.length), 0)), tf.zeros((0,), tf.int32)
    known = rows.length.shape, needed.shape, tf.nest.map_structure(lambda tensor: tensor.shape, rows.choice)
    return tf.while_loop(lambda _, __, found, *___: ~tf.reduce_all(found), body,
                         (0, tf.zeros_like(rows.length), ~needed, rows.choice, *none),
                         (tf.TensorShape(()), *known, tf.TensorShape((count, None)), tf.TensorShape((None,))))[1]

  return choose


def _over(values, temperature):
  """Returns values divided by the temperature; as they are where it is None, for the likeliest words."""
  return values if temperature is None else values / temperature


def _starts(low, high):
  """Returns the id at which each block of words begins, int32 `[blocks]`, for numbers or int32 `[]`."""
  return tf.range(low, high, sampling.BLOCK) if tf.is_tensor(low) else np.arange(low, high, sampling.BLOCK, np.int32)


def _part_logits(model, rules: GraphRules, temperature, part, bounds):
  """Returns a function from `Rows` to the logits and the level of `sampling.Words`, of the head (0) or a tail.

  Args:
    model, rules: see `chooser`.
    temperature: float32 `[]`, or None for the likeliest words.
    part: which, a number or int32 `[]`.
    bounds: the ids at which it begins and ends, likewise.
  """
  low, high = bounds
  own_logits, never = model.own_logits_of(low, high), model.never_next[low:high]
  adds_never = tf.is_tensor(low) or model.never_next.numpy()[low:high].any()

  def level_of(tails, logits):
    return tf.gather(tails, part - 1, axis=1) - log_sum(logits)

  def logits_of(rows):
    logits = own_logits(rows.hidden)
    if tf.is_tensor(part):
      level = tf.cond(part > 0, lambda: level_of(rows.tails, logits), lambda: tf.zeros_like(rows.choice.highest))
    else:
      level = level_of(rows.tails, logits) if part else tf.zeros_like(rows.choice.highest)
    logits = _over(logits + never if adds_never else logits, temperature)
    logits = rules.restrict(logits, rows.rules, rows.length, low)
    more = sampling.missing(last_size(logits))
    return tf.pad(logits, [[0, 0], [0, more]], constant_values=-np.inf), _over(level, temperature)

  return logits_of


def _many_logits(model, rules: GraphRules, temperature, count: int):
  """Returns a function to the restricted logits / temperature of the first words, for many rows in few passes.

  It takes what the output layer sees, the `RuleState` and how many tokens each poem has. The temperature divides the
  small factor; bias and masks are more rows of the kernel, and the width is a multiple of `sampling.BLOCK`, filled up
  with classes that are never next.
  """
  more = sampling.missing(count)
  kernel = [tf.pad(model.own_kernel(count), [[0, 0], [0, more]]),
            tf.pad(model.next_bias()[:count], [[0, more]], constant_values=-np.inf)[None]]
  if rules.masks is not None:
    kernel.append(tf.ensure_shape(rules.masks[:, :count + more], (None, count + more)))
  kernel = tf.concat(kernel, 0)

  def logits_of(hidden, state, length):
    factors = _over(tf.concat([hidden, tf.ones((tf.shape(hidden)[0], 1))], 1), temperature)
    if rules.masks is not None:
      factors = tf.concat([factors, tf.one_hot(rules.mask_of(state, length), tf.shape(rules.masks)[0])], 1)
    return rules.exclude(tf.matmul(factors, kernel), state, length)

  return logits_of
