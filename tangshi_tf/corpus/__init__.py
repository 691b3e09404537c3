"""Poems, their text, vocabularies and the leak-free split, without TensorFlow."""

from tangshi_tf.corpus.poems import (
    MAX_TOKENS,
    SAMPLE_BEGINS,
    SPLITS,
    Poem,
    default_corpus_path,
    fingerprint,
    keep_short,
    read_text,
    to_bytes,
    to_line,
)
from tangshi_tf.corpus.poets import poems_by_poet, poets_path, poets_text, with_poets
from tangshi_tf.corpus.reading import FORMATS, FORMATS_HELP, poems_in, read_poems, to_poem
from tangshi_tf.corpus.report import Report
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
    without_near_duplicates,
)
from tangshi_tf.corpus.text import (
    OTHER,
    PUNCTUATION,
    SHAPES,
    Spelling,
    clean,
    form_of,
    is_han,
    note_of,
    to_traditional,
    verse,
    verse_lines,
    without_notes,
)
from tangshi_tf.corpus.vocabulary import (
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    build_vocabulary,
    count_words,
    encode,
    encode_all,
    end_token,
    id_table,
    is_control,
    pad_token,
    require_poems,
    require_vocabulary,
    start_token,
    tokenize,
    unknown_token,
    vocabulary_of,
    word_tables,
)

__all__ = [
    'FORMATS', 'FORMATS_HELP', 'MAX_TOKENS', 'OTHER', 'PAD_ID', 'PUNCTUATION', 'Poem', 'Report', 'SAMPLE_BEGINS',
    'SHAPES', 'SPECIAL_TOKENS', 'SPLITS', 'Spelling', 'UNK_ID', 'build_vocabulary', 'check_training_part', 'clean',
    'count_words', 'default_corpus_path', 'digest', 'digests', 'encode', 'encode_all', 'end_token', 'fingerprint',
    'form_of', 'id_table', 'is_control', 'is_han', 'judged_lines', 'keep_parts', 'keep_short',
    'near_duplicate_groups', 'note_of', 'pad_token', 'part_of', 'poems_by_poet', 'poems_in', 'poets_path',
    'poets_text', 'read_poems', 'read_text', 'require_poems', 'require_vocabulary', 'split_poems', 'start_token',
    'to_bytes', 'to_line', 'to_poem', 'to_traditional', 'tokenize', 'training_parts', 'unknown_token', 'verse',
    'verse_lines', 'vocabulary_of', 'with_poets', 'without_near_duplicates', 'without_notes', 'word_tables',
]
