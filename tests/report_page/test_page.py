"""What a report says, and that it needs nothing else."""

import dataclasses
import re
import string

import numpy as np
import pytest

from tangshi_tf import corpus, decoding, evaluation, report_page, run_dir
from tangshi_tf.prosody import soundness
from tangshi_tf.report_page import (
  chinese,
  diagrams,
  english,
  equations,
  measuring,
  page,
  plots,
  results,
  sections,
  words,
)
from tangshi_tf.report_page.facts import STATES, WAYS
from tangshi_tf.settings import EXERCISE, FREE

from .conftest import CELLS, HOSTILE, make_run, metrics
from .pages import Page


@pytest.fixture(scope='module')
def english_page(written):
  return Page(written['en'])


def test_it_needs_nothing_else(written):
  for text in written.values():
    found = Page(text)
    assert not found.faults
    assert not {'script', 'link', 'img', 'iframe', 'object', 'embed', 'image'} & {tag for tag, _ in found.tags}
    for tag, attributes in found.tags:
      for name in ('src', 'href', 'xlink:href', 'data', 'srcset', 'action'):
        assert attributes.get(name, '#').startswith('#'), (tag, attributes)
      assert not any(name.startswith('on') for name in attributes)
    assert '://' not in text and '@import' not in text
    assert set(re.findall(r'url\(([^)]*)\)', text)) <= {f'#{place}' for place in ids(found)}


def ids(found: Page) -> list[str]:
  return [attributes['id'] for _, attributes in found.tags if 'id' in attributes]


def test_ids_are_different_and_what_is_referred_to_is_there(written):
  for text in written.values():
    found = Page(text)
    places = ids(found)
    assert len(places) == len(set(places))
    used = {attributes['href'][1:] for _, attributes in found.tags if 'href' in attributes}
    assert used and used <= set(places)


def test_what_people_wrote_is_escaped(written):
  for language, text in written.items():
    assert HOSTILE not in text
    found = Page(text)
    assert found.text[''].count(HOSTILE) == (3 if language == 'zh' else 1)  # title, heading, author


def test_names_and_poems_are_escaped(facts):
  poem = dataclasses.replace(facts.runs[0].poems['exercise', 'zero'][0], begin='<', sentences=[HOSTILE, '"'])
  first = dataclasses.replace(
      facts.runs[0], name=HOSTILE, weights=HOSTILE, training={'flags': {'recipe': HOSTILE}, 'command': HOSTILE,
                                                              'tensorflow': HOSTILE},
      poems={key: [poem] for key in facts.runs[0].poems})
  changed = dataclasses.replace(facts, runs=[first, *facts.runs[1:]], corpus=HOSTILE, opening='<&"')
  for language in report_page.LANGUAGES:
    text = page.page(changed, language)
    assert HOSTILE not in text and not Page(text).faults
    assert Page(text).text['poems'].count(HOSTILE) == 5  # the run's name, and its poems


def test_both_languages_have_the_same_sentences():
  assert list(english.TEXTS) == list(chinese.TEXTS)
  for key, text in english.TEXTS.items():
    fields = [[name for _, name, _, _ in string.Formatter().parse(one) if name] for one in (text, chinese.TEXTS[key])]
    assert sorted(fields[0]) == sorted(fields[1]), key
    for one in (text, chinese.TEXTS[key]):
      assert not Page(f'<p>{one}</p>').faults, key


def test_each_sentence_is_used():
  modules = page, sections, results, diagrams, words
  source = ''.join(open(module.__file__, encoding='utf-8').read() for module in modules)
  made = {*WAYS, *STATES, 'rnn', 'lstm', 'gru', 'rnn_text', 'lstm_text', 'gru_text', 'output'}
  for key in english.TEXTS:
    assert re.search(rf'[\'"]{key}[\'"]', source) or key in made, key


def test_the_languages_differ_and_are_named(written):
  assert '<html lang="en">' in written['en'] and '<html lang="zh-CN">' in written['zh']
  for key in ('summary', 'models', 'equations', 'training', 'perplexities', 'poems', 'gradients', 'settings'):
    assert f'<h2>{english.TEXTS[key]}</h2>' in written['en']
    assert f'<h2>{chinese.TEXTS[key]}</h2>' in written['zh']


