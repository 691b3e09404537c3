"""Trains a character-level language model on Tang poems.

    python -m tangshi_tf.train                        # the recipe gru
    python -m tangshi_tf.train --cell=lstm            # the recipe lstm
    python -m tangshi_tf.train --recipe=tensorflow    # the exercise to the letter
    python -m tangshi_tf.train --resume --run_dir=runs/best
    tensorboard --logdir=runs
"""

import contextlib
import glob
import json
import os
import pathlib
import platform
import shlex
import sys

from absl import flags

from tangshi_tf import cli, corpus, presets, recipes, run_dir
from tangshi_tf.corpus import shards
from tangshi_tf.errors import UserError
from tangshi_tf.workers import cluster


def _define_rate(name: str, text: str):
  holder = flags.DEFINE_float(name, 0.0, f'{text} A rate from 0 to below 1.')
  flags.register_validator(name, lambda value: 0 <= value < 1, message='expected a rate from 0 to below 1')
  return holder


def _define_share(name: str, text: str):
  return cli.define_number(name, 0.0, text, low=0, high=1)


_RECIPE = flags.DEFINE_string(
    'recipe', None, f'Take the flags of a recipe: {", ".join(recipes.names())}. Flags given beside it win. '
    f'(default: the recipe of the --cell; {recipes.NONE}: the defaults below, the exercise in batches of like length)')
_CORPUS = flags.DEFINE_multi_string(
    'corpus', None, 'Corpus file, or a glob; repeat the flag for more (default: the poems that come with the package). '
    'Shards of scripts/write_shards.py may be larger than memory.')
_STREAM = flags.DEFINE_bool('stream', None, 'Read shards anew in each epoch instead of keeping them in memory '
                            '(default: wherever the corpus is in shards).')
_SHUFFLE_BUFFER = flags.DEFINE_integer(
    'shuffle_buffer', 10240, 'With --stream: so many poems wait, and the next one is any of them.',
    lower_bound=2, upper_bound=10**8)
_CORPUS_FORMAT = flags.DEFINE_enum(
    'corpus_format', 'auto', corpus.FORMATS,
    'titled: "title:content" a line; blank: no titles, blank lines between poems; auto: looks.')
_MIN_CHARACTERS = flags.DEFINE_integer('min_characters', 0, 'Leave out poems with fewer characters.', lower_bound=0)
_MAX_CHARACTERS = flags.DEFINE_integer('max_characters', corpus.MAX_TOKENS - 2,
                                       'Leave out poems with more characters.', lower_bound=1, upper_bound=10**5)
_CELL = flags.DEFINE_enum('cell', 'gru', ['rnn', 'lstm', 'gru'], 'Recurrent cell.')
_UNITS = flags.DEFINE_integer('units', 128, 'Width of the recurrent state of a layer.',
                              lower_bound=1, upper_bound=16384)
_LAYERS = flags.DEFINE_integer('layers', 1, 'Recurrent layers.', lower_bound=1, upper_bound=64)
_EMBEDDING_SIZE = flags.DEFINE_integer('embedding_size', 64, 'Width of the character embedding.',
                                       lower_bound=1, upper_bound=16384)
_RESET_AFTER = flags.DEFINE_bool(
    'reset_after', True, 'GRU: apply the reset gate after the recurrent product (needed for cuDNN).')
_EMBEDDING_RANGE = cli.define_number(
    'embedding_range', 0.05, 'The embedding is initialised uniform between minus and plus this.',
    low=0, high=100, open_low=True)
_PROJECTION = flags.DEFINE_integer('projection', 0, 'Width of a linear layer before the output layer; 0: none.',
                                   lower_bound=0, upper_bound=16384)
_TIED = flags.DEFINE_bool('tied', False, 'Use the embedding as the output layer, behind a projection if need be.')
_LAYER_NORM = flags.DEFINE_bool('layer_norm', False, "Normalise each recurrent layer's output.")
_INPUT_DROPOUT = _define_rate('input_dropout', 'Dropout on the embedded characters.')
_LAYER_DROPOUT = _define_rate('layer_dropout', 'Dropout between recurrent layers.')
_OUTPUT_DROPOUT = _define_rate('output_dropout', 'Dropout on the last recurrent layer.')
_WEIGHT_DROPOUT = _define_rate('weight_dropout', 'Dropout on the recurrent kernels.')
_LOCKED_DROPOUT = flags.DEFINE_bool('locked_dropout', True,
                                    'Drop the same units at all positions of a sequence; else anew at each.')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 100, 'Poems a batch.', lower_bound=1, upper_bound=10**6)
