"""How likely a model finds texts, token by token."""

from typing import Any

import numpy as np

from tangshi_tf import corpus, long_work
from tangshi_tf.data.reading import BATCH_SPEC, read
from tangshi_tf.evaluation.measures import perplexity
from tangshi_tf.model import loss as losses
from tangshi_tf.model import require_model
from tangshi_tf.model.kept import kept_with_model
from tangshi_tf.quiet import tf

_FORMS = (*corpus.SHAPES, corpus.OTHER)
_POSITIONS = 8192  # a batch; longer texts are measured window by window


@kept_with_model(1)
def compiled_nll(model):
  """Returns a graph that measures a batch.

  It takes `(x, y, seqlen, state)` to the negative log-likelihoods in nats of
  the real positions, row by row, float32 `[n]`, and the next state.
  """

  @tf.function(input_signature=(*BATCH_SPEC, model.state_spec), autograph=False)
  def measure(x, y, seqlen, state):
    return losses.batch_nll(model, x, y, seqlen, state)

  return measure.get_concrete_function()  # else TensorFlow warns where several models are compared


def token_nll(model, ids: np.ndarray, splits: np.ndarray) -> np.ndarray:
  """Measures every token of texts that each begin with bos.

  Args:
    model: a `myRNNModel`.
    ids: int32 `[tokens]`, text after text, see `corpus.encode_all`.
    splits: int64 `[texts + 1]`, where each begins and the last one ends.

  Returns:
    The negative log-likelihood in nats of each token given those before it in
    its text, float32 `[tokens]`; 0 for the first of each text.
  """
  require_model(model)
  lengths = np.diff(splits)
  order = np.argsort(lengths, kind='stable')
  result = np.zeros(len(ids), np.float32)
  measure = compiled_nll(model)
  meter, measured = long_work.Meter('characters measured', len(ids) - len(lengths)), 0
  done = 0
  while done < len(order):
    # Texts come by rising length, so the last of a batch is its longest.
    size = 1
    while done + size < len(order) and (size + 1) * lengths[order[done + size]] <= _POSITIONS:
      size += 1
    rows = order[done:done + size]
    state = model.zero_state(size)
    for first in range(0, lengths[rows[-1]] - 1, _POSITIONS):
      offsets = np.arange(first, min(first + _POSITIONS + 1, lengths[rows[-1]]))
      place = splits[rows][:, None] + offsets
      real = offsets < lengths[rows][:, None]
      tokens = np.where(real, ids[np.where(real, place, 0)], corpus.PAD_ID).astype(np.int32)
      nll, state = measure(tokens[:, :-1], tokens[:, 1:], real[:, 1:].sum(1).astype(np.int32), state)
      result[place[:, 1:][real[:, 1:]]] = nll
      measured += len(nll)
      meter.update(measured)
    done += size
  return result


def validate(model, ds, *, total=lambda *sums: sums) -> dict[str, Any]:
  """Measures a model on batches without training it.

  Args:
    model: a `myRNNModel`.
    ds: batches `(x, y, seqlen)`.
    total: called with the sums over these batches; returns those over all
      batches, where several processes divide them.

  Returns:
    'loss': the exercise's loss over all poems; 'nll': nats a token;
    'perplexity': exp(nll), over every token after bos, eos included;
    'tokens': how many; 'by_form': the perplexity of each verse form that occurs,
    by its name or 'other', see `corpus.form_of`. The marks that end its lines
    must be in the vocabulary for a form to be known.
  """
  require_model(model)
  measure = compiled_nll(model)
  loss = poems = 0.0
  nll, tokens = dict.fromkeys(_FORMS, 0.0), dict.fromkeys(_FORMS, 0.0)
  letters = [word if len(word) == 1 else ' ' for word in model.id2word.values()]
  for x, y, seqlen in read(ds):
    values = measure(x, y, seqlen, model.zero_state(x.shape[0]))[0].numpy().astype(np.float64)
    lengths = seqlen.numpy()
    sums = np.add.reduceat(values, np.cumsum(lengths) - lengths)
    loss += float(np.sum(sums / lengths))
    poems += len(lengths)
    for ids, length, value in zip(np.asarray(y).tolist(), lengths.tolist(), sums.tolist()):
      form = corpus.form_of(''.join(letters[i] for i in ids[:length - 1]))  # without eos
      nll[form] += value
      tokens[form] += length
  loss, poems, *rest = total(loss, poems, *nll.values(), *tokens.values())
  nll, tokens = dict(zip(_FORMS, rest)), dict(zip(_FORMS, rest[len(_FORMS):]))
  mean = sum(nll.values()) / sum(tokens.values())
  return {'loss': loss / poems, 'nll': mean, 'perplexity': perplexity(mean), 'tokens': int(sum(tokens.values())),
          'by_form': {form: perplexity(nll[form] / tokens[form]) for form in _FORMS if tokens[form]}}
