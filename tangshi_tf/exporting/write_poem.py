"""Writes a poem without TensorFlow: pip install ai-edge-litert, then

    python write_poem.py 春风 0.5 7

Arguments: what the poem begins with; the temperature, 0 for the likeliest character each time; the seed.
"""

import json
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main(begin='日', temperature='0', seed='0'):
  try:
    temperature, random = float(temperature), np.random.default_rng(int(seed))
  except ValueError:
    temperature = -1
  if not 0 <= temperature <= 100:
    sys.exit('expected a text, a temperature from 0 to 100, and a seed from 0')
  folder = pathlib.Path(__file__).parent
  words = json.loads((folder / 'vocabulary.json').read_text(encoding='utf-8'))
  step = Interpreter(str(folder / 'step.tflite')).get_signature_runner('step')
  state = {name: np.zeros(of['shape'], np.float32) for name, of in step.get_input_details().items() if name != 'ids'}
  if not begin or set(begin) - set(words):
    sys.exit(f'{begin!r}: expected characters that vocabulary.json has')
  poem, read = list(begin), 0
  while len(poem) < 31:
    state = step(ids=np.array([words.index(poem[read])], np.int32), **state)
    logits, read = state.pop('logits')[0], read + 1
    if read < len(poem):
      continue  # still reading what the poem begins with
    if temperature:
      likely = np.exp((logits - logits.max()) / temperature)
      likely[likely < 0.02] = 0  # in place of rare characters, draw among those that fit
      word = words[random.choice(len(words), p=likely / likely.sum())]
    else:
      word = words[logits.argmax()]
    if word == 'eos':
      break
    poem.append(word)
  print(''.join(poem))


if __name__ == '__main__':
  main(*sys.argv[1:4])
