"""Poems on ten titles in the four forms, as they come.

    python scripts/reports/title_samples.py --model=best > tangshi_tf/pretrained/TITLES.md

Prints Markdown: for each title a poem in each form, with the same seed and the defaults of
`generate`. None is chosen or left out.
"""

from absl import flags

import tangshi_tf
from tangshi_tf import cli, prosody
from tangshi_tf.settings import DIRECTED

_MODEL = flags.DEFINE_string('model', 'best', 'A run directory or a shipped name, with controls.')
_TITLES = flags.DEFINE_list('titles', '春望 登高 送友人 塞下曲 山居 中秋 长安怀古 闺怨 江雪 咏梅'.split(),
                            'The titles.')
_SEED = flags.DEFINE_integer('seed', 1, 'Seed of all poems.', lower_bound=0)
_GUIDANCE = flags.DEFINE_float('guidance', DIRECTED['guidance'], 'See generate.', lower_bound=0)


def main() -> int:
  writer = tangshi_tf.load(_MODEL.value)
  print(f"""# Ten titles in four forms

As they came from `python scripts/reports/title_samples.py`: `{writer.name}`, seed {_SEED.value}, guidance
{_GUIDANCE.value:g}. None is chosen, none left out.""")
  for title in _TITLES.value:
    print(f'\n## {title}')
    for form in prosody.FORMS:
      poem = writer.write(form, title=title, seed=_SEED.value, guidance=_GUIDANCE.value)
      print(f'\n{form}\n\n```\n{poem}\n```')
  return 0


if __name__ == '__main__':
  cli.run(main)
