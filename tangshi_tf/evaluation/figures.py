"""The figures that say how well a model predicts poems."""

import collections
import math
from collections.abc import Iterable

import numpy as np

from tangshi_tf import controls, corpus, long_work, prosody, run_dir
from tangshi_tf.errors import UserError
from tangshi_tf.evaluation.held_out import HeldOut
from tangshi_tf.evaluation.likelihood import token_nll
from tangshi_tf.evaluation.measures import perplexity as perplexity_of
from tangshi_tf.settings import require_iterable
from tangshi_tf.short import shown


def evaluate(model, poems: list[corpus.Poem], word2id: dict[str, int], told: Iterable[str] = ()) -> dict:
  """Measures a model on poems.

  Args:
    model: a `myRNNModel`.
    poems: at least one.
    word2id: the model's vocabulary.
    told: what each poem is told of itself, some of `controls.KINDS`.

  Returns:
    See `summarize`.

  Raises:
    UserError: there are no poems, or they are something else; or the model cannot
      be told that.
  """
  poems = corpus.require_poems(poems)
  if not poems:
    raise UserError('no poems; expected at least one')
  corpus.require_vocabulary(word2id)
  kinds = list(require_iterable('told', told, f'a list of some of {", ".join(controls.KINDS)}'))
  known = controls.kinds_of(word2id)
  for kind in kinds:
    if kind not in known:
      raise UserError(f'told {shown(kind)}: the model is not told one; expected '
                      + (f'one of {", ".join(known)}' if known else 'a model with controls'))
  prefixes = [controls.Direction.of_poem(poem, kinds).ids(word2id) for poem in poems]
  ids, splits = corpus.encode_all(poems, word2id, prefixes)
  nll = token_nll(model, ids, splits)
  own = np.ones(len(ids), bool)  # without what they are told
  for first, prefix in zip(splits, prefixes):
    own[first:first + len(prefix)] = False
  splits = splits - np.cumsum([0, *map(len, prefixes)])
  return summarize(poems, ids[own], splits, nll[own])


def evaluate_run(run, held_out: HeldOut, told: Iterable[str] = ()) -> dict:
  """Measures a loaded run.

  Args:
    run: a `run_dir.Run`.
    held_out: the poems.
    told: see `evaluate`.

  Returns:
    The figures of `summarize`, and 'model', its name; 'split', what the poems
    are; 'left_out', how many were left out for their length; 'other_corpus',
    whether the model was trained on another corpus than they are a part of.

  Raises:
    UserError: one of them is something else.
  """
  if not isinstance(run, run_dir.Run) or not isinstance(held_out, HeldOut):
    raise UserError(f'run {shown(run)} and poems {shown(held_out)}: expected what run_dir.load and '
                    'evaluation.read_held_out return')
  trained_on = run.config.get('training', {}).get('corpus_sha256')
  return {'model': run.name, 'split': held_out.source, 'left_out': held_out.left_out,
          'other_corpus': held_out.fingerprint not in (None, trained_on),
          **evaluate(run.model, held_out.poems, run.word2id, told)}


def summarize(poems: list[corpus.Poem], ids: np.ndarray, splits: np.ndarray, nll: np.ndarray) -> dict:
  """Sums up what tokens cost.

  Args:
    poems: at least one.
    ids, splits: the same encoded, see `corpus.encode_all`.
    nll: negative log-likelihood in nats of each token `[tokens]`.

  Returns:
    'poems'; 'tokens', which are all characters and the eos of each poem;
    'unknown', how many of them are not in the vocabulary; 'nll', nats a token;
    'bits', the same in bits; 'perplexity', exp(nll); 'chars' and
    'chars_perplexity', over characters without punctuation and eos;
    'by_form', for each verse form that occurs its 'poems', 'tokens' and
    'perplexity'; 'by_position', for lines of 5 and of 7 characters the
    perplexity of each position in the line.
  """
  counted = np.ones(len(ids), bool)
  counted[splits[:-1]] = False
  character = np.zeros(len(ids), bool)
  line_place = collections.defaultdict(list)  # (characters of the line, position from 0): where they stand
  forms = collections.defaultdict(list)
  for i, poem in enumerate(long_work.told(poems, 'poems summed up', len(poems))):
    forms[prosody.form_of(poem.content)].append(i)
    first = splits[i] + 1
    character[first:splits[i + 1] - 1] = [mark not in corpus.PUNCTUATION for mark in poem.content]
    for start, line in _lines(poem.content):
      if len(line) in (5, 7):
        for j in range(len(line)):
          line_place[len(line), j].append(first + start + j)

  def perplexity(where):
    return perplexity_of(float(np.mean(nll[where], dtype=np.float64)))

  mean = float(np.mean(nll[counted], dtype=np.float64))
  return {
      'poems': len(poems), 'tokens': int(counted.sum()), 'unknown': int(np.sum(ids == corpus.UNK_ID)), 'nll': mean,
      'bits': mean / math.log(2), 'perplexity': perplexity_of(mean), 'chars': int(character.sum()),
      'chars_perplexity': perplexity(character) if character.any() else None,
      'by_form': {form: _form_figures(members, splits, perplexity)
                  for form in (*prosody.FORMS, prosody.OTHER) if (members := forms.get(form))},
      'by_position': {length: [perplexity(line_place[length, j]) for j in range(length)]
                      for length in (5, 7) if line_place[length, 0]},
  }


def table(figures: dict) -> str:
  """Returns figures (those of `summarize`, 'model', 'split' and 'left_out') for people."""
  lines = [f'{figures["model"]} on {figures["split"]}: {figures["poems"]:,} poems, {figures["tokens"]:,} tokens'
           + (f', {figures["unknown"]:,} of them outside the vocabulary' if figures['unknown'] else '')
           + (f' ({figures["left_out"]:,} poems of more than {corpus.MAX_TOKENS} tokens left out)'
              if figures['left_out'] else ''), '']
  rows = [('perplexity', f'{figures["perplexity"]:.2f}'), ('nats a token', f'{figures["nll"]:.4f}'),
          ('bits a token', f'{figures["bits"]:.4f}')]
  if figures['chars_perplexity'] is not None:
    rows.append(('perplexity of characters, without punctuation and eos', f'{figures["chars_perplexity"]:.2f}'))
  rows += [(f'perplexity of {form}, {row["poems"]:,} poems', f'{row["perplexity"]:.2f}')
           for form, row in figures['by_form'].items()]
  rows += [(f'perplexity by position in lines of {length}', ' '.join(f'{value:.0f}' for value in values))
           for length, values in figures['by_position'].items()]
  return '\n'.join(lines + [f'{value:>10}  {name}' for name, value in rows if len(value) <= 10]
                   + [f'{name}: {value}' for name, value in rows if len(value) > 10])


def _form_figures(members, splits, perplexity):
  where = np.concatenate([np.arange(splits[i] + 1, splits[i + 1]) for i in members])
  return {'poems': len(members), 'tokens': len(where), 'perplexity': perplexity(where)}


def _lines(content: str):
  """Yields the start and the text of each verse line."""
  start = 0
  for i, mark in enumerate([*content, corpus.PUNCTUATION[0]]):
    if mark in corpus.PUNCTUATION:
      if i > start:
        yield start, content[start:i]
      start = i + 1
