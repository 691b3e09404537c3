"""Sends the service what its own description allows, and what it forbids, and checks the answers.

    pip install '.[web,faults]'
    python scripts/faults/api_test.py
    python scripts/faults/api_test.py --examples=200 --seed=7

Schemathesis makes the requests from /openapi.json. An answer must have a status and a form that the description has
for it, and what it forbids must be refused. What it allows may be refused with 400, since no description can say which
model is there or which rhyme a beginning leaves. Ends with status 1 if an answer is another.
"""

import pathlib
import shutil
import subprocess
import tempfile

from absl import flags

from tangshi_tf import cli
from tangshi_tf.errors import UserError
from tangshi_tf.service import process

_MODEL = flags.DEFINE_string('model', 'gru', 'The model.')
_EXAMPLES = flags.DEFINE_integer('examples', 40, 'Made-up requests of each kind, at most.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 1, 'Seed of the requests.', lower_bound=0)

_CONFIG = """
[checks]
ignored_auth.enabled = false  # nothing here asks for a password
positive_data_acceptance.expected-statuses = ["2xx", 400, 413]
negative_data_rejection.expected-statuses = [400, 404, 405, 413, 415, 422]
"""


def main() -> int:
  command = shutil.which('schemathesis')
  if command is None:
    raise UserError("schemathesis is not installed; run: pip install '.[faults]'")
  with tempfile.TemporaryDirectory() as folder, process.started(f'--model={_MODEL.value}') as (_, address):
    config = pathlib.Path(folder, 'schemathesis.toml')
    config.write_text(_CONFIG, encoding='utf-8')
    process.wait(address)
    tried = subprocess.run([command, f'--config-file={config}', 'run', f'{address}/openapi.json', '--checks=all',
                            f'--max-examples={_EXAMPLES.value}', f'--seed={_SEED.value}', '--request-timeout=60',
                            '--no-color'], check=False, cwd=folder)
  return int(tried.returncode != 0)


if __name__ == '__main__':
  cli.run(main)
