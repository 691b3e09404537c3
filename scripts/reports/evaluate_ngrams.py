"""Measures a Kneser-Ney model of the training poems, as `tangshi_tf.evaluate` does a neural one.

    python scripts/reports/evaluate_ngrams.py
    python scripts/reports/evaluate_ngrams.py --order=3 --split=validation --json
"""

import json

from absl import flags

from tangshi_tf import cli, corpus
from tangshi_tf.errors import UserError

_ORDER = flags.DEFINE_integer('order', 5, 'Length of the longest n-gram.', lower_bound=1, upper_bound=20)
_SPLIT = flags.DEFINE_enum('split', 'test', ['validation', 'test'], 'What is measured.')
_CORPUS = flags.DEFINE_string('corpus', None, 'Corpus file (default: the poems that come with the package).')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object, as tangshi_tf.evaluate does.')


def main() -> int:
  path = corpus.default_corpus_path() if _CORPUS.value is None else _CORPUS.value
  parts = corpus.training_parts(corpus.read_poems(path), path)
  poems = parts[_SPLIT.value]
  if not poems:
    raise UserError(f'{path}: its {_SPLIT.value} part is empty; expected more poems')
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(parts['train']))
  from tangshi_tf import evaluation
  model = evaluation.KneserNey(*corpus.encode_all(parts['train'], word2id), len(word2id), _ORDER.value)
  ids, splits = corpus.encode_all(poems, word2id)
  figures = {'model': f'Kneser-Ney, order {_ORDER.value}', 'split': f'the {_SPLIT.value} part', 'left_out': 0,
             **evaluation.summarize(poems, ids, splits, model.nll(ids, splits))}
  print(json.dumps(figures, ensure_ascii=False) if _JSON.value else evaluation.table(figures))
  return 0


if __name__ == '__main__':
  cli.run(main)
