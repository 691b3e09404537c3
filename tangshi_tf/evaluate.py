"""Measures a model on held-out poems.

    python -m tangshi_tf.evaluate --model=gru
    python -m tangshi_tf.evaluate --model=runs/lstm --split=validation --json
    python -m tangshi_tf.evaluate --split=mypoems.txt
"""

import json
import sys

from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.corpus import shards
from tangshi_tf.errors import UserError

_MODEL = flags.DEFINE_string(
    'model', None, 'A run directory or the name of a shipped model '
    '(default: the newest run under runs/, else the shipped best).')
_WEIGHTS = flags.DEFINE_string('weights', None, 'best, last or epoch-NN (default: best where there is one).')
_SPLIT = flags.DEFINE_string('split', 'test', 'test, validation or train: that part of --corpus; or a file, all of it.')
_CORPUS = flags.DEFINE_multi_string(
    'corpus', None, 'Corpus file, or a glob; repeat the flag for more (default: the poems that come with the package).')
_CORPUS_FORMAT = flags.DEFINE_enum('corpus_format', 'auto', corpus.FORMATS, 'titled, blank or auto.')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object.')


def main() -> int:
  name = _MODEL.value if _MODEL.value is not None else run_dir.default()
  found = run_dir.RunDir.open(name)
  poems, source, left_out, fingerprint = _read()
  with cli.quiet_start():
    from tangshi_tf import evaluation
    from tangshi_tf.model import devices
    devices.start()
  run = found.load(_WEIGHTS.value)
  other = fingerprint not in (None, run.config.get('training', {}).get('corpus_sha256'))
  if other:
    print(f'{name} was trained on another corpus, or on this one in another order: unless these are the same poems, '
          f'{source} may not be held out for this model.', file=sys.stderr)
  figures = {'model': name, 'split': source, 'left_out': left_out, 'other_corpus': other,
             **evaluation.evaluate(run.model, poems, run.word2id)}
  print(json.dumps(figures, ensure_ascii=False) if _JSON.value else evaluation.table(figures))
  return 0


def _read() -> tuple[list[corpus.Poem], str, int, str | None]:
  """Returns the poems, what they are, how many were left out for their length, and whose split they are a part of."""
  fingerprint = None
  if _SPLIT.value in corpus.SPLITS:
    paths, path = cli.find_corpus(_CORPUS.value)
    parts, fingerprint = shards.read_parts(paths, corpus_format=_CORPUS_FORMAT.value, only=_SPLIT.value)
    every = parts[_SPLIT.value]
    source = f'the {_SPLIT.value} part'
  else:
    path = source = _SPLIT.value
    every = corpus.read_poems(path, corpus_format=_CORPUS_FORMAT.value)
  poems = corpus.keep_short(every)
  if not poems:
    raise UserError(f'{path}: {source} has no poem of at most {corpus.MAX_TOKENS} tokens '
                    '(characters plus bos and eos); expected at least one')
  return poems, source, len(every) - len(poems), fingerprint


if __name__ == '__main__':
  cli.run(main)
