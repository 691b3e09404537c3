"""What TensorFlow Serving finds beside a SavedModel: requests that it answers to itself before the first one comes.

They are records of the message `PredictionLog`, of which the few fields that are needed are written here, so that no
further package is needed.
"""

import pathlib

from tangshi_tf.quiet import tf

WARMUP = pathlib.Path('assets.extra') / 'tf_serving_warmup_requests'
# The numbers of the fields, from tensorflow_serving/apis: prediction_log, predict and model.
_PREDICT_LOG, _REQUEST, _MODEL_SPEC, _INPUTS, _KEY, _VALUE, _SIGNATURE = 6, 1, 1, 2, 1, 2, 3


def write_warmup(folder: pathlib.Path, requests: dict[str, list[dict]]):
  """Writes the requests of signatures: for each the tensors by name."""
  path = folder / WARMUP
  path.parent.mkdir()
  with tf.io.TFRecordWriter(str(path)) as writer:
    for signature, inputs in requests.items():
      for tensors in inputs:
        writer.write(_prediction_log(signature, tensors))


def _prediction_log(signature: str, tensors: dict) -> bytes:
  request = _field(_MODEL_SPEC, _field(_SIGNATURE, signature.encode()))
  for name, value in tensors.items():
    proto = tf.make_tensor_proto(value).SerializeToString()
    request += _field(_INPUTS, _field(_KEY, name.encode()) + _field(_VALUE, proto))
  return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
  """Returns a field of a protocol buffer that has a length: its number, the length, and the content."""
  size, length = len(content), b''
  while size > 127:
    length += bytes([size & 127 | 128])
    size >>= 7
  return bytes([number << 3 | 2]) + length + bytes([size]) + content
