"""What a Python user does with the package besides writing poems: looks around, errs, copies, and uses threads."""

import concurrent.futures
import copy
import importlib
import io
import multiprocessing
import os
import pickle
import pydoc
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tangshi_tf
from tangshi_tf import corpus, decoding, run_dir
from tangshi_tf.errors import LostWorkerError, UserError
from tangshi_tf.model import devices
from tangshi_tf.settings import Settings, WritingSettings

from .conftest import ROOT

FACES = ['', 'corpus', 'data', 'decoding', 'evaluation', 'model', 'prosody', 'recipes', 'run_dir', 'settings',
         'training']
POEM = '白日依山尽，黄河入海流。欲穷千里目，更上一层楼。'


@pytest.fixture(scope='module')
def writer():
  return tangshi_tf.load('gru')


@pytest.mark.parametrize('face', FACES)
def test_all_names_are_there_and_have_help(face):
  module = importlib.import_module(f'tangshi_tf.{face}'.rstrip('.'))
  out = io.StringIO()
  pydoc.Helper(output=out).help(module)
  assert len(out.getvalue()) > 1000
  for name in getattr(module, '__all__', []):
    assert name in dir(module) and getattr(module, name) is not None
    assert not callable(getattr(module, name)) or getattr(module, name).__doc__, name
  names: dict = {}
  exec(f'from {module.__name__} import *', names)
  assert set(getattr(module, '__all__', [])) <= set(names)


def test_a_model_or_a_file_of_one_writes(writer, tmp_path):
  poem = writer.write('五绝', seed=1)
  writer.model.save(tmp_path / 'mine.keras')
  for model in (writer.model, tmp_path / 'mine.keras', str(tmp_path / 'mine.keras')):
    other = tangshi_tf.load(model)
    assert other.write('五绝', seed=1).text == poem.text and other.config['model']['cell'] == 'gru'
  assert decoding.gen_poem('月', model=writer.model, seed=1, temperature=1.0) == decoding.gen_poem(
      '月', model=writer.model, word2id=writer.word2id, id2word=writer.id2word, seed=1, temperature=1.0)


def test_a_poem_that_was_written_is_a_text(writer):
  poem = writer.write('五绝', seed=1)
  assert writer.check(poem) == writer.check(poem.text) == writer.check(poem, poem.form) == poem.checked
  assert writer.complete(poem, '五绝').text == poem.text
  one, (two,), (three,) = writer.score(poem), writer.score([poem]), writer.score([poem.text])
  assert one.text == two.text == three.text and np.array_equal(one.bits, three.bits)
  assert writer.choices(poem, '五绝') == []


def test_numbers_of_numpy_are_numbers(writer):
  poems = writer.write('五绝', num=np.int64(2), seed=np.uint8(3))
  assert poems == writer.write('五绝', num=2, seed=3) and type(poems[0].seed) is int
  assert len(writer.choices('白日', num=np.int32(3))) == 3


def small(word2id, cell='gru'):
  return tangshi_tf.myRNNModel(word2id, cell=cell, units=4, embedding_size=3)


@pytest.fixture(scope='module')
def things(word2id):
  """What the expressions below speak of."""
  model = small(word2id)
  run = run_dir.Run('small', model, word2id, model.id2word, {})
  return {**{name: getattr(tangshi_tf, name) for name in tangshi_tf.__all__}, 'Settings': Settings, 'model': model,
          'lstm': small(word2id, 'lstm'), 'writer': decoding.Writer(run), 'word2id': word2id, 'id2word': model.id2word,
          'poem': decoding.WrittenPoem('一'), 'np': np, 'logits': tf.zeros((2, 3, 5))}