_BATCH_TOKENS = flags.DEFINE_integer(
    'batch_tokens', 0, 'With --batching=bucket: as many poems a batch as fit into so many tokens; 0: --batch_size.',
    lower_bound=0, upper_bound=10**8)
_BATCHING = flags.DEFINE_enum(
    'batching', 'bucket', ['bucket', 'shuffle', 'sorted'],
    'bucket: poems of like length together; shuffle: random poems padded to the longest, as in the exercise; '
    'sorted: by rising length, in the same order in each epoch.')
_BPTT = flags.DEFINE_integer(
    'bptt', 0, 'Train on all poems as one stream in windows of so many tokens, the state carried from window to '
    'window (truncated back-propagation through time); 0: one poem a sequence.', lower_bound=0, upper_bound=10**5)
_VOCABULARY_SIZE = flags.DEFINE_integer(
    'vocabulary_size', None, 'Keep the most frequent characters only, so many words with PAD, UNK, bos and eos '
    '(default: all characters of the training part). Time and memory a token grow with it.', lower_bound=5)
_PRECISION = flags.DEFINE_enum(
    'precision', 'float32', ['float32', 'bfloat16', 'float16'],
    "Of the output layer's products; with 16 bits sums, softmax and weights stay float32 (mixed precision).")
_REDUCTION = flags.DEFINE_enum(
    'reduction', 'poem', ['poem', 'token', 'sum'],
    'The loss is the mean over poems of the mean by poem; the mean over tokens; or the mean over poems of the sum.')
_LABEL_SMOOTHING = _define_rate('label_smoothing', "Share of each label's mass that is spread over all characters.")
_UNLIKELIHOOD = cli.define_number(
    'unlikelihood', 0.0, 'How strongly a character is made unlikely where it stands in the poem already, against loops '
    '(unlikelihood training); 0: not.', low=0, high=100)
_BOS_DROPOUT = _define_share('bos_dropout', 'Share of the poems that begin at their first character, without bos, as '
                             'the exercise writes.')
_RANDOM_STATES = _define_share('random_states', 'Share of the poems that begin from a random-normal state instead of '
                               'zeros.')
_STATE_STDDEV = cli.define_number('state_stddev', 0.5, 'For --random_states: standard deviation.', low=0, high=100)
_PLAIN_EPOCHS = flags.DEFINE_integer(
    'plain_epochs', 0, 'Epochs at the beginning in which --bos_dropout, --random_states and --unlikelihood wait.',
    lower_bound=0)
_OPTIMIZER = flags.DEFINE_enum('optimizer', 'adam', ['adam', 'adamw', 'rmsprop', 'sgd'], 'Optimizer.')
_WEIGHT_DECAY = cli.define_number('weight_decay', 0.0, 'For adamw.', low=0, high=1)
_CLIP_NORM = cli.define_number('clip_norm', 0.0, 'Scale gradients down to this global norm; 0: never.',
                               low=0, high=1e9)
_AVERAGE = _define_rate('average', 'Decay by step of a moving average of the weights, which is what is validated and '
                        'kept; 0: none.')
_LEARNING_RATE = cli.define_number('learning_rate', 0.0005, 'Greatest learning rate.', low=0, high=100, open_low=True)
_SCHEDULE = flags.DEFINE_enum(
    'schedule', 'constant', presets.SCHEDULES,
    'Of the learning rate. cosine: falls to --final of it over the run; decay: times --decay with each epoch after '
    '--hold_epochs; plateau: times --decay after an epoch without better validation.')
_WARMUP_STEPS = flags.DEFINE_integer('warmup_steps', 0, 'Steps in which the learning rate rises.', lower_bound=0)
_HOLD_EPOCHS = flags.DEFINE_integer('hold_epochs', 1, 'For --schedule=decay.', lower_bound=0)
_DECAY = cli.define_number('decay', 0.5, 'For --schedule=decay and plateau.', low=0, high=1, open_low=True)
_FINAL = cli.define_number('final', 0.0, 'For --schedule=cosine: the last rate as a share of the first.', low=0, high=1)
_PATIENCE = flags.DEFINE_integer(
    'patience', 0, 'End after so many epochs in a row without better validation; 0: never.', lower_bound=0)
