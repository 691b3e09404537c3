"""What a Keras user does with the model: save, load, export, fit, evaluate."""

import copy
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import data, evaluation, training
from tangshi_tf.errors import UserError
from tangshi_tf.model import HYPERPARAMETERS, loss, myRNNModel

# What Keras says where a model is compiled before its weights are loaded, and of datasets of unknown length.
pytestmark = [pytest.mark.filterwarnings(f'ignore:{text}') for text in (
    'Skipping variable loading', 'Your input ran out of data', '.shuffle=True. was passed', '__array__ implementation')]

SMALL = {'embedding_size': 6, 'units': 5}
VARIANTS = [{'cell': 'rnn'}, {'cell': 'lstm'}, {'cell': 'gru'}, {'cell': 'gru', 'reset_after': False},
            {'cell': 'gru', 'layers': 2, 'tied': True, 'layer_norm': True},
            {'cell': 'lstm', 'layers': 2, 'projection': 3}, {'cell': 'gru', 'softmax': 'adaptive', 'cutoffs': [8, 21]},
            {'tied': True, 'units': 6, 'layers': 2, 'input_dropout': 0.1, 'layer_dropout': 0.2, 'output_dropout': 0.3,
             'weight_dropout': 0.4, 'locked_dropout': False}]
IDS = np.random.default_rng(0).integers(0, 40, (3, 11))


def make(word2id, **options):
  """Returns a small model with random biases too, the same at every call."""
  model = myRNNModel(word2id, **{**SMALL, **options})
  for i, variable in enumerate(model.trainable_variables):
    variable.assign(tf.random.stateless_normal(variable.shape, (0, i), stddev=0.5))
  return model


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request, word2id):
  return make(word2id, **request.param)


@pytest.fixture(scope='module')
def batches():
  """A list of batches as `poem_dataset` makes them, of several shapes."""
  rng = np.random.default_rng(0)
  shapes = [(9, 7), (9, 13), (4, 7), (9, 7)]
  return [(*tf.constant(rng.integers(0, 40, (2, *shape)), tf.int32),
           tf.constant(rng.integers(1, shape[1] + 1, shape[0]), tf.int32)) for shape in shapes]


@pytest.fixture
def dataset(batches):
  """The same, as a dataset that knows no more of its length than a generator does."""
  return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=data.BATCH_SPEC)


def assert_same_model(got, model):
  assert isinstance(got, myRNNModel)
  assert got.word2id == model.word2id and list(got.word2id) == list(model.word2id)
  assert got.id2word == model.id2word
  assert got.hyperparameters == model.hyperparameters
  assert [tuple(v.shape) for v in got.weights] == [tuple(v.shape) for v in model.weights]
  np.testing.assert_array_equal(got(IDS), model(IDS))
  seed = tf.constant([1, 2])
  np.testing.assert_array_equal(got.unroll(IDS, seed=seed)[0], model.unroll(IDS, seed=seed)[0])
  np.testing.assert_array_equal(got.next_bias(), model.next_bias())


def test_saved_and_loaded_it_is_the_same_model(variant, tmp_path):
  variant.save(tmp_path / 'poems.keras')
  loaded = keras.models.load_model(tmp_path / 'poems.keras')
  assert_same_model(loaded, variant)
  assert loaded.count_params() == variant.count_params()
  if variant.hyperparameters['tied']:
    loaded.embed_layer.embeddings.assign(tf.zeros_like(loaded.embed_layer.embeddings))
    assert not loaded.dense.kernel.numpy().any()  # its own embedding is its output layer


def test_the_config_is_json_and_makes_the_model_again(variant):
  config = json.loads(json.dumps(variant.get_config()))
  again = myRNNModel.from_config(config)
  assert again.get_config() == variant.get_config()
  again.set_weights(variant.get_weights())
  assert_same_model(again, variant)
  assert set(variant.hyperparameters) == set(HYPERPARAMETERS) - (
      {'reset_after'} if variant.cell != 'gru' else set()) - ({'cutoffs'} if variant.clusters is None else set())


