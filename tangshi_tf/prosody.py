"""Verse forms, in plain Python."""

from tangshi_tf import corpus

# Lines and characters a line of the four standard forms.
FORMS = {'五绝': (4, 5), '七绝': (4, 7), '五律': (8, 5), '七律': (8, 7)}
OTHER = 'other'


def form_of(content: str) -> str:
  """Returns the form whose line count and line lengths a poem has, whatever its tones and rhymes, or 'other'."""
  lengths = [len(line) for line in corpus.verse_lines(content)]
  for name, (lines, characters) in FORMS.items():
    if lengths == [characters] * lines:
      return name
  return OTHER
