"""The models of a process, and what writes with them."""

import dataclasses
import itertools
import logging
import os
import threading
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException

from tangshi_tf import corpus, run_dir
from tangshi_tf.decoding import Writer
from tangshi_tf.errors import UserError
from tangshi_tf.service import schema
from tangshi_tf.service.engine import Engine
from tangshi_tf.service.metrics import Metrics
from tangshi_tf.service.protection import host_names
from tangshi_tf.service.writing import Desk
from tangshi_tf.settings import FREE, WritingSettings

_GRACE = 20.0  # seconds for poems that are being written when the service ends

log = logging.getLogger('tangshi_tf.service')


@dataclasses.dataclass
class House:
  """The models of a process, loaded in the background, and what writes with them.

  Attributes:
    names: of the models, shipped names or run directories; the first is the default.
    hosts, origins: see `Protection`.
    shared: whether several processes answer at one address.
    writers: by name, once they are loaded.
    metrics: the figures of the process.
    engine, desk: what writes, once the house is open.
  """

  names: Sequence[str]
  hosts: set[str] | None = dataclasses.field(default_factory=lambda: host_names('127.0.0.1', ()))
  origins: Sequence[str] = ()
  shared: bool = False
  writers: dict[str, Writer] = dataclasses.field(default_factory=dict)
  metrics: Metrics = dataclasses.field(default_factory=Metrics)
  engine: Engine | None = None
  error: Exception | None = None

  def open(self):
    """Begins to load the models."""
    self.engine = Engine(self.metrics.observe)
    self.desk = Desk(self.engine)
    self._ready = threading.Event()
    self._loading = threading.Thread(target=self._load, name='loading', daemon=True)
    self._loading.start()

  def wait(self):
    """Waits until the models are loaded, or cannot be."""
    self._loading.join()

  def _load(self):
    from tangshi_tf.model import devices
    try:
      log.info('%s', devices.start())
      for name in self.names:
        writer = Writer(run_dir.load(name), xla=False)
        writer.name = self._label(name)
        self.writers[writer.name] = writer
      # Graphs that most requests need are made before the first one comes.
      first = next(iter(self.writers.values()))
      first.write('七绝', seed=0)
      first.write(begin='月', seed=0) if '月' in first.word2id else None
      self._ready.set()
      log.info('Ready: %s', ', '.join(self.writers))
    except Exception as error:
      self.error = error
      log.error('%s', error) if isinstance(error, UserError) else log.exception('the models could not be loaded')

  def _label(self, name: str) -> str:
    """Returns what clients call a model: no path of this machine, and no name twice."""
    label = os.path.basename(os.path.normpath(name))
    return next(found for found in itertools.chain([label], (f'{label}-{i}' for i in itertools.count(2)))
                if found not in self.writers)

  def close(self):
    """Writes what is begun to its end."""
    if self.engine is not None:
      self.engine.end(_GRACE)

  def require_ready(self):
    """Raises an HTTPException where the models are not loaded."""
    if not self._ready.is_set():
      detail = 'the models could not be loaded; the log says why' if self.error else 'the models are being loaded'
      raise HTTPException(503, detail, {'Retry-After': '2'})

  def writer(self, name: str | None) -> Writer:
    """Returns a model.

    Raises:
      UserError: there is none of that name.
    """
    self.require_ready()
    if name is None:
      return next(iter(self.writers.values()))
    if name not in self.writers:
      raise UserError(f'model {name[:100]!r} is unknown; expected one of {", ".join(self.writers)}')
    return self.writers[name]

  def continued(self, asked: schema.Continue) -> WritingSettings:
    """Returns the settings of a poem that is to be completed.

    Raises:
      UserError: they cannot be used.
    """
    settings = asked.settings()
    if settings.begin is not None:
      raise UserError('both text and begin; expected one of them')
    text = corpus.verse(asked.text, whole=False)
    more: dict[str, Any] = {'begin': [text]}
    if settings.form is None and settings.max_len is None and not settings.exercise:
      more['max_len'] = min(len(text) + FREE['max_len'], schema.MOST['max_len'] + schema.LONGEST_TEXT)
    return dataclasses.replace(settings, **more)
