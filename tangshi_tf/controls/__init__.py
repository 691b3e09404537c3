"""What a poem is told before it begins: its dynasty, form, poet and title; without TensorFlow."""

from tangshi_tf.controls.direction import Direction
from tangshi_tf.controls.words import KINDS, LONGEST_TITLE, TITLE, control_words, kinds_of, names_of, title_characters

__all__ = ['KINDS', 'LONGEST_TITLE', 'TITLE', 'Direction', 'control_words', 'kinds_of', 'names_of',
           'title_characters']