_EPOCHS = flags.DEFINE_integer('epochs', 10, 'Passes over the training poems.', lower_bound=1, upper_bound=10**6)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of weights, order and dropout; makes a CPU run repeatable.',
                             lower_bound=0, upper_bound=2**31 - 1)
_RUN_DIR = flags.DEFINE_string('run_dir', None, 'Where the run is written (default: runs/<recipe>, or runs/<cell>).')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace the run that stands in --run_dir.')
_RESUME = flags.DEFINE_bool(
    'resume', False, 'Go on with the run in --run_dir from its last checkpoint, with its flags. On a CPU it ends as if '
    'it had never stopped.')
_CHECKPOINT_EVERY = flags.DEFINE_integer(
    'checkpoint_every', 500, 'Steps between checkpoints within an epoch; 0: only after each.', lower_bound=0)
_STRATEGY = flags.DEFINE_enum(
    'strategy', None, cluster.STRATEGIES,
    'mirrored: divide each batch among the GPUs of this host; multi_worker: among the workers that TF_CONFIG or Slurm '
    'describe (default: multi_worker where TF_CONFIG names more than one, else none).')
_WORKER_TIMEOUT = cli.define_number('worker_timeout', 300.0,
                                    'Seconds in which all workers must have come, after this one has read the corpus.',
                                    low=0, high=1e6, open_low=True)
_LOG_EVERY = flags.DEFINE_integer('log_every', 10, 'Steps between points of the TensorBoard curves.', lower_bound=1)


# What may differ when a run is resumed: no weight that was trained before depends on it.
_FREE = (_EPOCHS, _PATIENCE, _LOG_EVERY, _CHECKPOINT_EVERY)
# What is no setting of the model.
_ELSEWHERE = {_CORPUS.name, _RUN_DIR.name, _OVERWRITE.name, _RESUME.name, _STRATEGY.name, _WORKER_TIMEOUT.name}


def main() -> int:
  if _RESUME.value and _OVERWRITE.value:
    raise UserError('both --resume and --overwrite; expected one of them')
  if _BPTT.value and (_BOS_DROPOUT.value or _RANDOM_STATES.value):
    raise UserError(f'--bptt={_BPTT.value} trains on all poems as one stream, whose windows go on where the one before '
                    'ended; expected --bos_dropout=0 --random_states=0')
  recipe = None if _RECIPE.value == recipes.NONE else _RECIPE.value
  run_path = run_dir.for_training(_RUN_DIR.value, recipe, _CELL.value)
  strategy = cluster.choose(_STRATEGY.value)
  found = None if _RESUME.value else _read_corpus()  # before a directory is made
  run: run_dir.RunDir | None
  with contextlib.ExitStack() as held:
    if cluster.is_chief(strategy):
      run = held.enter_context(run_dir.claim(run_path, overwrite=_OVERWRITE.value, resume=_RESUME.value))
    else:  # the chief alone writes and speaks
      run = run_dir.RunDir(run_path) if _RESUME.value else None
      held.enter_context(contextlib.redirect_stdout(held.enter_context(open(os.devnull, 'w', encoding='utf-8'))))
    if run is not None and _RESUME.value:
      _take_settings(run)
    words, parts, validation_poem, origin = found or _read_corpus()
    goes_on = run is not None and _RESUME.value and _has_checkpoint(run, words, origin)
    with cli.quiet_start():
      import tensorflow as tf

      from tangshi_tf.model import devices
      from tangshi_tf.training import distribution
      devices.prepare()
      streamed = isinstance(parts['train'], shards.Part)
      agreement = json.dumps([words, origin['corpus_sha256'], parts['train'].lengths if streamed else None, _flags(),
                              _RESUME.value])
      replicas = distribution.start(strategy, timeout=_WORKER_TIMEOUT.value, agreement=agreement)
      device = devices.start()
      devices.has_xla()  # as in generate
    print(device, flush=True)
    if recipe is not None:
      print(f'Recipe: {recipe}')
    if replicas.count > 1:
      print(f'Each batch is divided among {replicas.count} replicas in {replicas.processes} processes.')
    for note in _without_effect(streamed):
      print(note)
    if not devices.gains(_PRECISION.value):
      print(f'--precision={_PRECISION.value}: this device has no units for it; the products take the time of float32 '
            'or more. Use --precision=float32.')
    print(f'Corpus: {origin["corpus"]}: '
          f'{", ".join(f"{number:,} {name}" for name, number in origin["poems"].items())} '
          f'poems; vocabulary of {len(words):,}')
    try:
      with distribution.lost_workers(replicas), replicas.strategy.scope():
        return _train(run, pathlib.Path(run_path), words, parts, validation_poem, {**origin, **_settings()},
                      goes_on=goes_on, replicas=replicas)
    except (MemoryError, tf.errors.ResourceExhaustedError):
      batches = f'{_BATCH_TOKENS.value} tokens' if _BATCH_TOKENS.value else f'{_BATCH_SIZE.value} poems'
      raise UserError(f'not enough memory for {_UNITS.value} units, an embedding of {_EMBEDDING_SIZE.value} and '
                      f'batches of {batches}; expected smaller sizes') from None


