"""What a poem in a form begins with, in a graph: that of `FormPlan`."""

import functools

import pytest
import tensorflow as tf

from tangshi_tf import corpus, prosody, run_dir
from tangshi_tf.decoding.form_plan import FormPlan
from tangshi_tf.errors import UserError
from tangshi_tf.exporting.forms import Forms
from tangshi_tf.exporting.texts import UNKNOWN, Words

RHYMES = ('', 'any', 'off', '东', '上平十一真', '尤')


@pytest.fixture(scope='module')
def tables():
  """Vocabulary, marks and forms of a shipped model; a graph that begins poems."""
  word2id = run_dir.RunDir.open('rnn').load().word2id
  words, forms = Words(word2id), Forms(word2id)
  marks = tf.constant([word2id[mark] for mark in corpus.PUNCTUATION if mark in word2id])
  text = tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.string), *[tf.TensorSpec((None,), tf.string)] * 2

  @functools.partial(tf.function, input_signature=text, autograph=False)
  def start(form, rhyme, begin, acrostic):
    return forms.start(forms.number_of(form), rhyme, words.ids(begin), words.ids(acrostic), marks)

  return word2id, start


def planned(plan, word2id, begin, acrostic):
  """Returns the fixed ids, the patterns and the group, or what is wrong with them."""
  try:
    words = plan.fixed_words(begin, acrostic)
    return [-1 if word is None else word2id[word] for word in words], *plan.start(words)
  except UserError as error:
    return str(error)


def begins(poems, form):
  """Yields begins and acrostics: parts of real poems in that form, whole lines of them, and lines of other poems."""
  found = [poem.content for poem in poems if corpus.form_of(poem.content) == form]
  for i, poem in enumerate(found):
    other = corpus.verse_lines(found[i - 1])
    yield poem[:i % len(poem)], ''
    yield poem[:i % 3 * len(other[0])], other[0][:i % 4]
    yield '，'.join([corpus.verse_lines(poem)[0], other[1]]), ''
    yield '', ''.join(line[0] for line in other)


@pytest.mark.parametrize('form', prosody.FORMS)
def test_poems_begin_as_in_the_package(tables, form):
  word2id, start = tables
  every = [poem for poem in corpus.read_poems(corpus.default_corpus_path())[::40]
           if all(character in word2id for character in poem.content)]
  asked = list(begins(every, form))[:240]
  plans = {rhyme: FormPlan(form, word2id, rhyme=None if rhyme == 'off' else rhyme or 'any') for rhyme in RHYMES}
  fits, refused = [], []
  for i, (begin, acrostic) in enumerate(asked):
    rhyme = RHYMES[i % len(RHYMES)]
    expected = planned(plans[rhyme], word2id, begin, acrostic)
    (refused if isinstance(expected, str) else fits).append((rhyme, begin, acrostic, expected))
  assert len(fits) > 40 and len(refused) > 40
  for rhyme in RHYMES:
    rows = [row for row in fits if row[0] == rhyme]
    fixed, patterns, group, _ = start(form, rhyme, [begin for _, begin, _, _ in rows], [line for _, _, line, _ in rows])
    for row, *found in zip(rows, fixed.numpy().tolist(), patterns.numpy(), group.numpy()):
      assert tuple(found) == tuple(row[3]), row
  for rhyme, begin, acrostic, _ in refused:
    with pytest.raises(tf.errors.InvalidArgumentError, match='begin|acrostic|rhyme'):
      start(form, rhyme, [begin], [acrostic])


def test_a_small_vocabulary_says_which_forms_it_lacks():
  words = ['PAD', 'UNK', 'bos', 'eos', '，', '。', '东', '山']
  forms = Forms({word: i for i, word in enumerate(words)})
  assert not forms.names and set(forms.missing) == set(prosody.FORMS)


def test_characters_are_those_of_the_corpus(word2id):
  words = Words({**word2id, '爱': len(word2id)})
  known = chr(0x4e00)
  ids = words.ids(tf.constant([f' {known},愛「龘\U0003fffd\ue000', '', '。'])).to_list()
  assert ids == [[word2id[known], word2id['，'], len(word2id), UNKNOWN, UNKNOWN, UNKNOWN], [], [word2id['。']]]
  assert words.texts(tf.constant([[word2id[known], -1, word2id['。']]])).numpy()[0].decode() == f'{known}。'
