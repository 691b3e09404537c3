"""Writing a poem together with a model, character by character."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tangshi_tf import corpus, prosody, run_dir
from tangshi_tf.decoding import directed
from tangshi_tf.decoding.form_plan import KNOWN_ROW, LEVEL_ROW, OBLIQUE_ROW, FormPlan
from tangshi_tf.decoding.rules import (
  MAX_LEN,
  NEVER,
  RULE_STATE_SPEC,
  UNFIXED,
  GraphRules,
  RuleOptions,
  Rules,
  RuleState,
)
from tangshi_tf.decoding.sampling import MIN_TEMPERATURE
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.quiet import tf
from tangshi_tf.settings import WritingSettings, require
from tangshi_tf.short import cut, shown, tag

HELP = ('a number: take that character · characters: take these · Enter: the first · g: the model writes the rest · '
        'u: undo · m: more · ?: this help · q: quit')
_MOST_DIGITS = 10  # of an answer that is a number; Python refuses thousands of them
_EXPECTED = {KNOWN_ROW: '平 or 仄', LEVEL_ROW: '平', OBLIQUE_ROW: '仄'}


@kept_with_model(4)
def _compiled_step(model, options: RuleOptions):
  """Returns one step of one poem as a graph.

  Its arguments: a token, its place, and whether it was free; the model's state,
  the rules' state and their tables. It returns the logits of the next token,
  float32 `[V]`, restricted by the rules, what each rule forbids, and the states.
  """
  @tf.function(input_signature=(tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.bool),
                                model.state_spec, RULE_STATE_SPEC, options.tables_spec), autograph=False)
  def step(token, place, free, state, rule_state, tables):
    rules, length = GraphRules(options, model, tables), place[None] + 1
    rule_state = rules.advance(rule_state, token[None], place[None], free)
    logits, state = model.next_logits(token[None], state)
    forbidden = {name: rows[0] for name, rows in rules.forbidden(rule_state, length).items()}
    return rules.restrict(logits, rule_state, length)[0], forbidden, state, rule_state

  return step


@dataclasses.dataclass(frozen=True)
class _Moment:
  """What a poem is before its next token."""

  ids: list[int]
  logits: np.ndarray
  forbidden: dict[str, tf.Tensor]
  state: list
  rule_state: RuleState

  @property
  def allowed(self) -> np.ndarray:
    """Which tokens may come next, bool `[V]`."""
    return self.logits > NEVER / 2


class Session:
  """A poem that is being written.

  Attributes:
    complete: whether it has ended.
  """

  def __init__(self, run, *, plan: FormPlan | None = None, begin: str = '', acrostic: str = '', template: str = '',
               max_repeat: int = 0, shortest_line: int = 0, max_len: int = MAX_LEN, bos_first: bool = False,
               told: Sequence[int] = (), guidance: float = 0.0):
    """Begins a poem; the arguments are those of `generate`, `run` is a `run_dir.Run`.

    Raises:
      UserError: what is fixed cannot be used.
    """
    if not isinstance(run, run_dir.Run):
      raise UserError(f'run {shown(run)}: expected what run_dir.load returns')
    self._run = run
    self._spelling = corpus.Spelling(run.word2id)
    self._rules = Rules(run.word2id, plan=plan, acrostic=acrostic, template=template, max_len=max_len,
                        bos_first=bos_first, max_repeat=max_repeat, shortest_line=shortest_line)
    self._start = self._rules.start(begin)
    writing = directed.model_to_write(run.model, told, guidance)
    self._first_state = directed.first_state(writing, told, run.model.zero_state(1))
    self._step = _compiled_step(writing, self._rules.options)
    self.complete = False
    self._past = [self._first_moment()]
    self._choices: list[int] = []  # how long the past was before each
    self._take_fixed()

  def __repr__(self):
    return tag('Session', 'complete' if self.complete else 'open', self.text)

  @property
  def text(self) -> str:
    """The poem so far."""
    return ''.join(self._words())

  def choices(self, temperature: float = 1.0) -> tuple[list[str], np.ndarray]:
    """Returns the words that may come next, the most likely first ('eos' ends the poem), and their probabilities.

    Raises:
      UserError: the temperature is not above 0.
    """
    require(WritingSettings, temperature=temperature)
    if not temperature:
      raise UserError('temperature 0: expected a number above 0 for probabilities')
    now = self._past[-1]
    allowed = now.allowed
    logits = np.where(allowed, now.logits, -np.inf) / max(temperature, MIN_TEMPERATURE)
    shares = np.exp(logits - (logits.max() if allowed.any() else 0))
    order = np.argsort(-shares, kind='stable')[:allowed.sum()]
    return [self._run.id2word[i] for i in order], shares[order] / shares.sum()

  def take(self, word: str):
    """Adds a word.

    Raises:
      UserError: it cannot come next; the message says why not.
    """
    if not isinstance(word, str) or word not in self._run.word2id:
      raise UserError(f"{cut(str(word))} is not in the model's vocabulary")
    token = self._run.word2id[word]
    if not self._past[-1].allowed[token]:
      raise UserError(self._objection(word, token))
    self._choices.append(len(self._past))
    if token == self._rules.options.eos:
      self.complete = True
      return
    self._past.append(self._after(self._past[-1], token, free=True))
    self._take_fixed()

  def spelled(self, text: str) -> str:
    """Returns a text as the model's vocabulary spells it."""
    return self._spelling.of(text)[0]

  def undo(self) -> bool:
    """Takes back the last word that was chosen, and what followed from it; returns False if there is none."""
    if not self._choices:
      return False
    del self._past[self._choices.pop():]
    self.complete = False
    return True

  def finish(self, temperature: float, generator: np.random.Generator | None = None):
    """Lets the model write the rest.

    Args:
      temperature: 0 takes the most likely words.
      generator: for drawing; a new one by default.

    Raises:
      UserError: an argument is something else, or nothing fits any more.
    """
    require(WritingSettings, temperature=temperature)
    generator = np.random.default_rng() if generator is None else generator
    if not isinstance(generator, np.random.Generator):
      raise UserError(f'generator {shown(generator)}: expected a numpy.random.Generator')
    while not self.complete:
      words, shares = self.choices(temperature or MIN_TEMPERATURE)
      if not words:
        raise UserError('nothing fits here any more; take something back')
      self.take(words[generator.choice(len(words), p=shares)])

  def _words(self) -> list[str]:
    return [self._run.id2word[i] for i in self._past[-1].ids[self._rules.bos_first:]]

  def _first_moment(self) -> _Moment:
    start = self._start
    history = np.full((1, start.limit if self._rules.options.needs_history else 1), UNFIXED, np.int32)
    if self._rules.options.needs_history:
      history[0, :len(start.fixed)] = start.fixed
    rule_state = RuleState(*(tf.constant(part, tf.int32) for part in ([start.patterns], [start.group], history)))
    before = _Moment([], np.empty(0), {}, self._first_state, rule_state)
    return self._after(before, start.fixed[0], free=False)

  def _after(self, now: _Moment, token: int, free: bool) -> _Moment:
    logits, forbidden, state, rule_state = self._step(
        np.int32(token), np.int32(len(now.ids)), free, now.state, now.rule_state, self._rules.tables)
    return _Moment([*now.ids, token], logits.numpy(), forbidden, state, rule_state)

  def _take_fixed(self):
    """Adds the tokens that are fixed here, the marks of a form above all; they belong to the moment before."""
    fixed = self._start.fixed
    while (place := len(self._past[-1].ids)) < len(fixed) and fixed[place] != UNFIXED:
      self._past[-1] = self._after(self._past[-1], fixed[place], free=False)
    self.complete = place >= self._start.limit

  def _objection(self, word: str, token: int) -> str:
    """Returns why a word is not allowed."""
    now, plan = self._past[-1], self._rules.plan
    rules = {name for name, tokens in now.forbidden.items() if tokens[token]}
    if word in corpus.PUNCTUATION or word in corpus.SPECIAL_TOKENS:
      return f'{word}: a character is expected here'
    if 'repeat' in rules:
      return f'{word} is in the poem already'
    if plan is None:
      return f'{word} cannot come here'
    patterns, group = (int(part[0]) for part in now.rule_state[:2])
    if 'tone' in rules:
      wanted = _EXPECTED[plan.tone_classes[patterns, len(now.ids) - 1]]
      return f'{word} is {prosody.tone(word)}; expected {wanted}'
    usual = ' '.join(sorted(prosody.usual_rhymes_of(word)))
    rhymes = f'{word} rhymes as {usual}' if usual else f'{word} is hardly ever a rhyme'
    if group < plan.no_group:
      return f'{rhymes}; expected {prosody.level_groups()[group]}'
    return f'{rhymes}, of which too few characters are known'


