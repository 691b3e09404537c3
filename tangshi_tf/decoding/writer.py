"""A model that writes, for Python: poems, what may come next, and how likely a text is."""

import os
from collections.abc import Iterable, Iterator
from typing import overload

from tangshi_tf import controls, evaluation, prosody, run_dir
from tangshi_tf.decoding import loop
from tangshi_tf.decoding.composer import Composer
from tangshi_tf.decoding.interactive import Session
from tangshi_tf.decoding.poem import WrittenPoem, beginning_of, text_of
from tangshi_tf.decoding.request import Request
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.evaluation.scoring import Score
from tangshi_tf.model import myRNNModel
from tangshi_tf.model.kept import require_start
from tangshi_tf.settings import FREE, LONGEST, WritingSettings, require, require_iterable, require_names
from tangshi_tf.short import shown


def load(model: str | os.PathLike | myRNNModel = 'best', weights: str | None = None) -> 'Writer':
  """Loads a model that writes.

      >>> writer = load('gru')
      >>> poem = writer.write('七绝', begin='月', seed=1)
      >>> len(poem.lines), len(poem.lines[0])
      (4, 7)

  Args:
    model: a shipped name (best, gru, lstm, rnn), a run directory, a file that
      `model.save('….keras')` wrote, or a `myRNNModel`.
    weights: of a run directory: 'best', 'last' or 'epoch-NN'; by default the
      best there are.

  Raises:
    UserError: there is no such model, or it is damaged.
  """
  require_start()
  if isinstance(model, myRNNModel):
    if weights is not None:
      raise UserError(f'weights {shown(weights)} of a model, which has its own; expected None')
    config = {'model': model.hyperparameters}
    return Writer(run_dir.Run(model.name, model, model.word2id, model.id2word, config))
  return Writer(run_dir.load(model, weights))


