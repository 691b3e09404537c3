"""Writes poems with a trained model.

    python -m tangshi_tf.generate --init=random
    python -m tangshi_tf.generate --model=runs/lstm --begin=春风 --temperature=0.8 --num=3
"""

import json
import random
import sys

from absl import flags

from tangshi_tf import cli, corpus, run_dir
from tangshi_tf.errors import UserError

_MODEL = flags.DEFINE_string(
    'model', None, 'A run directory or the name of a shipped model '
    '(default: the newest run under runs/, else the shipped best).')
_WEIGHTS = flags.DEFINE_string(
    'weights', None, 'best, last (an interrupted epoch) or epoch-NN (default: best where there is one).')
_BEGIN = flags.DEFINE_multi_string('begin', list(corpus.SAMPLE_BEGINS), 'One or more characters that a poem '
                                   'begins with; may be repeated. By default those of the seven that the model knows.')
_INIT = flags.DEFINE_enum('init', 'zero', ['zero', 'random'], 'Initial state.')
_STATE_STDDEV = cli.define_number('state_stddev', 0.5, 'Standard deviation of the random state.', low=0, high=100)
_MAX_LEN = flags.DEFINE_integer('max_len', 30, 'A poem without an end stops once it has more characters than this.',
                                lower_bound=1, upper_bound=10_000)
_TEMPERATURE = cli.define_number(
    'temperature', 0.0, '0: the most likely character; above: drawn from softmax(logits / temperature).',
    low=0, high=100)
_NUM = flags.DEFINE_integer('num', 1, 'Poems for each begin word.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', None, 'Seed of the first poem, the next has one more (default: random).',
                             lower_bound=0, upper_bound=2**63 - 1)
_BOS_FIRST = flags.DEFINE_bool('bos_first', False, 'Feed bos before the begin word, as in training.')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')


def main() -> int:
  name = _MODEL.value if _MODEL.value is not None else run_dir.default()
  run_dir.locate(name)
  if not all(_BEGIN.value):
    raise UserError('flag --begin: the begin word is empty; expected at least one character')

  with cli.quiet_start():
    from tangshi_tf import decoding, devices
    devices.start()
  run = run_dir.load(name, _WEIGHTS.value)
  begins = _BEGIN.value
  if not flags.FLAGS['begin'].present:
    begins = [begin for begin in begins if begin in run.word2id] or begins
  for begin in begins:
    decoding.encode_begin(begin, run.word2id)
  if _MODEL.value is None:
    print(f'model: {name}', file=sys.stderr)
  first = _SEED.value if _SEED.value is not None else random.randrange(2**31)
  requests = [(begin, i * _NUM.value) for i, begin in enumerate(begins)]
  poems = decoding.generate(
      ((begin, first + offset + i) for begin, offset in requests for i in range(_NUM.value)),
      model=run.model, word2id=run.word2id, id2word=run.id2word, init=_INIT.value,
      max_len=_MAX_LEN.value, state_stddev=_STATE_STDDEV.value, temperature=_TEMPERATURE.value,
      bos_first=_BOS_FIRST.value)
  for number, words in enumerate(poems):
    if _JSON.value:
      print(json.dumps({
          'text': ''.join(words), 'begin': begins[number // _NUM.value], 'init': _INIT.value,
          'model': name, 'seed': first + number, 'temperature': _TEMPERATURE.value,
          'state_stddev': _STATE_STDDEV.value, 'max_len': _MAX_LEN.value, 'bos_first': _BOS_FIRST.value,
      }, ensure_ascii=False))
    else:
      print(('\n' if number else '') + decoding.split_sentences(words))
  return 0


if __name__ == '__main__':
  cli.run(main)