def test_the_same_runs_give_the_same_bytes(facts, written):
  assert page.page(facts, author=HOSTILE) == written['en']  # one is measured without the other


def test_the_figures_are_those_of_evaluation(facts, few_runs, poems_file, english_page):
  test = corpus.training_parts(corpus.read_poems(poems_file), poems_file)['test']
  rows = {row[0]: row for row in english_page.tables['bars']}
  forms = {row[0]: row for row in english_page.tables['forms']}
  for name, run in zip(CELLS, facts.runs):
    loaded = run_dir.load(few_runs / name)
    figures = evaluation.evaluate(loaded.model, test, loaded.word2id)
    assert run.figures['perplexity'] == pytest.approx(figures['perplexity'], rel=1e-5)
    assert rows[name][2:] == [f'{figures["perplexity"]:,.1f}', f'{figures["chars_perplexity"]:,.1f}',
                              f'{figures["bits"]:.2f}']
    assert forms[name][1:] == [f'{figure["perplexity"]:,.1f}' for figure in figures['by_form'].values()]
    np.testing.assert_allclose(
        run.norms, evaluation.gradient_norms(loaded.model, loaded.word2id, test, distance=facts.distance), rtol=1e-4)


def test_the_ngrams_are_those_of_the_training_part(facts, poems_file, english_page):
  parts = corpus.training_parts(corpus.read_poems(poems_file), poems_file)
  word2id, _ = corpus.word_tables(corpus.build_vocabulary(parts['train']))
  ids, splits = corpus.encode_all(parts['test'], word2id)
  assert [order for order, _ in facts.ngrams] == list(measuring.ORDERS)
  for order, found in facts.ngrams:
    model = evaluation.KneserNey(*corpus.encode_all(parts['train'], word2id), len(word2id), order)
    expected = evaluation.summarize(parts['test'], ids, splits, model.nll(ids, splits))
    assert found == expected
    assert f'{expected["perplexity"]:,.1f}' in [row[2] for row in english_page.tables['bars'] if f'{order}-' in row[0]]


def test_the_poems_are_those_of_the_decoding_loop(facts, few_runs, english_page):
  options = {'exercise': EXERCISE, 'default': FREE}
  for name, run in zip(CELLS, facts.runs):
    loaded = run_dir.load(few_runs / name)
    begins = [begin for begin in corpus.SAMPLE_BEGINS if begin in loaded.word2id]
    assert len(begins) >= 5
    for way in WAYS:
      for state in STATES:
        expected = list(decoding.generate(
            zip(begins, range(len(begins))), model=loaded.model, word2id=loaded.word2id, id2word=loaded.id2word,
            init=state, xla=False, **options[way]))
        found = run.poems[way, state]
        assert [''.join(poem.sentences) for poem in found] == [''.join(words) for words in expected]
        assert [poem.sound for poem in found] == [soundness.is_sound(''.join(words)) for words in expected]
        for poem in found:
          assert all(sentence in english_page.text['poems'] for sentence in poem.sentences)


def test_the_summary(facts, english_page):
  rows = {row[0]: row for row in english_page.tables['summary'][1:]}
  assert list(rows) == [*CELLS, *(f'{order}-gram' for order in measuring.ORDERS)]
  for run in facts.runs:
    some, every = run.sound('exercise')
    assert rows[run.name][2:] == [
        f'{run.parameters:,}', '3', '1.5', f'{run.figures["perplexity"]:,.1f}', f'{some} of {every}',
        f'≥ {facts.distance}' if run.reach == facts.distance else str(run.reach)]
  best = min(facts.runs, key=lambda run: run.figures['perplexity'])
  assert f'{best.name} predicts the held-out poems best' in english_page.text['summary']
  assert 'b-lstm' in rows and '3 × 12 units' in rows['b-lstm'][1]


