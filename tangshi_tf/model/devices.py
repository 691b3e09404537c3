"""What computes, what it is good at, and how its memory is handled."""

import contextlib
import ctypes
import functools
import os
import pathlib

from tangshi_tf.quiet import quiet_start, tf

# From malloc.h of the GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

# The oldest NVIDIA GPUs, and the processor flags, with units for products of 16-bit floats.
_COMPUTE_CAPABILITY = {'bfloat16': (8, 0), 'float16': (7, 0)}
_CPU_FLAGS = {'bfloat16': {'avx512_bf16', 'amx_bf16'}, 'float16': {'avx512_fp16', 'amx_fp16'}}

_THREADS = 'TF_NUM_INTRAOP_THREADS'  # TensorFlow reads it
_MOST_LOOPS = 4  # side by side; products of fewer rows take longer


def start(to_write: bool = False) -> str:
  """Starts TensorFlow's devices and returns one line that says which one computes.

  Args:
    to_write: whether the process does little else than write poems. Then TensorFlow does not look for faster graphs:
      the decoding loop's would be no faster, and start 0.1 s later. And it does `share_cores`.
  """
  prepare()
  if to_write:
    tf.config.optimizer.set_experimental_options({'disable_meta_optimizer': True})
    share_cores()
  with quiet_start():
    tf.config.list_logical_devices()
  gpus = tf.config.list_physical_devices('GPU')
  if gpus:
    names = [tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name) for gpu in gpus]
    return f'Device: GPU ({", ".join(names)})'
  return f'Device: CPU ({cores()} cores); TensorFlow sees no GPU'


def prepare():
  """Settles how memory is taken, on a GPU as it is needed, so that two programs can share it; starts nothing."""
  _tune_malloc()
  for gpu in tf.config.list_physical_devices('GPU'):
    tf.config.experimental.set_memory_growth(gpu, True)


def share_cores():
  """Gives each of the loops that write many poems its share of the cores, where TensorFlow has not started yet.

  Else each of their operations takes all cores and waits for the other loop's. The environment can say otherwise.
  """
  if _THREADS not in os.environ:
    with contextlib.suppress(RuntimeError):  # it has started
      tf.config.threading.set_intra_op_parallelism_threads(cores() // loops())


def has_gpu() -> bool:
  """Returns whether TensorFlow sees a GPU."""
  return bool(tf.config.list_physical_devices('GPU'))


def gains(precision: str) -> bool:
  """Returns whether the device has units for products of 'float32', 'bfloat16' or 'float16'."""
  if precision == 'float32':
    return True
  gpus = tf.config.list_physical_devices('GPU')
  if gpus:
    capability = tf.config.experimental.get_device_details(gpus[0]).get('compute_capability', (0, 0))
    return capability >= _COMPUTE_CAPABILITY[precision]
  return bool(_CPU_FLAGS[precision] & _processor_flags())


@functools.cache
def has_xla() -> bool:
  """Returns whether this TensorFlow can compile with XLA (its builds for Windows cannot)."""
  try:
    with quiet_start():  # older releases log what XLA says when it starts
      tf.function(lambda: tf.constant(0), autograph=False, jit_compile=True)()
  except (tf.errors.OpError, ValueError):
    return False
  return True


def _processor_flags() -> set[str]:
  """Returns what Linux says of the processor; nothing elsewhere."""
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
  except OSError:
    return set()
  return next((set(line.split()) for line in lines if line.startswith('flags')), set())


def _tune_malloc():
  """Suits the GNU C library's malloc to steps that need the same large blocks again and again.

  Blocks of many megabytes that are freed stay with the process: fetching them
  anew from the kernel, cleared, can take a third of the time. All threads
  share two pools: 5% less memory than one for each of TensorFlow's threads.
  """
  with contextlib.suppress(OSError, AttributeError):  # another C library
    mallopt = ctypes.CDLL('libc.so.6').mallopt
    for option, value in ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**30), (_M_ARENA_MAX, 2)):
      mallopt(option, value)


def cores() -> int:
  """Returns how many cores there are for this process; 1 where the system does not tell."""
  return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def loops() -> int:
  """Returns how many decoding loops side by side are fastest for many poems."""
  return 1 if has_gpu() else min(cores(), _MOST_LOOPS)