# An expression and the error that it ends in; … stands for any text.
WRONG = """
writer.write(3)
    form 3: expected a text
writer.write('七绝', foo=1)
    setting 'foo' is unknown; did you mean form?
writer.write('七绝', temprature=1)
    setting 'temprature' is unknown; did you mean temperature?
writer.write(begin=3)
    begin 3: expected a text, or a list of one or more
writer.write(begin=[])
    begin []: expected a text, or a list of one or more
writer.write(begin=[''])
    begin: the begin word is empty; expected at least one character
writer.write(begin=['一', 3])
    begin ['一', 3]: expected a text, or a list of one or more
writer.write(num='3')
    num '3': expected a whole number from 1 to 1000000
writer.write(num=0)
    num 0: expected a whole number from 1 to 1000000
writer.write(num=2.5)
    num 2.5: expected a whole number from 1 to 1000000
writer.write(num=True)
    num True: expected a whole number from 1 to 1000000
writer.write(seed=-1)
    seed -1: expected a whole number from 0 to 9223372036854775807
writer.write(seed=1.5)
    seed 1.5: expected a whole number from 0 to 9223372036854775807
writer.write(acrostic=['一', '丁'])
    acrostic ['一', '丁']: expected a text
writer.write(exercise=True, form='五绝')
    both exercise and form; expected one of them
writer.write(original=1)
    original 1: expected True or False
writer.stream(begin=3)
    begin 3: expected a text or a WrittenPoem
writer.stream(foo=1)
    setting 'foo' is unknown; did you mean form?
writer.complete(None)
    text None: expected a text or a WrittenPoem
writer.choices('一', num=0)
    num 0: expected a whole number from 1 to 1000000
writer.session(begin=3)
    begin 3: expected a text or a WrittenPoem
writer.session(begin='一').take(3)
    3 is not in the model's vocabulary
writer.session(begin='一').choices('x')
    temperature 'x': expected a number from 0 to 100
writer.session(begin='一').choices(0)
    temperature 0: expected a number above 0 for probabilities
writer.session(begin='一').finish(1, 3)
    generator 3: expected a numpy.random.Generator
writer.score(3)
    text 3: expected a text, a WrittenPoem, or a list of them
writer.score(['一', None])
    text None: expected a text or a WrittenPoem
writer.check(3)
    text 3: expected a text or a WrittenPoem
writer.check('一', '五绝', 3)
    tones 3 is unknown; expected one of strict, loose, off
Writer(model)
    run <myRNNModel name=…>: expected a run_dir.Run; tangshi_tf.load makes a Writer of other things
load(None)
    model None: expected a shipped name, a run directory, a .keras file or a myRNNModel
load(b'gru')
    model b'gru': expected a shipped name, a run directory, a .keras file or a myRNNModel
load('gru', 3)
    weights 3: expected best, last or epoch-NN
load('none.keras')
    none.keras: no such file; expected what myRNNModel.save writes
load(model, 'best')
    weights 'best' of a model, which has its own; expected None
gen_poem('一', model='gru')
    model 'gru': expected a myRNNModel
gen_poem(3, model=model)
    begin word 3: expected a text
gen_poem(['一'], model=model)
    begin word ['一']: expected a text
gen_poem('一', model=model, temprature=1)
    setting 'temprature' is unknown; did you mean temperature?
gen_poem('一', model=model, word2id={'a': 0})
    word2id {'a': 0}: expected a dictionary of the 40 words of the model
gen_poem('一', model=model, id2word=[1])
    id2word [1]: expected a dictionary of the 40 words of the model
gen_poem('一', model=model, max_len=2.5)
    max_len 2.5: expected a whole number from 1 to 10000
gen_poem('一', model=model, plan='七绝')
    plan '七绝': expected a FormPlan
gen_poem('一', model=model, seed='x')
    seed 'x': expected a whole number from 0 to 9223372036854775807
list(decoding.generate(['一'], model=model))
    request '一': expected a begin word and a seed
list(decoding.generate(3, model=model))
    requests 3: expected pairs of a begin word and a seed
list(decoding.beam_search(['一'], model=model, width='x'))
    beam of 'x': expected 1 to 40, the words of the vocabulary
decoding.FormPlan(3, word2id)
    3 is of type int; expected a text
decoding.FormPlan('七绝', 3)
    word2id 3: expected a dictionary of words and their ids with PAD, UNK, bos, eos among them
writer.complete('')
    text is empty; expected at least one character, or a form
writer.choices('')
    text is empty; expected at least one character, or a form
writer.score({'text': '月'})
    text {'text': '月'}: expected a text, a WrittenPoem, or a list of them
writer.write(num=np.float32(2))
    num 2.0: expected a whole number from 1 to 1000000
load('')
    model '': no such directory; expected a run directory or one of the shipped models: …
load('gru', 'last')
    …: has no weights last; expected one of best
decoding.Session(3)
    run 3: expected what run_dir.load returns
decoding.Request.of(3)
    settings 3: expected WritingSettings
myRNNModel(word2id, unit=3)
    setting 'unit' is unknown; did you mean units?
myRNNModel(id2word)
    word2id <dict of 40>: expected a dictionary of words and their ids
myRNNModel(list(word2id))
    word2id <list of 40>: expected a dictionary of words and their ids
myRNNModel(word2id, units='8')
    units '8': expected a whole number from 1 to 16384
model.random_state(2, seed=[1])
    1 seeds for 2 rows; expected one for each
model.random_state(2, 'x')
    state_stddev 'x': expected a number from 0 to 100
model.random_state(-1)
    batch -1: expected a whole number from 0 to 1000000
model.get_next_token(5, model.zero_state(1))
    x has the shape []; expected [batch]
model.get_next_token([0.5], model.zero_state(1))
    x has the type float32; expected whole numbers
model.get_next_token([5], model.zero_state(2))
    state has the shape [2, 4]; expected [batch = 1, units = 4]
get_next_token(model, [5], [])
    a state of 0 tensors; expected 1, as zero_state returns them
lstm.get_next_token([5], model.zero_state(1))
    a state of 1 tensors; expected 2, as zero_state returns them
model.get_next_token([5], None)
    state None: expected a tensor [batch = 1, units = 4]
compute_loss(logits, [[1, 2], [1, 1]], [2, 2])
    labels has the shape [2, 2]; expected [batch = 2, time = 3]
compute_loss(logits, [[1.0] * 3] * 2, [2, 2])
    labels has the type float32; expected whole numbers
compute_loss(logits, [[1] * 3] * 2, [2, 2, 2])
    seqlen has the shape [3]; expected [batch = 2]
compute_loss(logits[0], [[1] * 3] * 2, [2, 2])
    logits has the shape [3, 5]; expected [batch, time, V]
compute_loss(logits, [[1, 2], [1]], [2, 2])
    labels [[1, 2], [1]]: expected a tensor [batch = 2, time = 3]
train_one_step(model, 'adam', [[1]], [[1]], [1])
    optimizer 'adam': expected one of keras.optimizers, such as make_optimizer makes
train_one_step(3, 'adam', [[1]], [[1]], [1])
    model 3: expected a myRNNModel
train_one_step(model, training.make_optimizer(), [[1]], [[1, 2]], [1])
    y has the shape [1, 2]; expected [batch = 1, time = 1]
training.make_optimizer(-1.0)
    learning_rate -1.0: expected a number above 0 up to 100
training.run('gru')
    settings 'gru': expected Settings, such as those of recipes.settings_of('gru')
training.run(Settings(), 3)
    path 3: expected that of a run directory
training.run(Settings(), callbacks=[print])
    callbacks: <built-in function print>; expected a list of training.Callback
training.run(Settings(), strategy='x')
    strategy 'x' is unknown; expected one of none, mirrored, multi_worker
training.run(Settings(), worker_timeout=0)
    worker_timeout 0: expected seconds, a number above 0
training.resume(3)
    path 3: expected that of a run directory
training.resume('nowhere')
    nowhere: holds no run to resume; expected a run directory
process_dataset(3)
    3: cannot be read (expected str, bytes or os.PathLike object, not int); expected a UTF-8 text file of …
poem_dataset(batch_size=0)
    batch_size 0: expected a whole number from 1 to 1000000
poem_dataset(seed='x')
    seed 'x': expected a whole number from 0 to 2147483647
evaluation.evaluate(model, [], word2id)
    no poems; expected at least one
evaluation.evaluate(model, ['一'], word2id)
    poems ['一']: expected a list of corpus.Poem, as corpus.read_poems returns it
evaluation.evaluate(3, [corpus.Poem('', '一')], word2id)
    model 3: expected a myRNNModel
evaluation.evaluate(model, [corpus.Poem('', '一')], 3)
    word2id 3: expected a dictionary of words and their ids with …
evaluation.evaluate_run(model, 3)
    run <myRNNModel …> and poems 3: expected what run_dir.load and evaluation.read_held_out return
evaluation.read_held_out(3)
    split 3: expected one of train, validation, test, or a file
evaluation.read_held_out('test', 3)
    corpus 3: expected a text, or a list of one or more
evaluation.score(model, word2id, '一')
    texts '一': expected a list of them
prosody.check(3, '五绝')
    3 is of type int; expected a text
prosody.check('一', 3)
    3 is of type int; expected a text
prosody.check_text(poem)
    WrittenPoem(text='一') is of type WrittenPoem; expected a text
prosody.check_text('一', '六绝')
    form '六绝' is unknown; expected 五绝, 七绝, 五律, 七律, or LINESxCHARACTERS such as 6x5, …; did you mean 五绝?
prosody.tone('床前')
    '床前': expected one character
prosody.rhymes_of(3)
    3: expected one character
prosody.line_pattern('X', 5, 'strict')
    kind 'X', characters 5: expected one of A, B, C, D, 5 or 7
recipes.settings_of('gru', epoch=2)
    setting 'epoch' is unknown; did you mean epochs?
recipes.settings_of('gru', epochs='2')
    epochs '2': expected a whole number from 1 to 1000000
run_dir.RunDir(3)
    path 3: expected that of a run directory
run_dir.RunDir.open(3)
    path 3: expected that of a run directory
run_dir.newest(3)
    path 3: expected that of a run directory
run_dir.locate('none.keras')
    model 'none.keras': no such directory; expected a run directory or one of the shipped models: …
""".strip().splitlines()