def test_parameters_of_the_layers_are_all(facts, few_runs):
  for name, run in zip(CELLS, facts.runs):
    model = run_dir.load(few_runs / name).model
    assert sum(layer.parameters for layer in run.layers) == model.count_params() == run.parameters
    assert all(before.units == after.width for before, after in zip(run.layers, run.layers[1:]))
  assert [(layer.kind, layer.first, layer.last) for layer in facts.runs[1].layers] == [
      ('embedding', 1, 1), ('lstm', 1, 1), ('lstm', 2, 3), ('output', 1, 1)]
  assert [layer.kind for layer in facts.runs[2].layers] == ['embedding', 'gru', 'projection', 'output']


def test_the_models_are_drawn(facts, english_page):
  pictures = [attributes for tag, attributes in english_page.tags if tag == 'svg' and attributes.get('role') == 'img']
  assert len(pictures) == 1 + len(CELLS) + 3 and all(picture['aria-label'] for picture in pictures)
  text = english_page.text['models']
  for run in facts.runs:
    assert f'{run.parameters:,} parameters' in text
    assert all(f'{layer.width:,} → {layer.units:,}' in text for layer in run.layers)
  assert 'LSTM, layer 1' in text and 'LSTM, layers 2–3' in text
  assert 'The output layer of c-gru is' in text and 'The softmax of d-before is adaptive' in text
  assert 'layers of b-lstm are normalised' in text


def test_the_cells_that_there_are_have_equations(facts, english_page):
  maths = [tag for tag, _ in english_page.tags if tag == 'math']
  assert len(maths) == 5  # four cells, and the output
  text = english_page.text['equations']
  assert '(c-gru), with reset_after=True' in text and '(d-before), with reset_after=False' in text
  alone = Page(page.page(dataclasses.replace(facts, runs=facts.runs[:1])))
  assert [tag for tag, _ in alone.tags].count('math') == 2 and 'LSTM' not in alone.text['equations']


def test_the_reset_gate_stands_where_it_acts():
  def plain(cell, after):
    return re.sub(r'<[^>]*>', '', equations.cell_equations(cell, after))

  assert 'tanh(xtWxh+bh+rt⊙(ht−1Whh+b′h))' in plain('gru', True)
  assert 'tanh(xtWxh+bh+(rt⊙ht−1)Whh)' in plain('gru', False) and '′' not in plain('gru', False)
  assert plain('rnn', True) == 'ht=tanh(xtWxh+ht−1Whh+bh)'
  assert plain('lstm', True).endswith('ct=ft⊙ct−1+it⊙c\u0303tht=ot⊙tanh(ct)')


def test_curves_have_a_point_an_epoch(facts, written):
  curve = facts.runs[2].curve
  assert curve.epochs == [1, 2, 3] and curve.start == 800 and curve.seconds == 90
  assert curve.train_loss == [row['train_loss'] for row in metrics(3)['epochs']]
  validation = re.search(r'<svg [^>]*aria-label="Validation perplexity">.*?</svg>', written['en'], re.DOTALL)[0]
  paths = re.findall(r'<path d="([^"]*)" clip-path', validation)
  lines = [path.count('L') + 1 for path in paths if path.count('\n')]
  assert sorted(lines)[-len(CELLS):] == [3, 3, 3, 4]  # one with the model that it began from
  assert 'Epoch 0' in Page(written['en']).text['training']


def test_what_a_run_did_not_record_is_left_out(facts):
  rows = [{'epoch': 2, 'train_loss': float('nan'), 'seconds': '7'}, {'epoch': 1, 'train_loss': 5.0}, {'epoch': True},
          {}]
  curve = measuring.curve_of(rows, {'start': 'nowhere'})
  assert (curve.epochs, curve.train_loss, curve.validation_perplexity) == ([1, 2], [5.0, None], [None, None])
  assert curve.start is None and curve.seconds is None
  empty = [dataclasses.replace(run, curve=measuring.curve_of([], {})) for run in facts.runs]
  found = Page(page.page(dataclasses.replace(facts, runs=empty)))
  assert 'No run recorded an epoch.' in found.text['training']
  some = [dataclasses.replace(run, curve=curve) for run in facts.runs]
  text = page.page(dataclasses.replace(facts, runs=some))
  assert 'aria-label="Loss, nats"' in text and 'aria-label="Validation perplexity"' not in text


