"""What no user would type, but a file, a script or a joker may: made-up input by the thousand.

Every case ends in a right result or in a UserError of one line. The cases are the same at every run; how many there
were is printed at the end of it. `scripts/soak.py` tries more of them, and `scripts/faults/fuzz.py` looks for others.
"""

import contextlib
import os
import time

from hypothesis import HealthCheck, example, settings
from hypothesis import strategies as st

from tangshi_tf.errors import UserError

TIMES = int(os.environ.get('HOSTILE_TIMES', '1'))  # so many times as many cases, which differ from run to run
# Repeatable, and no failure because the machine is busy.
many = settings(max_examples=200 * TIMES, derandomize=TIMES == 1, deadline=None, database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
some = settings(many, max_examples=60 * TIMES)
few = settings(many, max_examples=20 * TIMES)  # where each writes a poem

SIGNS = {
    'lone surrogates': '\ud800\udfff\udcff', 'a pair of surrogates': '\ud83d\ude42', 'NUL': '日\0月',
    'combining marks': '月\u0301\u20dd日\u0308', 'right-to-left marks': '\u202e日\u200f月\u2067山\u2069',
    'a BOM inside': '日\ufeff月', 'emoji': '🙂👨\u200d👩\u200d👧🇨🇳', 'astral characters': '𠀀\U0010ffff',
    'line separators': '日\x85月\u2028山\u2029水\v火\f土\x1c金\x1d\x1e', 'newlines': '日\n月\r\n山\r水',
    'CR alone': '日:月\r山:水\r',
    'colons': '送别:其一:日月', 'full-width punctuation': '日，月。山！水？火；土、金：木．「」',
    'full-width blank': '日\u3000月',
    'controls': '\x1b[2J\x07\x08\x7f', 'no characters': '\U000e0fff\ufffe', 'a special token': 'bos', 'nothing': '',
    'blanks': ' \t\n',
}
characters = st.one_of(st.sampled_from(sorted(set(''.join(SIGNS.values()) + '，。：:\n\r一二三'))), st.characters())
texts = st.lists(characters, max_size=40).map(''.join)
encoded = texts.map(lambda text: text.encode('utf-8', 'surrogatepass'))
any_bytes = st.one_of(st.binary(max_size=60), encoded)
lines_of_five = st.text('春月平看🙂\u202e', min_size=5, max_size=5)
verses = st.one_of(texts, st.lists(lines_of_five, min_size=4, max_size=4).map('，'.join))
LONG = 100_000  # characters of a begin word
HUGE = 10_000_000 // 3  # Chinese characters of a line of 10 MB


def signs(test):
  """Adds the texts in `SIGNS` to the cases of a test of one text."""
  for text in SIGNS.values():
    test = example(text)(test)
  return test


def outcome(call, *arguments, **options):
  """Returns what a call returns, or None where it ends with a UserError, which must be of one line."""
  try:
    return call(*arguments, **options)
  except UserError as error:
    assert len(str(error).splitlines()) == 1, str(error)
    return None


@contextlib.contextmanager
def at_once():
  """Fails where a quadratic time would show."""
  start = time.process_time()
  yield
  assert time.process_time() - start < 20