@pytest.mark.parametrize(('expression', 'message'), list(zip(WRONG[::2], map(str.strip, WRONG[1::2]))))
def test_what_is_wrong_is_one_line(things, expression, message):
  with pytest.raises(UserError) as caught:
    eval(expression, dict(things))
  found, (start, *rest) = str(caught.value), message.split('…')
  assert found.startswith(start) and all(part in found for part in rest) and (rest or found == message), found
  assert len(found.splitlines()) == 1 and '--' not in found


def test_what_is_saved_can_be_loaded(writer, tmp_path):
  for name in ('mine.h5', 'mine.hdf5', 'mine'):
    with pytest.raises(UserError, match=f'{name}: expected a name that ends in .keras$'):
      writer.model.save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_file_that_is_no_model_of_ours(tmp_path, writer):
  keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / 'other.keras')
  with pytest.raises(UserError, match="other.keras: holds a model of class 'Sequential'; expected what myRNN"):
    tangshi_tf.load(tmp_path / 'other.keras')
  (tmp_path / 'text.keras').write_text('月', encoding='utf-8')
  with pytest.raises(UserError, match='text.keras: .File is not a zip file'):
    tangshi_tf.load(tmp_path / 'text.keras')
  with pytest.raises(UserError, match='mine.keras: is a file; expected a run directory .from Python'):
    (tmp_path / 'mine.keras').touch()
    run_dir.RunDir.open(tmp_path / 'mine.keras')


