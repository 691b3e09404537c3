"""Whether a text is sound: the least that a reader asks of a poem, whatever its form.

It separates loops and fragments from poems. It does not look at rhyme, tones and sense.
"""

import collections
import itertools
import re

_LINE = re.compile('([^，。？！；：]*)[，。？！；：]')  # 、 stands within a line: it ends no line here
SHORTEST, LONGEST = 3, 7  # characters of a line
MOST_IN_A_ROW = 2  # times that a character may follow itself at once, the first time included
OFTEN = 3  # times that make a character count as frequent
FREQUENT_SHARE = 0.2  # of the text, from which a frequent character is too frequent


def faults(text: str) -> list[str]:
  """Returns what keeps a text from being sound, in words; nothing if it is.

  A sound text has no character three times in a row, and none that stands
  three times or more and makes up a fifth of all characters or more, marks
  included. It has at least two lines; a line ends in one of ，。？！；： and has
  three to seven characters, and the lines have at most two different lengths.
  What follows the last mark is no line: there the text was cut.

  Args:
    text: white space is left out.
  """
  text = ''.join(text.split())
  found = []
  for character, group in itertools.groupby(text):
    if (times := len(list(group))) > MOST_IN_A_ROW:
      found.append(f'{character} comes {times} times in a row')
  for character, times in collections.Counter(text).items():
    if times >= OFTEN and times >= FREQUENT_SHARE * len(text):
      found.append(f'{character} is {times} of {len(text)} characters')
  lengths = [len(line) for line in _LINE.findall(text)]
  if len(lengths) < 2:
    found.append(f'lines: {len(lengths)}; expected two or more')
  if odd := sorted({length for length in lengths if not SHORTEST <= length <= LONGEST}):
    found.append(f'lines of {odd} characters; expected {SHORTEST} to {LONGEST}')
  if len(set(lengths)) > 2:
    found.append(f'lines of {sorted(set(lengths))} characters; expected at most two different lengths')
  return found


def is_sound(text: str) -> bool:
  """Returns whether a text has none of the `faults`."""
  return not faults(text)