class Writer(Composer):
  """A model and its vocabulary, for a person: poems, what may come next, and how likely a text is.

  Attributes: see `Composer`.
  """

  @overload
  def write(self, form: str | None = None, *, num: None = None, **options) -> WrittenPoem: ...

  @overload
  def write(self, form: str | None = None, *, num: int, **options) -> list[WrittenPoem]: ...

  def write(self, form=None, *, begin: str | Iterable[str] | None = None, num: int | None = None,
            seed: int | None = None, **options):
    """Writes poems.

        >>> writer = load('gru')
        >>> writer.write('五绝', rhyme='东', seed=3).rhyme
        '上平一东'
        >>> len(writer.write(begin='春', num=4, seed=1))
        4

    Args:
      form: 五绝, 七绝, 五律, 七律, or such as '6x5'; by default as the model likes.
      begin: what a poem begins with, or a list of that for several poems. By
        default nothing in a form, and else one of the exercise's seven words.
      num: how many poems; by default one, which is returned by itself.
      seed: of the first poem, the next has one more; random by default.
      **options: see `tangshi_tf.settings.WritingSettings`: `rhyme`, `tones`,
        `acrostic`, `init`, `temperature`, `top_p`, `best_of`, `beam` and more.

    Returns:
      A `WrittenPoem`; a list of them with `num`, or where `begin` is a list or
      another sequence: so many for each of its words.

    Raises:
      UserError: something cannot be met, or the model does not know a
        character.
    """
    several = begin is not None and not isinstance(begin, str)
    given = require_iterable('begin', begin, 'a text, or a list of one or more') if several else [begin]
    begins = None if begin is None else list(given)
    poems = list(self.compose(Request.of(WritingSettings(form=form, begin=begins, num=num, seed=seed, **options))))
    return poems if num is not None or several else poems[0]

  def stream(self, form: str | None = None, *, begin: str | None = None, seed: int | None = None,
             **options) -> Iterator[str]:
    """Writes a poem and yields each character as soon as it is certain.

        >>> writer = load('gru')
        >>> ''.join(writer.stream('七绝', seed=5)) == writer.write('七绝', seed=5).text
        True

    Without a form a character is certain once its sentence is complete.

    Args:
      form, begin, seed, **options: as of `write`, without `num`, `beam`,
        `best_of` and `original`.

    Raises:
      UserError: as `write`.
    """
    begins = None if begin is None else [text_of(begin, 'begin')]
    request = self.spelled(Request.of(WritingSettings(form=form, begin=begins, seed=seed, **options)))
    if request.beam or request.best_of > 1 or request.original or request.num > 1:
      raise UserError('a stream is one poem that is drawn; expected neither num, beam, best_of nor original')
    (begin, seed), = self.pairs(request)
    return loop.stream(begin, seed, model=self.model, word2id=self.word2id, id2word=self.id2word,
                       **self.options(request))

  def complete(self, text: str | WrittenPoem, form: str | None = None, **options) -> WrittenPoem:
    """Writes the rest of a poem.

        >>> load('gru').complete('白日依山尽，黄河', '五绝', seed=1).lines[0]
        '白日依山尽'

    Args:
      text: its beginning, of any length.
      form, **options: as of `write`.

    Raises:
      UserError: as `write`.
    """
    text = beginning_of(text, form, options)
    if form is None and not options.get('acrostic') and not options.get('exercise'):
      options.setdefault('max_len', _length_after(text, FREE['max_len']))
    return self.write(form, begin=text, **options)

  def choices(self, text: str | WrittenPoem = '', form: str | None = None, *, num: int = 8,
              **options) -> list[tuple[str, float]]:
    """Returns the likeliest characters that may come next in a poem, and their probabilities ('eos' ends it).

        >>> len(load('gru').choices('白日', '五绝', num=3))
        3

    Args:
      text: the poem so far; without a form at least one character.
      form, **options: as of `session`.
      num: how many at most.

    Raises:
      UserError: as `write`.
    """
    require(WritingSettings, num=num)
    text = beginning_of(text, form, options)
    if form is None and not options.get('acrostic'):
      # As poems begin in most of training.
      options = {'bos_first': True, 'max_len': _length_after(text, 1), **options}
    session = self.session(form, begin=text, **options)
    words, shares = session.choices() if not session.complete else ([], [])
    return [(word, float(share)) for word, share in list(zip(words, shares))[:num]]

  def session(self, form: str | None = None, *, begin: str = '', **options) -> Session:
    """Returns a poem that is written together with a person, see `Session`.

    Args:
      form, begin, **options: as of `write`; `rhyme`, `tones`, `acrostic`,
        `max_repeat`, `max_len` and `bos_first`.

    Raises:
      UserError: as `write`, or an option is another.
    """
    for name in ('temperature', 'seed'):
      if options.pop(name, None) is not None:
        raise UserError(f'{name} of a session, in which a person chooses; expected it, if at all, in `Session.finish`')
    begin = text_of(begin, 'begin')
    free = form is None and not options.get('template') and not options.get('acrostic')
    begins = [begin] if begin or free else None
    settings = WritingSettings(form=form, begin=begins, **options)
    return self.session_of(Request.of(settings, interactive=True))

  def session_of(self, request: Request) -> Session:
    """Returns what `session` returns, for a request."""
    request = self.spelled(request)
    options = {name: value for name, value in self.options(request).items()
               if name in ('plan', 'acrostic', 'template', 'max_repeat', 'max_len', 'bos_first', 'told',
                           'guidance')}
    return Session(self._run, begin=self.begins(request, 0)[0], **options)

  @overload
  def score(self, text: str | WrittenPoem, *, whole: bool = False, **told: str) -> Score: ...

  @overload
  def score(self, text: list[str] | list[WrittenPoem], *, whole: bool = False, **told: str) -> list[Score]: ...

  def score(self, text, *, whole: bool = False, **told: str):
    """Measures the surprisal of each character of a text, or of several.

        >>> load('gru').score('床前明月光').bits.shape
        (5,)

    Args:
      text: a text, a poem that was written, or a list of these; white space
        in them is left out.
      whole: whether they are whole poems, so that their end counts, too.
      **told: what the model is told before them: `title`, `poet`, `form` and
        `dynasty`, of a model with controls.

    Returns:
      A `Score`, or a list of them.

    Raises:
      UserError: something is no text.
    """
    several = not isinstance(text, (str, WrittenPoem))
    found = require_iterable('text', text, 'a text, a WrittenPoem, or a list of them') if several else [text]
    texts = [text_of(one) for one in found]
    require_names(told, controls.KINDS)
    direction, _ = controls.Direction(**told).checked(self.word2id, self.name)
    scores = evaluation.score(self.model, self.word2id, texts, whole=whole, told=direction.ids(self.word2id))
    return scores if several else scores[0]

  def check(self, text: str | WrittenPoem, form: str | None = None, tones: str = 'strict') -> prosody.Check:
    """Checks a poem of anybody's against a verse form, see `prosody.check_text`.

        >>> load('gru').check('白日依山尽，黄河入海流。欲穷千里目，更上一层楼。').faults
        []
    """
    return prosody.check_text(text_of(text), None if form is None else prosody.find_form(form), tones)

def _length_after(text: str, more: int) -> int:
  """Returns the `max_len` of a text with so many more characters, less where the greatest `max_len` is.

  Raises:
    UserError: not one more can follow.
  """
  if len(text) >= LONGEST:
    raise UserError(f'text {shorten(text)} has {len(text):,} characters; expected fewer than {LONGEST:,}')
  return min(len(text) + more, LONGEST)