def test_what_is_copied_and_pickled_is_the_same(writer):
  poem = writer.write('五绝', seed=1)
  assert poem.checked.keeps()  # which is kept with it
  for one in (poem, poem.checked, poem.form, Settings.of(units=3), WritingSettings(num=3), corpus.Poem('a', 'b')):
    assert copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
  for error in (UserError('one line'), LostWorkerError('gone')):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.status) == (type(error), str(error), error.status)
  for other in (copy.copy(writer), copy.deepcopy(writer), pickle.loads(pickle.dumps(writer))):
    assert other.write('五绝', seed=1) == poem


def test_threads_write_what_they_write_alone():
  together, alone = tangshi_tf.load('gru'), tangshi_tf.load('gru')

  def work(writer, seed):
    return (writer.write('五绝', seed=seed), writer.write(begin='春', seed=seed),
            ''.join(writer.stream('五绝', seed=seed)), writer.score('春眠不觉晓').text, writer.choices('白日', num=3))

  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    found = list(pool.map(lambda seed: work(together, seed), range(4)))
  assert found == [work(alone, seed) for seed in range(4)]


def written(model, seed):
  return (tangshi_tf.load(model) if isinstance(model, str) else model).write('五绝', seed=seed).text


def test_processes_write_by_name_or_with_a_writer(writer):
  with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
    asked = [pool.submit(written, model, 1) for model in ('gru', writer)]
    assert [one.result() for one in asked] == [written(writer, 1)] * 2


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_fork_after_the_start_is_refused_instead_of_waiting_for_ever():
  program = '''
import os, tangshi_tf.model
from tangshi_tf import prosody
if os.fork() == 0:  # it is loaded, but not started
  print(len(tangshi_tf.load('gru').write('五绝', seed=1).text), flush=True)
  os._exit(0)
os.wait()
writer = tangshi_tf.load('gru')
writer.write('五绝', seed=1)
if os.fork() == 0:
  print(prosody.tone('月'), flush=True)
  for use in (lambda: writer.write('五绝'), lambda: writer.score('月'), lambda: writer.model.fit([1]),
              lambda: tangshi_tf.load('gru')):
    try:
      use()
    except tangshi_tf.UserError as error:
      print(error, flush=True)
  os._exit(0)
print(os.wait()[1])
'''
  done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, encoding='utf-8',
                        timeout=300, check=False)
  *rest, status = done.stdout.splitlines()
  assert status == '0' and not done.stderr, done.stderr
  refusal = ("TensorFlow was started before this process was forked, and cannot go on here; expected a process that is "
             "spawned, as multiprocessing.get_context('spawn') starts them")
  assert rest == ['24', '仄', *[refusal] * 4]


