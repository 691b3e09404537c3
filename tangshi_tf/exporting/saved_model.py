"""A SavedModel that writes and measures without this package: vocabulary, forms and the decoding loop are in its graph.

    loaded = tf.saved_model.load('exported/1')
    loaded.signatures['generate'](begin=tf.constant(['月']), form=tf.constant('七绝'), ...)

The signatures are described in the folder's README. A graph cannot leave an argument out, so some values ask for the
package's preset: -1 as temperature or max_len.
"""

import dataclasses
import pathlib

import numpy as np

from tangshi_tf import controls, corpus
from tangshi_tf.decoding import next_token, sampling
from tangshi_tf.decoding.compiled import write_tokens
from tangshi_tf.decoding.rules import GraphRules, RuleOptions, RuleState
from tangshi_tf.decoding.text import SENTENCE_ENDS
from tangshi_tf.exporting import generator, serving
from tangshi_tf.exporting.forms import Forms, Started
from tangshi_tf.exporting.texts import Words, checked
from tangshi_tf.model import loss as losses
from tangshi_tf.quiet import tf
from tangshi_tf.settings import ALWAYS, FORM, FREE, LONGEST

_DRAWING = 1  # as `loop` has it
_GENERATE = {'begin': ('string', 1), 'acrostic': ('string', 1), 'form': ('string', 0), 'rhyme': ('string', 0),
             'init': ('string', 0), 'temperature': ('float32', 0), 'top_k': ('int32', 0), 'top_p': ('float32', 0),
             'seed': ('int64', 1), 'max_len': ('int32', 0)}


def write(run, folder: pathlib.Path):
  """Writes the SavedModel.

  Args:
    run: a `run_dir.Run`.
    folder: an empty one.
  """
  exported = Exported(run)
  signatures = {name: getattr(exported, name) for name in ('generate', 'score')}
  tf.saved_model.save(exported, str(folder), signatures={**signatures, 'serving_default': exported.logits})
  serving.write_warmup(folder, {'generate': [_asked(form) for form in ('', *exported.forms.names[:1])],
                                'score': [{'texts': np.array(['月'])}]})


def _asked(form: str) -> dict:
  """Returns the inputs of `generate` that ask for a poem with the presets."""
  values = {'begin': [''], 'acrostic': [''], 'form': form, 'rhyme': '', 'init': 'zero', 'temperature': -1.0, 'top_k': 0,
            'top_p': 1.0, 'seed': [0], 'max_len': -1}
  return {name: np.array(values[name], None if dtype == 'string' else dtype) for name, (dtype, _) in _GENERATE.items()}


