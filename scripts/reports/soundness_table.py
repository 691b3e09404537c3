"""The table of soundness in verse_report.py: poems without a form, by start, state and way of writing."""

import collections

import numpy as np

from tangshi_tf import corpus, decoding, settings
from tangshi_tf.prosody import soundness

BEGIN_WORDS = 1500  # the most usual first characters, over which those of the table are spread
COMMON = 4000  # a character of a lower rank in the vocabulary is rare
STATES = 20  # random states of one begin word
_WORDS_FOR_STATES = 50  # begin words for which they are tried

# What the report that the project mirrors shows: how many of its seven samples are sound, and two of them.
MIRRORED = {'zero': (5, 7, ('日日来何处，何处是人间。', '湖里日无人，一枝花落。')),
            'random': (5, 7, ('暮风风不见，人间不可知。', '月闻不见，风吹落云声。'))}


def begin_words(poems: list[corpus.Poem], count: int) -> list[str]:
  """Returns first characters of poems, spread evenly over the most usual ones."""
  counts = collections.Counter(poem.content[0] for poem in poems)
  usual = [character for character, _ in counts.most_common(BEGIN_WORDS)]
  return [usual[i] for i in np.linspace(0, len(usual) - 1, min(count, len(usual))).astype(int)]


def common_characters(words: list[str]) -> set[str]:
  """Returns the first `COMMON` words of a vocabulary, which is sorted by falling frequency."""
  return set(words[:COMMON])


def rows_of_model(name: str, run, ways: dict[str, dict], begins: list[str], seed: int) -> list[dict]:
  """Returns a row for each way of writing and each initial state.

  Args:
    name: of the model, for the table.
    run: a `run_dir.Run`.
    ways: options of `decoding.generate` by the name of the way.
    begins: begin words, a poem each.
    seed: of the first poem.
  """
  tables = {'model': run.model, 'word2id': run.word2id, 'id2word': run.id2word}
  begins = [begin for begin in begins if begin in run.word2id]
  rows = []
  for way, options in ways.items():
    for init in ('zero', 'random'):
      poems, ended = write(begins, [seed + i for i in range(len(begins))], init, options, tables)
      row = {'source': name, 'way': way, 'init': init, 'ended': ended,
             **figures(poems, common_characters(list(run.word2id)))}
      if init == 'random':
        some = begins[::max(len(begins) // _WORDS_FOR_STATES, 1)][:_WORDS_FOR_STATES]
        several = [begin for begin in some for _ in range(STATES)]
        poems, _ = write(several, [seed + i for i in range(len(several))], init, options, tables)
        different = [len(set(poems[i:i + STATES])) for i in range(0, len(poems), STATES)]
        row |= {'states': float(np.mean(different)), 'fewest_states': min(different)}
      rows.append(row)
  return rows


def write(begins: list[str], seeds: list[int], init: str, options: dict, tables: dict) -> tuple[list[str], float]:
  """Returns poems, and the share of them that ended by themselves."""
  uncut = list(decoding.generate(zip(begins, seeds), init=init, **tables, **{**options, 'whole_sentences': False}))
  ended = [len(words) <= options['max_len'] for words in uncut]
  if options['whole_sentences']:
    uncut = [words if end else decoding.without_cut_sentence(words, len(begin))
             for begin, words, end in zip(begins, uncut, ended)]
  return [''.join(words) for words in uncut], float(np.mean(ended))


def figures(poems: list[str], common: set[str]) -> dict:
  """Returns what the table says of some poems, however they came about."""
  characters = [mark for poem in poems for mark in poem]
  return {'poems': len(poems), 'sound': float(np.mean([soundness.is_sound(poem) for poem in poems])),
          'distinct': len(set(poems)) / len(poems),
          'rare': float(np.mean([mark not in common for mark in characters])),
          'length': len(characters) / len(poems)}


def row_of_real_poems(contents: list[str], words: list[str]) -> dict:
  return {'source': 'real, held out', 'way': '', 'init': '', **figures(contents, common_characters(words))}


def standard_ways() -> dict[str, dict]:
  """Returns the two ways that the table always has."""
  return {'exercise': settings.EXERCISE, 'default': settings.FREE}


def table(rows: list[dict]) -> str:
  """Returns the rows as Markdown, after those of the report of the exercise."""
  lines = ['| poems | state | way | sound | distinct | ended | rare | characters | of 20 states |',
           '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |']
  for init, (sound, samples, _) in MIRRORED.items():
    lines.append(f'| the report of the exercise | {init} | exercise | {sound} of {samples} | | | | | |')
  for row in rows:
    states = f'{row["states"]:.1f}, at least {row["fewest_states"]}' if 'states' in row else ''
    ended = f'{row["ended"]:.1%}' if 'ended' in row else ''
    lines.append(f'| {row["source"]} | {row["init"]} | {row["way"]} | {row["sound"]:.1%} | {row["distinct"]:.1%} | '
                 f'{ended} | {row["rare"]:.2%} | {row["length"]:.1f} | {states} |')
  quoted = '; '.join(f'{init} state: {" ".join(some)}' for init, (_, _, some) in MIRRORED.items())
  return '\n'.join(lines) + f'\n\nFrom the report of the exercise, {quoted}'
