"""From a corpus to the batches of a run."""

import collections
import dataclasses
import glob
import os
from collections.abc import Callable, Sequence
from typing import Any

from tangshi_tf import controls, corpus, long_work, run_dir
from tangshi_tf.corpus import files, shards
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings
from tangshi_tf.short import short_repr


@dataclasses.dataclass
class Material:
  """What a corpus gives to a run.

  Attributes:
    words: the vocabulary by id.
    counts: how often each token of the training part occurs.
    parts: 'train' and, where there is one, 'validation': encoded (see
      `corpus.encode_all`), or `shards.Part`s if they are to be streamed. The
      texts themselves, which take far more memory, are not kept.
    validation_poem: the first one, or None.
    origin: what config.json says of it: 'corpus', its name; 'corpus_files', the
      paths and globs that were 'given' and the same, 'absolute', or None for the
      package's own poems; 'corpus_sha256'; 'poems', how many.
    notes: how the files were read, where that needs to be said.
    streamed: whether shards are read again in each epoch.
  """

  words: list[str]
  counts: collections.Counter[str]
  parts: dict[str, Any]
  validation_poem: corpus.Poem | None
  origin: dict[str, Any]
  streamed: bool
  notes: tuple[str, ...] = ()

  __repr__ = short_repr

def read_corpus(settings: Settings, *, known: Sequence[str] | None = None) -> Material:
  """Reads the corpus of a run.

  Args:
    settings: of the run.
    known: the words that come first in the vocabulary, or all of them where it
      is taken from a model; by default PAD and UNK.

  Raises:
    UserError: it cannot be used, or not in that way.
  """
  given, training = settings.corpus, settings.training
  report = corpus.Report()
  paths, source = shards.find(given.corpus)
  found = shards.by_part(paths)
  if given.stream and found is None:
    raise UserError(f'{source}: stream, but these are no shards; expected those that tangshi_tf.write_shards writes')
  streamed = found is not None and given.stream is not False
  tells = given.controls if known is None else bool(controls.kinds_of(known))
  if given.controls and not tells:
    raise UserError('controls: the model to start from has none; expected controls=False, or a new model')
  if found is not None and streamed:
    if given.controls:
      raise UserError('controls of shards that are streamed; expected stream=False')
    if training.bptt or training.batching == 'sorted':
      flag = f'bptt={training.bptt}' if training.bptt else 'batching=sorted'
      raise UserError(f'{flag} of shards that are streamed; expected stream=False, or another way of training')
    census = shards.count(found, **given.limits)
    poems = {name: part.poems for name, part in census.parts.items()}
    corpus.check_training_part(poems['train'], source, census.poems, **given.limits)
    parts: dict[str, Any] = {name: census.parts[name] for name in ('train', 'validation') if poems[name]}
    counts, validation_poem, fingerprint = census.counts, census.validation_poem, census.fingerprint
    words = _vocabulary(settings, counts, known)
  else:
    every, fingerprint = shards.read_parts(paths, corpus_format=given.corpus_format, report=report, poets=tells)
    kept = corpus.keep_parts(every, source, **given.limits)
    poems = {name: len(part) for name, part in kept.items()}
    counts = corpus.count_words(long_work.told(kept['train'], 'poems counted', poems['train']))
    words = _vocabulary(settings, counts, known)
    if given.controls and known is None:
      words += controls.control_words(kept['train'], given.poets)
    word2id, _ = corpus.word_tables(words)
    told = {'train': _told(kept['train'], word2id) if tells else None}  # to validate, poems are told nothing
    parts = {name: corpus.encode_all(kept[name], word2id, told.get(name)) for name in ('train', 'validation')
             if kept[name]}
    validation_poem = next(iter(kept['validation']), None)
  settings.model.tails(len(words))  # which may be too few for the cut-offs
  return Material(words, counts, parts, validation_poem, {
      'corpus': ' '.join(map(_short_name, given.corpus or paths)),
      'corpus_files': None if given.corpus is None else files_of(given.corpus), 'corpus_sha256': fingerprint,
      'poems': poems,
  }, streamed, (f'{source}: {report}',) if str(report) else ())


