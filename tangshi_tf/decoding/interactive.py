"""Writing a poem together with a model, character by character."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tangshi_tf import corpus, decoding, prosody
from tangshi_tf.decoding import verse
from tangshi_tf.errors import UserError

HELP = ('a number: take that character · characters: take these · Enter: the first · g: the model goes on · '
        'u: undo · m: more · q: quit')


@dataclasses.dataclass(frozen=True)
class _Moment:
  """What a poem is before its next token."""

  words: list[str]
  state: list
  commitment: tuple[int, int]
  logits: np.ndarray


class Session:
  """A poem that is being written.

  Attributes:
    complete: whether it has ended.
  """

  def __init__(self, run, *, plan: verse.Plan | None = None, begin: str = '', acrostic: str = '', max_repeat: int = 0,
               max_len: int = 30, bos_first: bool = False):
    """Begins a poem; the arguments are those of `decoding.generate`, `run` is a `run_dir.Run`.

    Raises:
      UserError: what is given cannot be used.
    """
    self._run, self._plan, self._max_repeat = run, plan, max_repeat
    self._step = tf.function(run.model.next_logits, input_signature=(
        tf.TensorSpec((1,), tf.int32), [tf.TensorSpec((1, run.model.rnncell.units))] * run.model.state_tensors))
    start = run.word2id[corpus.start_token]
    if plan is None:
      self._given, self._length = [], max_len + 1
      prefix = decoding.encode_begin(begin, run.word2id, bos_first=bos_first)
      commitment = 0, 0
    else:
      self._given, self._length = plan.given(begin, acrostic), plan.length
      prefix, commitment = [start], plan.start(self._given)
    state = run.model.zero_state(1)
    for i in prefix:
      logits, state = self._step(tf.constant([i], tf.int32), state)
    self._past = [_Moment([run.id2word[i] for i in prefix if i != start], state, commitment, logits.numpy()[0])]
    self._choices: list[int] = []  # how long the past was before each
    self.complete = len(self._past[0].words) >= self._length
    self._take_given()

  @property
  def text(self) -> str:
    """The poem so far."""
    return ''.join(self._past[-1].words)

  def choices(self, temperature: float = 1.0) -> tuple[list[str], np.ndarray]:
    """Returns the words that may come next, the likeliest first ('eos' ends the poem), and their probabilities."""
    now = self._past[-1]
    allowed = self._allowed(now)
    logits = np.where(allowed, now.logits, -np.inf) / temperature
    shares = np.exp(logits - (logits.max() if allowed.any() else 0))
    order = np.argsort(-shares, kind='stable')[:allowed.sum()]
    return [self._run.id2word[i] for i in order], shares[order] / shares.sum()

  def take(self, word: str):
    """Goes on with a word.

    Raises:
      UserError: it cannot come next; the message says why not.
    """
    if word not in self._run.word2id:
      raise UserError(f"{word} is not in the model's vocabulary")
    if not self._allowed(self._past[-1])[self._run.word2id[word]]:
      raise UserError(self._objection(word))
    self._choices.append(len(self._past))
    self._append(word)
    self._take_given()

  def undo(self) -> bool:
    """Takes back the last word that was chosen, and what followed from it; returns False if there is none."""
    if not self._choices:
      return False
    del self._past[self._choices.pop():]
    self.complete = False
    return True

  def go_on(self, temperature: float, generator: np.random.Generator):
    """Lets the model write the rest."""
    while not self.complete:
      words, shares = self.choices(max(temperature, 1e-3))
      if not words:
        raise UserError('nothing fits here any more; take something back')
      self.take(words[generator.choice(len(words), p=shares)])

  def _next_given(self) -> str | None:
    place = len(self._past[-1].words)
    return self._given[place] if place < len(self._given) else None

  def _take_given(self):
    """Adds what the form gives here, marks above all."""
    while not self.complete and (word := self._next_given()):
      self._append(word)

  def _append(self, word: str):
    now, i = self._past[-1], self._run.word2id[word]
    if word == corpus.end_token:
      self.complete = True
      return
    commitment = now.commitment
    if self._plan is not None and self._next_given() is None:
      commitment = self._plan.commit(len(now.words), commitment, i)
    logits, state = self._step(tf.constant([i], tf.int32), now.state)
    self._past.append(_Moment([*now.words, word], state, commitment, logits.numpy()[0]))
    self.complete = len(now.words) + 1 >= self._length

  def _allowed(self, now: _Moment) -> np.ndarray:
    found = now.logits > -np.inf
    if self._plan is not None:
      found = found & self._plan.allowed(len(now.words), now.commitment)
    if self._max_repeat:
      found[[self._run.word2id[word] for word in self._used(now)]] = False
    return found

  def _used(self, now: _Moment) -> set[str]:
    """Returns the characters that may not come again."""
    words = now.words + [word for word in self._given[len(now.words):] if word]
    counted = [word for before, word in zip([None, *words], words)
               if word != before and word not in corpus.PUNCTUATION]
    full = {word for word in counted if counted.count(word) >= self._max_repeat}
    last = now.words[-1:]
    return full - set(last) if now.words[-2:-1] != last else full

  def _objection(self, word: str) -> str:
    now = self._past[-1]
    if word in corpus.PUNCTUATION or word in corpus.SPECIAL_TOKENS:
      return f'{word}: a character is expected here'
    if self._max_repeat and word in self._used(now):
      return f'{word} stands in the poem already'
    if self._plan is not None:
      token = self._run.word2id[word]
      wanted = self._plan.classes[now.commitment[0], len(now.words)]
      if self._plan.masks[wanted, token] != 0:
        return f'{word} is {prosody.tone(word)}; expected {["", "平 or 仄", "平", "仄"][wanted]}'
      groups = ' '.join(sorted(prosody.usual_rhymes_of(word)))
      if now.commitment[1] < self._plan.no_group:
        return f'{word} rhymes as {groups}; expected {prosody.level_groups()[now.commitment[1]]}'
      return f'{word} rhymes as {groups}, of which too few characters are known'
    return f'{word} cannot come here'


def converse(session: Session, *, read: Callable[[], str], say: Callable[[str], None], shown: int,
             temperature: float, generator: np.random.Generator) -> bool:
  """Writes a poem with a person.

  Args:
    session: the poem.
    read: returns the person's next line; may raise EOFError.
    say: shows a line.
    shown: how many characters are proposed.
    temperature: with which the model goes on.
    generator: for drawing.

  Returns:
    Whether the poem was completed.
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
      answer = ''.join(read().split())
    except EOFError:
      return False
    proposed = shown
    try:
      if answer in ('q', 'Q'):
        return False
      if answer in ('u', 'U'):
        if not session.undo():
          say('nothing to undo')
      elif answer in ('m', 'M'):
        proposed = 5 * shown
      elif answer in ('g', 'G'):
        session.go_on(temperature, generator)
      elif answer.isascii() and answer:
        if not answer.isdigit() or not 1 <= int(answer) <= len(words):
          raise UserError(f'{answer}: expected 1 to {len(words)}; {HELP}')
        session.take(words[int(answer) - 1])
      elif answer or words:
        _take_all(session, answer or words[0])
    except UserError as error:
      say(str(error))
  return True


def _take_all(session: Session, answer: str):
  for word in [answer] if answer == corpus.end_token else answer:
    # A person may type the marks that the form sets by itself.
    if not session.complete and not (word in corpus.PUNCTUATION and session.text.endswith(word)):
      session.take(word)
