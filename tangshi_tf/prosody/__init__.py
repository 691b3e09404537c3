"""Tones, rhymes and verse forms, in plain Python."""

from tangshi_tf.prosody.checking import Check, Fault, check, check_text, check_tones
from tangshi_tf.prosody.forms import FORMS, OTHER, TONES, Form, Pattern, find_form, form_of, line_pattern, patterns
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
    tone,
    usual_rhymes_of,
)

__all__ = [
    'Check', 'EITHER', 'FORMS', 'Fault', 'Form', 'LEVEL', 'OBLIQUE', 'OTHER', 'Pattern', 'TONES', 'UNKNOWN', 'check',
    'check_text', 'check_tones', 'find_form', 'find_group', 'fits', 'form_of', 'level_groups', 'line_pattern',
    'patterns', 'readings', 'rhymes_of', 'tone', 'usual_rhymes_of',
]