def _without_effect(streamed: bool) -> list[str]:
  """Returns a line for each flag that was given and changes nothing beside the others."""
  options_are_plain = not (_BOS_DROPOUT.value or _RANDOM_STATES.value or _UNLIKELIHOOD.value)
  idle = [
      (_BATCH_SIZE, _BATCH_TOKENS.value, f'--batch_tokens={_BATCH_TOKENS.value} decides how many poems are a batch'),
      (_LAYER_DROPOUT, _LAYERS.value == 1, 'there is one layer'),
      (_RESET_AFTER, _CELL.value != 'gru', f'the cell is {_CELL.value}'),
      (_STATE_STDDEV, not _RANDOM_STATES.value, 'no poem begins from a random state'),
      (_PLAIN_EPOCHS, options_are_plain, 'nothing waits for their end'),
      (_HOLD_EPOCHS, _SCHEDULE.value != 'decay', f'the schedule is {_SCHEDULE.value}'),
      (_DECAY, _SCHEDULE.value not in ('decay', 'plateau'), f'the schedule is {_SCHEDULE.value}'),
      (_FINAL, _SCHEDULE.value != 'cosine', f'the schedule is {_SCHEDULE.value}'),
      (_SHUFFLE_BUFFER, not streamed, 'the poems are in memory'),
      (_CORPUS_FORMAT, streamed, 'shards have the titled form'),
  ]
  return [f'--{holder.name}={holder.value} has no effect: {reason}.' for holder, is_idle, reason in idle
          if holder.present and holder.value != holder.default and is_idle]


def _read_corpus() -> tuple[list[str], dict, corpus.Poem | None, dict]:
  """Returns the vocabulary, the parts, a validation poem, and what config.json says of them.

  The parts that hold poems are encoded, see `corpus.encode_all`, or `shards.Part`s if they are to be streamed. The
  texts themselves, which take far more memory, end here.
  """
  paths, source = cli.find_corpus(_CORPUS.value)
  found = shards.by_part(paths)
  if _STREAM.value and found is None:
    raise UserError(f'{source}: --stream, but these are no shards; expected those that scripts/write_shards.py writes')
  flags.FLAGS[_STREAM.name].value = found is not None and _STREAM.value is not False
  if found is not None and _STREAM.value:
    if _BPTT.value or _BATCHING.value == 'sorted':
      flag = f'--bptt={_BPTT.value}' if _BPTT.value else '--batching=sorted'
      raise UserError(f'{flag} of shards that are streamed; expected --nostream, or another way of training')
    census = shards.count(found, vocabulary_size=_VOCABULARY_SIZE.value, **_limits())
    counts = {name: part.poems for name, part in census.parts.items()}
    corpus.check_training_part(counts['train'], source, census.poems, **_limits())
    parts = {name: census.parts[name] for name in ('train', 'validation') if counts[name]}
    words, validation_poem, fingerprint = census.words, census.validation_poem, census.fingerprint
  else:
    every, fingerprint = shards.read_parts(paths, corpus_format=_CORPUS_FORMAT.value)
    kept = corpus.keep_parts(every, source, **_limits())
    counts = {name: len(part) for name, part in kept.items()}
    words = corpus.build_vocabulary(kept['train'], size=_VOCABULARY_SIZE.value)
    word2id, _ = corpus.word_tables(words)
    parts = {name: corpus.encode_all(kept[name], word2id) for name in ('train', 'validation') if kept[name]}
    validation_poem = next(iter(kept['validation']), None)
  return words, parts, validation_poem, {
      'corpus': ' '.join(map(_short_name, _CORPUS.value or paths)), 'corpus_sha256': fingerprint, 'poems': counts}


