"""The model that a run starts from: what it decides of the run, and its weights for the run's vocabulary."""

import collections
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from tangshi_tf import run_dir
from tangshi_tf.errors import UserError, shorten
from tangshi_tf.run_dir.layout import weights_file
from tangshi_tf.settings import ModelSettings, Settings, known, model_decides
from tangshi_tf.short import short_repr

_LIKE = 64  # known characters whose mean a new one begins from


@dataclasses.dataclass(frozen=True)
class StartModel:
  """A trained model that a run starts from.

  Attributes:
    name: what the user calls it.
    directory: where it is.
    weights: the name of its weights that are taken: its best.
    model: its settings.
    words: its vocabulary by id.
  """

  name: str
  directory: run_dir.RunDir
  weights: str
  model: ModelSettings
  words: list[str]

  __repr__ = short_repr

  @classmethod
  def open(cls, name: str) -> 'StartModel':
    """Opens a shipped model by its name, or a run directory; its weights are read later.

    Raises:
      UserError: there is neither, or it is damaged.
    """
    directory = run_dir.RunDir.open(name)
    options: Any = directory.config().get('model')
    try:
      model = ModelSettings(**options)
    except (TypeError, UserError) as error:
      raise UserError(f'{directory.path / run_dir.CONFIG}: says no model ({shorten(str(error), 80)}); expected the '
                      'settings of one') from None
    return cls(name, directory, directory.choose(), model, directory.vocabulary())

  def decide(self, asked: Settings, path: str) -> Settings:
    """Returns the settings of a run that starts from the model.

    Args:
      asked: of which the model's are the user's where they were given or are not
        the defaults, and the model's own otherwise.
      path: the run's directory.

    Raises:
      UserError: they contradict the model, or the run would replace it.
    """
    changed = {}
    for name in known(ModelSettings):
      wanted, own = getattr(asked.model, name), getattr(self.model, name)
      if name not in asked.given and wanted == getattr(ModelSettings, name):
        continue
      if name in model_decides() and wanted != own:
        raise UserError(f'{name}={wanted}: the model to start from, {self.name}, has {own}; leave it out, or '
                        'start_from')
      changed[name] = wanted
    size = asked.corpus.vocabulary_size
    if size is not None and size < len(self.words):
      raise UserError(f'vocabulary_size={size}: the model to start from, {self.name}, has {len(self.words)} words, '
                      'which stay; expected as many or more')
    if os.path.realpath(path) == os.path.realpath(self.directory.path):
      raise UserError(f'{path}: is the model to start from; expected another run_dir, so that it stays')
    return dataclasses.replace(asked, model=dataclasses.replace(self.model, **changed))

  def origin(self) -> dict[str, str]:
    """Returns what config.json says of it.

    Raises:
      UserError: its weights are damaged.
    """
    return {'model': os.path.basename(os.path.normpath(self.name)), 'weights': self.weights,
            'sha256': self.directory.digest(weights_file(self.weights))}

  def arrays(self, words: Sequence[str], counts: collections.Counter[str]) -> dict:
    """Returns the weights, float32 by name, for a larger vocabulary.

    A new character has the mean of what the known characters have that are about
    as frequent in the corpus.

    Args:
      words: the model's, then new ones.
      counts: how often each token occurs in the corpus.

    Raises:
      UserError: they are damaged.
    """
    import numpy as np

    from tangshi_tf.run_dir import weights
    found = self.directory.load(self.weights)
    if list(found.word2id) != self.words:
      raise UserError(f'{self.name}: was replaced by another model meanwhile; expected the one that was there')
    arrays = weights.arrays(found.model, np.float32)
    new = words[len(self.words):]
    if not new:
      return arrays
    known_counts = np.array([counts[word] if len(word) == 1 else 0 for word in self.words])
    alike = _alike(known_counts, np.array([counts[word] for word in new]))
    for name, axis in weights.VOCABULARY_AXES.items():
      if name in arrays:
        rows = np.moveaxis(arrays[name], axis, 0)
        more = np.concatenate([rows, rows[alike].mean(axis=1)])
        arrays[name] = np.moveaxis(more, 0, axis)
    return arrays


def _alike(known_counts, new_counts):
  """Returns ids int `[new, n]`: of the characters that occur in the corpus, those nearest to each new one by frequency.

  Args:
    known_counts: int `[V]`, 0 for what is no character or does not occur.
    new_counts: int `[new]`.
  """
  import numpy as np
  order = np.argsort(known_counts, kind='stable')
  order = order[np.searchsorted(known_counts[order], 1):]
  if not len(order):
    order = np.arange(len(known_counts))
  size = min(_LIKE, len(order))
  first = np.searchsorted(known_counts[order], new_counts) - size // 2
  return order[np.clip(first, 0, len(order) - size)[:, None] + np.arange(size)]
