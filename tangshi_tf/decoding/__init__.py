"""Writing poems."""

from tangshi_tf.decoding.loop import (
    BATCH,
    INITS,
    MAX_LEN,
    MAX_STDDEV,
    SENTENCE_ENDS,
    STATE_STDDEV,
    FormTables,
    check_max_len,
    compiled_decoder,
    encode_begin,
    gen_poem,
    generate,
    plan_tables,
    split_sentences,
    tables_spec,
    without_cut_sentence,
)
from tangshi_tf.decoding.sampling import (
    BLOCK,
    COLDEST,
    MAX_SHORTEST_LINE,
    MAX_TEMPERATURE,
    Sampling,
    draw,
    filtered,
    first_above,
    guarded,
    in_blocks,
    most_likely,
    without_repeats,
    without_short_lines,
)

__all__ = [
    'BATCH', 'BLOCK', 'COLDEST', 'FormTables', 'INITS', 'MAX_LEN', 'MAX_SHORTEST_LINE', 'MAX_STDDEV',
    'MAX_TEMPERATURE', 'SENTENCE_ENDS', 'STATE_STDDEV', 'Sampling', 'check_max_len', 'compiled_decoder', 'draw',
    'encode_begin', 'filtered', 'first_above', 'gen_poem', 'generate', 'guarded', 'in_blocks', 'most_likely',
    'plan_tables', 'split_sentences', 'tables_spec', 'without_cut_sentence', 'without_repeats',
    'without_short_lines',
]
