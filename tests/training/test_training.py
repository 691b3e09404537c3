import collections
import hashlib
import io
import itertools
import json
import math
import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, data, evaluation, run_dir, train_one_step, training
from tangshi_tf.errors import UserError
from tangshi_tf.model import CELLS, loss, myRNNModel
from tangshi_tf.settings import Settings
from tangshi_tf.training import callback, divergence, fitting, schedules
from tangshi_tf.training import step as step_module
from tangshi_tf.training.averages import average_of
from tangshi_tf.training.progress import Progress
from tangshi_tf.training.tensorboard import TensorBoard
from tangshi_tf.training.weights_keeper import WeightsKeeper


@pytest.fixture
def dataset(poems_file):
  keras.utils.set_random_seed(1)  # TensorFlow's own seed, which other tests set, takes part in the order of the poems
  return data.poem_dataset(poems_file, batch_size=50, seed=0)


@pytest.mark.parametrize('cell', CELLS)
def test_one_step_is_adam_on_the_plain_loss(dataset, cell):
  ds, word2id, _ = dataset
  x, y, seqlen = next(iter(ds))
  models = []
  for _ in range(2):
    keras.utils.set_random_seed(1)
    models.append(myRNNModel(word2id, cell=cell, units=16, embedding_size=8))
  ours, plain = models

  value = train_one_step(ours, training.make_optimizer(0.01), x, y, seqlen)
  optimizer = keras.optimizers.Adam(0.01)
  with tf.GradientTape() as tape:
    expected = loss.compute_loss(plain(x), y, seqlen)
  gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(expected, plain.trainable_variables)]
  optimizer.apply_gradients(zip(gradients, plain.trainable_variables))
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  for a, b in zip(ours.trainable_variables, plain.trainable_variables):
    # The first step of Adam is the gradient's sign times the rate, so a gradient
    # of rounding errors alone may differ: compare where it stands out.
    assert np.mean(np.abs(a.numpy() - b.numpy()) > 1e-4) < 0.01


def test_train_is_one_pass_that_learns(dataset, capsys):
  ds, word2id, _ = dataset
  model, optimizer = myRNNModel(word2id, units=16, embedding_size=8), training.make_optimizer(0.01)
  alike = ds.take(1).cache().repeat(8)  # a pass returns the loss of its last batch
  losses = [float(training.train(epoch, model, optimizer, alike)) for epoch in range(4)]
  assert losses[-1] < losses[0] - 1
  printed = capsys.readouterr().out.splitlines()
  assert [line.split(':')[0] for line in printed] == [f'epoch {i} step 0' for i in range(4)]
  assert training.compiled_step(model, optimizer, training.StepOptions()).experimental_get_tracing_count() == 1


def test_the_state_is_carried_from_window_to_window(poems_file):
  poems = corpus.keep_short(corpus.read_poems(poems_file))
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(poems))
  packed = data.pack(*corpus.encode_all(poems, word2id))
  model = myRNNModel(word2id, cell='lstm', layers=2, units=12, embedding_size=8)
  for variable in (model.embed_layer.embeddings, model.dense.kernel):
    variable.assign(20 * variable)
  frozen = training.make_optimizer(1e-30, name='sgd')
  whole = next(iter(data.windows(packed, batch_size=4, window=10**6, seed=1)))
  expected = float(loss.compute_loss(model(whole[0]), whole[1], whole[2], reduction='token'))

  def over_windows(**options):
    results = []
    training.train(1, model, frozen, data.windows(packed, batch_size=4, window=20, seed=1),
                   on_step=lambda _, result, state: results.append(result),
                   options=training.StepOptions(reduction='token', **options))
    assert len(results) == data.count_windows(packed, batch_size=4, window=20) > 20
    tokens = sum(int(result.tokens) for result in results)
    assert tokens == int(tf.reduce_sum(whole[2]))
    return sum(float(result.loss) * int(result.tokens) for result in results) / tokens

  assert over_windows(carry_state=True) == pytest.approx(expected, rel=1e-5)
  assert abs(over_windows() - expected) > 1e-4 * expected  # the test can tell


def test_clipping_bounds_the_step_and_reports_the_norm_before(dataset):
  ds, word2id, _ = dataset
  batch = next(iter(ds))
  steps = []
  for clip in (0.0, 1e-3):
    keras.utils.set_random_seed(1)
    model = myRNNModel(word2id, units=16, embedding_size=8)
    before = [variable.numpy() for variable in model.trainable_variables]
    options = training.StepOptions(clip_norm=clip)
    result, _ = training.compiled_step(model, training.make_optimizer(1.0, name='sgd'), options)(*batch, [])
    moved = math.sqrt(sum(np.sum((variable.numpy() - old) ** 2) for variable, old in
                          zip(model.trainable_variables, before)))
    steps.append((float(result.gradient_norm), moved))
  assert steps[0] == pytest.approx([steps[0][0]] * 2, rel=1e-3)
  assert steps[1] == pytest.approx([steps[0][0], 1e-3], rel=1e-3)


