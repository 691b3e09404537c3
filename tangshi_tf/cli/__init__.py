"""What the command lines share: parsing, one-line errors, the standard streams, signals."""

from tangshi_tf.cli.arguments import define_model, define_number
from tangshi_tf.cli.command import BAD_INPUT, call_as, called, run, with_flags
from tangshi_tf.cli.given_texts import texts
from tangshi_tf.cli.signals import exit_in_order, interruptible
from tangshi_tf.cli.streams import BROKEN_PIPE, UNWRITABLE
from tangshi_tf.errors import HUNG_UP, INTERRUPTED, TERMINATED

__all__ = [
    'BAD_INPUT', 'BROKEN_PIPE', 'HUNG_UP', 'INTERRUPTED', 'TERMINATED', 'UNWRITABLE', 'call_as', 'called',
    'define_model', 'define_number', 'exit_in_order', 'interruptible', 'run', 'texts', 'with_flags',
]
