"""Tones, rhymes and verse forms, in plain Python.

A character is level (平), oblique (仄) or, in different words, both (中); its rhyme
groups are those of the Pingshui table, see `scripts/build/build_pingshui.py`. A regulated
poem follows one of four patterns. With the second and the fourth character of a line of
five (the second, fourth and sixth of seven) and the last one fixed, there are four kinds
of lines, as in Wang Li, 诗词格律 (1962):

    A 仄仄平平仄   B 平平仄仄平   C 平平平仄仄   D 仄仄仄平平

and with two more characters of the other tone before them those of seven. The lines of
a couplet are opposed (对: A B or C D), those of neighbouring couplets agree (粘: B C or
D A), and the first line may rhyme (then it is D for A, or B for C).

The odd positions are free (一三五不论), but `strict` forbids what makes a line ugly:

* 孤平: B whose first character (third of seven) is oblique, unless the third (fifth)
  is level in exchange (仄平平仄平);
* 三平尾: D that ends in three level characters;
* 三仄尾: C that ends in three oblique characters; 平平仄平仄 for C is allowed, as it was
  in Tang times.

`loose` lets all three pass. Rhymes are level, on the even lines and on the first one
where the pattern says so, and all of one group. A character that the table does not have
fits everywhere, and is noted.
"""

from tangshi_tf.prosody.checking import Check, Fault, check, check_text, check_tones
from tangshi_tf.prosody.forms import (
    EXCHANGED,
    FORMS,
    KINDS,
    MOST_CHARACTERS,
    MOST_LINES,
    OTHER,
    TONES,
    Form,
    Pattern,
    find_form,
    form_of,
    line_pattern,
    patterns,
)
from tangshi_tf.prosody.tones import (
    EITHER,
    LEVEL,
    OBLIQUE,
    TABLE,
    UNKNOWN,
    find_group,
    fits,
    level_groups,
    readings,
    rhyme_groups,
    rhymes_of,
    tone,
    usual_rhymes_of,
)

__all__ = [
    'Check', 'EITHER', 'EXCHANGED', 'FORMS', 'Fault', 'Form', 'KINDS', 'LEVEL', 'MOST_CHARACTERS', 'MOST_LINES',
    'OBLIQUE', 'OTHER', 'Pattern', 'TABLE', 'TONES', 'UNKNOWN', 'check', 'check_text', 'check_tones', 'find_form',
    'find_group', 'fits', 'form_of', 'level_groups', 'line_pattern', 'patterns', 'readings', 'rhyme_groups',
    'rhymes_of', 'tone', 'usual_rhymes_of',
]
