"""Writes poems with a trained model.

    python -m tangshi_tf.generate --init=random
    python -m tangshi_tf.generate --model=runs/lstm --begin=春风 --temperature=0.8 --num=3
    python -m tangshi_tf.generate --form=七绝 --num=3
    python -m tangshi_tf.generate --exercise
    python -m tangshi_tf.generate --acrostic=春夏秋冬 --rhyme=东 --vertical
"""

import dataclasses
import json
import sys

from absl import flags

from tangshi_tf import cli, corpus, quiet, run_dir
from tangshi_tf.corpus import originality
from tangshi_tf.decoding.poem import WrittenPoem
from tangshi_tf.decoding.request import Request
from tangshi_tf.errors import UserError
from tangshi_tf.settings import WritingSettings, define_flags, given_flags

_MODEL, _WEIGHTS = cli.define_model()
define_flags([WritingSettings])
_INTERACTIVE = flags.DEFINE_bool('interactive', False, 'Write a poem together: choose among likely characters, '
                                 'type your own, undo, or let the model finish it.')
_CHOICES = flags.DEFINE_integer('choices', 8, 'With --interactive: characters that are proposed.', lower_bound=1)
_JSON = flags.DEFINE_bool('json', False, 'Print one JSON object a line.')
_VERTICAL = flags.DEFINE_bool('vertical', False, 'Print a line of verse a column, from right to left.')
_BESIDE = flags.DEFINE_bool('beside', False, 'Print the columns of --vertical and beside them the plain poem.')
_TRADITIONAL = flags.DEFINE_bool('traditional', False, 'Print traditional characters; needs OpenCC: pip install '
                                 "'tangshi_tf[corpus]'.")
_CORPUS = flags.DEFINE_string('corpus', None, 'Where copied lines are looked up (default: the package\'s poems).')


def main() -> int:
  found = run_dir.RunDir.open(_MODEL.value)
  settings = WritingSettings(**given_flags([WritingSettings]))
  _check_flags(settings)
  if _TRADITIONAL.value:
    corpus.to_traditional('')  # where OpenCC is missing, this says so before TensorFlow starts
  request = Request.of(settings, interactive=_INTERACTIVE.value)
  index = None
  if request.original or _JSON.value or request.best_of > 1:
    path = corpus.default_corpus_path() if _CORPUS.value is None else _CORPUS.value
    index = originality.Index(corpus.read_poems(path))
  quiet.start_without_onednn()
  from tangshi_tf.decoding.writer import Writer
  from tangshi_tf.model import devices
  devices.start(to_write=True)
  writer = Writer(found.load(_WEIGHTS.value), xla=False, quick_start=True)
  if request.begins is None and request.form is None and not _INTERACTIVE.value:
    request = dataclasses.replace(request, begins=writer.sample_begins())
  request = writer.spelled(request)
  for note in request.notes:
    print(cli.with_flags(note), file=sys.stderr)
  writer.require(request)
  if _INTERACTIVE.value:
    return _interact(writer, request)
  if _MODEL.value is None:
    print(f'model: {found.name}', file=sys.stderr)
  for number, poem in enumerate(writer.compose(request, index=index, measure=_JSON.value)):
    if request.original and poem.copied:
      from tangshi_tf.decoding.candidates import MAX_ROUNDS
      print(f'Still copied after {MAX_ROUNDS} rounds: {" ".join(poem.copied)}', file=sys.stderr)
    if _TRADITIONAL.value:
      poem = poem.traditional
    if _JSON.value:
      assert index is not None  # made above for --json
      options = {name: value for name, value in request.options.items() if name != 'told'}
      print(json.dumps({'model': found.name, 'weights': _WEIGHTS.value, **options, **poem.facts,
                        **({'acrostic': request.acrostic} if request.form is not None else {}),
                        'copied_run': index.longest_run(poem.text)}, ensure_ascii=False))
    else:
      print(('\n' if number else '') + _layout(poem))
  return 0


def _layout(poem: WrittenPoem) -> str:
  """Returns a poem as it is to be printed."""
  if _BESIDE.value:
    return poem.beside
  return poem.vertical if _VERTICAL.value else str(poem)


def _interact(writer, request: Request) -> int:
  """Writes one poem with the person at the terminal."""
  import numpy as np

  from tangshi_tf.decoding import interactive
  session = writer.session_of(request)
  ended = interactive.converse(session, read=lambda: input('> '), say=print, shown=_CHOICES.value,
                               temperature=request.options['temperature'],
                               generator=np.random.default_rng(request.seed))
  written = WrittenPoem(session.text)
  print('\n' + _layout(written.traditional if _TRADITIONAL.value else written))
  return 0 if ended else cli.INTERRUPTED


def _check_flags(settings: WritingSettings):
  """Raises a UserError for flags of this command that contradict each other."""
  given = {name for name in flags.FLAGS if flags.FLAGS[name].present}
  if _INTERACTIVE.value and sys.stdin is None:
    raise UserError('standard input is closed; --interactive reads from it what you choose')
  if _INTERACTIVE.value and _JSON.value:
    raise UserError('both --interactive and --json; expected one of them')
  if 'choices' in given and not _INTERACTIVE.value:
    raise UserError('flag --choices is for --interactive; expected it, too')
  if 'corpus' in given and not (_JSON.value or settings.original or (settings.best_of or 1) > 1):
    raise UserError('flag --corpus is for looking up copied lines; expected --json, --original or --best_of, too')
  layouts = sorted(name for name in {'json', 'vertical', 'beside'} & given if flags.FLAGS[name].value)
  if len(layouts) > 1:
    raise UserError(f'both --{layouts[0]} and --{layouts[1]}; expected one of them')


if __name__ == '__main__':
  cli.run(main)
