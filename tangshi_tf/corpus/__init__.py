"""Poems, vocabularies and the leak-free split, without TensorFlow."""

from tangshi_tf.corpus.poems import (
    FORMATS,
    MAX_TOKENS,
    PUNCTUATION,
    SAMPLE_BEGINS,
    SPLITS,
    Poem,
    default_corpus_path,
    fingerprint,
    keep_short,
    read_poems,
    read_text,
    titled_poem,
    to_bytes,
    to_line,
    verse_lines,
)
from tangshi_tf.corpus.split import (
    check_training_part,
    digest,
    digests,
    judged_lines,
    keep_parts,
    near_duplicate_groups,
    part_of,
    split_poems,
    training_parts,
)
from tangshi_tf.corpus.vocabulary import (
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    build_vocabulary,
    encode,
    encode_all,
    end_token,
    id_table,
    pad_token,
    start_token,
    tokenize,
    unknown_token,
    word_tables,
)

__all__ = [
    'FORMATS', 'MAX_TOKENS', 'PAD_ID', 'PUNCTUATION', 'Poem', 'SAMPLE_BEGINS', 'SPECIAL_TOKENS', 'SPLITS', 'UNK_ID',
    'build_vocabulary', 'check_training_part', 'default_corpus_path', 'digest', 'digests', 'encode', 'encode_all',
    'end_token', 'fingerprint', 'id_table', 'judged_lines', 'keep_parts', 'keep_short', 'near_duplicate_groups',
    'pad_token', 'part_of', 'read_poems', 'read_text', 'split_poems', 'start_token', 'titled_poem', 'to_bytes',
    'to_line', 'tokenize', 'training_parts', 'unknown_token', 'verse_lines', 'word_tables',
]