def test_numpy_numbers_are_hyperparameters_too(word2id):
  model = myRNNModel(word2id, units=np.int64(7), embedding_size=np.int32(5), input_dropout=np.float32(0.5))
  assert myRNNModel.from_config(json.loads(json.dumps(model.get_config()))).rnncell.units == 7


def test_copies(word2id):
  model = make(word2id, cell='gru', tied=True)
  assert_same_model(copy.deepcopy(model), model)
  clone = keras.models.clone_model(model)
  assert clone.get_config() == model.get_config()


@pytest.mark.parametrize('word2id', [{}, {'PAD': 0, 'UNK': 2}, {'PAD': 1, 'UNK': 2}, {'PAD': 0, 'UNK': 0}], ids=str)
def test_vocabularies_with_other_ids(word2id):
  with pytest.raises(UserError, match='other ids than 0, 1, 2'):
    myRNNModel(word2id)


def test_the_order_of_the_vocabulary_is_that_of_its_ids(word2id):
  model = myRNNModel(dict(sorted(word2id.items(), reverse=True)), **SMALL)
  assert [model.id2word[i] for i in model.marks.numpy()] == ['，', '。']
  assert model.is_character.numpy().tolist() == [False] * 6 + [True] * 34
  assert np.isinf(model.next_bias()).tolist() == [True] * 3 + [False] * 37


def test_weight_files(variant, word2id, tmp_path):
  variant.save_weights(tmp_path / 'a.weights.h5')
  other = make(word2id, **variant.hyperparameters)
  other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
  other.compile()  # whether or not it is compiled
  other.load_weights(tmp_path / 'a.weights.h5')
  assert_same_model(other, variant)


def test_loading_in_another_process(word2id, tmp_path):
  model = make(word2id, cell='gru', tied=True, layers=2)
  model.compile()
  model.save(tmp_path / 'poems.keras')
  np.save(tmp_path / 'logits.npy', model(IDS))
  code = ('import sys, numpy, keras\nfrom tangshi_tf import myRNNModel\n'
          'model = keras.models.load_model("poems.keras")\nassert type(model) is myRNNModel\n'
          'numpy.testing.assert_allclose(model(numpy.array(eval(sys.argv[1]))), numpy.load("logits.npy"), atol=1e-6)')
  subprocess.run([sys.executable, '-c', code, str(IDS.tolist())], cwd=tmp_path, check=True,
                 env={**os.environ, 'PYTHONPATH': str(pathlib.Path(tangshi_tf.__file__).parent.parent)})


def test_summary(variant, monkeypatch):
  monkeypatch.setenv('COLUMNS', '200')
  lines = []
  variant.summary(print_fn=lines.append, line_length=200)
  text = '\n'.join(lines)
  assert '?' not in text and 'unbuilt' not in text
  rows = [line for line in text.splitlines() if line.startswith('│')]
  assert len(rows) == len(variant.layers) == 2 + len(variant.rnn_layers) + len(variant.norms) + sum(
      layer is not None for layer in (variant.projection, variant.clusters))
  for row, layer in zip(rows, variant.layers):
    assert f'{layer.name} ({type(layer).__name__})' in row and f' {layer.count_params():,} ' in row
  assert '(None, None, 40)' in rows[-1]
  assert f'Total params: {sum(int(np.prod(v.shape)) for v in variant.weights):,}' in text


def test_exported_it_gives_the_same_logits(variant, tmp_path):
  variant.export(tmp_path / 'saved', verbose=False)
  loaded = tf.saved_model.load(str(tmp_path / 'saved'))
  layer = keras.layers.TFSMLayer(str(tmp_path / 'saved'), call_endpoint='serve')
  for ids in (IDS, IDS[:1, :4], IDS[:2, :1]):
    ids = tf.constant(ids, tf.int32)
    np.testing.assert_allclose(loaded.serve(ids), variant(ids), atol=1e-5)
    np.testing.assert_allclose(layer(ids), variant(ids), atol=1e-5)
  signature = loaded.signatures['serve'].structured_input_signature[1]
  assert [(spec.dtype, spec.shape.as_list()) for spec in signature.values()] == [(tf.int32, [None, None])]