def test_a_call_inside_a_graph_is_refused_and_does_no_harm(writer):
  def write():
    return tf.constant(writer.write('七绝', seed=1).text)

  for call in (tf.function(write), lambda: tf.function(lambda: writer.score('月').total)(),
               lambda: list(tf.data.Dataset.range(1).map(lambda _: write()))):
    with pytest.raises(Exception, match='called while a graph is made, .*; expected a call from plain Python, or '):
      call()
  if devices.cores() > 1:  # else py_function has TensorFlow's only thread, and waits for it
    text = writer.write('七绝', seed=1).text
    assert tf.function(lambda: tf.py_function(write, [], tf.string))().numpy().decode() == text


@pytest.mark.parametrize('policy', ['mixed_bfloat16', 'mixed_float16', 'float64', 'bfloat16'])
def test_models_stay_float32_under_any_policy(word2id, policy):
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy(policy)
  try:
    for cell in ('rnn', 'lstm', 'gru'):
      model = small(word2id, cell)
      model.compile()
      model.fit(tf.data.Dataset.from_tensors(([[2, 5]], [[5, 3]], [2])), verbose=0)
      assert len(tangshi_tf.load(model).write(begin='一', seed=1).text) and tangshi_tf.load(model).score('一').total > 0
    assert tangshi_tf.load('lstm').write('五绝', seed=1).checked.keeps()
  finally:
    keras.config.set_dtype_policy(before)
  with pytest.raises(UserError, match=r"dtype 'float64': expected float32"):
    tangshi_tf.myRNNModel(word2id, dtype='float64')


def test_many_models_make_no_noise(word2id, caplog):
  for _ in range(8):
    writer = tangshi_tf.load(small(word2id))
    writer.score('一')
    tangshi_tf.train_one_step(writer.model, tangshi_tf.training.make_optimizer(), [[2, 5]], [[5, 3]], [2])
  assert not caplog.records


def test_scores_can_be_compared(writer):
  one, other, third = writer.score(['月', '月', '日'])
  assert one == other != third and one in [third, other] and len({one, other, third}) == 2


def test_fitting_a_dataset_warns_of_nothing(tmp_path, recwarn):
  path = tmp_path / 'poems.txt'
  path.write_text('题:床前明月光\n题:疑是地上霜\n', encoding='utf-8')
  dataset, word2id, _ = tangshi_tf.poem_dataset(path)
  model = small(word2id)
  model.compile()
  model.fit(dataset, epochs=2, verbose=0)
  assert not [str(warning.message) for warning in recwarn]
