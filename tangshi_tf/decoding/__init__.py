"""Writing poems: in batches, by beam search, as the best of several candidates, or together with a person."""

from tangshi_tf.decoding.beam import beam_search
from tangshi_tf.decoding.candidates import MAX_ROUNDS, Candidate, write_best
from tangshi_tf.decoding.form_plan import FormPlan
from tangshi_tf.decoding.interactive import Session, converse
from tangshi_tf.decoding.loop import INITS, MAX_STDDEV, STATE_STDDEV, gen_poem, generate
from tangshi_tf.decoding.rules import MAX_LEN, MAX_SHORTEST_LINE, Rules
from tangshi_tf.decoding.sampling import MAX_TEMPERATURE, MIN_TEMPERATURE, Sampling
from tangshi_tf.decoding.text import encode_begin, split_sentences, without_cut_sentence

__all__ = [
    'Candidate', 'FormPlan', 'INITS', 'MAX_LEN', 'MAX_ROUNDS', 'MAX_SHORTEST_LINE', 'MAX_STDDEV', 'MAX_TEMPERATURE',
    'MIN_TEMPERATURE', 'Rules', 'STATE_STDDEV', 'Sampling', 'Session', 'beam_search', 'converse', 'encode_begin',
    'gen_poem', 'generate', 'split_sentences', 'without_cut_sentence', 'write_best',
]
