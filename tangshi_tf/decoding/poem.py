"""A poem that was written, and how it is shown; without TensorFlow."""

import dataclasses
import functools
import html
import itertools
import re
from typing import Any

from tangshi_tf import controls, corpus, prosody
from tangshi_tf.decoding.text import split_sentences
from tangshi_tf.errors import UserError
from tangshi_tf.evaluation import measures
from tangshi_tf.short import call, shown

_LINE = re.compile(f'[^{corpus.PUNCTUATION}]+[{corpus.PUNCTUATION}]*')
_SPACE = '\u3000'  # as wide as a character
_PAGE = ('<figure style="display:inline-block;margin:1em;padding:1.2em 1.5em;background:#fbf7ee;color:#222;'
         'border:1px solid #d9cdb4;border-radius:4px;text-align:center">'
         '<div lang="zh" style="display:inline-block;writing-mode:vertical-rl;text-align:start;'
         'font:1.5em/1.8 KaiTi,STKaiti,\'Kaiti SC\',serif;letter-spacing:.15em">{lines}</div>'
         '<figcaption style="margin-top:1em;font:.8em sans-serif;color:#776">{caption}</figcaption></figure>')


@dataclasses.dataclass(frozen=True)
class WrittenPoem:
  """A poem that a model has written.

  `str(poem)` is its text, a sentence a line; in a notebook it is shown in
  columns.

  Attributes:
    text: on one line, with its marks.
    begin: what it was asked to begin with.
    seed: with which it is written again; None of beam search.
    form: the form that it was asked to keep, or None.
    tones: 'strict', 'loose' or 'off', how the form's tones were meant.
    rhyme_asked: 'any', a rhyme group, or None.
    log_probability: of its characters, marks and no end under the model after
      what it was told and bos, from the zero state and whatever restricted them,
      in nats; None where it was not measured.
    copied: its lines that stand in the corpus, where that was looked up.
    model: the name of the model.
    direction: what it was told before it began.
    guidance: how much that was exaggerated.
  """

  text: str
  begin: str = ''
  seed: int | None = None
  form: prosody.Form | None = None
  tones: str = 'strict'
  rhyme_asked: str | None = None
  log_probability: float | None = None
  copied: tuple[str, ...] = ()
  model: str = ''
  direction: controls.Direction = controls.Direction()
  guidance: float = 0.0

  @property
  def lines(self) -> list[str]:
    """The lines of verse, without marks."""
    return corpus.verse_lines(self.text)

  @functools.cached_property
  def checked(self) -> prosody.Check | None:
    """What `prosody.check` says of the poem in its form; None without one."""
    return prosody.check(self.text, self.form, self.tones) if self.form is not None else None

  @property
  def rhyme(self) -> str | None:
    """The group that the poem rhymes in, such as 下平一先; None where no rhyme was asked for."""
    return self.checked.rhyme if self.checked is not None and self.rhyme_asked is not None else None

  @property
  def pattern(self) -> str | None:
    """The name of the tone pattern that it follows, such as 仄起首句入韵; None where there is none."""
    return self.checked.pattern.name if self.checked is not None and self.checked.pattern is not None else None

  @property
  def perplexity(self) -> float | None:
    """exp of the mean negative log-likelihood of its tokens; None where it was not measured."""
    if self.log_probability is None or not self.text:
      return None
    return measures.perplexity(-self.log_probability / len(self.text))

  @property
  def traditional(self) -> 'WrittenPoem':
    """The poem in traditional characters.

    Raises:
      UserError: OpenCC is not installed.
    """
    return dataclasses.replace(self, text=corpus.to_traditional(self.text))

  def __repr__(self):
    known = {'text': self.text, 'form': self.form and self.form.name, 'seed': self.seed, 'model': self.model}
    return call('WrittenPoem', {name: value for name, value in known.items() if value not in (None, '')})

  def __str__(self):
    return split_sentences(self.text)

  @property
  def vertical(self) -> str:
    """The lines as columns from right to left, without marks, as poems were once written."""
    return columns(self.text)

  @property
  def beside(self) -> str:
    """The columns of `vertical`, and beside them the poem a sentence a line."""
    left, right = columns(self.text).split('\n'), str(self).split('\n')
    width = max(map(len, left))
    return '\n'.join(f'{row.ljust(width, _SPACE)}{2 * _SPACE}{line}'.rstrip(_SPACE)
                     for row, line in itertools.zip_longest(left, right, fillvalue=''))

  @property
  def facts(self) -> dict[str, Any]:
    """What is known of the poem, for JSON."""
    facts: dict[str, Any] = {'text': self.text, 'begin': self.begin, 'seed': self.seed,
                             'log_probability': self.log_probability, 'perplexity': self.perplexity,
                             'copied_lines': list(self.copied)}
    if self.direction:
      facts |= {name: told for name, told in dataclasses.asdict(self.direction).items() if told}
      facts['guidance'] = self.guidance
    if self.form is not None:
      facts |= {'form': self.form.name, 'tones': self.tones if self.form.regulated else None,
                'rhyme_asked': self.rhyme_asked or 'off', 'rhyme': self.rhyme, 'pattern': self.pattern,
                'line_tones': [''.join(map(prosody.tone, line)) for line in self.lines]}
    return facts

  def _repr_html_(self) -> str:
    """Returns the poem in columns for a notebook: self-contained, and safe whatever the text is."""
    lines = '<br>'.join(html.escape(line) for line in _LINE.findall(self.text))
    known = [self.direction.title, self.direction.poet, self.form.name if self.form is not None else '',
             self.pattern or '', self.rhyme or '', self.model, f'seed {self.seed}' if self.seed is not None else '']
    return _PAGE.format(lines=lines, caption=html.escape(' · '.join(filter(None, known))))


def columns(text: str) -> str:
  """Returns a poem in columns from right to left, without marks."""
  lines = corpus.verse_lines(text)
  return '\n'.join(_SPACE.join(line[i] if i < len(line) else _SPACE for line in reversed(lines)).rstrip(_SPACE)
                   for i in range(max(map(len, lines), default=0)))


def text_of(text, name: str = 'text') -> str:
  """Returns the text of a text or of a poem that was written; what is neither is a `UserError`."""
  if isinstance(text, WrittenPoem):
    return text.text
  if not isinstance(text, str):
    raise UserError(f'{name} {shown(text)}: expected a text or a WrittenPoem')
  return text


def beginning_of(text, form, options) -> str:
  """Returns the verse that a poem begins with; none is a `UserError` where nothing else says how."""
  text = corpus.verse(text_of(text), whole=False)
  if not text and form is None and not options.get('acrostic'):
    raise UserError('text is empty; expected at least one character, or a form')
  return text
