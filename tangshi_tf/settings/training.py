"""The settings of a training: which poems, which model, and how."""

import dataclasses
from typing import Any

from tangshi_tf.errors import UserError
from tangshi_tf.settings.base import Checked, known, rate, require_names, setting
from tangshi_tf.short import call, short_repr, shown


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusSettings(Checked):
  """Which poems are read, and how."""

  __repr__ = short_repr

  corpus: list[str] | None = setting(
      None, 'Corpus file, or a glob; repeat the flag for more (default: the poems that come with the package). '
      'Shards of tangshi_tf.write_shards may be larger than memory.')
  stream: bool | None = setting(
      None, 'Read shards again in each epoch instead of keeping them in memory (default: wherever the corpus is in '
      'shards).')
  shuffle_buffer: int = setting(10240, 'With --stream: the next poem is drawn from a buffer of this many.',
                              low=2, high=10**8)
  corpus_format: str = setting(
      'auto', 'titled: "title:content" a line; authored: "title:author:content"; blank: blank lines between poems; '
      'lines: a poem a line; csv: with a header; json: objects; auto: detected.',
      choices=('auto', 'titled', 'authored', 'blank', 'lines', 'csv', 'json'))
  min_characters: int = setting(0, 'Leave out poems with fewer characters.', low=0)
  max_characters: int = setting(198, 'Leave out poems with more characters.', low=1, high=10**5)
  vocabulary_size: int | None = setting(
      None, 'Keep the most frequent characters only, so that there are this many words with PAD, UNK, bos and eos '
      '(default: all characters of the training part). Time and memory a token grow with it.', low=5)
  vocabulary_from: str | None = setting(
      None, 'Take the vocabulary of a model, a shipped name or a run directory, and no other characters, so that '
      'perplexities can be compared.')
  controls: bool = setting(
      False, 'Tell the model before each poem its dynasty, form, poet and title, as far as they are known, so that '
      'poems can be asked for by them.')
  poets: int = setting(300, 'With --controls: how many poets of each dynasty are told, the most prolific ones.', low=0,
                       high=10**5)

  def __post_init__(self):
    super().__post_init__()
    if self.min_characters > self.max_characters:
      raise UserError(f'min_characters={self.min_characters} leaves no poem of at most '
                      f'max_characters={self.max_characters}; expected it not to be greater')
    if self.vocabulary_from is not None and self.vocabulary_size is not None:
      raise UserError(f'both vocabulary_from={shown(self.vocabulary_from)} and vocabulary_size={self.vocabulary_size}; '
                      'expected one of them')

  @property
  def limits(self) -> dict[str, int]:
    """How many tokens the poems have that are kept, bos and eos included."""
    return {'min_tokens': self.min_characters and self.min_characters + 2, 'max_tokens': self.max_characters + 2}


