"""Writing poems: in batches, by beam search, as the best of several candidates, or together with a person.

TensorFlow is loaded with the first name that needs it.
"""

from typing import TYPE_CHECKING

from tangshi_tf import lazy

if TYPE_CHECKING:
  from tangshi_tf.decoding.beam import beam_search
  from tangshi_tf.decoding.candidates import Candidate, write_best
  from tangshi_tf.decoding.form_plan import FormPlan
  from tangshi_tf.decoding.interactive import Session, converse
  from tangshi_tf.decoding.loop import gen_poem, generate, stream
  from tangshi_tf.decoding.poem import WrittenPoem
  from tangshi_tf.decoding.request import Request
  from tangshi_tf.decoding.rules import Rules
  from tangshi_tf.decoding.sampling import Sampling
  from tangshi_tf.decoding.text import encode_begin, split_sentences, without_cut_sentence
  from tangshi_tf.decoding.writer import Writer, load

__getattr__, __dir__ = lazy.names(__name__, {
    'tangshi_tf.decoding.beam': ('beam_search',),
    'tangshi_tf.decoding.candidates': ('Candidate', 'write_best'),
    'tangshi_tf.decoding.form_plan': ('FormPlan',),
    'tangshi_tf.decoding.interactive': ('Session', 'converse'),
    'tangshi_tf.decoding.loop': ('gen_poem', 'generate', 'stream'),
    'tangshi_tf.decoding.poem': ('WrittenPoem',),
    'tangshi_tf.decoding.request': ('Request',),
    'tangshi_tf.decoding.rules': ('Rules',),
    'tangshi_tf.decoding.sampling': ('Sampling',),
    'tangshi_tf.decoding.text': ('encode_begin', 'split_sentences', 'without_cut_sentence'),
    'tangshi_tf.decoding.writer': ('Writer', 'load'),
})
__all__ = [
    'Candidate', 'FormPlan', 'Request', 'Rules', 'Sampling', 'Session', 'Writer', 'WrittenPoem', 'beam_search',
    'converse', 'encode_begin', 'gen_poem', 'generate', 'load', 'split_sentences', 'stream', 'without_cut_sentence',
    'write_best',
]
