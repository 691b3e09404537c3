"""What a run that is resumed has from its directory: its settings and its poems."""

import dataclasses
from typing import Any

from tangshi_tf import recipes, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings, changes_on_resume, setting_names
from tangshi_tf.training.preparation import Material, files_of, read_corpus


def settings_of(directory: run_dir.RunDir, changes: dict[str, Any]) -> Settings:
  """Returns the settings to resume a run with.

  Raises:
    UserError: one differs from the run's that may not.
  """
  stored = directory.config().get('training', {}).get('flags')
  if not isinstance(stored, dict) or not set(stored) <= {'recipe', *setting_names()}:
    raise UserError(f'{directory.path / run_dir.CONFIG}: does not say all settings of its run; expected a run of this '
                    'version of tangshi_tf')
  if stored.get('recipe') == recipes.NONE:  # as runs of older versions say it
    stored = {**stored, 'recipe': None}
  free = changes_on_resume(stored.get('schedule')) | {'corpus'}
  values = {**Settings().values(), **stored}  # an older run does not say what was not there yet
  for name, value in changes.items():
    if name in values and values[name] != value and name not in free:
      had = 'none' if values[name] is None else values[name]
      raise UserError(f'{name}={value}: the run in {directory.path} has {had}; leave it out to resume that '
                      'run, or begin another one in another run_dir')
  try:
    Settings.of(**stored)
  except UserError as error:
    raise UserError(f'{directory.path / run_dir.CONFIG}: {error}') from None
  return Settings.of(**{**stored, **changes})


def material_of(directory: run_dir.RunDir, settings: Settings) -> Material:
  """Reads the poems of a run again.

  They are those of `settings` where these name a corpus. Else they are found where
  the run found them: as it was told, from this directory, or else from the root.

  Raises:
    UserError: they are gone, or others.
  """
  training, words = directory.config()['training'], directory.vocabulary()
  own = _own_places(training) if settings.corpus.corpus is None else []
  why: UserError | None = None
  tried: list[list[str] | None] = [*own] or [settings.corpus.corpus]
  for patterns in tried:
    given = dataclasses.replace(settings, corpus=dataclasses.replace(settings.corpus, corpus=patterns))
    try:
      fixed = settings.training.start_from is not None or settings.corpus.vocabulary_from is not None
      material = read_corpus(given, known=words if fixed else None)
      if material.origin['corpus_sha256'] == training.get('corpus_sha256') and material.words == words:
        if own:  # what the run was told is as good as before
          material.origin['corpus_files'] = training['corpus_files']
        return material
      why = UserError(f'{" ".join(patterns or [material.origin["corpus"]])}: has other poems, or in another order')
    except UserError as error:
      if not own:
        raise
      why = error
  expected = ' '.join(own[-1]) if own else training.get('corpus')
  raise UserError(f'{str(why).partition("; expected")[0]}; expected the corpus that the run in {directory.path} began '
                  f'with, {expected} of SHA-256 {training.get("corpus_sha256")}, as corpus if it is elsewhere now')


def _own_places(training: dict[str, Any]) -> list[list[str]]:
  """Returns the paths and globs by which a run may find its poems; none of an older run, or of the package's poems."""
  places = training.get('corpus_files')
  if not isinstance(places, dict):
    return []
  given: Any = places.get('given')
  absolute: Any = places.get('absolute')
  if not all(isinstance(paths, list) and all(isinstance(path, str) for path in paths) for paths in (given, absolute)):
    return []
  return [given, absolute] if files_of(given)['absolute'] != absolute else [absolute]


def has_checkpoint(directory: run_dir.RunDir, settings: Settings) -> bool:
  """Returns whether there is a checkpoint to resume from; without any the run begins.

  Raises:
    UserError: the run is one that left no checkpoint.
  """
  if directory.has(run_dir.CHECKPOINT):
    return True
  if not directory.is_unsaved() or settings.training.start_from:
    raise UserError(f'{directory.path}: has no {run_dir.CHECKPOINT}, but weights; expected a run that left a '
                    'checkpoint')
  return False
