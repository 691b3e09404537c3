"""The embedding of characters, for TensorBoard's projector.

In the run directory: `projector_config.pbtxt`, where TensorBoard looks for it, and
`projector/`, with a vector and a row of labels for each character. All of it is
text, and loading a model reads none of it.
"""

import collections
import math
import pathlib

from tangshi_tf import corpus, prosody, run_dir

NUMBERS = 200_000  # at most; about 1.5 MB
TONES = {prosody.LEVEL: '平 level', prosody.OBLIQUE: '仄 oblique', prosody.EITHER: '平/仄 either',
         prosody.UNKNOWN: 'unknown'}
MARK = 'mark'
_CONFIG = f"""embeddings {{
  tensor_name: "characters"
  tensor_path: "{run_dir.PROJECTOR}/embedding.tsv"
  metadata_path: "{run_dir.PROJECTOR}/characters.tsv"
}}
"""


class Projector:
  """Writes the embedding of the most frequent characters, and what they can be coloured by."""

  def __init__(self, path: pathlib.Path, model, words: list[str], counts: collections.Counter[str]):
    """Chooses the characters.

    Args:
      path: the run directory.
      model: a `myRNNModel`.
      words: its vocabulary by id.
      counts: how often each word occurs in the poems that are trained on.
    """
    self._path, self._model = path, model
    known = [i for i, word in enumerate(words) if len(word) == 1]
    most = NUMBERS // model.embed_layer.output_dim
    self._ids = sorted(known, key=lambda i: -counts[words[i]])[:most]
    self._labels = labels([words[i] for i in self._ids], counts)

  def write(self):
    """Writes the files; the labels with the first call.

    Raises:
      OSError, UserError: they cannot be written.
    """
    folder = self._path / run_dir.PROJECTOR
    folder.mkdir(exist_ok=True)
    vectors = self._model.embed_layer.embeddings.numpy()[self._ids]
    lines = ['\t'.join([f'{number:.3g}' for number in vector]) for vector in vectors.tolist()]
    run_dir.write_bytes(folder / 'embedding.tsv', '\n'.join([*lines, '']).encode())
    if self._labels:
      run_dir.write_bytes(folder / 'characters.tsv', self._labels.encode())
      run_dir.write_bytes(self._path / run_dir.PROJECTOR_CONFIG, _CONFIG.encode())  # last: it names the others
      self._labels = ''


def labels(characters: list[str], counts: collections.Counter[str]) -> str:
  """Returns a table of characters, with tabs between columns and names above them.

  The columns: character; tone, one of `TONES` or `MARK`; frequency, a count; the
  logarithm of it to base 2, which spreads colours better; rank, from 1.
  """
  rows = ['character\ttone\tfrequency\tlog2 frequency\trank']
  for rank, character in enumerate(characters, 1):
    mark = character in corpus.PUNCTUATION
    tone = MARK if mark else TONES[prosody.tone(prosody.spelled(character)[0])]
    count = counts[character]
    rows.append(f'{character}\t{tone}\t{count}\t{math.log2(max(count, 1)):.2f}\t{rank}')
  return '\n'.join([*rows, ''])
