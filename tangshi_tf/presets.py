"""How poems are written where nothing else is asked for: options of `decoding.generate`, without TensorFlow."""

from typing import Any

SCHEDULES = ('constant', 'cosine', 'decay', 'plateau')

# The exercise's bare loop.
EXERCISE: dict[str, Any] = {'bos_first': False, 'temperature': 0.0, 'min_p': 0.0, 'max_repeat': 0, 'shortest_line': 0,
                            'max_len': 30, 'whole_sentences': False}
# Poems without a form: chosen by scripts/reports/verse_report.py. 32 are four lines of seven with their marks.
FREE: dict[str, Any] = {'bos_first': True, 'temperature': 0.5, 'min_p': 0.02, 'max_repeat': 1, 'shortest_line': 3,
                        'max_len': 32, 'whole_sentences': True}
# Poems in a form, which has its own length and begins with bos.
FORM: dict[str, Any] = {'temperature': 0.8, 'min_p': 0.0, 'max_repeat': 1}
