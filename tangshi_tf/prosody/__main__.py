"""Checks poems against a verse form and shows their tones and rhymes.

    python -m tangshi_tf.prosody 朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。
    python -m tangshi_tf.prosody --form=五律 --tones=loose --file=poems.txt

A poem an argument; in a file or standard input a poem a line, or several lines with blank lines between poems. Marks
may be missing, and a title before a colon is left out. Ends with status 1 if a poem has faults.

In the second line below each, 中 is a character that may be 平 or 仄, and ？ one that the rhyme table does not have.
"""

import json
import sys

from absl import flags

from tangshi_tf import cli, corpus, long_work, prosody
from tangshi_tf.errors import UserError

_FORM = flags.DEFINE_string('form', None, f'{", ".join(prosody.FORMS)}, or LINESxCHARACTERS such as 6x5 '
                            '(default: the one whose lines the poem has).')
_TONES = flags.DEFINE_enum('tones', 'strict', prosody.TONES,
                           'strict: no 孤平, 三平尾 or 三仄尾; loose: these pass (一三五不论); off: no tones.')
_FILE = flags.DEFINE_string(
    'file', None, 'A UTF-8 file of poems (default: the arguments, or standard input).')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')


def main(texts: list[str]) -> int:
  form = prosody.find_form(_FORM.value) if _FORM.value is not None else None
  good, number = True, 0
  poems = corpus.poems_in(cli.texts(texts, _FILE.value))  # of the arguments, too: a shell takes a poem apart at spaces
  if not texts and _FILE.value is None and sys.stdin.isatty():
    print('Type poems; an empty line ends each.', file=sys.stderr)
  for poem in long_work.told(poems, 'poems checked'):
    if not poem.content:
      continue
    content, spelled = prosody.spelled(poem.content)
    if spelled:
      print(corpus.note_of(spelled), file=sys.stderr)
    checked = prosody.check_text(content, form, _TONES.value)
    good &= checked.keeps()
    if _JSON.value:
      print(json.dumps(_object(content, checked), ensure_ascii=False))
    else:
      print('\n' * (number > 0) + str(checked))
    number += 1
  if not number:
    raise UserError('there is no poem in what was given; expected one an argument, or in --file or standard input')
  return 0 if good else 1


def _object(content: str, checked: prosody.Check) -> dict:
  def listed(faults):
    return [{'line': fault.line, 'character': fault.position, 'rule': fault.rule, 'text': fault.text}
            for fault in faults]

  return {'text': content, 'form': checked.form.name, 'pattern': checked.pattern and checked.pattern.name,
          'rhyme': checked.rhyme, 'tones': [''.join(map(prosody.tone, line)) for line in corpus.verse_lines(content)],
          'faults': listed(checked.faults), 'notes': listed(checked.notes)}


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
