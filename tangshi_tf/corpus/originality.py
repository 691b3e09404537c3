"""Whether a text copies the corpus, in plain Python."""

from collections.abc import Iterable

from tangshi_tf import long_work
from tangshi_tf.corpus.poems import Poem
from tangshi_tf.corpus.text import verse_lines

SHORTEST_LINE = 4  # characters; shorter lines are anybody's


class Index:
  """The lines and the text of a corpus, to look up what poems have of them."""

  def __init__(self, poems: Iterable[Poem]):
    contents = [poem.content for poem in poems]
    self._lines = frozenset(line for content in long_work.told(contents, 'poems indexed', len(contents))
                            for line in verse_lines(content) if len(line) >= SHORTEST_LINE)
    self._text = '\n'.join(contents)

  def copied_lines(self, content: str, given: int = 0) -> list[str]:
    """Returns the lines of a poem that are in the corpus, of four characters or more.

    Args:
      content: the poem.
      given: how many characters were given to it, marks not counted; lines
        that lie among them do not count.
    """
    copied, characters = [], 0
    for line in verse_lines(content):
      characters += len(line)
      if characters > given and line in self._lines:
        copied.append(line)
    return copied

  def longest_run(self, content: str) -> str:
    """Returns the longest piece of a text, marks included, that is in one poem; the first of several."""
    longest = ''
    for start in range(len(content)):
      while (end := start + len(longest) + 1) <= len(content) and content[start:end] in self._text:
        longest = content[start:end]
    return longest
