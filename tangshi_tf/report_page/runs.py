"""Which runs a report is about, and the poems that they were trained on; without TensorFlow."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from tangshi_tf import corpus, run_dir
from tangshi_tf.corpus import files, shards
from tangshi_tf.errors import UserError, did_you_mean, shorten
from tangshi_tf.run_dir import safe_files
from tangshi_tf.settings import require_iterable
from tangshi_tf.short import cut, short_repr, shown

_DIGITS = 12  # of a SHA-256, in messages


@dataclasses.dataclass(frozen=True)
class Found:
  """A run that is open, and what its JSON files say.

  Attributes:
    run: the run directory.
    name: what the report calls it: the name of its folder, or as much of its
      path as tells it from the others.
    training: how it was trained, from config.json; nothing in it need be right
      but 'corpus_sha256'.
    metrics: what metrics.json says besides the figures by epoch.
    epochs: these.
    weights: the name of the weights that are measured.
  """

  run: run_dir.RunDir
  name: str
  training: dict[str, Any]
  metrics: dict[str, Any]
  epochs: list[dict]
  weights: str

  __repr__ = short_repr


@dataclasses.dataclass(frozen=True)
class Poems:
  """The poems of a corpus that are measured.

  Attributes:
    name: of the corpus.
    fingerprint: see `corpus.fingerprint`.
    train, test: poems of at most 200 tokens.
    validation: how many there are.
    notes: how the files were read, where that needs to be said.
  """

  name: str
  fingerprint: str
  train: list[corpus.Poem]
  test: list[corpus.Poem]
  validation: int
  notes: tuple[str, ...] = ()

  __repr__ = short_repr


def find(given: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Found]:
  """Opens runs.

  Args:
    given: shipped names, run directories, and folders of run directories; one
      or a list. A run that is named twice is opened once.

  Raises:
    UserError: there is none, one of them is damaged, or they were trained on
      different corpora.
  """
  several = [given] if isinstance(given, (str, os.PathLike)) else require_iterable(
      'runs', given, 'a run directory, a folder of them, or a list')
  paths = [path for one in several for path in _expanded(one)]
  if not paths:
    raise UserError('runs: none are named; expected a run directory, a folder of them, or a shipped name')
  once: dict[str, str] = {}
  for path in paths:
    once.setdefault(os.path.realpath(run_dir.locate(path)), path)
  opened = [_open(path, name) for path, name in zip(once.values(), _names(list(once.values())))]
  first = opened[0]
  for other in opened[1:]:
    if _fingerprint(other) != _fingerprint(first):
      raise UserError(f'the runs are of different corpora: {first.name} of {_origin(first)}, {other.name} of '
                      f'{_origin(other)}; expected runs of one corpus')
  return opened


def _expanded(given) -> list[str]:
  """Returns what is one run itself, or the runs in a folder."""
  if not str(given):
    raise UserError("runs '': expected a run directory, a folder of them, or a shipped name")
  path = run_dir.as_path(given)
  shipped = run_dir.shipped_names()
  if str(given) not in shipped and not os.path.lexists(path):
    raise UserError(f'runs {shorten(str(given), 100)}: no such folder; expected a folder of run directories, a run '
                    f'directory, or one of the shipped models: {", ".join(shipped)}{did_you_mean(str(given), shipped)}')
  if str(given) in shipped or run_dir.looks_like_a_run(path) or not os.path.isdir(path):
    run_dir.locate(given)  # which says what else it is
    return [str(given)]
  try:
    inner = sorted(name for name in os.listdir(path) if not name.startswith('.') and os.path.isdir(path / name)
                   and run_dir.looks_like_a_run(path / name))
  except OSError as error:
    raise UserError(f'{path}: cannot be read ({error.strerror}); expected a folder of run directories') from None
  if not inner:
    raise UserError(f'{path}: holds no runs; expected a run directory made by tangshi_tf.train, or a folder of them')
  return [str(path / name) for name in inner]


def _names(paths: list[str]) -> list[str]:
  """Returns as much of the end of each path as tells it from the others."""
  parts = [pathlib.PurePath(path if path in run_dir.shipped_names() else os.path.abspath(path)).parts
           for path in paths]
  names = []
  for own in parts:
    length = 1
    while length < len(own) and sum(own[-length:] == other[-length:] for other in parts) > 1:
      length += 1
    names.append('/'.join(own[-length:]))
  return names


def _open(path: str, name: str) -> Found:
  """Opens a run and reads what needs no TensorFlow, so that its damage is known soon."""
  run = run_dir.RunDir.open(path)
  training = run.config().get('training')
  if not isinstance(training, dict) or not isinstance(training.get('corpus_sha256'), str):
    raise UserError(f'{run.path / run_dir.CONFIG}: names no corpus; expected a run made by tangshi_tf.train')
  epochs = run.epochs()
  if not all(isinstance(epoch, dict) for epoch in epochs):
    raise UserError(f'{run.path / run_dir.METRICS}: has other figures by epoch than objects; expected those')
  metrics = run.read_json(run_dir.METRICS) if run.has(run_dir.METRICS) else {}
  return Found(run, name, training, metrics, epochs, run.choose())


def _fingerprint(found: Found) -> str:
  return found.training['corpus_sha256']


def _origin(found: Found) -> str:
  return f'{cut(str(found.training.get("corpus")))} (SHA-256 {_fingerprint(found)[:_DIGITS]}…)'


def read_poems(found: list[Found], patterns: Sequence[str] | None = None) -> Poems:
  """Reads the poems that runs were trained on.

  Args:
    found: see `find`.
    patterns: the corpus: paths and globs; by default where the first run found
      it, if that is on this machine.

  Raises:
    UserError: they are not there, are others, or have no test part.
  """
  first, why = found[0], ''
  expected = f'expected the poems of the runs, {_origin(first)}, as corpus'
  for tried in [list(patterns)] if patterns is not None else _places(first):
    try:
      poems = _read(tried, first)
    except UserError as error:
      if patterns is not None:
        raise
      why = why or str(error).partition('; expected')[0]
      continue
    if poems.fingerprint == _fingerprint(first):
      if not poems.test or not poems.train:
        raise UserError(f'{poems.name}: its {"test" if poems.train else "training"} part has no poem of at most '
                        f'{corpus.MAX_TOKENS} tokens; expected more poems')
      return poems
    why = why or f'{poems.name}: has other poems, or in another order'
  raise UserError(f'{why or "the corpus of the runs is on another machine"}; {expected}')


def _places(found: Found) -> list[list[str] | None]:
  """Returns where a run may find its poems on this machine; None stands for the package's own."""
  places = found.training.get('corpus_files')
  if not isinstance(places, dict):
    return [None]
  lists = [places.get('given'), places.get('absolute')]
  return [paths for paths in lists if isinstance(paths, list) and paths
          and all(isinstance(path, str) and not files.has_scheme(path) for path in paths)]


