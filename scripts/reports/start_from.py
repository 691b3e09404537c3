"""Compares three models on 500 poems of one's own: a shipped one, a new one, and one that starts from the shipped one.

    python scripts/reports/start_from.py                      # Tang poems that no shipped model has read
    python scripts/build/build_corpus.py --dynasty=ci --out=ci.txt
    python scripts/reports/start_from.py --corpus=ci.txt      # lyrics of the Song

The 500 poems are those with the smallest hashes, of the test part of poems.txt or of --corpus; near-duplicates have
one hash in common. By another hash about 400 of them are trained on, 50 choose the epoch, and 50 are measured.

Perplexity is over all tokens of the measured poems, the same for every model. A character that a model does not know
costs what UNK costs and log(n) more, where n is how many characters the model does not know of all that occur in the
500 poems or that the shipped models know: it would have to guess which one of these it is. The second figure is over
the tokens that occur in the poems which are trained on, so that all models know them but the shipped one as it is.

A new model has the sizes of the shipped one; how it is trained, see `ANEW`, is what was found best for few poems.
"""

import dataclasses
import hashlib
import itertools
import math
import pathlib
import statistics
import sys
import tempfile

import numpy as np
from absl import flags

from tangshi_tf import cli, corpus, recipes, run_dir
from tangshi_tf.corpus import shards
from tangshi_tf.errors import UserError
from tangshi_tf.settings import Settings

_CORPUS = flags.DEFINE_string('corpus', None, 'Corpus file (default: the test part of the poems of the package).')
_MODELS = flags.DEFINE_list('models', ['rnn', 'lstm', 'gru', 'best'], 'Shipped models.')
_SEEDS = flags.DEFINE_integer('seeds', 3, 'Runs of each kind.', lower_bound=1)
_POEMS = flags.DEFINE_integer('poems', 500, 'How many poems, in all.', lower_bound=50)
_EPOCHS = flags.DEFINE_integer('epochs', None, 'Most epochs (default: those of the recipes).', lower_bound=1)

ANEW = {'batch_tokens': 500, 'learning_rate': 0.003, 'schedule': 'constant', 'input_dropout': 0.2,
        'output_dropout': 0.5, 'unlikelihood': 0.0, 'bos_dropout': 0.0, 'random_states': 0.0, 'plain_epochs': 0,
        'epochs': 80, 'patience': 4}
SIZES = 'units', 'embedding_size', 'layers', 'projection', 'tied'


def main() -> int:
  unknown = set(_MODELS.value) - set(run_dir.shipped_names())
  if unknown or not _MODELS.value:
    raise UserError(f'--models={",".join(_MODELS.value)}: expected some of {", ".join(run_dir.shipped_names())}')
  parts = divide(read(_CORPUS.value), _POEMS.value)
  counts = ', '.join(f'{len(part)} {name}' for name, part in parts.items())
  tokens = sum(len(poem.content) + 1 for poem in parts['test'])
  print(f'{counts} poems; perplexity over {tokens:,} tokens, and over those that occur in the training poems\n')
  print('| model | as it is | anew | started from it |\n| --- | ---: | ---: | ---: |')
  from tangshi_tf import training
  from tangshi_tf.model import devices
  devices.start()
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for part, poems in parts.items():
      (folder / shards.name(part, 0, 1)).write_bytes(b''.join(map(corpus.to_line, poems)))
    common = {'corpus': [f'{folder}/*.txt'], 'stream': False, 'epochs': _EPOCHS.value}
    for model in _MODELS.value:
      shipped = run_dir.load(model)
      ways = {'anew': anew(shipped, common),
              'start': recipes.settings_of('finetune', **given({'start_from': model}, common))}
      row = [measure(shipped, parts)]
      for way, settings in ways.items():
        found = []
        for seed in range(_SEEDS.value):
          print(f'{model}, {way}, seed {seed} ...', file=sys.stderr, flush=True)
          changed = dataclasses.replace(settings, training=dataclasses.replace(settings.training, seed=seed))
          found.append(measure(run_dir.load(training.run(changed, folder / f'{model}-{way}-{seed}').path), parts))
        row.append([statistics.fmean(figures) for figures in zip(*found)])
      print(f'| `{model}` | ' + ' | '.join(f'{every:.1f}, {seen:.1f}' for every, seen in row) + ' |', flush=True)
  return 0


def anew(run, common: dict) -> Settings:
  """Returns the settings of a new model that has the sizes of a run's; `common` are those of both ways."""
  sizes = {name: run.model.hyperparameters[name] for name in SIZES}
  return recipes.settings_of(run.model.cell, **given(sizes, ANEW, common))


def given(*settings: dict) -> dict:
  """Returns the settings, later ones before earlier ones, without those that are None."""
  return {name: value for part in settings for name, value in part.items() if value is not None}


def read(path: str | None) -> list[corpus.Poem]:
  """Returns the poems of which some are chosen."""
  if path is not None:
    return corpus.keep_short(corpus.read_poems(path))
  return corpus.keep_short(corpus.split_poems(corpus.read_poems(corpus.default_corpus_path()))['test'])


def divide(poems: list[corpus.Poem], count: int) -> dict[str, list[corpus.Poem]]:
  """Returns some of the poems by what they are for: 'train', 'validation' and 'test'; no near-duplicates in two."""
  digests = corpus.digests([poem.content for poem in poems])
  chosen = sorted(zip(digests, poems), key=lambda pair: (hashed('chosen', pair[0][1]), pair[0][0]))[:count]
  parts: dict[str, list[corpus.Poem]] = {name: [] for name in corpus.SPLITS}
  for (_, smallest), poem in chosen:
    tenth = int.from_bytes(hashed('part', smallest)[:8], 'big') * 10 >> 64
    parts['train' if tenth < 8 else 'validation' if tenth == 8 else 'test'].append(poem)
  if not all(parts.values()):
    raise UserError(f'{len(poems)} poems of at most {corpus.MAX_TOKENS} tokens; expected more')
  return parts


def hashed(purpose: str, digest: bytes) -> bytes:
  return hashlib.sha256(purpose.encode() + digest).digest()


def measure(run, parts: dict[str, list[corpus.Poem]]) -> tuple[float, float]:
  """Returns the perplexity of the test poems: over all tokens, and over those that occur in the training poems."""
  from tangshi_tf.evaluation import perplexity
  from tangshi_tf.evaluation.likelihood import token_nll
  ids, splits = corpus.encode_all(parts['test'], run.word2id)
  nll = token_nll(run.model, ids, splits).astype(float)
  shipped = run_dir.RunDir.open('best').vocabulary()
  every = {word for word in shipped if len(word) == 1}.union(
      *(poem.content for poem in itertools.chain.from_iterable(parts.values())))
  nll[ids == corpus.UNK_ID] += math.log(max(len(every - set(run.word2id)), 1))
  seen = corpus.count_words(parts['train'])
  counted, common = np.ones(len(ids), bool), np.zeros(len(ids), bool)
  for poem, first in zip(parts['test'], splits):
    counted[first] = False
    common[first + 1:first + 2 + len(poem.content)] = [word in seen for word in corpus.tokenize(poem.content)[1:]]
  return perplexity(nll[counted].mean()), perplexity(nll[common].mean())


if __name__ == '__main__':
  cli.run(main)
