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


def main(texts: list[str]) -> int:
  name = _MODEL.value if _MODEL.value is not None else run_dir.default()
  run_dir.locate(name)
  source = cli.texts(texts, _FILE.value)
  with cli.quiet_start():
    import numpy as np

    from tangshi_tf import devices, evaluation
    devices.start()
  run = run_dir.load(name, _WEIGHTS.value)
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
      print(_result(name, poem.content, ids[first + 1:end], bits[first + 1:end].tolist()), flush=together == 1)
  return 0


def _result(model: str, text: str, ids, bits: list[float]) -> str:
  """Returns the line about one text; with --whole `ids` and `bits` have one more place, for eos."""
  names = [*text, corpus.end_token] if _WHOLE.value else text
  unknown = sorted({character for character, i in zip(text, ids) if i == corpus.UNK_ID})
  total = sum(bits)
  most = max(range(len(bits)), key=bits.__getitem__, default=None)
  if _JSON.value:
    return json.dumps({
        'model': model, 'text': text, 'bits': total, 'bits_per_token': total / len(bits) if bits else None,
        'perplexity': 2 ** (total / len(bits)) if bits else None,
        'tokens': [{'token': name, 'bits': value} for name, value in zip(names, bits)],
        'most_surprising': most, 'unknown': unknown}, ensure_ascii=False)
  if not bits:
    return ''
  shown = ' '.join(f'*{name}*{value:.1f}' if i == most else f'{name}{value:.1f}'
                   for i, (name, value) in enumerate(zip(names, bits)))
  note = f'  (outside the vocabulary: {"".join(unknown)})' if unknown else ''
  return f'{total / len(bits):.2f} bits a token, {total:.1f} in all: {shown}{note}'


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
