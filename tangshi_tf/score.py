"""Says how likely texts are, character by character, in bits of surprisal.

    python -m tangshi_tf.score 床前明月光，疑是地上霜。
    python -m tangshi_tf.score --file=lines.txt --json
    echo 白日依山尽 | python -m tangshi_tf.score

A text a line, a result a line. The most surprising character is marked.
"""

import itertools
import json
import math
import sys
from collections.abc import Iterator

from absl import flags

from tangshi_tf import cli, corpus, run_dir

_MODEL = flags.DEFINE_string(
    'model', None, 'A run directory or the name of a shipped model '
    '(default: the newest run under runs/, else the shipped best).')
_WEIGHTS = flags.DEFINE_string('weights', None, 'best, last or epoch-NN (default: best where there is one).')
_FILE = flags.DEFINE_string(
    'file', None, 'A UTF-8 file with a text a line (default: the arguments, or standard input).')
_WHOLE = flags.DEFINE_bool('whole', False, 'The texts are whole poems: that they end there counts, too.')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')

_LINES = 4096  # measured together
_encode = json.JSONEncoder(ensure_ascii=False).encode


def main(texts: list[str]) -> int:
  name = _MODEL.value if _MODEL.value is not None else run_dir.default()
  found = run_dir.RunDir.open(name)
  source = cli.texts(texts, _FILE.value)
  with cli.quiet_start():
    import numpy as np

    from tangshi_tf import evaluation
    from tangshi_tf.model import devices
    devices.start()
  run = found.load(_WEIGHTS.value)
  if _MODEL.value is None:
    print(f'model: {name}', file=sys.stderr)
  # A person who types waits for an answer to each line.
  together = 1 if not texts and _FILE.value is None and sys.stdin.isatty() else _LINES
  while lines := [corpus.Poem('', ''.join(line.split())) for line in itertools.islice(source, together)]:
    ids, splits = corpus.encode_all(lines, run.word2id)
    if not _WHOLE.value:
      ids, splits = np.delete(ids, splits[1:] - 1), splits - np.arange(len(splits))
    bits = evaluation.token_nll(run.model, ids, splits) / math.log(2)
    for poem, first, end in zip(lines, splits, splits[1:]):
      sys.stdout.writelines(_result(name, poem.content, ids[first + 1:end], bits[first + 1:end]))
      print(flush=together == 1)
  return 0


def _result(model: str, text: str, ids, bits) -> Iterator[str]:
  """Yields the line about one text, piece by piece, since a text may be as long as it likes.

  With --whole `ids` and `bits`, arrays of its length, have one more place, for eos.
  """
  names = itertools.chain(text, [corpus.end_token])
  unknown = sorted({character for character, i in zip(text, ids) if i == corpus.UNK_ID})
  total = float(bits.sum(dtype=float))
  mean = total / len(bits) if len(bits) else None
  most = int(bits.argmax()) if len(bits) else None
  if _JSON.value:
    facts = {'model': model, 'text': text, 'bits': total, 'bits_per_token': mean, 'perplexity': _perplexity(mean),
             'most_surprising': most, 'unknown': unknown}
    yield _encode(facts).removesuffix('}') + ', "tokens": ['
    for i, (name, value) in enumerate(zip(names, _floats(bits))):
      yield ', ' * (i > 0) + _encode({'token': name, 'bits': value})
    yield ']}'
  elif mean is not None:
    yield f'{mean:.2f} bits a token, {total:.1f} in all:'
    for i, (name, value) in enumerate(zip(names, _floats(bits))):
      yield f' *{name}*{value:.1f}' if i == most else f' {name}{value:.1f}'
    if unknown:
      yield f'  (outside the vocabulary: {"".join(unknown)})'


def _floats(values) -> Iterator[float]:
  """Yields an array's numbers, without a list of all of them."""
  for first in range(0, len(values), _LINES):
    yield from values[first:first + _LINES].tolist()


def _perplexity(bits_per_token: float | None) -> float | None:
  """Returns None also where a model is so sure of something else that no float holds it."""
  return 2 ** bits_per_token if bits_per_token is not None and bits_per_token < sys.float_info.max_exp else None


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