def _vocabulary(settings: Settings, counts: collections.Counter[str], known: Sequence[str] | None) -> list[str]:
  """Returns the words of a run by id."""
  given = settings.corpus
  if given.vocabulary_from is None:
    return corpus.vocabulary_of(counts, size=given.vocabulary_size, known=known)
  if known is not None:
    return list(known)
  return [word for word in run_dir.RunDir.open(given.vocabulary_from).vocabulary() if not corpus.is_control(word)]


def _told(poems: list[corpus.Poem], word2id: dict[str, int]) -> list[list[int]]:
  """Returns the ids of what each poem is told."""
  return [controls.Direction.of_poem(poem).ids(word2id) for poem in long_work.told(poems, 'poems read', len(poems))]


def files_of(patterns: list[str]) -> dict[str, list[str]]:
  """Returns where a resumed run finds its poems: as they were 'given', and 'absolute', from the root."""
  return {'given': patterns, 'absolute': [pattern if files.has_scheme(pattern) else os.path.abspath(pattern)
                                          for pattern in patterns]}


def _short_name(pattern: str) -> str:
  """Returns the last part of a path, of a glob the last two."""
  folder, name = os.path.split(pattern)
  return os.path.join(os.path.basename(folder), name) if glob.has_magic(name) else name


@dataclasses.dataclass(frozen=True)
class Batches:
  """The batches of a run.

  Attributes:
    epoch: a function from an epoch's number (from 1) and how many of its batches
      are left out to the others.
    steps: how many an epoch has.
    validation: those to validate on, or None.
    reading: what their order depends on besides the seed, see `callback.Position`.
  """

  epoch: Callable[[int, int], Any]
  steps: int
  validation: Any
  reading: str

  __repr__ = short_repr


def make_batches(material: Material, settings: Settings, word2id: dict[str, int], replicas) -> Batches:
  """Makes the batches of a run.

  Args:
    material: its parts are given up here where they are in memory.
    settings: of the run.
    word2id: the vocabulary.
    replicas: `distribution.Replicas` that divide each batch.

  Raises:
    UserError: the settings do not go with the poems.
  """
  make = _streamed_batches if material.streamed else _batches_in_memory
  return make(material.parts, settings, word2id, replicas)


def _streamed_batches(parts, settings: Settings, word2id, replicas) -> Batches:
  from tangshi_tf.data import streaming
  training = settings.training
  limits: dict[str, Any] = settings.corpus.limits
  train = streaming.Stream(
      parts['train'], word2id, batch_size=training.batch_size, batch_tokens=training.batch_tokens,
      batching=training.batching, process=replicas.process, processes=replicas.processes, **limits)
  validation = None
  if 'validation' in parts:
    validation = streaming.Stream(parts['validation'], word2id, batch_size=training.batch_size, **limits).batches()
  local = replicas.local if replicas.count > 1 else None

  def epoch_batches(epoch, skip):
    return train.batches(shuffle_buffer=settings.corpus.shuffle_buffer, seed=_epoch_seed(training.seed, epoch),
                         skip=skip, local=local)

  reading = f'a stream of {len(parts["train"].paths)} shards for {replicas.processes} processes'
  return Batches(epoch_batches, train.steps, validation, reading)


def _batches_in_memory(parts, settings: Settings, word2id, replicas) -> Batches:
  from tangshi_tf import data
  del word2id  # the poems are encoded already
  training = settings.training
  packed = {name: data.pack(*parts.pop(name)) for name in list(parts)}
  poems = packed['train']
  batching: dict[str, Any] = {'batch_size': training.batch_size}
  if training.bptt:
    make: Callable = data.windows
    count: Callable = data.count_windows
    batching['window'] = training.bptt
  else:
    make, count = data.batches, data.count_batches
    batching |= {'batching': training.batching, 'batch_tokens': training.batch_tokens}
  share = (replicas.first, replicas.local, replicas.count) if replicas.count > 1 else None

  def epoch_batches(epoch, skip):
    return make(poems, seed=_epoch_seed(training.seed, epoch), skip=skip, share=share, **batching)

  validation = None
  if 'validation' in packed:
    validation = data.batches(packed['validation'], batch_size=training.batch_size, shuffle=False)
  return Batches(epoch_batches, count(poems, **batching), validation, 'in memory')


def _epoch_seed(seed: int, epoch: int) -> int:
  return (seed * 1_000_003 + epoch) % 2**31