class Exported(tf.Module):
  """What is exported of a model.

  Attributes:
    word2id: its vocabulary.
    forms: those that can be asked for.
    generate, score, logits: the signatures.
  """

  def __init__(self, run):
    super().__init__(name='tangshi_tf')
    self._variables = [variable.value for variable in run.model.variables]
    # Past TensorFlow, which would save the variables again as the model's, and wraps dictionaries.
    self.__dict__.update(_model=run.model, word2id=run.word2id)
    self.words, self.forms = Words(run.word2id), Forms(run.word2id)
    begins = [word for word in corpus.SAMPLE_BEGINS if word in run.word2id] or list(corpus.SAMPLE_BEGINS)
    self._sample_begins = tf.constant(begins)
    told = [controls.Direction(form=name).ids(run.word2id) for name in self.forms.names]
    self._told = tf.constant([ids[0] if ids else -1 for ids in told], tf.int32)
    self._ends = tf.constant([word in SENTENCE_ENDS for word in sorted(run.word2id, key=run.word2id.__getitem__)])
    specs = {name: tf.TensorSpec((None,) * rank, dtype, name) for name, (dtype, rank) in _GENERATE.items()}
    self.generate = tf.function(self._generate, list(specs.values()), autograph=False)
    self.score = tf.function(self._score, [tf.TensorSpec((None,), tf.string, 'texts')], autograph=False)
    self.logits = tf.function(self._logits, [tf.TensorSpec((None, None), tf.int32, 'ids')], autograph=False)

  def _logits(self, ids):
    return {'logits': self._model(ids)}

  def _score(self, texts):
    ids = self.words.ids(texts)
    ids = tf.where(ids < 0, corpus.UNK_ID, ids)
    nats = self._nats(ids.to_tensor(-1), tf.constant(-1))
    return {'nats': tf.reduce_sum(nats, axis=1), 'tokens': tf.cast(ids.row_lengths(), tf.int32), 'nats_of_tokens': nats}

  def _generate(self, begin, acrostic, form, rhyme, init, temperature, top_k, top_p, seed, max_len):
    begin, asked = self._checked(begin, acrostic, form, rhyme, init, temperature, top_k, top_p, seed, max_len)
    lines = self.words.require_known('acrostic', acrostic, self.words.ids(acrostic))
    lines = tf.ragged.boolean_mask(lines, ~self._is_mark(lines))
    # An acrostic alone is in a form, too.
    longest = tf.reduce_max(tf.concat([lines.row_lengths(), [0]], 0))
    form = tf.where((form == '') & (longest > 0), tf.where(longest > 4, '七律', '七绝'), form)
    state = self._first_state(init, seed)

    def in_form():
      number = self.forms.number_of(form)
      started = self.forms.start(number, rhyme, self._begun(begin), lines, self._model.marks)
      return self._written_in_form(started, number, state, seed, asked)

    def free():
      return self._written_freely(begin, state, seed, asked, max_len)

    if not self.forms.names:
      begin = checked(form == '', ('form ', form, ': the vocabulary has no rhymes for a form'), begin)
    ids, told = tf.cond(form != '', in_form, free) if self.forms.names else free()
    return {'poems': self.words.texts(ids), 'log_probabilities': -tf.reduce_sum(self._nats(ids, told), axis=1)}

  def _is_mark(self, ids):
    return tf.ragged.map_flat_values(lambda flat: tf.reduce_any(flat[:, None] == self._model.marks, axis=1), ids)

  def _begun(self, begin):
    """Returns the ids of what poems begin with, marks at the very beginning left out."""
    ids = self.words.require_known('begin', begin, self.words.ids(begin))
    characters = tf.ragged.map_flat_values(tf.cast, ~self._is_mark(ids), tf.int32)
    inside = tf.cumsum(characters.to_tensor(), axis=1) > 0
    return tf.ragged.boolean_mask(ids, tf.RaggedTensor.from_tensor(inside, ids.row_lengths()))

  def _checked(self, begin, acrostic, form, rhyme, init, temperature, top_k, top_p, seed, max_len):
    """Returns the begin words and the ways of choosing, and fails where something cannot be used."""
    rows = tf.size(seed)
    checks = (
        ((tf.size(begin) == rows) & (tf.size(acrostic) == rows), 'begin, acrostic and seed: expected equally many'),
        (tf.reduce_all(seed >= 0), 'seed: expected numbers from 0'),
        ((form != '') | (rhyme == '') | tf.reduce_any(acrostic != ''), 'rhyme goes with a form; expected form, too'),
        (tf.reduce_any(init == tf.constant(['', 'zero', 'random'])), 'init: expected zero or random'),
        (((temperature >= 0) | (temperature == -1)) & (temperature <= 100), 'temperature: expected 0 to 100, or -1'),
        (top_k >= 0, 'top_k: expected a number from 0'), ((top_p > 0) & (top_p <= 1), 'top_p: expected above 0, to 1'),
        ((max_len >= 1) & (max_len <= LONGEST) | (max_len == -1), f'max_len: expected 1 to {LONGEST}, or -1'))
    for holds, message in checks:
      seed = checked(holds, (message,), seed)
    sample = tf.gather(self._sample_begins, tf.cast(seed % self._sample_begins.shape[0], tf.int32))
    begin = tf.where((begin == '') & (form == '') & ~tf.reduce_any(acrostic != ''), sample, begin)
    return begin, (temperature, top_k, top_p)

  def _first_state(self, init, seed):
    """Returns the state that poems begin with, before they are told anything."""
    model, tensors = self._model, self._model.state_tensors
    units = model.rnncell.units

    def drawn():
      numbers = generator.normal(seed, tensors * units) * np.float32(ALWAYS['state_stddev'])
      return tf.unstack(tf.reshape(numbers, (-1, tensors, units)), axis=1)

    return tf.cond(init == 'random', drawn, lambda: [tf.zeros((tf.size(seed), units)) for _ in range(tensors)])

  def _written_in_form(self, started: Started, form, state, seed, asked):
    rules = GraphRules(RuleOptions(self.word2id[corpus.end_token], True, FORM['max_repeat'], 0), self._model,
                       started.tables)
    told = self._told[form]
    state = tf.cond(told >= 0, lambda: self._model.step(tf.fill(tf.shape(seed), told), state)[1], lambda: list(state))
    begun = RuleState(started.patterns, started.group, self._from_bos(started.fixed))
    written = self._written(rules, started.fixed, tf.fill(tf.shape(seed), tf.shape(started.fixed)[1]), begun, state,
                            seed, asked, FORM)
    return written, told

  def _written_freely(self, begin, state, seed, asked, max_len):
    """Writes poems without a form, and leaves out the sentence that `max_len` cut."""
    ids = self._begun(begin)
    begun = tf.cast(ids.row_lengths(), tf.int32)
    ids = checked(tf.reduce_all((begun > 0) & (begun <= LONGEST)), ('begin: expected at least one character',), ids)
    limit = tf.maximum(tf.where(max_len == -1, FREE['max_len'], max_len) + 1, begun)
    fixed = ids.to_tensor(-1)
    fixed = tf.pad(fixed, [[0, 0], [0, tf.reduce_max(tf.concat([limit, [1]], 0)) - tf.shape(fixed)[1]]],
                   constant_values=-1)
    eos = self.word2id[corpus.end_token]
    rules = GraphRules(RuleOptions(eos, False, FREE['max_repeat'], FREE['shortest_line']), self._model, ())
    none = tf.zeros_like(begun)
    written = self._written(rules, fixed, limit, RuleState(none, none, self._from_bos(fixed)), state, seed, asked, FREE)
    place = tf.range(tf.shape(fixed)[1])[None]
    ended = (written == eos) & (place >= begun[:, None]) & (place < limit[:, None])
    size = tf.reduce_min(tf.where(ended, place, limit[:, None]), axis=1)
    is_end = tf.gather(self._ends, tf.maximum(written, 0)) & (place < size[:, None])
    last = tf.reduce_max(tf.where(is_end & (place + 1 >= tf.maximum(begun, 1)[:, None]), place + 1, 0), axis=1)
    size = tf.where(tf.reduce_any(ended, axis=1) | (last == 0), size, last)
    return tf.where(place < size[:, None], written, -1), tf.constant(-1)

  def _from_bos(self, fixed):
    return tf.pad(fixed, [[0, 0], [1, 0]], constant_values=self.word2id[corpus.start_token])

  def _written(self, rules: GraphRules, fixed, limit, begun: RuleState, state, seed, asked, preset):
    """Returns ids `[rows, n]` after bos, `n` the width of what is fixed; see `compiled.write_tokens`."""
    temperature, top_k, top_p = asked
    temperature = tf.where(temperature == -1, np.float32(preset['temperature']), temperature)
    greedy = temperature < sampling.MIN_TEMPERATURE
    temperature = tf.where(greedy, 1.0, temperature)
    number = tf.where(top_k == 0, self._model.dense.units, top_k)
    likeliest, plain = sampling.Sampling(), sampling.Sampling(1.0, min_p=preset['min_p'])
    among_few = _InGraph(1.0, number, top_p, preset['min_p'])
    uniforms = generator.uniform(seed, _DRAWING, tf.shape(fixed)[1] + 1, LONGEST + 2)[:, 1:]
    bos = tf.fill(tf.shape(seed), self.word2id[corpus.start_token])

    def by(way):
      def written():
        choose_for = next_token.chooser(self._model, rules, way, temperature, False)
        return write_tokens(self._model, rules, choose_for, bos, list(state), fixed, limit, uniforms,
                            tf.ones_like(limit), begun)[0]

      return written

    return tf.cond(greedy, by(likeliest), lambda: tf.cond((top_k > 0) | (top_p < 1), by(among_few), by(plain)))

  def _nats(self, ids, told):
    """Returns -log of the probability of each id after bos and what comes before, float32 `[rows, n]`.

    Args:
      ids: int32 `[rows, n]`, -1 where there is none any more.
      told: the id of what comes before bos, -1 for nothing.
    """
    model = self._model
    state = [tf.zeros((tf.shape(ids)[0], model.rnncell.units)) for _ in range(model.state_tensors)]
    state = tf.cond(told >= 0, lambda: model.step(tf.fill(tf.shape(ids)[:1], told), state)[1], lambda: list(state))
    real, words = ids >= 0, tf.maximum(ids, 0)
    read = tf.pad(words, [[0, 0], [1, 0]], constant_values=self.word2id[corpus.start_token])[:, :-1]
    nats, _ = losses.batch_nll(model, read, words, tf.math.count_nonzero(real, axis=1, dtype=tf.int32), state)
    return tf.scatter_nd(tf.where(real), nats, tf.shape(ids, tf.int64))


@dataclasses.dataclass(frozen=True)
class _InGraph(sampling.Sampling):
  """With tensors, which the graph checks."""

  def __post_init__(self):
    pass
