"""Writes a corpus as shards, which training reads one line at a time.

    python -m tangshi_tf.write_shards --corpus=poems.txt --corpus=song.txt --out=shards
    python -m tangshi_tf.train --corpus='shards/*'

The parts of the split are those that training makes of the same poems; the order of the files does not matter. All
processor cores work. For a while the disk holds the corpus twice more, in a folder beside --out that can be deleted if
the program was killed. tangshi_tf/corpus/sharding.py says more.
"""

import glob
import pathlib
import shlex
import sys
import time

from absl import flags

from tangshi_tf import cli, corpus
from tangshi_tf.corpus import shards

_CORPUS = flags.DEFINE_multi_string(
    'corpus', None, 'Corpus file, or a glob; repeat the flag for more (default: the poems that come with the package).')
_CORPUS_FORMAT = flags.DEFINE_enum('corpus_format', 'auto', corpus.FORMATS, corpus.FORMATS_HELP)
_OUT = flags.DEFINE_string('out', 'shards', 'The folder to write, which must not exist.')
_SHARDS = flags.DEFINE_integer('shards', 16, 'Shards of the training part; the others have an 18th as many.',
                               lower_bound=1, upper_bound=99_999)
_FORMAT = flags.DEFINE_enum('format', shards.TEXT, shards.FORMATS, 'Text, or TFRecord with a checksum for each poem.')
_PROCESSES = flags.DEFINE_integer('processes', None, 'Processes (default: one a core).',
                                  lower_bound=1, upper_bound=1024)


def main() -> int:
  start = time.perf_counter()
  paths, source = shards.find(_CORPUS.value)
  from tangshi_tf.corpus import sharding  # here, so that --help does not wait for NumPy
  cli.exit_in_order()  # so that what is half done is removed
  report = corpus.Report()
  made = sharding.write(paths, _OUT.value, count=_SHARDS.value, shard_format=_FORMAT.value,
                        corpus_format=_CORPUS_FORMAT.value, processes=_PROCESSES.value,
                        source=source, report=report)
  if str(report):
    print(f'{source}: {report}', file=sys.stderr)
  print(f'{sum(counts["poems"] for counts in made.values()):,} poems in {time.perf_counter() - start:.0f} s')
  for part, counts in made.items():
    shards_of = f'{counts["shards"]} shard{"s" * (counts["shards"] != 1)}'
    print(f'{counts["poems"]:>12,} {part}, in {shards_of}')
  print(f'Train: {cli.called("train")} --corpus={shlex.quote(glob.escape(str(pathlib.Path(_OUT.value))) + "/*")}')
  return 0


if __name__ == '__main__':
  cli.run(main)