def test_the_reach_of_gradients(facts, english_page):
  first = facts.runs[0]
  fallen = dataclasses.replace(first, norms=np.array([1, 0.5, 0.02, 0.009, 0.02]), name='near')
  assert fallen.reach == 2
  assert dataclasses.replace(first, norms=np.array([1, 0.5, 0.4])).reach == 2
  assert dataclasses.replace(first, norms=np.full(3, np.nan)).reach == 0
  far = dataclasses.replace(first, norms=np.linspace(1, 0.5, facts.distance + 1), name='far')
  near = dataclasses.replace(far, norms=np.geomspace(1, 1e-6, facts.distance + 1), name='near')
  english_words = words.Words('en')
  assert (f'reaches back: {near.reach} characters in near; {facts.distance} characters or more in far.'
          in results.gradients(dataclasses.replace(facts, runs=[far, near]), english_words))
  none = dataclasses.replace(facts, runs=[dataclasses.replace(first, norms=None)], distance=0)
  assert 'too short for this' in results.gradients(none, english_words)
  assert [row[0] for row in english_page.tables['distances']] == ['k', *CELLS]


def test_the_distance_leaves_enough_poems():
  def poems(*lengths):
    return [corpus.Poem('', '山' * length) for length in lengths]

  assert measuring._distance(poems(*[60] * 30)) == 50
  assert measuring._distance(poems(*[60] * 19, 24, 24, 10)) == 23
  assert measuring._distance(poems(12, 9)) == 8


def test_the_settings(facts, english_page):
  rows = {row[0]: row[1:] for row in english_page.tables['settings']}
  assert rows['setting'] == ['default', *CELLS] and rows['cell'] == ['gru', 'rnn', 'lstm', 'gru', 'gru']
  assert rows['epochs'] == ['10', '3', '3', '3', '3'] and rows['layers'] == ['1', '1', '3', '1', '1']
  text = english_page.text['settings']
  assert 'units=128' in text and 'layers=' not in text and 'python -m tangshi_tf.train --recipe=none' in text
  damaged = dataclasses.replace(facts, runs=[dataclasses.replace(facts.runs[0], training={'flags': 3, 'command': []})])
  found = Page(page.page(damaged))
  assert 'All runs have all defaults.' in found.text['settings'] and 'not recorded' in found.text['settings']


def test_runs_of_other_vocabularies_are_marked(few_runs, poems_file, tmp_path, facts):
  known = corpus.build_vocabulary(corpus.training_parts(corpus.read_poems(poems_file), poems_file)['train'])
  make_run(tmp_path / 'small', poems_file, words=[word for word in known if word not in corpus.SAMPLE_BEGINS][:300],
           cell='gru')
  text = report_page.write([few_runs / 'a-rnn', tmp_path / 'small'], tmp_path / 'page.html').read_text(encoding='utf-8')
  found = Page(text)
  assert 'do not know the same characters' in found.text['perplexities']
  assert 'None of the seven begin words' in found.text['poems']
  other = {row[0]: row for row in found.tables['bars']}
  assert other['5-gram'][2] != f'{facts.ngrams[-1][1]["perplexity"]:,.1f}'  # over the characters that both know


def test_a_line_of_a_plot_is_where_its_values_are():
  def heights(ys, **options):
    svg = plots.draw('x', [plots.Line(range(len(ys)), ys, 0)], 'x', **options)
    path = max(re.findall(r'<path d="([^"]*)" clip-path', svg), key=len)
    return [float(y) for _, y in re.findall(r'([\d.]+) ([\d.]+)', path)]

  low, middle, high = heights([1, 50, 99])
  assert low > middle > high and low - middle == pytest.approx(middle - high, rel=1e-3)
  low, middle, high = heights([1, 10, 100], log=True)
  assert low - middle == pytest.approx(middle - high, rel=1e-3)
  assert len(heights([1, None, 3, 4])) == 3
  assert heights([1, 2, 3]) == heights([1, 2, 3 + 1e-9])
