"""Trains a character-level language model on Tang poems.

    python -m tangshi_tf.train                        # the recipe gru
    python -m tangshi_tf.train --cell=lstm            # the recipe lstm
    python -m tangshi_tf.train --recipe=tensorflow    # the exercise to the letter
    python -m tangshi_tf.train --start_from=best --corpus=mine.txt
    python -m tangshi_tf.train --resume --run_dir=runs/best
    tensorboard --logdir=runs

The defaults below are those of --recipe=none. What a recipe sets, such as gru for plain training, says its file in
tangshi_tf/recipes.
"""

import shlex
import sys

from absl import flags

from tangshi_tf import cli, recipes, run_dir, settings, training
from tangshi_tf.errors import UserError
from tangshi_tf.settings import GROUPS, Settings
from tangshi_tf.training.progress import Progress
from tangshi_tf.workers import cluster

_RECIPE = flags.DEFINE_string(
    'recipe', None, f'Take the flags of a recipe: {", ".join(recipes.names())}. Flags given with it win. '
    f'(default: {recipes.START} with --start_from, else the recipe of the --cell; {recipes.NONE}: the defaults below, '
    'the exercise, batches by length)')
settings.define_flags(GROUPS.values())
_RUN_DIR = flags.DEFINE_string('run_dir', None, 'Where the run is written (default: runs/<recipe>, or runs/<cell>).')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace the run in --run_dir.')
_RESUME = flags.DEFINE_bool(
    'resume', False, 'Continue the run in --run_dir from its last checkpoint, with its flags. On a CPU it ends as if '
    'it had never stopped.')
_STRATEGY = flags.DEFINE_enum(
    'strategy', None, cluster.STRATEGIES,
    'mirrored: divide each batch among the GPUs of this host; multi_worker: among the workers that TF_CONFIG or Slurm '
    'describe (default: multi_worker where TF_CONFIG names more than one, else none).')
_WORKER_TIMEOUT = cli.define_number('worker_timeout', 300.0,
                                    'Seconds in which all workers must have come, after this one has read the corpus.',
                                    low=0, high=1e6, open_low=True)


def main() -> int:
  if _RESUME.value and _OVERWRITE.value:
    raise UserError('both --resume and --overwrite; expected one of them')
  given = settings.given_flags(GROUPS.values())
  if _RECIPE.present:
    given['recipe'] = None if _RECIPE.value == recipes.NONE else _RECIPE.value
  path = run_dir.for_training(_RUN_DIR.value, given.get('recipe') or recipes.implied(
      given.get('start_from'), flags.FLAGS['cell'].value))
  progress = _Progress()
  how = {'callbacks': [progress], 'strategy': _STRATEGY.value, 'worker_timeout': _WORKER_TIMEOUT.value,
         'stopping': cli.interruptible}
  if _RESUME.value:
    result = training.resume(path, **how, **given)
  else:
    result = training.run(Settings.of(**given), path, overwrite=_OVERWRITE.value,
                          command=shlex.join(['python', '-m', 'tangshi_tf.train', *sys.argv[1:]]), **how)
  if result.chief:
    progress.on_note(_last_words(result))
  return result.stopped


class _Progress(Progress):
  """Says settings as the flags that they are here."""

  def on_note(self, text):
    super().on_note(cli.with_flags(text))


def _last_words(result: training.Result) -> str:
  """Returns what to do next."""
  where = shlex.quote(str(result.path))
  if not result.stopped:
    return (f'Done. Write poems: {cli.called("generate")} --model={where}\n'
            f'See the curves: tensorboard --logdir={shlex.quote(str(result.path.parent))}')
  again = ['--resume', f'--run_dir={result.path}']
  if _STRATEGY.value is not None:
    again.append(f'--strategy={_STRATEGY.value}')
  everywhere = ', on every worker' if cluster.choose(_STRATEGY.value) == 'multi_worker' else ''
  return (f'Stopped; the weights so far are kept. To continue{everywhere}: '
          f'{cli.called("train")} {shlex.join(again)}\n'
          f'Write poems with the weights so far: '
          f'{cli.called("generate")} --model={where} --weights={run_dir.LAST}')


if __name__ == '__main__':
  cli.run(main, expand=recipes.expand, needs_output=False)
