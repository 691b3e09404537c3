"""Which tokens may come next: one definition for the decoding loop, for beam search and for interactive writing.

The rules, in the order in which they are applied:

* tone: in a form, the token is a character whose tone some pattern that the poem still
  follows admits;
* rhyme: at the end of a rhyming line, it is of the poem's rhyme group;
* repeat: a character occurs in a poem at most `max_repeat` times;
* short line: a mark comes after at least `shortest_line` characters, eos after a mark.

Beside them stand the model's own: PAD, UNK and bos are never next (`next_bias`). Fixed
tokens (the begin word, an acrostic, the marks of a form) come whatever the rules say;
`FormPlan.start` has looked at those of a form before.

A token that tone, rhyme or line forbid gets a very low logit, `NEVER`, instead of minus
infinity: it comes where nothing else is left.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tangshi_tf import corpus
from tangshi_tf.decoding import sampling
from tangshi_tf.decoding.form_plan import MUST_RHYME, NO_RHYME, FormPlan
from tangshi_tf.decoding.text import encode_begin
from tangshi_tf.errors import UserError
from tangshi_tf.model import require_model
from tangshi_tf.model.kept import require_start
from tangshi_tf.model.shapes import last_size
from tangshi_tf.quiet import tf
from tangshi_tf.settings import EXERCISE, WritingSettings, require
from tangshi_tf.short import shown, tag

NEVER = -1e9  # not infinite, because masks are multiplied by 0 in `next_token`
UNFIXED = -1  # among fixed tokens: none is fixed here; in a history: none is known
MAX_LEN = EXERCISE['max_len']


@dataclasses.dataclass(frozen=True)
class Start:
  """What a poem begins with.

  Attributes:
    fixed: the ids that are fixed, bos included, `UNFIXED` between them.
    limit: how many tokens the poem has at most, bos included, eos not.
    patterns, group: see `RuleState`.
  """

  fixed: list[int]
  limit: int
  patterns: int = 0
  group: int = 0


class RuleState(NamedTuple):
  """What the rules know of some poems; tensors.

  Attributes:
    patterns: int32 `[rows]`, the tone patterns that a poem still follows, one
      bit each.
    group: int32 `[rows]`, the rhyme group, `FormPlan.no_group` before the first
      rhyme.
    history: int32 `[rows, n]`, the tokens that are written or fixed, `UNFIXED` for
      the others; any width where `RuleOptions.needs_history` is false.
  """

  patterns: tf.Tensor
  group: tf.Tensor
  history: tf.Tensor


RULE_STATE_SPEC = RuleState(tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None,), tf.int32),
                            tf.TensorSpec((None, None), tf.int32))


class FormTables(NamedTuple):
  """The tables of a `FormPlan` as tensors; those over the vocabulary have columns for one more block of words."""

  tone_classes: tf.Tensor
  kept_patterns: tf.Tensor
  rhymes: tf.Tensor
  masks: tf.Tensor  # float32 `[classes, width]`: 0 for the tokens of a tone class, `NEVER` for others
  tone_of: tf.Tensor
  group_of: tf.Tensor
  not_rhyming: tf.Tensor


_TABLES_SPEC = FormTables(*(tf.TensorSpec((None,) * rank, dtype) for rank, dtype in (
    (2, tf.int32), (2, tf.int32), (2, tf.int32), (2, tf.float32), (1, tf.int32), (1, tf.int32), (2, tf.bool))))


@functools.lru_cache(maxsize=8)
def form_tables(plan: FormPlan) -> FormTables:
  """Returns the tables of a plan as tensors."""
  width = ((0, 0), (0, sampling.BLOCK))
  masks = np.where(plan.allowed, np.float32(0), np.float32(NEVER))
  return FormTables(*map(tf.constant, (
      plan.tone_classes, plan.kept_patterns, plan.rhymes, np.pad(masks, width, constant_values=NEVER), plan.tone_of,
      plan.group_of, np.pad(plan.not_rhyming, width))))


@dataclasses.dataclass(frozen=True)
class RuleOptions:
  """What a compiled function depends on; see `Rules`."""

  eos: int
  in_form: bool = False
  max_repeat: int = 0
  shortest_line: int = 0

  @property
  def needs_history(self) -> bool:
    """Whether what may come next depends on the tokens before."""
    return bool(self.max_repeat or self.shortest_line)

  @property
  def tables_spec(self):
    """The spec of `Rules.tables` in a signature."""
    return _TABLES_SPEC if self.in_form else ()


class Rules:
  """The rules of some poems, outside of graphs.

  Attributes:
    options: what a compiled function depends on.
    tables: what it is given at each call, to make `GraphRules` of.
    plan: the form, or None.
    bos_first: whether bos is the first token.
  """

  def __init__(self, word2id: dict[str, int], *, plan: FormPlan | None = None, acrostic: str = '', template: str = '',
               max_len: int = MAX_LEN, bos_first: bool = False, max_repeat: int = 0, shortest_line: int = 0):
    """Sets the rules.

    Args:
      word2id: the model's vocabulary.
      plan: the form that all poems are written in. They begin with bos then,
        the form's length takes the place of `max_len`, and begin words may be
        empty.
      acrostic, template: with a plan, see `FormPlan.fixed_words`.
      max_len: a poem ends once more than this many tokens are collected (so it
        has one more), the begin word's included, if eos has not ended it before.
      bos_first: feed bos before the begin word, as in training; the exercise
        starts at the begin word itself.
      max_repeat: how often a character may occur in a poem, 日日 counting once
        where they are neighbours; 0 for any number.
      shortest_line: how many characters a line has at least, and the poem ends
        only after a mark; 0 for no rule. Without effect in a form.

    Raises:
      UserError: an argument is out of range.
    """
    require_start()  # else the tables that are kept would be those of some graph
    require(WritingSettings, max_repeat=max_repeat, shortest_line=shortest_line, max_len=max_len, acrostic=acrostic,
            template=template)
    if plan is not None and not isinstance(plan, FormPlan):
      raise UserError(f'plan {shown(plan)}: expected a FormPlan')
    corpus.require_vocabulary(word2id)
    self.plan, self.bos_first = plan, bos_first or plan is not None
    self.options = RuleOptions(word2id[corpus.end_token], plan is not None, max_repeat,
                               0 if plan is not None else shortest_line)
    self.tables = form_tables(plan) if plan is not None else ()
    self._word2id, self._max_len = word2id, max_len
    self._acrostic, self._template = acrostic, template
    self._in_form = functools.lru_cache(maxsize=1000)(self._start_in_form)

  def __repr__(self):
    form = self.plan.form.name if self.plan is not None else f'max_len {self._max_len}'
    return tag('Rules', form, f'max_repeat {self.options.max_repeat}, shortest_line {self.options.shortest_line}')

  def start(self, begin: str) -> Start:
    """Returns what a poem with a begin word begins with.

    Raises:
      UserError: the begin word or the acrostic cannot be used.
    """
    if not isinstance(begin, str):
      raise UserError(f'begin word {shown(begin)}: expected a text')
    if self.plan is not None:
      return self._in_form(begin)
    fixed = encode_begin(begin, self._word2id, bos_first=self.bos_first)
    return Start(fixed, max(self._max_len + 1 + self.bos_first, len(fixed)))

  def _start_in_form(self, begin: str) -> Start:
    assert self.plan is not None
    words = self.plan.fixed_words(begin, self._acrostic, self._template)
    fixed = [self._word2id[corpus.start_token], *(UNFIXED if word is None else self._word2id[word] for word in words)]
    return Start(fixed, len(fixed), *self.plan.start(words))


def tables_of(model, word2id, id2word) -> tuple[dict[str, int], dict[int, str]]:
  """Returns the vocabulary to write with: the one that is given, else the model's own.

  Raises:
    UserError: the model is none, or has another number of words.
  """
  require_model(model)
  for name, given in {'word2id': word2id, 'id2word': id2word}.items():
    if given is not None and (not isinstance(given, Mapping) or len(given) != len(model.word2id)):
      raise UserError(f'{name} {shown(given)}: expected a dictionary of the {len(model.word2id):,} words of the model')
  return model.word2id if word2id is None else word2id, model.id2word if id2word is None else id2word


class GraphRules:
  """The rules in a graph.

  In all methods `state` is a `RuleState`, and `length`, int32 `[rows]`, says how
  many tokens a poem has before the one in question. Logits are those of the words
  from `first` on, `[rows, n]`, of all by default.

  Attributes:
    masks: float32 `[classes, width]`, of which one is added to the logits of
      each poem; None without a form.
    eos: the id of the token that ends a poem.
  """

  def __init__(self, options: RuleOptions, model, tables: FormTables | tuple):
    """Sets the rules.

    Args:
      options: of `Rules`.
      model: a `myRNNModel`, which knows characters and marks.
      tables: of `Rules`, or placeholders of `RuleOptions.tables_spec`.
    """
    self._options, self._model, self.eos = options, model, options.eos
    self._form = tables if isinstance(tables, FormTables) else None
    self.masks = self._form.masks if self._form is not None else None
    self._exclusions = {}
    if options.in_form:
      self._exclusions['rhyme'] = self._without_wrong_rhymes
    if options.max_repeat:
      self._exclusions['repeat'] = self._without_repeats
    if options.shortest_line and model.marks.shape[0]:  # where there are no marks, no line ends
      self._exclusions['short line'] = self._without_short_lines

  def restrict(self, logits, state, length, first=0):
    """Returns the logits with very low ones, or -inf, for what is forbidden."""
    return self.exclude(self._without_wrong_tones(logits, state, length, first), state, length, first)

  def mask_of(self, state, length):
    """Returns the row of `masks` that holds for each poem, int32 `[rows]`."""
    return _at(self._form.tone_classes, state.patterns, length - 1)

  def exclude(self, logits, state, length, first=0):
    """Does the rest of `restrict` where `masks` have been added to the logits."""
    for exclude in self._exclusions.values():
      logits = exclude(logits, state, length, first)
    return logits

  def forbidden(self, state, length) -> dict[str, tf.Tensor]:
    """Returns what each rule forbids by itself, bool `[rows, V]`."""
    rules = {'tone': self._without_wrong_tones, **self._exclusions}
    zeros = tf.zeros((tf.shape(length)[0], self._model.dense.units))
    return {name: rule(zeros, state, length, 0) < 0 for name, rule in rules.items()}

  def advance(self, state, token, length, free):
    """Returns the state after a token.

    Args:
      state: see above.
      token: int32 `[rows]`.
      length: see above; the token's place in the poem.
      free: bool `[rows]` or `[]`, whether the token was free. `Rules.start` has
        taken account of fixed ones.
    """
    patterns, group, history = state
    if self._form is not None:
      form = self._form
      place = tf.clip_by_value(length - 1, 0, tf.shape(form.kept_patterns)[0] - 1)  # bos has none
      kept = patterns & tf.gather_nd(form.kept_patterns, tf.stack([place, tf.gather(form.tone_of, token)], 1))
      no_group = tf.shape(form.not_rhyming)[0] - 1
      begins = (_at(form.rhymes, kept, place) == MUST_RHYME) & (group == no_group)
      patterns = tf.where(free, kept, patterns)
      group = tf.where(free & begins, tf.gather(form.group_of, token), group)
    if self._options.needs_history:
      history = tf.where(tf.range(tf.shape(history)[1]) == length[:, None], token[:, None], history)
    return RuleState(patterns, group, history)

  def _without_wrong_tones(self, logits, state, length, first):
    if self.masks is None:
      return logits
    masks = self.masks[:, first:first + last_size(logits)]
    return logits + tf.gather(masks, self.mask_of(state, length))

  def _without_wrong_rhymes(self, logits, state, length, first):
    rhyme = _at(self._form.rhymes, state.patterns, length - 1) != NO_RHYME

    def without():
      wrong = tf.gather(self._form.not_rhyming[:, first:first + last_size(logits)], state.group)
      return tf.where(rhyme[:, None] & wrong, NEVER, logits)

    return tf.ensure_shape(tf.cond(tf.reduce_any(rhyme), without, lambda: logits), logits.shape)

  def _without_repeats(self, logits, state, length, first):
    """A character after itself counts once with it, and may follow itself once."""
    history = state.history
    before = tf.concat([tf.fill((tf.shape(history)[0], 1), UNFIXED), history[:, :-1]], 1)
    known = (history >= 0) & tf.gather(self._model.is_character, tf.maximum(history, 0))
    counted = known & (history != before)
    end = tf.clip_by_value(length - 1, 0, tf.shape(history)[1] - 1)
    last = tf.gather(history, end, batch_dims=1)
    once = last != tf.gather(before, end, batch_dims=1)
    counted &= ~(once[:, None] & (history == last[:, None]))
    index, inside = _places(history - first, last_size(logits))
    counted &= inside
    if self._options.max_repeat == 1:
      return tf.tensor_scatter_nd_min(logits, index, tf.reshape(tf.where(counted, -np.inf, np.inf), (-1,)))
    counts = tf.scatter_nd(index, tf.reshape(tf.cast(counted, tf.int32), (-1,)), tf.shape(logits))
    return tf.where(counts >= min(self._options.max_repeat, tf.int32.max), -np.inf, logits)

  def _without_short_lines(self, logits, state, length, first):
    history, model = state.history, self._model
    places = length[:, None] - 1 - tf.range(self._options.shortest_line)
    recent = tf.gather(history, tf.clip_by_value(places, 0, tf.shape(history)[1] - 1), batch_dims=1)
    in_line = (places >= 0) & (recent >= 0) & tf.gather(model.is_character, tf.maximum(recent, 0))
    rows, marks = tf.shape(history)[0], tf.size(model.marks)
    too_short = ~tf.reduce_all(in_line, axis=1, keepdims=True)
    forbidden = tf.concat([tf.repeat(too_short, marks, axis=1), in_line[:, :1]], 1)
    words = tf.broadcast_to(tf.concat([model.marks, [self.eos]], 0), (rows, marks + 1))
    index, inside = _places(words - first, last_size(logits))
    return tf.tensor_scatter_nd_min(logits, index, tf.reshape(tf.where(forbidden & inside, NEVER, np.inf), (-1,)))


def _places(columns, width):
  """Returns the places of columns int32 `[rows, k]` of a tensor of that width, `[rows * k, 2]`, and which it has.

  The places of the others are those of the first column.
  """
  inside = (columns >= 0) & (columns < width)
  rows = tf.broadcast_to(tf.range(tf.shape(columns)[0])[:, None], tf.shape(columns))
  return tf.reshape(tf.stack([rows, tf.where(inside, columns, 0)], -1), (-1, 2)), inside


def _at(table, patterns, place):
  """Returns the entries of a table `[sets of patterns, length]`; a place after the last counts as the last."""
  return tf.gather_nd(table, tf.stack([patterns, tf.minimum(place, tf.shape(table)[1] - 1)], 1))
