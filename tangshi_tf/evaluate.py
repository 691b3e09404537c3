"""Measures a model on held-out poems.

    python -m tangshi_tf.evaluate --model=gru
    python -m tangshi_tf.evaluate --model=runs/lstm --split=validation --json
    python -m tangshi_tf.evaluate --split=mypoems.txt
    python -m tangshi_tf.evaluate --told=title --told=poet
"""

import json
import sys

from absl import flags

from tangshi_tf import cli, controls, corpus, evaluation, run_dir
from tangshi_tf.evaluation.held_out import read_held_out

_MODEL, _WEIGHTS = cli.define_model()
_SPLIT = flags.DEFINE_string('split', 'test', 'test, validation or train: that part of --corpus; or a file, all of it.')
_CORPUS = flags.DEFINE_multi_string(
    'corpus', None, 'Corpus file, or a glob; repeat the flag for more (default: the poems that come with the package).')
_CORPUS_FORMAT = flags.DEFINE_enum('corpus_format', 'auto', corpus.FORMATS, corpus.FORMATS_HELP)
_TOLD = flags.DEFINE_multi_enum('told', [], controls.KINDS, 'What the model is told of each poem before it, of a model '
                                'with controls; repeat the flag for more (default: nothing).')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object.')


def main() -> int:
  found = run_dir.RunDir.open(_MODEL.value)
  held_out = read_held_out(_SPLIT.value, _CORPUS.value, corpus_format=_CORPUS_FORMAT.value,
                           poets=bool(_TOLD.value))
  for note in held_out.notes:
    print(note, file=sys.stderr)
  from tangshi_tf.model import devices
  devices.start()
  figures = evaluation.evaluate_run(found.load(_WEIGHTS.value), held_out, _TOLD.value)
  if figures['other_corpus']:
    print(f'{found.name} was trained on another corpus, or on this one in another order: unless these are the same '
          f'poems, {held_out.source} may not be held out for this model.', file=sys.stderr)
  print(json.dumps(figures, ensure_ascii=False) if _JSON.value else evaluation.table(figures))
  return 0


if __name__ == '__main__':
  cli.run(main)
