"""The choice of the next tokens in the decoding loop, from no more words than it takes.

Where the softmax is adaptive, the head comes first. A word of a tail is no likelier than the tail, and all of them
together have its probability, so the head often tells which word it is; other rows go on to the head and the first tail
together, and so on to all words.
"""

from typing import NamedTuple

import numpy as np

from tangshi_tf.decoding import directed, sampling
from tangshi_tf.decoding.rules import GraphRules, RuleState
from tangshi_tf.quiet import tf


class Rows(NamedTuple):
  """What the next tokens of some poems depend on.

  Attributes:
    hidden: what the output layer sees, `[rows, width]`.
    draw: see `sampling.choose_in_part`.
    rules: the `RuleState`.
    length: int32 `[rows]`, how many tokens each poem has.
  """

  hidden: tf.Tensor
  draw: sampling.Draw
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
    temperature: float32 `[]`.
    small_batch: whether the rows are few; then all go on together, as XLA has it.
    in_turn: for few rows, whether the parts take turns in a loop, which XLA cannot have. Its graph has the choice once
      instead of once for each part, and is made in half the time.
  """
  words = [model.dense.units]
  if model.clusters is not None and not sampler.by_mass:
    words = model.clusters.bounds
  if in_turn and len(words) > 1:
    choose = _in_turn(model, rules, sampler, temperature, words)
  else:
    choose = _nested(model, rules, sampler, temperature, words, small_batch)

  def start(hidden, uniforms, state, length, needed):
    return choose(Rows(hidden, sampling.Draw(uniforms, tf.fill(tf.shape(uniforms), np.inf)), state, length), needed)

  return start


def _nested(model, rules: GraphRules, sampler: sampling.Sampling, temperature, words: list[int], small_batch: bool):
  """Returns the function of `chooser` from `Rows` and which of them need a token; `words` are those of the parts."""
  logits_of = [_few_logits(model, rules, temperature, count) for count in words]
  whole = model.dense.units if model.clusters is None else model.clusters.bounds[0]
  if not small_batch and words[0] == whole and not directed.is_guided(model):
    logits_of[0] = _many_logits(model, rules, temperature, words[0])

  def choose(rows: Rows, needed, part: int = 0):
    logits, last = logits_of[part](rows), part == len(words) - 1
    if last and not part:
      return sampling.choose(logits, rows.draw.uniforms, sampler)
    tails, sizes = model.clusters.beyond(rows.hidden, part)
    tokens, found, draw = sampling.choose_in_part(logits, words[part - 1] if part else 0, tails, sizes, rows.draw,
                                                  temperature, sampler)
    if last:
      return tokens
    found |= ~needed
    rows = rows._replace(draw=draw)

    def in_larger_part():
      if small_batch:
        return tf.where(found, tokens, choose(rows, ~found, part + 1))
      others = tf.where(~found)
      fewer = tf.nest.map_structure(lambda tensor: tf.gather_nd(tensor, others), rows)
      return tf.tensor_scatter_nd_update(tokens, others, choose(fewer, tf.fill(tf.shape(others)[:1], True), part + 1))

    return tf.cond(tf.reduce_all(found), lambda: tokens, in_larger_part)

  # A form fixes the marks of all lines at once.
  return lambda rows, needed: tf.cond(tf.reduce_any(needed), lambda: choose(rows, needed),
                                      lambda: tf.zeros_like(rows.length))


def _in_turn(model, rules: GraphRules, sampler: sampling.Sampling, temperature, words: list[int]):
  """Returns what `_nested` returns for few rows, with one choice in a loop over the parts."""
  ends = tf.constant([0, *words])

  def choose(rows: Rows, needed):
    def body(part, tokens, found, draw):
      logits = _few_logits(model, rules, temperature, ends[part + 1])(rows)
      tails, sizes = model.clusters.beyond(rows.hidden, part)
      chosen, found_now, draw = sampling.choose_in_part(logits, ends[part], tails, sizes, draw, temperature, sampler)
      return part + 1, tf.where(found, tokens, chosen), found | found_now, draw

    return tf.while_loop(lambda _, __, found, ___: ~tf.reduce_all(found), body,
                         (0, tf.zeros_like(rows.length), ~needed, rows.draw))[1]

  return choose


def _few_logits(model, rules: GraphRules, temperature, words):
  """Returns a function from `Rows` to the restricted logits / temperature of the first words, a number or `[]`."""
  logits_of = model.next_logits_of(words)
  return lambda rows: rules.restrict(logits_of(rows.hidden) / temperature, rows.rules, rows.length)


def _many_logits(model, rules: GraphRules, temperature, words: int):
  """Returns the function of `_few_logits` with fewer passes over the logits of many rows, for words without tails.

  The temperature divides the small factor; bias and masks are more rows of the kernel, and the width is a multiple of
  `sampling.BLOCK`, filled up with classes that are never next.
  """
  more = sampling.missing(words)
  kernel = [tf.pad(tf.convert_to_tensor(model.dense.kernel)[:, :words], [[0, 0], [0, more]]),
            tf.pad(model.next_bias()[:words], [[0, more]], constant_values=-np.inf)[None]]
  if rules.masks is not None:
    kernel.append(tf.ensure_shape(rules.masks[:, :words + more], (None, words + more)))
  kernel = tf.concat(kernel, 0)

  def logits(rows):
    factors = tf.concat([rows.hidden, tf.ones((tf.shape(rows.hidden)[0], 1))], 1) / temperature
    if rules.masks is not None:
      factors = tf.concat([factors, tf.one_hot(rules.mask_of(rows.rules, rows.length), tf.shape(rules.masks)[0])], 1)
    return rules.exclude(tf.matmul(factors, kernel), rows.rules, rows.length)

  return logits
