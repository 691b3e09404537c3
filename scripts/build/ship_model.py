"""Puts a trained run into the package, with its held-out figures.

    python scripts/build/ship_model.py --run_dir=runs/rnn --name=rnn
    python scripts/build/ship_model.py --run_dir=runs/best,runs/best_2 --name=best

Of several runs that start from the same weights the mean is shipped: a model soup
(Wortsman et al. 2022, arXiv:2203.05482). The best weights are stored as float16.
Perplexity on the validation and the test part of the corpus is measured with the
rounded weights, as they will be loaded, and beside it the validation perplexity of the
unrounded ones. Nothing is shipped whose rounding costs more than 0.1% of perplexity,
or that takes 10 MB or more.
"""

import pathlib
import re
import shlex

import numpy as np
from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.errors import UserError

_RUN_DIR = flags.DEFINE_list('run_dir', None, 'The run to ship, or several, whose best weights are averaged.',
                             required=True)
_NAME = flags.DEFINE_string('name', None, 'The name users will give to --model.', required=True)
_CORPUS = flags.DEFINE_string('corpus', None, 'The corpus of the run (default: the package\'s own).')

MOST_LOST = 0.001  # of perplexity, by rounding
MOST_BYTES = 10e6


def main() -> int:
  from tangshi_tf import data, evaluation
  from tangshi_tf.model import devices
  devices.start()
  if not re.fullmatch('[a-z0-9_]+', _NAME.value):
    raise UserError(f'flag --name={_NAME.value}: expected lower-case letters, digits and underscores')
  path = pathlib.Path(corpus.default_corpus_path() if _CORPUS.value is None else _CORPUS.value)
  run, metrics = averaged(_RUN_DIR.value)
  poems = corpus.read_poems(path)
  if corpus.fingerprint(poems) != run.config['training']['corpus_sha256']:
    raise UserError(f'{path}: is not the corpus that {_RUN_DIR.value[0]} was trained on')
  parts = corpus.training_parts(poems, path)

  def perplexity(part, model):
    packed = data.pack(*corpus.encode_all(parts[part], run.word2id))
    return evaluation.validate(model, data.batches(packed, shuffle=False))['perplexity']

  figures = {'validation_perplexity_float32': perplexity('validation', run.model)}
  for variable in run.model.trainable_variables:
    with np.errstate(over='ignore'):  # infinite weights fail the comparison
      variable.assign(variable.numpy().astype(np.float16).astype(np.float32))
  for part in ('validation', 'test'):
    figures[f'{part}_perplexity'] = perplexity(part, run.model)
  size = 2 * run.model.count_params()
  lost = figures['validation_perplexity'] / figures['validation_perplexity_float32'] - 1
  if not lost <= MOST_LOST or size >= MOST_BYTES:
    raise UserError(f'{",".join(_RUN_DIR.value)}: float16 weights take {size / 1e6:.1f} MB and cost {lost:.2%} of '
                    f'perplexity; expected less than {MOST_BYTES / 1e6:.0f} MB and at most {MOST_LOST:.1%}')
  with run_dir.claim(run_dir.PRETRAINED / _NAME.value, overwrite=True) as target:
    target.create(list(run.word2id), {
        **run.config, 'training': anywhere(run.config['training'])})
    target.save_weights(run_dir.BEST, run.model, np.float16)
    target.write_json(run_dir.METRICS, {**figures, **metrics})
  (target.path / run_dir.LOCK).unlink()
  for name, value in figures.items():
    print(f'{value:9.2f}  {name}')
  size = sum(file.stat().st_size for file in target.path.rglob('*') if file.is_file())
  print(f'{size / 1e6:9.2f}  MB in {_NAME.value}')
  return 0


def averaged(paths: list[str]) -> tuple[run_dir.Run, dict]:
  """Returns a run with the mean of the best weights of runs, which says what the others did otherwise, and its metrics.

  Raises:
    UserError: there is no such run, or one does not start from the same weights as the first, with the same sizes.
  """
  directories = [run_dir.RunDir.open(path) for path in paths]
  first, *others = runs = [directory.load(run_dir.BEST) for directory in directories]
  training = first.config['training']
  for path, run in zip(paths[1:], others):
    start = run.config['training'].get('start')
    if not start or start != training.get('start') or run.config['model'] != first.config['model']:
      raise UserError(f'{path}: does not start as {paths[0]} does; expected the same sizes and --start_from, '
                      'since the weights are averaged')
  for variable, *same in zip(*(run.model.trainable_variables for run in runs)):
    variable.assign(np.mean([variable, *same], axis=0))
  if others:
    training['averaged_with'] = [
        {name: value for name, value in run.config['training']['flags'].items()
         if name in training['flags'] and value != training['flags'][name]}
        for run in others]
  return first, directories[0].read_json(run_dir.METRICS)


def anywhere(training: dict) -> dict:
  """Returns what config.json says of a training without the paths of its run, which say something of one machine."""
  command = shlex.join(word for word in shlex.split(training['command']) if not word.startswith('--run_dir='))
  return {**{name: value for name, value in training.items() if name != 'corpus_files'}, 'command': command}


if __name__ == '__main__':
  cli.run(main)
