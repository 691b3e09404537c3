import collections
import os
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tangshi_tf import corpus, evaluation, run_dir, training
from tangshi_tf.corpus import files, sharding, shards
from tangshi_tf.data import streaming
from tangshi_tf.errors import PassingError, UserError
from tangshi_tf.training import fitting

from .. import checks
from ..checks import assert_one_line
from ..conftest import QUICK, ROOT

SMALL = [*QUICK, '--recipe=none', '--epochs=2', '--units=8', '--embedding_size=8', '--learning_rate=0.01',
         '--batch_size=50']


def write(source, out, *options):
  return subprocess.run(
      [sys.executable, '-m', 'tangshi_tf.write_shards', f'--corpus={source}', f'--out={out}', *options],
      capture_output=True, text=True, encoding='utf-8', timeout=300, check=False)


def sharded(folder):
  return shards.by_part(sorted(map(str, folder.iterdir())))


@pytest.fixture(scope='module')
def source(tmp_path_factory, poems_file):
  """A corpus with near-duplicates, each of which has a poem's second half."""
  lines = poems_file.read_text(encoding='utf-8').splitlines()
  for line in lines[::10]:
    verses = corpus.verse_lines(line.partition(':')[2])
    lines.append('续:' + ''.join(f'{verse}，' for verse in verses[len(verses) // 2:]))
  random.Random(0).shuffle(lines)
  path = tmp_path_factory.mktemp('source') / 'poems.txt'
  path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
  return path


@pytest.fixture(scope='module')
def folder(tmp_path_factory, source):
  out = tmp_path_factory.mktemp('written') / 'shards'
  done = write(source, out, '--shards=5', '--processes=2')  # by default one a core, and there may be one
  assert done.returncode == 0, done.stderr
  return out


@pytest.fixture(scope='module')
def census(folder):
  return shards.count(sharded(folder))


@pytest.fixture(scope='module')
def word2id(census):
  return corpus.word_tables(corpus.vocabulary_of(census.counts))[0]


def test_the_shards_are_the_split(folder, source):
  poems = corpus.read_poems(source)
  assert len(set(corpus.near_duplicate_groups([poem.content for poem in poems]))) < len(poems) - 10
  expected = corpus.split_poems(poems)
  parts, fingerprint = shards.read_parts(sorted(map(str, folder.iterdir())))
  for name in corpus.SPLITS:
    assert sorted(parts[name], key=str) == sorted(expected[name], key=str) and parts[name]
  assert fingerprint == shards.count(sharded(folder)).fingerprint
  sizes = [len(list(shards.read(path))) for path in sharded(folder)['train']]
  assert len(sizes) == 5 and max(sizes) < 2 * min(sizes)


def test_neither_order_nor_blocks_nor_processes_matter(folder, source, tmp_path, monkeypatch):
  lines = source.read_text(encoding='utf-8').splitlines()
  (tmp_path / 'a.txt').write_text('\ufeff' + '\r\n'.join(lines[100::-1]), encoding='utf-8')
  (tmp_path / 'b.txt').write_text('\n\n'.join(lines[101:]) + '\n \n', encoding='utf-8')
  monkeypatch.setattr(sharding, '_BLOCK', 5000)
  monkeypatch.setattr(sharding, '_HASHES_AT_ONCE', 500)
  made = sharding.write([f'{tmp_path}/a.txt', f'{tmp_path}/b.txt'], tmp_path / 'shards', count=5, processes=1)
  assert made == {part: {'poems': sum(len(list(shards.read(path))) for path in paths), 'shards': len(paths)}
                  for part, paths in sharded(folder).items()}
  assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
      path.name: path.read_bytes() for path in (tmp_path / 'shards').iterdir()}


def test_the_census_is_what_training_in_memory_finds(folder, census):
  paths = sorted(map(str, folder.iterdir()))
  parts, fingerprint = shards.read_parts(paths)
  kept = corpus.keep_parts(parts, folder)
  assert list(census.counts.items()) == list(corpus.count_words(kept['train']).items())
  assert {name: part.poems for name, part in census.parts.items()} == {name: len(kept[name]) for name in kept}
  assert (census.fingerprint, census.validation_poem) == (fingerprint, kept['validation'][0])
  assert census.poems == sum(map(len, parts.values()))
  few = shards.count(sharded(folder), max_tokens=50, min_tokens=27)
  assert few.counts.total() < census.counts.total() and few.fingerprint == fingerprint
  assert {length for counts in few.parts['train'].lengths for length in counts} <= set(range(27, 51))


def rows(dataset):
  """Yields the ids of each row."""
  for x, y, seqlen in dataset:
    assert x.shape == y.shape and x.shape[0] == seqlen.shape[0]
    for a, b, n in zip(x.numpy(), y.numpy(), seqlen.numpy()):
      assert not a[n + 1:].any() and not b[n:].any() and (a[1:n] == b[:n - 1]).all()
      yield (a[0], *b[:n])


@pytest.mark.parametrize('options', [
    {'batch_size': 30}, {'batch_size': 30, 'batching': 'shuffle'}, {'batch_tokens': 900}])
@pytest.mark.parametrize('processes', [1, 3])
def test_a_pass_holds_every_poem_once(folder, census, word2id, options, processes):
  part = census.parts['train']
  seen = []
  streams = [streaming.Stream(part, word2id, process=i, processes=processes, **options) for i in range(processes)]
  assert len({stream.steps for stream in streams}) == 1
  for stream in streams:
    batches = list(stream.batches(shuffle_buffer=100, seed=1))
    assert len(batches) == stream.steps
    for x, _, seqlen in batches:
      if 'batch_tokens' in options:
        assert x.shape[0] * x.shape[1] <= max(900 // processes, x.shape[1])
      else:
        assert x.shape[0] <= 30 // processes
      assert x.shape[0] or not seqlen.shape[0]
    seen += rows(batches)
  expected = [tuple(corpus.encode(poem.content, word2id)) for path in part.paths for poem in shards.read(path)
              if len(poem.content) <= corpus.MAX_TOKENS - 2]
  assert collections.Counter(seen) == collections.Counter(expected)


def test_order_follows_from_the_seed_and_skipping_goes_on(census, word2id):
  stream = streaming.Stream(census.parts['train'], word2id, batch_size=20)

  def order(**options):
    return list(rows(stream.batches(**options)))

  first = order(shuffle_buffer=50, seed=1)
  assert order(shuffle_buffer=50, seed=1) == first != order(shuffle_buffer=50, seed=2)
  whole = [x.numpy().tolist() for x, _, _ in stream.batches(shuffle_buffer=50, seed=1)]
  assert [x.numpy().tolist() for x, _, _ in stream.batches(shuffle_buffer=50, seed=1, skip=7)] == whole[7:]
  assert order() == order()


def test_rows_are_divided_among_local_replicas(census, word2id):
  stream = streaming.Stream(census.parts['train'], word2id, batch_size=7)
  whole = [list(rows([batch])) for batch in stream.batches(shuffle_buffer=50, seed=1)]
  for batch, shares in zip(whole, stream.batches(shuffle_buffer=50, seed=1, local=3)):
    assert [list(rows([share])) for share in shares] == [batch[i::3] for i in range(3)]


def test_what_a_line_may_hold(tmp_path, word2id):
  known = [word for word in word2id if len(word) == 1][:3]
  lines = ['\ufeff', '甲:' + ''.join(known), '', ' \t', '空:', f'乙 : {known[0]}　{known[1]} :🙂\r',
           '长:' + known[0] * 199]
  (tmp_path / 'train-00000-of-00001.txt').write_text('\n'.join(lines), encoding='utf-8')
  census = shards.count(sharded(tmp_path))
  assert census.poems == 3 and census.parts['train'].poems == 2
  stream = streaming.Stream(census.parts['train'], word2id)
  assert sorted(rows(stream.batches())) == sorted(
      tuple(corpus.encode(content, word2id)) for content in (''.join(known), known[0] + known[1] + ':🙂'))


@pytest.mark.parametrize(('names', 'message'), [
    (['train-00000-of-00002.txt'], 'train-00001-of-00002: this shard is not among those named'),
    (['train-00000-of-00001.txt', 'poems.txt'], 'poems.txt: is no shard among others'),
    (['train-00000-of-00001.txt', 'train-00001-of-00001.txt'], 'its number is too great; expected 0 to 0'),
    (['train-00000-of-00001.txt', 'train-00000-of-00002.txt'], 'is shard 0 of the train part, and so is'),
    (['train-00000-of-00001.txt', 'train-00001-of-00002.txt'], 'some of 1 .txt and 2 .txt'),
    (['train-00000-of-00002.txt', 'train-00001-of-00002.tfrecord'], 'some of 2 .tfrecord and 2 .txt'),
    (['test-00000-of-00001.txt'], 'no shard of the train part'),
    (['train-00000-of-9999999999.txt'], 'train-00001-of-9999999999: this shard is not among those named'),
])
def test_shards_that_do_not_belong_together(names, message):
  with pytest.raises(UserError, match=message):
    shards.by_part([f'a/{name}' for name in names])


@pytest.mark.parametrize(('line', 'message'), [
    ('没有冒号', '2: no ":"'), ('a:b\0', '2: holds a NUL byte'), ('a:b\rc:d', '2: holds a carriage return')])
def test_lines_that_are_no_poems(tmp_path, line, message):
  path = tmp_path / 'train-00000-of-00001.txt'
  path.write_text(f'a:b\n{line}\n', encoding='utf-8', newline='')
  with pytest.raises(UserError, match=message):
    list(shards.read(str(path)))
  done = write(path.rename(tmp_path / 'poems.txt'), tmp_path / 'out', '--corpus_format=titled')
  assert_one_line(done, 'poems.txt: line at byte 4')
  assert [path.name for path in tmp_path.iterdir()] == ['poems.txt']


def test_an_enormous_line(tmp_path, monkeypatch):
  monkeypatch.setattr(files, '_LONGEST_LINE', 5 * 2**20)
  path = tmp_path / 'train-00000-of-00001.txt'
  path.write_bytes(b'a:' + 2**22 * b'b' + b'\nc:d')
  assert [len(poem.content) for poem in shards.read(str(path))] == [2**22, 1]
  path.write_bytes(b'a:b\nc:' + 2**23 * b'd')
  with pytest.raises(UserError, match='the line at byte 4 has more than 5,242,880 bytes'):
    list(shards.read(str(path)))


def test_line_ends_of_old_are_refused_by_scheme_too(tmp_path):
  (tmp_path / 'poems.txt').write_bytes(b'a:b\rc:d\r')
  for path in (tmp_path / 'poems.txt', f'file://{tmp_path}/poems.txt'):
    assert_one_line(write(path, tmp_path / 'out'), 'holds a carriage return')


def test_shards_that_change_during_the_run(folder, tmp_path, word2id):
  shutil.copytree(folder, tmp_path / 'shards')
  census = shards.count(sharded(tmp_path / 'shards'))
  stream = streaming.Stream(census.parts['train'], word2id, batch_size=20)
  first = tmp_path / 'shards/train-00000-of-00005.txt'
  whole = first.read_bytes()
  model = checks.model_with_a_will(word2id)

  def fit():
    return fitting.fit(model, training.make_optimizer(), epochs=1, steps_per_epoch=stream.steps,
                       epoch_batches=lambda epoch, skip: stream.batches(shuffle_buffer=9, seed=epoch, skip=skip))

  first.write_bytes(b'')
  with pytest.raises(UserError, match='epoch 1 had .* batches; expected the corpus to stay as it was'):
    fit()
  first.write_bytes(10 * whole)
  assert len(fit()) == 1
  first.unlink()
  with pytest.raises(UserError, match='the corpus cannot be read any more'):
    fit()


def test_an_outage_is_passing(word2id):
  class Batches:
    def __iter__(self):
      raise tf.errors.UnavailableError(None, None, 'try later')
      yield  # as a dataset, it fails when it is read

  with pytest.raises(PassingError, match='cannot be read at present .try later') as caught:
    evaluation.validate(checks.model_with_a_will(word2id), Batches())
  assert caught.value.status == 75


def test_a_run_within_an_epoch_goes_on_with_the_same_shards_only(command, folder, source, tmp_path):
  other = write(source, tmp_path / 'other', '--shards=4')
  assert other.returncode == 0, other.stderr
  # So many steps that the first checkpoint is seen long before the epoch is over, whose end would be another place.
  train = [*SMALL, '--batch_size=2', '--epochs=100', '--checkpoint_every=3', '--run_dir=r', f'--corpus={folder}/*']
  process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.train', *train], cwd=tmp_path,
                             env={**os.environ, 'PYTHONPATH': str(ROOT)}, stdout=subprocess.DEVNULL)
  while not (tmp_path / 'r' / run_dir.CHECKPOINT).exists() and process.poll() is None:
    time.sleep(0.01)
  process.kill()
  process.wait()
  resume = ['tangshi_tf.train', '--resume', '--run_dir=r']
  done = command(*resume, f'--corpus={tmp_path}/other/*')
  assert done.returncode == 2 and 'a stream of 5 shards for 1 processes, now they are' in done.stderr, done.stderr


def test_a_killed_writing_leaves_no_process(source, tmp_path):
  process = subprocess.Popen([sys.executable, '-m', 'tangshi_tf.write_shards', f'--corpus={source}',
                              f'--out={tmp_path}/out', '--processes=2'], stdout=subprocess.PIPE)
  while not list(tmp_path.glob('out.*/hashes-*')) and process.poll() is None:
    time.sleep(0.01)
  process.kill()
  # All its processes have its standard output, which ends with the last of them. Their numbers would say less: where
  # nobody waits for orphans, as in many containers, ended ones keep theirs.
  process.communicate(timeout=60)


def test_unusable_arguments(tmp_path, source, folder):
  assert_one_line(write(source, folder), 'exists; expected the name of a new folder')
  assert_one_line(write(f'{folder}/*', tmp_path / 'out'), 'these are shards already')
  assert_one_line(write(tmp_path / '*.txt', tmp_path / 'out'), 'matches no file')
  assert_one_line(write(tmp_path / 'none', tmp_path / 'out'), 'cannot be read')
  (tmp_path / 'empty.txt').write_text('a:\n', encoding='utf-8')
  assert_one_line(write(tmp_path / 'empty.txt', tmp_path / 'out'), 'holds no poem')
  assert not (tmp_path / 'out').exists()
  with pytest.raises(UserError, match='16 shards of format csv; expected at least 1, txt or tfrecord'):
    sharding.write([str(source)], tmp_path / 'out', shard_format='csv')


def test_other_processes_than_shards(census, word2id):
  with pytest.raises(UserError, match='5 shards for 6 processes'):
    streaming.Stream(census.parts['train'], word2id, processes=6)
  with pytest.raises(UserError, match='batches of 2 poems for 3 processes'):
    streaming.Stream(census.parts['train'], word2id, batch_size=2, processes=3)
  with pytest.raises(UserError, match='expected bucket or shuffle'):
    streaming.Stream(census.parts['train'], word2id, batching='sorted')


def test_paths_with_a_scheme(tmp_path, folder):
  assert files.expand([f'file://{folder}/*']) == [f'file://{path}' for path in sorted(map(str, folder.iterdir()))]
  tf.io.gfile.makedirs('ram://corpus')
  with tf.io.gfile.GFile('ram://corpus/poems.txt', 'w') as file:
    file.write('甲:春眠。\n')
  assert corpus.read_poems('ram://corpus/poems.txt') == list(shards.read('ram://corpus/poems.txt'))
  for read in (corpus.read_poems, lambda path: list(shards.read(path))):
    for path in ('ram://corpus/none.txt', 'nosuch://corpus/poems.txt'):
      with pytest.raises(UserError, match='cannot be read'):
        read(path)
  with pytest.raises(UserError, match='nosuch://a/.: cannot be listed'):
    files.expand(['nosuch://a/*'])


def test_training_streamed_and_in_memory(command, folder, source, tmp_path):
  records = write(source, tmp_path / 'records', '--shards=5', '--format=tfrecord')
  assert records.returncode == 0, records.stderr
  found = {}
  for name, options in {'text': [f'--corpus={folder}/*'], 'records': [f'--corpus=file://{tmp_path}/records/*'],
                        'memory': [f'--corpus={folder}/*', '--nostream']}.items():
    done = command('tangshi_tf.train', *SMALL, *options, f'--run_dir=run_{name}')
    assert done.returncode == 0, done.stderr
    run = run_dir.RunDir(tmp_path / f'run_{name}')
    found[name] = run.vocabulary(), run.config()['training'], run.epochs()
  for name in ('records', 'memory'):
    assert found[name][0] == found['text'][0]
    for key in ('corpus_sha256', 'poems'):
      assert found[name][1][key] == found['text'][1][key]
  assert found['records'][2][-1]['validation_nll'] == found['text'][2][-1]['validation_nll']
  assert found['memory'][2][-1]['validation_nll'] == pytest.approx(found['text'][2][-1]['validation_nll'], rel=0.05)
  assert found['text'][1]['corpus'] == 'shards/*'
  more = command('tangshi_tf.train', '--resume', '--epochs=3', f'--corpus={folder}/*', '--stream', '--run_dir=run_text')
  assert more.returncode == 0 and 'Resumed at step' in more.stdout
  evaluated = command('tangshi_tf.evaluate', '--model=run_text', f'--corpus={folder}/*')
  assert evaluated.returncode == 0 and not evaluated.stderr

  assert_one_line(command('tangshi_tf.train', *SMALL, f'--corpus={folder}/*', '--bptt=20'), 'expected --nostream')
  assert_one_line(command('tangshi_tf.train', *SMALL, f'--corpus={source}', '--stream'), 'these are no shards')
  damaged = tmp_path / 'records' / 'train-00002-of-00005.tfrecord'
  content = bytearray(damaged.read_bytes())
  content[len(content) // 2] ^= 1
  damaged.write_bytes(content)
  assert_one_line(command('tangshi_tf.train', *SMALL, f'--corpus={tmp_path}/records/*'), damaged.name)


def test_workers_divide_the_shards(folder, tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', 'tangshi_tf.launch', '--workers=2', '--restarts=0', '--', *SMALL,
       f'--corpus={folder}/*', '--run_dir=two'], cwd=tmp_path, capture_output=True, encoding='utf-8', timeout=300,
      check=False)
  assert done.returncode == 0, done.stderr
  epochs = run_dir.RunDir(tmp_path / 'two').epochs()
  assert np.isfinite(epochs[-1]['validation_nll'])
  assert epochs[-1]['train_loss'] < epochs[0]['train_loss']