@pytest.mark.parametrize('cell', ['lstm', 'gru'])
def test_exported_gradients(word2id, tmp_path, cell):
  model = make(word2id, cell=cell, tied=True)
  model.export(tmp_path / 'saved', verbose=False)
  loaded = tf.saved_model.load(str(tmp_path / 'saved'))
  ids = tf.constant(IDS, tf.int32)

  def gradients(function, variables):
    with tf.GradientTape() as tape:
      value = tf.reduce_sum(function(ids)[..., :7] ** 2)
    return sorted((tf.convert_to_tensor(g).numpy() for g in tape.gradient(value, variables)),
                  key=lambda g: (g.shape, g.sum()))

  for got, want in zip(gradients(loaded.serve, loaded.trainable_variables),
                       gradients(model, model.trainable_variables), strict=True):
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('options', [VARIANTS[i] for i in (0, 4, 5, 6, 7)], ids=str)
def test_fit_takes_the_steps_of_train_one_step(word2id, batches, dataset, options):
  expected, model = make(word2id, **options), make(word2id, **options)
  optimizer = training.make_optimizer()
  losses = [float(training.train_one_step(expected, optimizer, *batch)) for _ in range(2) for batch in batches]
  model.compile()
  history = model.fit(dataset, epochs=2, verbose=0, shuffle=False).history
  for got, want in zip(model.get_weights(), expected.get_weights(), strict=True):
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
  assert int(model.optimizer.iterations) == 8  # the ends of the dataset are no steps
  rows = [len(seqlen) for _, _, seqlen in batches]
  means = [np.average(part, weights=rows) for part in (losses[:4], losses[4:])]
  np.testing.assert_allclose(history['loss'], means, rtol=1e-5)


def test_evaluate_measures_what_validate_does(word2id, batches, dataset):
  model = make(word2id, cell='lstm', input_dropout=0.5)
  model.compile('sgd')
  found = model.evaluate(dataset, verbose=0, return_dict=True)
  expected = evaluation.validate(model, batches)
  assert found == pytest.approx({name: expected[name] for name in ('loss', 'perplexity')}, rel=1e-5)
  x, y, seqlen = (tensor.numpy() for tensor in batches[0])
  assert model.evaluate(x, y, sample_weight=seqlen, batch_size=4, verbose=0)[0] == pytest.approx(
      float(loss.compute_loss(model(x), y, seqlen)), rel=1e-5)


def test_dropout_has_other_masks_at_each_step(word2id, batches):
  batch = tf.data.Dataset.from_tensors(batches[0])

  def losses(seed):
    model = make(word2id, output_dropout=0.5)
    model.compile(keras.optimizers.SGD(0.0), seed=seed)
    return model.fit(batch, epochs=3, verbose=0).history['loss']

  first = losses(0)
  assert len(set(first)) == 3  # though the weights stay the same
  assert losses(0) == first
  assert set(losses(1)).isdisjoint(first)


def test_predict_and_other_ways_to_compile(word2id, batches, dataset):
  model, plain = make(word2id), make(word2id)
  model.compile(keras.optimizers.Adam(0.01, loss_scale_factor=8.0), steps_per_execution=3)
  plain.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
  assert not model.jit_compile
  for each in (model, plain):
    each.fit(dataset, verbose=0, shuffle=False)
    assert int(each.optimizer.iterations) == 4
  for got, want in zip(model.get_weights(), plain.get_weights(), strict=True):
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)
  x = batches[0][0].numpy()
  np.testing.assert_allclose(model.predict(x, verbose=0, batch_size=4), model(x), atol=1e-5)


