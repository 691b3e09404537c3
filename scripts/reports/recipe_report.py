"""What recipes reach: test perplexity, time, soundness of the exercise's bare loop, and poems.

    python -m tangshi_tf.train --recipe=tensorflow
    python scripts/reports/recipe_report.py --runs=runs/tensorflow --runs=gru

A run is a run directory or a shipped name. The time is that of the epochs, validation
included, on whatever machine trained them. Soundness is that of verse_report.py:
poems from the zero and from random states, after 1,000 begin words. The poems are
those of the bare loop, for three of the exercise's begin words.
"""

from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.settings import EXERCISE

_RUNS = flags.DEFINE_multi_string('runs', None, 'A run directory or a shipped name; repeat the flag for more.',
                                  required=True)
_BEGINS = flags.DEFINE_integer('begins', 1000, 'Begin words for soundness.', lower_bound=1)

SHOWN = ('日', '山', '月')


def main() -> int:
  import soundness_table

  from tangshi_tf import decoding, evaluation
  from tangshi_tf.model import devices
  print(f'{devices.start()}\n', flush=True)
  path = corpus.default_corpus_path()
  parts = corpus.training_parts(corpus.read_poems(path), path)
  begins = soundness_table.begin_words(parts['train'], _BEGINS.value)
  poems = []
  print('| recipe | parameters | epochs | minutes | tokens/s | validation | test | sound, zero | sound, random |')
  print('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
  for name in _RUNS.value:
    directory = run_dir.RunDir.open(name)
    run, epochs = directory.load(), directory.epochs()
    found = {part: evaluation.evaluate(run.model, parts[part], run.word2id)['perplexity']
             for part in ('validation', 'test')}
    rows = soundness_table.rows_of_model(name, run, {'exercise': EXERCISE}, begins, 0)
    recipe = run.config.get('training', {}).get('flags', {}).get('recipe') or name
    minutes = sum(epoch.get('seconds', 0) for epoch in epochs) / 60
    speed = sum(epoch.get('tokens_per_second', 0) for epoch in epochs) / max(len(epochs), 1)
    print(f'| `{recipe}` | {run.model.count_params():,} | {len(epochs)} | {minutes:.0f} | {speed:,.0f} | '
          f'{found["validation"]:.1f} | {found["test"]:.1f} | ' + ' | '.join(f'{row["sound"]:.1%}' for row in rows)
          + ' |', flush=True)
    for init in ('zero', 'random'):
      written = decoding.generate([(begin, seed) for seed, begin in enumerate(SHOWN, 1)], model=run.model,
                                  word2id=run.word2id, id2word=run.id2word, init=init, **EXERCISE)
      poems.append(f'{recipe}, {init} state: ' + ' '.join(''.join(words) for words in written))
  print('\n' + '\n'.join(poems))
  return 0


if __name__ == '__main__':
  cli.run(main)
