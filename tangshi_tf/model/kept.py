"""What is made once for a model and kept with it."""

import functools
from collections.abc import Callable

from tangshi_tf import quiet
from tangshi_tf.errors import UserError


def require_start():
  """Checks that TensorFlow computes here and now.

  Raises:
    UserError: this is inside of a graph that is being made, or a graph would
      wait for ever for threads that a forked process does not have.
  """
  if not quiet.tf.executing_eagerly():
    raise UserError('called while a graph is made, as in tf.function or Dataset.map; expected a call from plain '
                    'Python, or through tf.py_function')
  if quiet.was_started_before_fork():
    raise UserError("TensorFlow was started before this process was forked, and cannot go on here; expected a process "
                    "that is spawned, as multiprocessing.get_context('spawn') starts them")


def kept_with_model(most: int | None) -> Callable[[Callable], Callable]:
  """Makes a function of a model and more, such as one that compiles a graph, remember what it returned last.

  A cache of the function would keep the model alive, since graphs refer to it.
  This one is a part of the model, and goes with it.

  Args:
    most: how many results are kept for a model, None for all.
  """
  def decorate(make):
    @functools.wraps(make)
    def find(model, *arguments):
      require_start()
      kept = model.__dict__.setdefault('_kept', {})  # past Keras, which tracks what is set as an attribute
      if make not in kept:
        kept[make] = functools.lru_cache(most)(functools.partial(make, model))
      return kept[make](*arguments)

    return find

  return decorate