def test_the_average_of_the_weights(dataset):
  ds, word2id, _ = dataset
  model, optimizer = myRNNModel(word2id, units=8, embedding_size=8), training.make_optimizer(0.01)
  options = training.StepOptions(average=0.5)
  expected = model.dense.kernel.numpy()
  for step, batch in enumerate(itertools.islice(ds, 4), 1):
    train_one_step(model, optimizer, *batch, options=options)
    share = 1 - min(0.5, (1 + step) / (10 + step))
    expected += share * (model.dense.kernel.numpy() - expected)
  last = model.dense.kernel.numpy()
  with pytest.raises(RuntimeError), average_of(model, 0.5).in_place():
    np.testing.assert_allclose(model.dense.kernel, expected, atol=1e-6)
    raise RuntimeError
  np.testing.assert_array_equal(model.dense.kernel, last)
  assert np.abs(last - expected).max() > 1e-3


def test_early_stopping_and_schedule(dataset, monkeypatch):
  ds, word2id, _ = dataset
  model, optimizer = myRNNModel(word2id, units=8, embedding_size=8), training.make_optimizer(0.5)
  figures = [5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 2.0]
  measured = iter(figures)
  monkeypatch.setattr(evaluation, 'validate',
                      lambda *_, **__: {**dict.fromkeys(('loss', 'nll', 'perplexity'), next(measured)), 'by_form': {}})
  seen = []

  class Watch(training.Callback):
    def on_step(self, step, result):
      seen.append(float(optimizer.learning_rate))

  schedule = schedules.LearningRate(0.5, schedule='plateau', steps_per_epoch=3, epochs=20, warmup_steps=2, decay=0.5)
  history = fitting.fit(model, optimizer, epochs=20, epoch_batches=lambda *_: ds.take(3), steps_per_epoch=3,
                        validation=ds, callbacks=[Watch()], schedule=schedule, patience=2)
  assert [metrics['validation_nll'] for metrics in history] == figures[:6]
  assert seen == [0.25, *[0.5] * 8, *[0.25] * 6, *[0.125] * 3]


@pytest.mark.parametrize('name', training.OPTIMIZERS)
def test_optimizers_learn(dataset, name):
  ds, word2id, _ = dataset
  model = myRNNModel(word2id, units=8, embedding_size=8)
  optimizer = training.make_optimizer({'sgd': 1.0}.get(name, 0.01), name=name)
  batch = next(iter(ds))
  losses = [float(train_one_step(model, optimizer, *batch)) for _ in range(20)]
  assert losses[-1] < losses[0] - 0.05


def test_unusable_optimizers():
  with pytest.raises(UserError, match='adam, adamw, rmsprop, sgd'):
    training.make_optimizer(name='adagrad')
  with pytest.raises(UserError, match='expected adamw'):
    training.make_optimizer(weight_decay=0.1)


def test_two_models_in_one_process(dataset):
  ds, word2id, _ = dataset
  batch = next(iter(ds))
  for _ in range(2):
    model, optimizer = myRNNModel(word2id, units=8), training.make_optimizer()
    first = float(train_one_step(model, optimizer, *batch))
    assert float(train_one_step(model, optimizer, *batch)) < first


