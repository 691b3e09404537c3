"""A training from Python: settings in, a run directory out, and nothing printed."""

import contextlib
import json

import pytest

import tangshi_tf
from tangshi_tf import recipes, run_dir, training
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings
from tangshi_tf.training import Callback

SMALL = {'units': 8, 'embedding_size': 4, 'batch_size': 40, 'learning_rate': 0.01, 'checkpoint_every': 3,
         'samples': 0}


class Notes(Callback):
  """Keeps what it is told."""

  def __init__(self, stop_after=0, forgets=False):
    self.notes, self.steps, self.epochs = [], 0, None
    self._stop_after, self._forgets, self._told = stop_after, forgets, False

  def on_note(self, text):
    self.notes.append(text)

  def on_begin(self, position, epochs):
    self.epochs = epochs

  def on_step(self, step, result):
    self.steps = step

  def stopping(self):
    """Makes the context of `run` that stops it after so many steps."""
    def told():
      if not self._stop_after or self.steps < self._stop_after or self._forgets and self._told:
        return 0
      self._told = True
      return 7

    return contextlib.nullcontext(told)


def test_a_run_from_python(tmp_path, poems_file, capfd):
  notes = Notes()
  settings = recipes.settings_of('lstm', corpus=[str(poems_file)], epochs=2, **SMALL)
  result = training.run(settings, tmp_path / 'a', callbacks=[notes])
  assert capfd.readouterr().out == ''
  assert result.stopped == 0 and result.chief and [epoch['epoch'] for epoch in result.history] == [1, 2]
  assert notes.epochs == 2 and notes.steps > 4
  assert notes.notes[0].startswith('Device: ') and notes.notes[1] == 'Recipe: lstm'
  assert any(note.startswith('Corpus: poems.txt: ') for note in notes.notes)
  config = json.loads((tmp_path / 'a/config.json').read_text(encoding='utf-8'))
  assert config['training']['flags'] == settings.values() | {'stream': False}
  assert config['training']['command'] == 'tangshi_tf.training.run'
  assert len(tangshi_tf.load(result.path).write('五绝', seed=1, rhyme='off').lines) == 4

  with pytest.raises(UserError, match='holds a run already'):
    training.run(settings, tmp_path / 'a')
  other = training.run(settings, tmp_path / 'b')
  assert [epoch['train_loss'] for epoch in other.history] == [epoch['train_loss'] for epoch in result.history]


@pytest.mark.parametrize('forgets', [False, True])
def test_a_stopped_run_is_resumed(tmp_path, poems_file, forgets):
  settings = Settings.of(corpus=[str(poems_file)], epochs=2, **SMALL)
  whole = training.run(settings, tmp_path / 'whole')
  notes = Notes(stop_after=5, forgets=forgets)
  stopped = training.run(settings, tmp_path / 'part', callbacks=[notes], stopping=notes.stopping)
  assert stopped.stopped == 7 and notes.steps == 5 and stopped.history == []
  assert run_dir.RunDir(stopped.path).weights() == ['weights/last.npz']
  with pytest.raises(UserError, match='units=9: the run in .*part has 8'):
    training.resume(stopped.path, units=9, corpus=[str(poems_file)])
  with pytest.raises(UserError, match="setting 'unit' is unknown"):
    training.resume(stopped.path, unit=9)
  notes = Notes()
  resumed = training.resume(stopped.path, epochs=3, callbacks=[notes])
  assert any(note.startswith('Resumed at step 5 of ') for note in notes.notes)
  assert len(resumed.history) == 3
  # Weights of the epoch that was stopped would be older than those of the epochs that ended since.
  assert run_dir.RunDir(stopped.path).weights() == [f'weights/epoch-0{epoch}.npz' for epoch in (1, 2, 3)]
  assert not (stopped.path / 'weights/last.npz').exists()
  assert [epoch['validation_loss'] for epoch in resumed.history[:2]] == [
      epoch['validation_loss'] for epoch in whole.history]
  config = json.loads((resumed.path / 'config.json').read_text(encoding='utf-8'))
  assert config['training']['flags']['epochs'] == 3
  with pytest.raises(UserError, match='^epochs=2: the run in .*part has begun epoch 3; expected 3 or more$'):
    training.resume(stopped.path, corpus=[str(poems_file)], epochs=2)
  config = json.loads((resumed.path / 'config.json').read_text(encoding='utf-8'))
  assert config['training']['flags']['epochs'] == 3


def test_nothing_is_made_where_something_cannot_be_met(tmp_path, poems_file):
  with pytest.raises(UserError, match='nowhere.txt: cannot be read'):
    training.run(Settings.of(corpus=[str(tmp_path / 'nowhere.txt')]), tmp_path / 'a')
  with pytest.raises(UserError, match='no run to resume'):
    training.resume(tmp_path / 'a')
  with pytest.raises(UserError, match=': stream, but these are no shards'):
    training.run(Settings.of(corpus=[str(poems_file)], stream=True), tmp_path / 'a')
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('flags', 'message'), [
    (None, 'does not say all settings'), ('no object', 'does not say all settings'),
    ({'strange': 1}, 'does not say all settings'),
    ({'units': 'many'}, "units 'many': expected"), ({'epochs': [1]}, 'epochs .*: expected a whole number'),
])
def test_a_config_that_says_nonsense_is_one_line(tmp_path, poems_file, flags, message):
  result = training.run(Settings.of(corpus=[str(poems_file)], epochs=1, **SMALL), tmp_path / 'a')
  with run_dir.claim(result.path, resume=True) as claimed:
    config = claimed.config()
    config['training']['flags'] = flags
    claimed.write_json(run_dir.CONFIG, config)
  with pytest.raises(UserError, match=f'config.json: {message}') as caught:
    training.resume(result.path, corpus=[str(poems_file)])
  assert len(str(caught.value).splitlines()) == 1


def test_a_run_of_an_older_version_that_says_recipe_none_is_resumed(tmp_path, poems_file):
  result = training.run(Settings.of(corpus=[str(poems_file)], epochs=1, **SMALL), tmp_path / 'a')
  with run_dir.claim(result.path, resume=True) as claimed:
    config = claimed.config()
    config['training']['flags']['recipe'] = 'none'
    claimed.write_json(run_dir.CONFIG, config)
  notes = Notes()
  resumed = training.resume(result.path, corpus=[str(poems_file)], epochs=2, recipe=None, callbacks=[notes])
  assert len(resumed.history) == 2 and not any(note.startswith('Recipe') for note in notes.notes)