def _read(patterns: list[str] | None, found: Found) -> Poems:
  settings = found.training.get('flags')
  form = settings.get('corpus_format') if isinstance(settings, dict) else None
  report = corpus.Report()
  paths, path = shards.find(patterns)
  parts, fingerprint = shards.read_parts(paths, corpus_format=form if form in corpus.FORMATS else 'auto',
                                         report=report)
  kept = {name: corpus.keep_short(part) for name, part in parts.items()}
  name = ' '.join(os.path.basename(pattern) or pattern for pattern in patterns or paths)
  return Poems(name, fingerprint, kept['train'], kept['test'], len(kept['validation']),
               (f'{path}: {report}',) if str(report) else ())


def require_out(out: str | os.PathLike, overwrite: bool) -> pathlib.Path:
  """Returns the path of the page that is to be written.

  Raises:
    UserError: it cannot be written there, or is there already.
  """
  path = run_dir.as_path(out)
  if not str(out) or os.path.isdir(path):
    raise UserError(f'out {shown(str(out))}: is a folder; expected the name of a page, such as report.html')
  if os.path.lexists(path) and not overwrite:
    raise UserError(f'{path}: exists already; expected another name, or overwrite=True')
  if not os.path.isdir(path.parent):
    raise UserError(f'{path}: its folder {path.parent} does not exist; expected one that does')
  with safe_files.beside(path, b''):  # which says what is wrong before minutes are spent on it
    return path
