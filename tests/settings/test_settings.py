"""Settings: defined once, checked alike from Python and from the command line."""

import copy
import dataclasses
import json
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from tangshi_tf import recipes, settings
from tangshi_tf.errors import UserError
from tangshi_tf.settings import GROUPS, Settings, WritingSettings

from ..conftest import ROOT

EVERY = [*GROUPS.values(), WritingSettings]


@pytest.mark.parametrize('group', EVERY)
def test_each_flag_is_its_setting(group):
  holder = flags.FlagValues()
  settings.define_flags([group], holder)
  assert set(settings.known(group)) <= set(holder)
  holder(['program'])
  defaults = group()
  for field in dataclasses.fields(group):
    assert holder[field.name].value == getattr(defaults, field.name), field.name
    assert settings.known(group)[field.name].text in holder[field.name].help, field.name
  assert settings.given_flags([group], holder) == {}


@pytest.mark.parametrize('group', EVERY)
def test_python_and_the_command_line_refuse_the_same_values(group):
  tried = 0
  for name, setting in settings.known(group).items():
    values = [value for bound, step in ((setting.low, -1), (setting.high, 1)) if bound is not None
              for value in (bound + step, bound if step < 0 else None) if value is not None]
    for value in [*values, 'nothing like it'] if setting.choices or values else ():
      holder = flags.FlagValues()
      settings.define_flags([group], holder)
      try:
        holder(['program', f'--{name}={value}'])
        found = holder[name].value
      except flags.Error:
        found = None
      try:
        assert dataclasses.asdict(group(**{name: value}))[name] == found, (name, value)
      except UserError as error:
        assert found is None, (name, value)
        assert str(error).startswith(f'{name} ') and 'expected' in str(error)
      tried += 1
  assert tried > 5


@pytest.mark.parametrize(('values', 'message'), [
    ({'units': 0}, 'units 0: expected a whole number from 1 to 16384'),
    ({'units': True}, 'units True: expected a whole number'),
    ({'learning_rate': float('nan')}, 'learning_rate nan: expected a number above 0 up to 100'),
    ({'average': 1.0}, 'average 1.0: expected a rate from 0 to below 1'),
    ({'cell': 'GRU'}, "cell 'GRU' is unknown; expected one of rnn, lstm, gru"),
    ({'corpus': []}, r'corpus \[\]: expected a text, or a list of one or more'),
    ({'corpus': [3]}, r'corpus \[3\]: expected a text, or a list of one or more'),
    ({'corpus': b'x'}, "corpus b'x': expected a text, or a list"),
    ({'units': '64'}, "units '64': expected a whole number from 1 to 16384"),
    ({'units': 2.5}, 'units 2.5: expected a whole number'),
    ({'unit': 64}, "setting 'unit' is unknown; did you mean units\\?$"),
    ({'tied': 1}, 'tied 1: expected True or False'),
    ({'temperatur': 1}, "setting 'temperatur' is unknown; expected one of corpus, "),
    ({'bptt': 20, 'bos_dropout': 0.1}, 'bptt=20 trains on all poems as one text'),
    ({'bptt': 20, 'batch_tokens': 200}, 'bptt=20 goes neither with batch_tokens=200'),
    ({'batch_tokens': 200, 'batching': 'shuffle'}, 'batch_tokens=200 with batching=shuffle; expected batching=b'),
    ({'weight_decay': 0.1}, 'weight_decay=0.1 with optimizer=adam; expected optimizer=adamw'),
    ({'tied': True, 'projection': 32}, 'projection=32 with tied: .*; expected projection=0 or 64'),
    ({'softmax': 'adaptive', 'cutoffs': [5, 5]},
     r'cutoffs \[5, 5\]: expected whole numbers from 1, each greater than the one before$'),
    ({'softmax': 'adaptive', 'cutoffs': '450'}, "cutoffs '450': expected whole numbers from 1"),
    ({'softmax': 'adaptive', 'cutoffs': [2.5]}, r'cutoffs \[2.5\]: expected whole numbers from 1'),
    ({'softmax': 'adaptive', 'cutoffs': [2**31]}, r'cutoffs \[2147483648\]: expected whole numbers from 1'),
    ({'cutoffs': [450, 2050]}, 'cutoffs=450,2050 with softmax=full; expected softmax=adaptive$'),
    ({'cutoffs': range(2)}, 'cutoffs range.*: expected whole numbers'),
    ({'softmax': 'adaptive', 'label_smoothing': 0.1},
     'label_smoothing=0.1 with softmax=adaptive, which does not look at all characters; expected label_smoothing=0 or '
     'softmax=full$'),
    ({'min_characters': 9, 'max_characters': 8}, 'min_characters=9 leaves no poem of at most max_characters=8'),
])
def test_a_value_that_cannot_be_used_is_one_line(values, message):
  with pytest.raises(UserError, match='^' + message):
    Settings.of(**values)