def test_evaluate_against_the_plain_loss(dataset):
  ds, word2id, _ = dataset
  model = myRNNModel(word2id, cell='gru', units=8, embedding_size=8)
  measured = evaluation.validate(model, ds)
  nll = poems = total = tokens = 0
  for x, y, seqlen in ds:
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x)).numpy()
    for row, n in zip(cross_entropy, seqlen.numpy()):
      total += row[:n].mean()
      nll += row[:n].sum()
      tokens += n
      poems += 1
  assert measured['tokens'] == tokens
  assert measured['loss'] == pytest.approx(total / poems, rel=1e-5)
  assert measured['perplexity'] == pytest.approx(math.exp(nll / tokens), rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run(dataset):
  ds, word2id, _ = dataset
  model = myRNNModel(word2id, units=8)
  model.dense.bias.assign(np.full(len(word2id), np.nan))
  seen = []

  class Watch(training.Callback):
    def on_epoch_end(self, epoch, metrics):
      seen.append(epoch)

  with pytest.raises(UserError, match='loss became nan in epoch 1'):
    fitting.fit(model, training.make_optimizer(), epochs=2, epoch_batches=lambda *_: ds, steps_per_epoch=8,
                callbacks=[Watch()])
  assert not seen


def test_a_run_that_diverges_goes_back_to_weights_with_a_finite_loss(dataset):
  ds, word2id, _ = dataset
  model = myRNNModel(word2id, units=8, embedding_size=8)
  before = [variable.numpy() for variable in model.trainable_variables]
  optimizer = training.make_optimizer()

  class Spoil(training.Callback):
    def on_step(self, step, result):
      if step == 50:
        model.dense.bias.assign(np.full(len(word2id), np.inf))

  with pytest.raises(divergence.DivergedError, match='loss became nan'):
    fitting.fit(model, optimizer, epochs=100, epoch_batches=lambda *_: ds, steps_per_epoch=8, callbacks=[Spoil()])
  after = [variable.numpy() for variable in model.trainable_variables]
  assert all(np.isfinite(value).all() for value in after)
  assert not np.array_equal(before[0], after[0])


def test_the_best_epoch_is_marked_and_its_figures_are_json(dataset, tmp_path):
  _, word2id, _ = dataset
  model = myRNNModel(word2id, units=4, embedding_size=4)
  with run_dir.claim(tmp_path) as run:
    run.create(list(word2id), {'model': model.hyperparameters})
    keeper = WeightsKeeper(run, model)
    keeper.on_begin(callback.Position(), 3)
    for epoch, nll in ((1, 800.0), (2, 5.0), (3, 6.0)):
      model.dense.bias.assign(np.full(len(word2id), epoch))
      keeper.on_epoch_end(epoch, {'epoch': epoch, 'train_loss': nll, 'validation_nll': nll,
                                  'validation_perplexity': evaluation.perplexity(nll)})
  metrics = json.loads((tmp_path / 'metrics.json').read_text(), parse_constant=pytest.fail)
  assert metrics['best_epoch'] == 2 and metrics['epochs'][0]['validation_perplexity'] is None
  assert run_dir.RunDir(tmp_path).best == 'epoch-02'
  for weights, epoch in ((None, 2), ('best', 2), ('epoch-03', 3)):
    assert run_dir.load(tmp_path, weights).model.dense.bias[0] == epoch


@pytest.mark.parametrize('columns', [40, 80, 200])
def test_the_progress_line_fits_the_terminal(columns, monkeypatch):
  screen = io.StringIO()
  screen.isatty = lambda: True
  monkeypatch.setattr('sys.stdout', screen)
  monkeypatch.setattr('shutil.get_terminal_size', lambda: os.terminal_size((columns, 24)))
  clock = itertools.count()
  monkeypatch.setattr('time.perf_counter', lambda: float(next(clock)))
  progress = Progress()
  progress.on_begin(callback.Position(), 10)
  progress.on_epoch_begin(1, 498)
  for step in range(1, 400):
    progress.on_step(step, training.StepResult(6.6, 6.6 * 5000, 5000, 1.0))
  lines = screen.getvalue().split('\r')[1:]
  assert len(lines) > 300
  assert {len(line) for line in lines} == {columns - 1}
  if columns >= 80:
    assert all(word in lines[-1] for word in ('399/498', 'loss 6.600', 'perplexity 735.1', 'tokens/s', 'left'))
  assert ('[====' in lines[-1]) == (columns == 200)


def test_the_time_left_does_not_count_what_was_before_the_first_step(monkeypatch):
  screen, now = io.StringIO(), 0.0
  screen.isatty = lambda: True
  monkeypatch.setattr('sys.stdout', screen)
  monkeypatch.setattr('time.perf_counter', lambda: now)
  progress = Progress()
  now += 1000  # the corpus, TensorFlow, building the graph
  progress.on_begin(callback.Position(), 2)
  progress.on_epoch_begin(1, 50)
  for step in (1, 2, 3):
    now += 1
    progress.on_step(step, training.StepResult(6.6, 6.6 * 5000, 5000, 1.0))
  assert screen.getvalue().rstrip().endswith(' 1:37 left')


def test_a_real_run(trained, poems_file):
  path, done = trained
  lines = done.stdout.splitlines()
  assert lines[0].startswith('Device: ')
  assert 'run directory runs/lstm' in done.stdout.replace('\\', '/')
  assert sum('; validation perplexity ' in line for line in lines) == 3
  assert not done.stderr

  metrics = json.loads((path / 'metrics.json').read_text(encoding='utf-8'))
  by_epoch = [epoch['validation_perplexity'] for epoch in metrics['epochs']]
  assert metrics['best_epoch'] == 1 + int(np.argmin(by_epoch))
  assert metrics['epochs'][-1]['train_loss'] < metrics['epochs'][0]['train_loss'] - 0.5
  assert sorted(file.name for file in (path / 'weights').iterdir()) == [
      'epoch-01.npz', 'epoch-02.npz', 'epoch-03.npz']
  config = json.loads((path / 'config.json').read_text(encoding='utf-8'))
  assert config['model']['cell'] == 'lstm' and config['model']['units'] == 16 and not config['model']['tied']
  assert config['training']['corpus_sha256'] == hashlib.sha256(poems_file.read_bytes()).hexdigest()

  best = run_dir.load(path)
  epoch = run_dir.load(path, weights=f'epoch-{metrics["best_epoch"]:02}')
  np.testing.assert_array_equal(best.model.dense.kernel, epoch.model.dense.kernel)


def test_the_vocabulary_comes_from_the_training_part(trained, poems_file):
  parts = corpus.training_parts(corpus.read_poems(poems_file), poems_file)
  assert set(run_dir.load(trained[0]).word2id) - set(corpus.SPECIAL_TOKENS) == {
      character for poem in parts['train'] for character in poem.content}


def test_event_files_are_read_back(trained):
  from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
  path, _ = trained
  events = EventAccumulator(str(path), size_guidance={'tensors': 0})
  events.Reload()
  assert set(events.Tags()['tensors']) == {
      'step/loss', 'step/perplexity', 'step/gradient_norm', 'step/learning_rate', 'step/tokens_per_second',
      'epoch/train_loss', 'epoch/train_perplexity', 'epoch/validation_loss', 'epoch/validation_perplexity',
      'epoch/best_validation_perplexity', 'epoch/soundness_zero_state', 'epoch/soundness_random_state',
      *(f'epoch/{name}' for name in run_dir.RunDir(path).epochs()[0] if name.startswith('validation_perplexity_')),
      'poems/free', 'poems/七绝', 'prediction', '_hparams_/experiment', '_hparams_/session_start_info',
      'custom_scalars__config__'}

  def values(tag):
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}

  losses = values('step/loss')
  assert list(losses)[:3] == [5, 10, 15]
  assert losses[max(losses)] < losses[5]
  assert {float(rate) for rate in values('step/learning_rate').values()} == {float(np.float32(0.01))}
  metrics = json.loads((path / 'metrics.json').read_text(encoding='utf-8'))
  by_epoch = values('epoch/validation_perplexity')
  assert list(by_epoch) == [1, 2, 3]
  np.testing.assert_allclose(list(by_epoch.values()),
                             [epoch['validation_perplexity'] for epoch in metrics['epochs']], rtol=1e-5)
  rows = values('poems/free')[3].item().decode().splitlines()[4:]
  known = [c for c in '日红山夜湖海月' if c in run_dir.load(path).word2id]
  assert len(rows) == 7 and [row[2] for row in rows][:len(known)] == known
  target, argmax = values('prediction')[3].item().decode().split('\n\n')
  assert len(target.split()) == len(argmax.split()) > 5


