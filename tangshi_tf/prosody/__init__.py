"""Tones, rhymes and verse forms, in plain Python."""

from tangshi_tf.corpus import OTHER, form_of
from tangshi_tf.prosody.checking import Check, Fault, as_checked, check, check_text, check_tones
from tangshi_tf.prosody.forms import FORMS, KINDS, TONES, Form, Pattern, find_form, line_pattern, patterns
from tangshi_tf.prosody.tones import (
    EITHER,
    LEVEL,
    OBLIQUE,
    UNKNOWN,
    find_group,
    fits,
    level_groups,
    readings,
    rhymes_of,
    spelled,
    tone,
    usual_rhymes_of,
)

__all__ = [
    'Check', 'EITHER', 'FORMS', 'Fault', 'Form', 'KINDS', 'LEVEL', 'OBLIQUE', 'OTHER', 'Pattern', 'TONES', 'UNKNOWN',
    'as_checked', 'check', 'check_text', 'check_tones', 'find_form', 'find_group', 'fits', 'form_of', 'level_groups',
    'line_pattern', 'patterns', 'readings', 'rhymes_of', 'spelled', 'tone', 'usual_rhymes_of',
]