# Where tails begin by default, if the last one has no fewer words than the head. In Tang poems 450 words make up 70% of
# the text and 2,050 make up 95%; the others go on by the same factor.
CUTOFFS = (450, 2050, 9350, 42600)
CLASS_UNITS = 64  # units of the hidden layer of the tails' classes


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings(Checked):
  """The model: the arguments of `myRNNModel` besides the vocabulary."""

  __repr__ = short_repr

  cell: str = setting('gru', 'Recurrent cell.', choices=('rnn', 'lstm', 'gru'))
  units: int = setting(128, 'Width of the recurrent state of a layer.', low=1, high=16384)
  layers: int = setting(1, 'Recurrent layers.', low=1, high=64)
  embedding_size: int = setting(64, 'Width of the character embedding.', low=1, high=16384)
  reset_after: bool = setting(True, 'GRU: apply the reset gate after the recurrent product (needed for cuDNN).')
  embedding_range: float = setting(0.05, 'The embedding is initialised uniform between minus and plus this.',
                                    low=0, high=100, open_low=True)
  projection: int = setting(0, 'Width of a linear layer before the output layer; 0: none.', low=0, high=16384)
  tied: bool = setting(False, 'Use the embedding as the output layer, behind a projection if need be.')
  layer_norm: bool = setting(False, "Normalise each recurrent layer's output.")
  softmax: str = setting(
      'full', 'full: all characters at each position; adaptive: the frequent ones and a class for each group of rarer '
      'ones, whose characters are looked at only where they come.', choices=('full', 'adaptive'))
  cutoffs: list[int] | None = setting(
      None, 'With --softmax=adaptive: at which ids the groups of rarer words begin, with commas between them, such as '
      '450,2050; words stand by falling frequency (default: what is fastest for the vocabulary).')
  input_dropout: float = rate('Dropout on the embedded characters.', on_start=True)
  layer_dropout: float = rate('Dropout between recurrent layers.', on_start=True)
  output_dropout: float = rate('Dropout on the last recurrent layer.', on_start=True)
  weight_dropout: float = rate('Dropout on the recurrent kernels.', on_start=True)
  locked_dropout: bool = setting(True, 'Drop the same units at all positions of a sequence; else others at each.',
                                 on_start=True)

  def __post_init__(self):
    super().__post_init__()
    if self.tied and self.projection not in (0, self.embedding_size):
      raise UserError(f'projection={self.projection} with tied: the output layer has the width of the embedding '
                      f'then; expected projection=0 or {self.embedding_size}')
    if self.cutoffs is not None and self.softmax != 'adaptive':
      raise UserError(f'cutoffs={_listed(self.cutoffs)} with softmax={self.softmax}; expected softmax=adaptive')

  def tails(self, words: int) -> list[int]:
    """Returns the ids at which the tails of the softmax begin for that many words; none for a full softmax.

    Raises:
      UserError: a cut-off is not below the vocabulary.
    """
    if self.softmax != 'adaptive':
      return []
    if self.cutoffs is None:
      return [cutoff for cutoff in CUTOFFS if cutoff <= words - CUTOFFS[0]]
    if self.cutoffs and self.cutoffs[-1] >= words:
      raise UserError(f'cutoffs={_listed(self.cutoffs)}: the vocabulary has {words:,} words; expected cut-offs below '
                      'that')
    return self.cutoffs


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings(Checked):
  """How a model is trained."""

  __repr__ = short_repr

  start_from: str | None = setting(
      None, "Start from a trained model, a shipped name or a run directory: with its sizes, and its vocabulary, which "
      "new characters of the corpus join (default: new weights).")
  batch_size: int = setting(100, 'Poems a batch.', low=1, high=10**6)
  batch_tokens: int = setting(
      0, 'With --batching=bucket: as many poems a batch as fit into this many tokens; 0: --batch_size.',
      low=0, high=10**8)
  batching: str = setting(
      'bucket', 'bucket: poems of similar length together; shuffle: random poems padded to the longest, as in the '
      'exercise; sorted: by rising length, in the same order in each epoch.', choices=('bucket', 'shuffle', 'sorted'))
  bptt: int = setting(
      0, 'Train on all poems as one text in windows of this many tokens, the state carried from window to window '
      '(truncated back-propagation through time); 0: one poem a sequence.', low=0, high=10**5)
  precision: str = setting(
      'float32', 'Of what is multiplied (float16: in the output layer alone); with 16 bits sums, softmax and weights '
      'stay float32 (mixed precision).',
      choices=('float32', 'bfloat16', 'float16'))
  reduction: str = setting(
      'poem', 'The loss is the mean over poems of the mean by poem; the mean over tokens; or the mean over poems of '
      'the sum.', choices=('poem', 'token', 'sum'))
  label_smoothing: float = rate("Share of each label's mass that is spread over all characters.")
  unlikelihood: float = setting(
      0.0, 'How strongly a character is made unlikely where it is in the poem already, against loops (unlikelihood '
      'training); 0: not.', low=0, high=100)
  bos_dropout: float = setting(0.0, 'Share of the poems that begin at their first character, without bos and told '
                                'nothing, as the exercise writes.', low=0, high=1)
  random_states: float = setting(0.0, 'Share of the poems that begin from a random-normal state instead of zeros.',
                                  low=0, high=1)
  state_stddev: float = setting(0.5, 'With --random_states: their standard deviation.', low=0, high=100)
  control_dropout: float = setting(
      0.5, 'With --controls: share of the poems that are not told one of them, for each by itself.', low=0, high=1)
  uncontrolled: float = setting(0.2, 'With --controls: share of the poems that are told nothing.', low=0, high=1)
  plain_epochs: int = setting(
      0, 'Epochs at the beginning in which --bos_dropout, --random_states and --unlikelihood wait.', low=0)
  optimizer: str = setting('adam', 'Optimizer.', choices=('adam', 'adamw', 'rmsprop', 'sgd'))
  weight_decay: float = setting(0.0, 'With --optimizer=adamw: a step takes this share times the learning rate off each '
                                'weight.', low=0, high=1)
  clip_norm: float = setting(0.0, 'Scale gradients down to this global norm; 0: never.', low=0, high=1e9)
  average: float = rate('Decay by step of a moving average of the weights, which is what is validated and kept; 0: '
                         'none.')
  learning_rate: float = setting(0.0005, 'Greatest learning rate.', low=0, high=100, open_low=True)
  schedule: str = setting(
      'constant', 'Of the learning rate. cosine: falls to --final of it over the run; decay: times --decay with each '
      'epoch after --hold_epochs; plateau: times --decay after an epoch without better validation.',
      choices=('constant', 'cosine', 'decay', 'plateau'))
  warmup_steps: int = setting(0, 'Steps in which the learning rate rises.', low=0)
  hold_epochs: int = setting(1, 'With --schedule=decay: epochs at the beginning with the full learning rate.', low=0)
  decay: float = setting(0.5, 'With --schedule=decay or plateau: the factor by which the learning rate falls.', low=0,
                         high=1, open_low=True)
  final: float = setting(0.0, 'With --schedule=cosine: the last rate as a share of the greatest.', low=0, high=1)
  patience: int = setting(0, 'End after this many epochs in a row without better validation; 0: never.', low=0,
                           on_resume=True)
  epochs: int = setting(10, 'Passes over the training poems.', low=1, high=10**6, on_resume=True)
  seed: int = setting(0, 'Seed of weights, order and dropout; makes a CPU run repeatable.', low=0, high=2**31 - 1)
  checkpoint_every: int = setting(500, 'Steps between checkpoints within an epoch; 0: only after each.', low=0,
                                   on_resume=True)
  log_every: int = setting(10, 'Steps between points of the TensorBoard curves.', low=1, on_resume=True)
  samples: int = setting(
      100, "TensorBoard: begin words from which the exercise's bare loop writes after each epoch, from zero and from "
      'random states, to see how many poems are sound; 0: no poems.', low=0, high=10**5, on_resume=True)
  projector: bool = setting(True, 'TensorBoard: show the embedding of the most frequent characters after each epoch.',
                            on_resume=True)
  histograms: bool = setting(False, 'TensorBoard: histograms of all weights after each epoch.', on_resume=True)

  def __post_init__(self):
    super().__post_init__()
    if self.weight_decay and self.optimizer != 'adamw':
      raise UserError(f'weight_decay={self.weight_decay} with optimizer={self.optimizer}; expected '
                      'optimizer=adamw')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """All that decides how a model comes about.

  Attributes:
    recipe: the name of the recipe that the others were taken from, or None.
    given: the names of those that `of` was given.
  """

  model: ModelSettings = ModelSettings()
  corpus: CorpusSettings = CorpusSettings()
  training: TrainingSettings = TrainingSettings()
  recipe: str | None = None
  given: frozenset[str] = dataclasses.field(default=frozenset(), compare=False, repr=False)

  def __post_init__(self):
    """Raises a UserError for settings that contradict each other."""
    training = self.training
    if training.label_smoothing and self.model.softmax == 'adaptive':
      raise UserError(f'label_smoothing={training.label_smoothing} with softmax=adaptive, which does not look at all '
                      'characters; expected label_smoothing=0 or softmax=full')
    if training.start_from is not None and self.corpus.vocabulary_from is not None:
      raise UserError(f'vocabulary_from={shown(self.corpus.vocabulary_from)} with start_from, which has a vocabulary; '
                      'expected one of them')
    if training.bptt and self.corpus.controls:
      raise UserError(f'bptt={training.bptt} trains on all poems as one text, which is told nothing; expected '
                      'controls=False')
    if not training.bptt:
      if training.batch_tokens and training.batching != 'bucket':
        raise UserError(f'batch_tokens={training.batch_tokens} with batching={training.batching}; expected '
                        'batching=bucket')
      return
    if training.bos_dropout or training.random_states:
      raise UserError(f'bptt={training.bptt} trains on all poems as one text, whose windows follow on one another; '
                      'expected bos_dropout=0 and random_states=0')
    if training.batch_tokens or training.batching != 'bucket':
      raise UserError(f'bptt={training.bptt} goes neither with batch_tokens={training.batch_tokens} nor with '
                      f'batching={training.batching}; expected batch_tokens=0 and batching=bucket, and the rows of '
                      'the text as batch_size')

  def __repr__(self):
    changed = {} if self.recipe is None else {'recipe': self.recipe}
    for name, group in GROUPS.items():
      changed |= {key: value for key, value in dataclasses.asdict(getattr(self, name)).items()
                  if value != getattr(group, key)}
    return call('Settings', changed)

  @classmethod
  def of(cls, **values) -> 'Settings':
    """Returns the settings with these values by name, as flags have them; None and what is left out are the defaults.

    Raises:
      UserError: a value cannot be used, or a name is unknown.
    """
    given = {name: value for name, value in values.items() if value is not None}
    names = frozenset(given)
    recipe = given.pop('recipe', None)
    groups = {name: {key: given.pop(key) for key in known(group) if key in given}
              for name, group in GROUPS.items()}
    require_names(given, setting_names())
    return cls(recipe=recipe, given=names, **{name: GROUPS[name](**group) for name, group in groups.items()})

  def values(self) -> dict[str, Any]:
    """Returns all settings by name, without the corpus."""
    values = {'recipe': self.recipe}
    for name in GROUPS:
      values |= dataclasses.asdict(getattr(self, name))
    del values['corpus']
    return values

  def without_effect(self, streamed: bool) -> list[str]:
    """Returns a line for each setting that is not the default and changes nothing with the others."""
    model, training = self.model, self.training
    plain = not (training.bos_dropout or training.random_states or training.unlikelihood)
    idle = {
        'batch_size': (training.batch_tokens, f'batch_tokens={training.batch_tokens} decides how many poems are a '
                       'batch'),
        'layer_dropout': (model.layers == 1, 'there is one layer'),
        'reset_after': (model.cell != 'gru', f'the cell is {model.cell}'),
        'state_stddev': (not training.random_states, 'no poem begins from a random state'),
        **dict.fromkeys(('poets', 'control_dropout', 'uncontrolled'), (
            not self.corpus.controls and training.start_from is None, 'no poem is told anything')),
        'plain_epochs': (plain, 'nothing waits for their end'),
        **dict.fromkeys(('bos_dropout', 'random_states', 'unlikelihood'), (
            training.plain_epochs >= training.epochs,
            f'plain_epochs={training.plain_epochs} leaves none of epochs={training.epochs}')),
        'hold_epochs': (training.schedule != 'decay', f'the schedule is {training.schedule}'),
        'decay': (training.schedule not in ('decay', 'plateau'), f'the schedule is {training.schedule}'),
        'final': (training.schedule != 'cosine', f'the schedule is {training.schedule}'),
        'shuffle_buffer': (not streamed, 'the poems are in memory'),
        'corpus_format': (streamed, 'shards have the titled form'),
    }
    values, defaults = self.values(), Settings().values()
    return [f'{name}={values[name]} has no effect: {reason}.' for name, (is_idle, reason) in idle.items()
            if values[name] != defaults[name] and is_idle]


def _listed(numbers: list[int]) -> str:
  """Returns whole numbers as a flag has them, or how many there are."""
  return ','.join(map(str, numbers)) if len(numbers) < 10 else shown(numbers)


GROUPS: dict[str, type] = {'corpus': CorpusSettings, 'model': ModelSettings, 'training': TrainingSettings}


def setting_names() -> list[str]:
  """Returns the names of all settings of a training."""
  return [name for group in GROUPS.values() for name in known(group)]


def changes_on_resume(schedule: str | None) -> set[str]:
  """Returns the settings that may differ when a run is resumed: no weight that was trained before depends on them."""
  free = {name for group in GROUPS.values() for name, setting in known(group).items() if setting.on_resume}
  return free - {'epochs'} if schedule == 'cosine' else free


def model_decides() -> set[str]:
  """Returns the settings that a run which starts from a model has from it."""
  return {name for name, setting in known(ModelSettings).items() if not setting.on_start}
