"""Checks poems against a verse form and shows their tones and rhymes.

    python -m tangshi_tf.prosody 朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。
    python -m tangshi_tf.prosody --form=五律 --tones=loose --file=poems.txt

A poem an argument, or a line of a file or of standard input; a title before a colon is
left out. Ends with status 1 if a poem has faults.
"""

import json

from absl import flags

from tangshi_tf import cli, corpus, prosody

_FORM = flags.DEFINE_string('form', None, f'{", ".join(prosody.FORMS)}, or LINESxCHARACTERS such as 6x5 '
                            '(default: the one whose lines the poem has).')
_TONES = flags.DEFINE_enum('tones', 'strict', prosody.TONES,
                           'strict: no 孤平, 三平尾 or 三仄尾; loose: these pass (一三五不论); off: no tones.')
_FILE = flags.DEFINE_string(
    'file', None, 'A UTF-8 file with a poem a line (default: the arguments, or standard input).')
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')

_LONGEST = 10_000  # characters of a poem in a form of its own, each of which may be noted
_MOST_LENGTHS = 10  # that a message lists


def main(texts: list[str]) -> int:
  form = prosody.find_form(_FORM.value) if _FORM.value is not None else None
  good, number = True, 0
  for text in cli.texts(texts, _FILE.value):
    content = ''.join(text.split()).rpartition(':')[2]
    if not content:
      continue
    checked = _check(content, form)
    good &= checked.keeps()
    if _JSON.value:
      print(json.dumps(_object(content, checked), ensure_ascii=False))
    else:
      print('\n' * (number > 0) + _text(content, checked))
    number += 1
  return 0 if good else 1


def _check(content: str, form: prosody.Form | None) -> prosody.Check:
  """Checks a poem against a form, or against that of its own lines."""
  if form is None and (name := prosody.form_of(content)) != prosody.OTHER:
    form = prosody.FORMS[name]
  lines = [len(line) for line in corpus.verse_lines(content)]
  lengths = sorted(set(lines))
  if form is None and len(lengths) == 1 and len(content) <= _LONGEST:
    form = prosody.Form(f'{len(lines)}x{lengths[0]}', len(lines), lengths[0])
  if form is not None:
    return prosody.check(content, form, _TONES.value)
  listed = ', '.join(map(str, lengths[:_MOST_LENGTHS])) + ', …' * (len(lengths) > _MOST_LENGTHS)
  found = f'{len(lines)} lines of {listed} characters' if lines else 'no lines'
  return prosody.Check(prosody.Form(prosody.OTHER, 0, 0), None, None, [prosody.Fault(
      0, 0, 'form', f'{found}; expected lines of one length, at most {_LONGEST} characters in all, or a --form to hold '
      'them against')], [])


def _object(content: str, checked: prosody.Check) -> dict:
  def listed(faults):
    return [{'line': fault.line, 'character': fault.position, 'rule': fault.rule, 'text': fault.text}
            for fault in faults]

  return {'text': content, 'form': checked.form.name, 'pattern': checked.pattern and checked.pattern.name,
          'rhyme': checked.rhyme, 'tones': [''.join(map(prosody.tone, line)) for line in corpus.verse_lines(content)],
          'faults': listed(checked.faults), 'notes': listed(checked.notes)}


def _text(content: str, checked: prosody.Check) -> str:
  """Returns the poem, each line above its tones, and what was found."""
  facts = [checked.form.name, checked.pattern.name if checked.pattern else None,
           checked.rhyme and f'rhyme {checked.rhyme}']
  lines = [', '.join(filter(None, facts))]
  for line in corpus.verse_lines(content):
    lines += [f'  {line}', f'  {"".join(map(prosody.tone, line))}']
  lines += [str(fault) for fault in checked.faults] or ['no faults']
  return '\n'.join(lines + [f'note: {note}' for note in checked.notes])


if __name__ == '__main__':
  cli.run(main, rest_of_line=True)
