"""Exports a model for programs that do not have this package.

    python -m tangshi_tf.export --model=best --out=exported
    python -m tangshi_tf.export --model=runs/gru --out=gru_int8 --format=litert --quantization=int8

saved_model: for TensorFlow and TensorFlow Serving, with vocabulary, forms and the decoding loop inside.
litert: one step of the model, for phones and small machines, with a short program that writes a poem with it.
onnx: the same step, for ONNX Runtime.
"""

from absl import flags

from tangshi_tf import cli, exporting, run_dir
from tangshi_tf.errors import UserError

_MODEL, _WEIGHTS = cli.define_model()
_OUT = flags.DEFINE_string('out', 'exported', 'The folder to write, which must not exist.')
_FORMAT = flags.DEFINE_enum('format', 'saved_model', exporting.FORMATS, 'What to write.')
_QUANTIZATION = flags.DEFINE_enum('quantization', 'float16', exporting.QUANTIZATIONS, 'With --format=litert: of the '
                                  'weights.')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'Replace a folder that holds an export already.')


def main() -> int:
  if _FORMAT.value != 'litert' and flags.FLAGS['quantization'].present:
    raise UserError(f'--quantization={_QUANTIZATION.value} with --format={_FORMAT.value}; expected --format=litert')
  found = run_dir.RunDir.open(_MODEL.value)
  exporting.require_room(_OUT.value, _OVERWRITE.value)
  cli.exit_in_order()  # so that what is half done is removed
  from tangshi_tf.model import devices
  devices.start()
  out = exporting.export(found.load(_WEIGHTS.value), _OUT.value, format=_FORMAT.value,
                         quantization=_QUANTIZATION.value, overwrite=_OVERWRITE.value)
  size = sum(path.stat().st_size for path in out.rglob('*') if path.is_file()) / 1e6
  print(f'{out}: {found.name} as {_FORMAT.value}, {size:.1f} MB')
  print(_USE[_FORMAT.value].format(out=out))
  return 0


_USE = {
    'saved_model': "Use: tf.saved_model.load('{out}/1').signatures\n"
                   'What they take: saved_model_cli show --all --dir {out}/1',
    'litert': 'Use: python {out}/write_poem.py 月 (needs ai-edge-litert and numpy)',
    'onnx': "Use: onnxruntime.InferenceSession('{out}/step.onnx'); the words by id are in {out}/vocabulary.json"}

if __name__ == '__main__':
  cli.run(main)
