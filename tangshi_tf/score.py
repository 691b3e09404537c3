"""Says how likely texts are, character by character, in bits of surprisal.

    python -m tangshi_tf.score 床前明月光，疑是地上霜。
    python -m tangshi_tf.score --file=lines.txt --json
    echo 白日依山尽 | python -m tangshi_tf.score

A text a line, a result a line. The most surprising character is marked.
"""

import json
import sys
from collections.abc import Iterator

from absl import flags

from tangshi_tf import cli, controls, long_work, run_dir

_MODEL, _WEIGHTS = cli.define_model()
_FILE = flags.DEFINE_string(
    'file', None, 'A UTF-8 file with a text a line (default: the arguments, or standard input).')
_WHOLE = flags.DEFINE_bool('whole', False, 'The texts are whole poems: that they end there counts, too.')
_TITLE = flags.DEFINE_string('title', None, 'Of a model with controls: the title of the texts.')
_POET = flags.DEFINE_string('poet', None, 'Of a model with controls: who wrote them.')
_DYNASTY = flags.DEFINE_string('dynasty', None, 'Of a model with controls: when they were written, such as 唐.')
_FORM = flags.DEFINE_string('form', None, 'Of a model with controls: 五绝, 七绝, 五律, 七律 or other.')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')

_LINES, _CHARACTERS = 4096, 10**6  # measured together, at most about
_encode = json.JSONEncoder(ensure_ascii=False).encode


def main(texts: list[str]) -> int:
  found = run_dir.RunDir.open(_MODEL.value)
  source = cli.texts(texts, _FILE.value)
  from tangshi_tf.evaluation import scoring
  from tangshi_tf.model import devices
  devices.start()
  run = found.load(_WEIGHTS.value)
  direction, notes = controls.Direction(
      dynasty=_DYNASTY.value or '', form=_FORM.value or '', poet=_POET.value or '', title=_TITLE.value or '').checked(
          run.word2id, found.name)
  for note in notes:
    print(note, file=sys.stderr)
  told = direction.ids(run.word2id)
  if _MODEL.value is None:
    print(f'model: {found.name}', file=sys.stderr)
  # A person who types waits for an answer to each line.
  typed = not texts and _FILE.value is None and sys.stdin.isatty()
  meter, done, changed = long_work.Meter('texts scored'), 0, 0
  for lines in _together(source, 1 if typed else _LINES):
    meter.update(done)
    for line, scored in zip(lines, scoring.score(run.model, run.word2id, lines, whole=_WHOLE.value, told=told)):
      changed += scored.text != ''.join(line.split())
      sys.stdout.writelines(_json_pieces(found.name, scored) if _JSON.value else scored.pieces())
      print(flush=typed)
    done += len(lines)
  if changed:
    print(f'{changed:,} of the texts had other marks, spaces or variants; they were measured as shown.',
          file=sys.stderr)
  return 0


def _together(texts: Iterator[str], most: int) -> Iterator[list[str]]:
  """Yields texts that are measured together: so many, or fewer that are long."""
  lines, size = [], 0
  for text in texts:
    lines.append(text)
    size += len(text)
    if len(lines) == most or size > _CHARACTERS:
      yield lines
      lines, size = [], 0
  if lines:
    yield lines


def _json_pieces(model: str, scored) -> Iterator[str]:
  """Yields the JSON object of a `scoring.Score` piece by piece, since a text may be as long as it likes."""
  facts = {'model': model, 'text': scored.text, 'bits': scored.total, 'bits_per_token': scored.mean,
           'perplexity': scored.perplexity, 'most_surprising': scored.most_surprising, 'unknown': scored.unknown}
  yield _encode(facts).removesuffix('}') + ', "tokens": ['
  for i, (name, value) in enumerate(scored.tokens()):
    yield ', ' * (i > 0) + _encode({'token': name, 'bits': value})
  yield ']}'


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