def test_an_unknown_setting_names_the_nearest():
  with pytest.raises(UserError, match="^setting 'foo' is unknown; did you mean form\\?$"):
    WritingSettings(foo=1)
  with pytest.raises(UserError, match="^setting 'zzz' is unknown; expected one of cell, units, "):
    settings.ModelSettings(zzz=1)


def test_numbers_of_numpy_and_a_single_text_are_kept_as_plain_ones():
  made = WritingSettings(num=np.int64(3), seed=np.uint8(4), temperature=np.float32(0.5), begin='春')
  assert made == WritingSettings(num=3, seed=4, temperature=0.5, begin=['春'])
  assert [type(value) for value in (made.num, made.seed, made.temperature)] == [int, int, float]
  assert Settings.of(corpus=pathlib.Path('a.txt')).corpus.corpus == ['a.txt']


@pytest.mark.parametrize(('text', 'numbers'), [('450,2050', [450, 2050]), ('7', [7]), ('', [])])
def test_several_whole_numbers_are_one_flag(text, numbers):
  holder = flags.FlagValues()
  settings.define_flags(GROUPS.values(), holder)
  holder(['program', '--softmax=adaptive', f'--cutoffs={text}'])
  made = Settings.of(**settings.given_flags(GROUPS.values(), holder))
  assert made.model.cutoffs == numbers and Settings.of(**json.loads(json.dumps(made.model.__dict__))) == made
  assert settings.ModelSettings(softmax='adaptive', cutoffs=tuple(map(np.int32, numbers))) == made.model
  for wrong in ('x', '5,', '5,5', '0', '1.5', '5 6'):
    with pytest.raises(flags.Error, match='expected whole numbers from 1, each greater than the one before, with'):
      holder(['program', f'--cutoffs={wrong}'])


def test_settings_are_copied_and_shown():
  made = Settings.of(cell='lstm', units=512, recipe='lstm', corpus=['a.txt'])
  for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
    assert again == made
  assert repr(made) == "Settings(recipe='lstm', corpus=['a.txt'], cell='lstm', units=512)"
  assert repr(made.model) == "ModelSettings(cell='lstm', units=512)" and repr(Settings()) == 'Settings()'


def test_values_come_back():
  made = Settings.of(cell='lstm', epochs=3, corpus=['a.txt'], average=0.5, recipe='lstm')
  assert Settings.of(**made.values(), corpus=['a.txt']) == made
  assert Settings.of(**dict.fromkeys(settings.setting_names())) == Settings()  # None is the default


@pytest.mark.parametrize('name', recipes.names())
def test_a_recipe_is_the_same_from_python_and_as_flags(name):
  holder = flags.FlagValues()
  settings.define_flags(GROUPS.values(), holder)
  holder(['program', *recipes.read_lines(name), '--epochs=2'])
  made = recipes.settings_of(name, epochs=2)
  assert made == Settings.of(**settings.given_flags(GROUPS.values(), holder), recipe=name)
  assert made.recipe == name and made.training.epochs == 2


def test_what_a_recipe_says_of_batches_gives_way():
  assert recipes.settings_of('gru').training.batch_tokens == 2000
  assert recipes.settings_of('gru', batch_size=7).training.batch_tokens == 0
  assert recipes.settings_of('gru', bptt=35).training.random_states == 0
  assert recipes.settings_of('none') == Settings()
  with pytest.raises(UserError, match="recipe 'x' is unknown; expected one of best, "):
    recipes.settings_of('x')


def test_what_has_no_effect_is_told():
  made = Settings.of(layer_dropout=0.1, final=0.5, shuffle_buffer=3)
  assert made.without_effect(streamed=False) == [
      'layer_dropout=0.1 has no effect: there is one layer.',
      'final=0.5 has no effect: the schedule is constant.',
      'shuffle_buffer=3 has no effect: the poems are in memory.']
  assert not Settings().without_effect(streamed=True)
  assert Settings.of(bos_dropout=0.1, plain_epochs=3, epochs=3).without_effect(streamed=False) == [
      'bos_dropout=0.1 has no effect: plain_epochs=3 leaves none of epochs=3.']
  assert not Settings.of(bos_dropout=0.1, plain_epochs=2, epochs=3).without_effect(streamed=False)


def test_settings_load_no_numpy():
  program = 'import sys; from tangshi_tf import recipes, settings; sys.exit("numpy" in sys.modules)'
  assert subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=False).returncode == 0