def _short_name(pattern: str) -> str:
  """Returns the last part of a path, of a glob the last two."""
  folder, name = os.path.split(pattern)
  return os.path.join(os.path.basename(folder), name) if glob.has_magic(name) else name


def _limits() -> dict[str, int]:
  """Returns how many tokens the poems have that are kept."""
  return {'min_tokens': _MIN_CHARACTERS.value and _MIN_CHARACTERS.value + 2, 'max_tokens': _MAX_CHARACTERS.value + 2}


def _take_settings(run: run_dir.RunDir):
  """Sets the flags to those of the run in a directory.

  Raises:
    UserError: a flag was given that differs, and is not one of `_FREE`.
  """
  settings = run.config().get('training', {})
  known = {holder.name: holder for holder in _setting_flags()}
  stored = settings.get('flags')
  if not isinstance(stored, dict) or not set(stored) <= set(known):
    raise UserError(f'{run.path / run_dir.CONFIG}: does not say all flags of its run; expected a run of this version '
                    'of tangshi_tf')
  free = {holder.name for holder in _FREE} - ({_EPOCHS.name} if stored.get(_SCHEDULE.name) == 'cosine' else set())
  for name, value in stored.items():
    flag = flags.FLAGS[name]
    if not flag.present:
      if value is not None:
        flag.parse(value)
    elif flag.value != value and name not in free:
      raise UserError(f'--{name}={flag.value}: the run in {run.path} has {value}; leave the flag out to resume it, or '
                      'begin another run with another --run_dir')
  flags.FLAGS.validate_all_flags()


def _has_checkpoint(run: run_dir.RunDir, words: list[str], origin: dict) -> bool:
  """Returns whether there is a checkpoint to go on from, of a run on these poems; without any the run begins anew.

  Raises:
    UserError: the run has other poems, or is one that left no checkpoint.
  """
  if not run.has(run_dir.CHECKPOINT):
    if run.weights():
      raise UserError(f'{run.path}: has weights but no {run_dir.CHECKPOINT}; expected a run that left a checkpoint')
    return False
  before = run.config()['training']
  if origin['corpus_sha256'] != before.get('corpus_sha256') or words != run.vocabulary():
    raise UserError(f'{run.path}: was begun with other poems than those of {origin["corpus"]}, or with them in another '
                    f'order; expected the corpus it was begun with ({before.get("corpus")}), by --corpus if need be')
  return True