@pytest.mark.skipif(sys.platform != 'linux', reason='other file systems refuse the name')
def test_curves_in_a_directory_whose_name_is_not_utf_8(tmp_path, model):
  path, said = tmp_path / os.fsdecode(b'run\xff'), []
  path.mkdir()
  settings = Settings.of(start_from=str(path))
  board = TensorBoard(path, model, None, model.word2id, model.id2word, settings=settings, counts=collections.Counter(),
                      say=said.append)
  board.on_begin(callback.Position(), 1)
  board.on_start({'validation_loss': 1.0})
  assert sorted(file.name.split('.')[0] for file in path.iterdir()) == ['events', 'projector', 'projector_config']
  assert not said


def test_plain_epochs_come_first(word2id, monkeypatch):
  seen = []
  monkeypatch.setattr(step_module, 'compiled_step', lambda model, optimizer, options, _: seen.append(options) or (
      lambda x, y, seqlen, state: (training.StepResult(*tf.ones(4)), state)))
  model = myRNNModel(word2id, units=4, embedding_size=3)
  options = training.StepOptions(unlikelihood=1.0, bos_dropout=0.5, random_states=0.5, clip_norm=2.0)
  batch = tf.constant([[2, 5]]), tf.constant([[5, 3]]), tf.constant([2])
  fitting.fit(model, training.make_optimizer(), epochs=3, epoch_batches=lambda epoch, skip: [batch], steps_per_epoch=1,
              options=options, plain_epochs=2)
  assert seen == [training.StepOptions(clip_norm=2.0)] * 2 + [options]
