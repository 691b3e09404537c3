"""The decoding loop as one graph."""

import functools
import operator

from tangshi_tf.decoding import next_token, sampling
from tangshi_tf.decoding.rules import RULE_STATE_SPEC, GraphRules, RuleOptions
from tangshi_tf.model import devices
from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.quiet import tf


@kept_with_model(8)
def compiled_decoder(model, sampler: sampling.Sampling, options: RuleOptions, small_batch: bool, xla: bool,
                     quick_start: bool):
  """Returns the decoding loop as one graph, traced once for any number of rows.

  A small batch can be compiled by XLA, which takes a third of the time a step but
  compiles for each number of rows, for a second; of many rows the time is in the
  product, and the graph takes any number at once. Where it does not, it can have
  a graph that is made in half the time, see `next_token.chooser`.

  Its arguments: the last tokens int32 `[rows]`; the state of the model; the
  tokens that are fixed, int32 `[rows, steps]`, `rules.UNFIXED` where there is none;
  how many tokens each row may still get, int32 `[rows]`; uniform numbers float32
  `[rows, steps]` (used when drawing), and the temperature; how many tokens each
  row has, int32 `[rows]`; the `rules.RuleState`, and the tables of `rules.Rules`.
  It returns the tokens that follow, int32 `[rows, steps]`, the state of the model,
  and `patterns` and `group` of the rules. What stands after eos or after a row's
  last token has no meaning.
  """
  per_row, matrix = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, None), tf.int32)
  signature = (per_row, model.state_spec, matrix, per_row, tf.TensorSpec((None, None)), tf.TensorSpec(()), per_row,
               RULE_STATE_SPEC, options.tables_spec)

  by_xla = xla and small_batch and devices.has_xla()
  in_turn = quick_start and small_batch and not by_xla

  @tf.function(input_signature=signature, autograph=False, jit_compile=by_xla)
  def decode(token, state, fixed, left, uniforms, temperature, length, rule_state, tables):
    rules = GraphRules(options, model, tables)
    choose_for = next_token.chooser(model, rules, sampler, temperature, small_batch, in_turn)
    loops = 1 if small_batch else devices.loops()
    rows = [token, state, fixed, left, uniforms, length, rule_state]
    write = functools.partial(write_tokens, model, rules, choose_for)
    if loops > 1:
      write = tf.function(write, autograph=False)  # so that the loops have one graph, made once
    written = [write(*part) for part in _parts(rows, tf.shape(token)[0], loops)]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *written)

  return decode.get_concrete_function()  # calling it takes 1 ms less than finding it again


def write_tokens(model, rules: GraphRules, choose_for, token, state, fixed, left, uniforms, length, rule_state):
  """Writes the next tokens of some poems; in a graph.

  Args:
    model: a `myRNNModel`, or a `directed.Guided` one.
    rules: what may come next.
    choose_for: of `next_token.chooser`.
    token, state, fixed, left, uniforms, length, rule_state: see `compiled_decoder`, as for what is returned.
  """
  steps = tf.shape(fixed)[1]

  def body(step, token, done, state, written, rule_state):
    hidden, state = model.step(token, state)
    here = tf.gather(fixed, step, axis=1)
    free = here < 0
    chosen = choose_for(hidden, tf.gather(uniforms, step, axis=1), rule_state, length + step, free & ~done)
    token = tf.where(free, chosen, here)
    rule_state = rules.advance(rule_state, token, length + step, free)
    done |= (free & (token == rules.eos)) | (step + 1 >= left)
    written = tf.where(tf.range(steps) == step, token[:, None], written)
    return step + 1, token, done, state, written, rule_state

  *_, state, written, rule_state = tf.while_loop(
      lambda step, _, done, *__: (step < steps) & ~tf.reduce_all(done), body,
      (0, token, left <= 0, state, tf.zeros_like(fixed), rule_state))
  return written, state, rule_state.patterns, rule_state.group


def _parts(tensors, rows, count: int):
  """Returns the rows of all tensors of a structure in so many parts."""
  if count == 1:
    return [tensors]
  ends = [rows * i // count for i in range(count + 1)]
  return [tf.nest.map_structure(operator.itemgetter(slice(low, high)), tensors) for low, high in zip(ends, ends[1:])]