def test_training_continues_after_loading(word2id, dataset, tmp_path):
  straight, first = (make(word2id, input_dropout=0.2) for _ in range(2))
  for model in (straight, first):
    model.compile(training.make_optimizer(0.01), seed=5)
    model.fit(dataset, verbose=0, shuffle=False)
  first.save(tmp_path / 'poems.keras')
  second = keras.models.load_model(tmp_path / 'poems.keras')
  assert int(second.optimizer.iterations) == 4
  for model in (straight, second):
    model.fit(dataset, verbose=0, shuffle=False)
  for got, want in zip(second.get_weights(), straight.get_weights(), strict=True):
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_callbacks(word2id, dataset, tmp_path):
  model = make(word2id, cell='gru', tied=True, units=6)
  model.compile(keras.optimizers.Adam(0.01))
  callbacks = [
      keras.callbacks.ModelCheckpoint(tmp_path / '{epoch}.keras'),
      keras.callbacks.ModelCheckpoint(tmp_path / 'best.weights.h5', save_weights_only=True, save_best_only=True,
                                      monitor='val_perplexity', mode='min'),
      keras.callbacks.CSVLogger(tmp_path / 'log.csv'),
      keras.callbacks.TensorBoard(tmp_path / 'board', histogram_freq=1),
      keras.callbacks.BackupAndRestore(tmp_path / 'backup'),
      # Nothing is ever better by so much, so both act after the second epoch.
      keras.callbacks.ReduceLROnPlateau(monitor='val_loss', factor=0.5, patience=1, min_delta=1e9),
      keras.callbacks.EarlyStopping(monitor='val_loss', patience=1, min_delta=1e9, restore_best_weights=True)]
  history = model.fit(dataset, validation_data=dataset.take(2), epochs=5, verbose=0, callbacks=callbacks)
  assert len(history.epoch) == 2
  assert float(model.optimizer.learning_rate) == pytest.approx(0.005)
  assert history.history['val_loss'][1] < history.history['val_loss'][0]
  assert list(tmp_path.glob('board/*/events.*'))
  header, *rows = (tmp_path / 'log.csv').read_text().split()
  assert len(rows) == 2 and {'loss', 'perplexity', 'val_loss', 'val_perplexity'} <= set(header.split(','))
  assert_same_model(keras.models.load_model(tmp_path / '1.keras'), model)  # whose best weights are back
  model.load_weights(tmp_path / 'best.weights.h5')
  assert_same_model(keras.models.load_model(tmp_path / '2.keras'), model)
  assert model.evaluate(dataset.take(2), verbose=0)[1] == pytest.approx(history.history['val_perplexity'][1], rel=1e-5)


def test_a_loss_of_keras(word2id, batches, tmp_path):
  model = make(word2id, output_dropout=0.9)
  model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=['accuracy'])
  x, y, seqlen = (tensor.numpy() for tensor in batches[0])
  expected = np.mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x)))
  history = model.fit(x, y, batch_size=len(x), verbose=0).history
  assert history['loss'] == pytest.approx([expected], rel=1e-5) and set(history) == {'loss', 'accuracy'}
  weights = tf.cast(loss.mkMask(seqlen, x.shape[1]), tf.float32)
  assert np.isfinite(model.evaluate(x, y, sample_weight=weights, verbose=0)).all()
  model.save(tmp_path / 'poems.keras')
  assert keras.models.load_model(tmp_path / 'poems.keras').evaluate(x, y, verbose=0) == pytest.approx(
      model.evaluate(x, y, verbose=0))
  with pytest.raises(UserError, match='expected .x, y., .x, y, weights.'):
    model.fit(tf.data.Dataset.from_tensors(batches[0]), verbose=0, shuffle=False)


def test_what_does_not_go_with_the_loss_of_the_exercise(word2id, batches):
  model = make(word2id)
  for options in ({'metrics': ['accuracy']}, {'jit_compile': True}):
    with pytest.raises(UserError, match=next(iter(options))):
      model.compile(**options)
  model.compile()
  for run in (model.fit, model.evaluate):
    with pytest.raises(UserError, match='other parts than .x, y, seqlen.'):
      run(tf.data.Dataset.from_tensors(batches[0][:2]), verbose=0)


def test_several_replicas(word2id):
  class Two:
    num_replicas_in_sync = 2

  model = make(word2id)
  model._distribute_strategy = Two()
  with pytest.raises(UserError, match='2 replicas; expected one'):
    model.compile()