def _train(run, path: pathlib.Path, words: list[str], parts: dict, validation_poem: corpus.Poem | None, origin: dict,
           *, goes_on: bool, replicas) -> int:
  """Makes the model, trains it and writes the run; returns the exit status.

  `run` is a `ClaimedRunDir` in the chief; elsewhere a `RunDir`, or None where no run is resumed.
  Empties `parts` where they are in memory.
  """
  import keras

  from tangshi_tf import training
  from tangshi_tf.training import checkpoint, fitting, schedules
  from tangshi_tf.training.progress import Progress
  from tangshi_tf.training.tensorboard import TensorBoard
  from tangshi_tf.training.weights_keeper import WeightsKeeper

  word2id, id2word = corpus.word_tables(words)
  keras.utils.set_random_seed(_SEED.value)
  model = _make_model(word2id)
  optimizer = training.make_optimizer(_LEARNING_RATE.value, name=_OPTIMIZER.value, weight_decay=_WEIGHT_DECAY.value)
  options = training.StepOptions(
      reduction=_REDUCTION.value, label_smoothing=_LABEL_SMOOTHING.value,
      unlikelihood=_UNLIKELIHOOD.value, precision=_PRECISION.value,
      clip_norm=_CLIP_NORM.value, average=_AVERAGE.value, carry_state=_BPTT.value > 0,
      bos_dropout=_BOS_DROPOUT.value, random_states=_RANDOM_STATES.value, state_stddev=_STATE_STDDEV.value,
      seed=_SEED.value)
  average = training.averages(model, options.average)
  reading = 'in memory'
  if isinstance(parts['train'], shards.Part):
    reading = f'a stream of {len(parts["train"].paths)} shards for {replicas.processes} processes'
  epoch_batches, steps, validation = _make_batches(parts, word2id, replicas)
  warmup_steps, total = _WARMUP_STEPS.value, steps * _EPOCHS.value
  if warmup_steps >= total:  # as that of a recipe is in a run on few poems
    warmup_steps = total // 10
    print(f'--warmup_steps={_WARMUP_STEPS.value}: the run has {total} steps; the learning rate rises in the first '
          f'{warmup_steps}.')
  schedule = schedules.LearningRate(
      _LEARNING_RATE.value, schedule=_SCHEDULE.value, steps_per_epoch=steps, epochs=_EPOCHS.value,
      warmup_steps=warmup_steps, hold_epochs=_HOLD_EPOCHS.value, decay=_DECAY.value, final=_FINAL.value)

  position = fitting.Position(reading=reading)
  if goes_on:
    position = checkpoint.restore(run, model, optimizer, average)
    if position.batches and position.reading != reading:
      raise UserError(f'{path}: was stopped within an epoch whose poems were {position.reading}, now they are '
                      f'{reading}; expected the same')
    position.reading = reading
    replicas.sums(0.0)  # the chief writes a new one only when all have read this one
    if replicas.chief:
      checkpoint.cut_events(path, int(optimizer.iterations.numpy()), position.epoch - 1)
  elif replicas.chief:
    run.create(words, {'model': model.hyperparameters, 'training': origin})
  print(f'Model: {_CELL.value}, {model.count_params():,} parameters; run directory {path}', flush=True)
  if goes_on and replicas.chief:
    _go_on(run, origin)
    print(f'Resumed at step {int(optimizer.iterations.numpy()):,} of {_EPOCHS.value * steps:,}.', flush=True)
  if validation is None:
    print('The corpus is too small for a validation part; the last epoch counts as the best.')

  watchers = []
  if replicas.chief:
    watchers = [
        Progress(_EPOCHS.value),
        TensorBoard(path, model, optimizer, word2id, id2word, every=_LOG_EVERY.value,
                    validation_poem=validation_poem),
        WeightsKeeper(run, model),
    ]

  def save(position):
    if replicas.chief:
      checkpoint.write(run, model, optimizer, average, position)

  def save_last():
    if not replicas.chief:
      return
    with average.in_place() if average is not None else contextlib.nullcontext():
      run.save_weights(run_dir.LAST, model)

  with cli.interruptible() as stopped:
    try:
      fitting.fit(model, optimizer, epochs=_EPOCHS.value, epoch_batches=epoch_batches, steps_per_epoch=steps,
                  validation=validation, callbacks=watchers, should_stop=stopped, schedule=schedule,
                  patience=_PATIENCE.value, options=options, plain_epochs=_PLAIN_EPOCHS.value, position=position,
                  save_every=_CHECKPOINT_EVERY.value, save=save, replicas=replicas)
    except fitting.DivergedError as error:
      save_last()
      raise UserError(f'{error}; the last good weights are kept in {path} as {run_dir.LAST}') from None
    status = stopped()
    if any(replicas.sums(status)):  # perhaps another worker was told to stop
      status = status or cli.TERMINATED
  if status:
    save_last()
    again = shlex.join(['--resume', f'--run_dir={path}', *(f'--corpus={pattern}' for pattern in _CORPUS.value or [])])
    print(f'Stopped; the weights so far are kept. Go on: python -m tangshi_tf.train {again}\n'
          f'Write poems with the weights so far: '
          f'python -m tangshi_tf.generate --model={path} --weights={run_dir.LAST}')
    return status
  print(f'Done. Write poems: python -m tangshi_tf.generate --model={path}\n'
        f'See the curves: tensorboard --logdir={path.parent}')
  return 0


def _go_on(run: run_dir.ClaimedRunDir, origin: dict):
  """Writes the flags of a resumed run, so that raised --epochs need not be given again; says what is different."""
  config = run.config()
  before = config['training'].get('tensorflow')
  if before != origin['tensorflow']:
    print(f'The run was begun with TensorFlow {before}, this is {origin["tensorflow"]}: its figures may differ in '
          'their last digits from those of a run that never stopped.')
  if config['training']['flags'] != origin['flags']:
    config['training']['flags'] = origin['flags']
    run.write_json(run_dir.CONFIG, config)


