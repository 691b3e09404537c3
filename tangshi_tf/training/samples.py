"""Poems that a run writes after each epoch: in the exercise's bare loop, how many of them are sound, and in a form."""

import itertools

import numpy as np

from tangshi_tf import corpus, decoding, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.prosody import soundness
from tangshi_tf.settings import EXERCISE, WritingSettings

FORM = '七绝'
STATES = 'zero', 'random'
SOUNDNESS = {init: f'soundness_{init}_state' for init in STATES}
_SHOWN = len(corpus.SAMPLE_BEGINS)


class Samples:
  """Writes the same poems again after each epoch: same begin words, same random states, same numbers to draw by.

  Nothing of it touches what training draws.
  """

  def __init__(self, model, word2id: dict[str, int], id2word: dict[int, str], count: int):
    """Chooses the begin words.

    Args:
      model: a `myRNNModel`.
      word2id, id2word: its vocabulary.
      count: how many begin words: the exercise's seven, then the most frequent
        characters; those that the model knows.
    """
    self._tables = {'model': model, 'word2id': word2id, 'id2word': id2word}
    usual = (word for word in word2id if len(word) == 1 and corpus.is_han(word))
    begins = dict.fromkeys(itertools.chain((word for word in corpus.SAMPLE_BEGINS if word in word2id), usual))
    self.begins = list(itertools.islice(begins, count))
    # Without XLA, which would compile for a second.
    self._writer = decoding.Writer(run_dir.Run('the run', model, word2id, id2word, {}), xla=False)

  def write(self) -> tuple[dict[str, float], dict[str, str]]:
    """Writes the poems.

    Returns:
      By name the shares of the poems of the bare loop that are sound, from zero
      and from random states, see `SOUNDNESS`; and texts in Markdown: 'poems/free',
      those from the first seven begin words, and 'poems/七绝'.
    """
    free = {init: self.free(init) for init in STATES}
    sound = {init: float(np.mean([soundness.is_sound(poem) for poem in free[init]])) for init in STATES}
    head = 'sound: ' + ', '.join(f'{sound[init]:.0%} from {what}' for init, what in zip(
        STATES, ('the zero state', 'random states')))
    try:
      form = _table(self.begins[:_SHOWN], {init: self._in_form(init) for init in STATES})
    except UserError as error:  # the vocabulary is too small for it
      form = f'(none: {error})'
    return ({SOUNDNESS[init]: sound[init] for init in STATES},
            {'poems/free': f'{head}\n\n{_table(self.begins[:_SHOWN], free)}', f'poems/{FORM}': form})

  def free(self, init: str) -> list[str]:
    """Returns a poem of the exercise's bare loop from each begin word; poem `i` has the seed `i`."""
    requests = [(begin, i) for i, begin in enumerate(self.begins)]
    return [''.join(poem) for poem in decoding.generate(requests, init=init, xla=False, **EXERCISE, **self._tables)]

  def _in_form(self, init: str) -> list[str]:
    settings = WritingSettings(form=FORM, begin=self.begins[:_SHOWN], init=init, seed=0)
    return [poem.text for poem in self._writer.compose(decoding.Request.of(settings), measure=False)]


def _table(begins: list[str], poems: dict[str, list[str]]) -> str:
  """Returns a table in Markdown of the poems from each begin word, a column for each initial state."""
  rows = [f'| {" | ".join(cells)} |' for cells in zip(begins, *poems.values())]
  return '\n'.join(['| 字 | ' + ' | '.join(f'{init} state' for init in poems) + ' |',
                    '| --- ' * (1 + len(poems)) + '|', *rows])
