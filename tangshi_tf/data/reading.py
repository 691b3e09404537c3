"""What a batch is, and batches from a dataset whose files may fail."""

from tangshi_tf.errors import PassingError, UserError
from tangshi_tf.quiet import tf

BATCH_SPEC = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.int32),
              tf.TensorSpec((None,), tf.int32))

# What TensorFlow raises where another process or a remote file does not answer.
OUTAGES = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError,
           tf.errors.DeadlineExceededError)


def read(ds):
  """Yields what a dataset has.

  Raises:
    PassingError: its files cannot be read at present.
    UserError: they cannot be read.
  """
  try:
    yield from ds
  except tf.errors.ResourceExhaustedError:
    raise
  except OUTAGES as error:
    raise PassingError(f'the corpus cannot be read at present ({error.message}); resume the run to go on') from None
  except tf.errors.OpError as error:
    raise UserError(f'the corpus cannot be read any more ({error.message}); expected it to stay as it is; the last '
                    'checkpoint is kept') from None