def _make_model(word2id: dict[str, int]):
  from tangshi_tf.model import myRNNModel
  return myRNNModel(
      word2id, cell=_CELL.value, embedding_size=_EMBEDDING_SIZE.value, units=_UNITS.value, layers=_LAYERS.value,
      reset_after=_RESET_AFTER.value, projection=_PROJECTION.value, tied=_TIED.value, layer_norm=_LAYER_NORM.value,
      input_dropout=_INPUT_DROPOUT.value, layer_dropout=_LAYER_DROPOUT.value, output_dropout=_OUTPUT_DROPOUT.value,
      weight_dropout=_WEIGHT_DROPOUT.value, locked_dropout=_LOCKED_DROPOUT.value,
      embedding_range=_EMBEDDING_RANGE.value)


def _make_batches(parts: dict, word2id: dict[str, int], replicas):
  """Returns a function from an epoch's number to its batches, how many they are, and the validation batches or None."""
  if isinstance(parts['train'], shards.Part):
    return _streamed_batches(parts, word2id, replicas)
  return _batches_in_memory(parts, replicas)


def _streamed_batches(parts, word2id, replicas):
  from tangshi_tf.data import streaming
  train = streaming.Stream(
      parts['train'], word2id, batch_size=_BATCH_SIZE.value, batch_tokens=_BATCH_TOKENS.value,
      batching=_BATCHING.value, process=replicas.process, processes=replicas.processes, **_limits())
  validation = None
  if 'validation' in parts:
    validation = streaming.Stream(parts['validation'], word2id, batch_size=_BATCH_SIZE.value, **_limits()).batches()
  local = replicas.local if replicas.count > 1 else None

  def epoch_batches(epoch, skip):
    return train.batches(shuffle_buffer=_SHUFFLE_BUFFER.value, seed=_epoch_seed(epoch), skip=skip, local=local)

  return epoch_batches, train.steps, validation


def _batches_in_memory(parts, replicas):
  from tangshi_tf import data
  packed = {name: data.pack(*parts.pop(name)) for name in list(parts)}
  poems = packed['train']
  if _BPTT.value:
    if _BATCH_TOKENS.value or _BATCHING.value != 'bucket':
      raise UserError(f'--bptt={_BPTT.value} goes neither with --batch_tokens={_BATCH_TOKENS.value} nor with '
                      f'--batching={_BATCHING.value}; expected --batch_tokens=0 --batching=bucket, and the rows of the '
                      'stream as --batch_size')
    make, count, batching = data.stream, data.count_windows, {'window': _BPTT.value}
  else:
    make, count = data.batches, data.count_batches
    batching = {'batching': _BATCHING.value, 'batch_tokens': _BATCH_TOKENS.value}
  batching['batch_size'] = _BATCH_SIZE.value
  share = (replicas.first, replicas.local, replicas.count) if replicas.count > 1 else None

  def epoch_batches(epoch, skip):
    return make(poems, seed=_epoch_seed(epoch), skip=skip, share=share, **batching)

  validation = None
  if 'validation' in packed:
    validation = data.batches(packed['validation'], batch_size=_BATCH_SIZE.value, shuffle=False)
  return epoch_batches, count(poems, **batching), validation


def _epoch_seed(epoch: int) -> int:
  return (_SEED.value * 1_000_003 + epoch) % 2**31


def _setting_flags() -> list[flags.FlagHolder]:
  """Returns the flags that say how the model comes about."""
  return [holder for holder in globals().values()
          if isinstance(holder, flags.FlagHolder) and holder.name not in _ELSEWHERE]


def _flags() -> dict:
  return {holder.name: holder.value for holder in _setting_flags()}


def _settings() -> dict:
  """Returns what else config.json says of how the model came about."""
  import tensorflow as tf
  return {
      'command': shlex.join(['python', '-m', 'tangshi_tf.train', *sys.argv[1:]]),
      'flags': _flags(),
      'tensorflow': tf.__version__, 'python': platform.python_version(),
  }


if __name__ == '__main__':
  cli.run(main, expand=recipes.expand)
