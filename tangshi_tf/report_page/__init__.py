"""A report on runs as one page: what a student hands in and a teacher reads.

    runs.py       which runs, and the poems that they were trained on
    measuring.py  what is measured of them: the one module here that loads TensorFlow
    facts.py      what is known of them then
    page.py       the page that says so, of the parts in sections.py, results.py, diagrams.py, equations.py and plots.py
    words.py      all sentences, in English and Chinese
"""

from tangshi_tf.report_page.words import LANGUAGES
from tangshi_tf.report_page.writing import write

__all__ = ['LANGUAGES', 'write']