def converse(session: Session, *, read: Callable[[], str], say: Callable[[str], None], shown: int,
             temperature: float, generator: np.random.Generator) -> bool:
  """Writes a poem with a person.

  Args:
    session: the poem.
    read: returns the person's next line; may raise EOFError.
    say: shows a line.
    shown: how many characters are proposed.
    temperature: with which the model finishes the poem.
    generator: for drawing.

  Returns:
    Whether it ended as the person wished, by a complete poem or by q; False
    where there was nothing more to read.
  """
  say(HELP)
  proposed = shown
  while not session.complete:
    words, shares = session.choices()
    if not words:
      say('Nothing fits here any more; take something back.')
    say(session.text or '(nothing yet)')
    say('  '.join(f'{number} {word} {share:.0%}' for number, (word, share) in enumerate(zip(words, shares), 1)
                  if number <= proposed))
    try:
      answer = ''.join(corpus.clean(read()).split())
    except EOFError:
      return False
    offered, proposed = min(proposed, len(words)), shown
    try:
      if answer in ('q', 'Q'):
        return True
      if answer.lower() in ('？', 'h', 'help'):
        say(HELP)
        continue
      if answer in ('u', 'U'):
        if not session.undo():
          say('nothing to undo')
      elif answer in ('m', 'M'):
        proposed = 5 * shown
      elif answer in ('g', 'G'):
        session.finish(temperature, generator)
      elif answer.isascii() and answer and answer != corpus.end_token:
        number = int(answer) if answer.isdigit() and len(answer) < _MOST_DIGITS else 0
        if not 1 <= number <= offered:
          raise UserError(f'{shorten(answer)}: expected a number from 1 to {offered}, or characters; {HELP}')
        session.take(words[number - 1])
      elif answer or words:
        _take_all(session, answer or words[0])
    except UserError as error:
      say(str(error))
  return True


def _take_all(session: Session, answer: str):
  answer = session.spelled(answer)
  for word in [answer] if answer == corpus.end_token else answer:
    # A person may type the marks that the form sets by itself.
    if not session.complete and not (word in corpus.PUNCTUATION and session.text.endswith(word)):
      session.take(word)
