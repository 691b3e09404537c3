"""Serves a page to write poems on, and an API.

    pip install 'tangshi_tf[web]'
    python -m tangshi_tf.serve --open
    python -m tangshi_tf.serve --model=runs/gru --model=best --port=8080

The first model is the default. Ctrl-C and SIGTERM let poems that are being written end.
"""

import ipaddress
import json
import os
import sys
import threading
import time
import urllib.request
import webbrowser

from absl import flags

from tangshi_tf import cli, run_dir
from tangshi_tf.errors import UserError

_MODEL = flags.DEFINE_multi_string('model', None, 'A shipped name or a run directory; repeat the flag for more '
                                   '(default: best, gru, lstm and rnn).')
_HOST = flags.DEFINE_string('host', '127.0.0.1', 'The address to listen on.')
_PORT = flags.DEFINE_integer('port', 8000, 'The port; 0 for any.', lower_bound=0, upper_bound=65535)
_WORKERS = flags.DEFINE_integer('workers', 1, 'Processes, each with all models in memory.', lower_bound=1,
                                upper_bound=64)
_ALLOWED_HOST = flags.DEFINE_multi_string('allowed_host', [], 'A further name by which the service is called; * for '
                                          'any.')
_ORIGIN = flags.DEFINE_multi_string('origin', [], 'Another origin whose pages may use the API, such as '
                                    'https://example.org (CORS; default: none).')
_OPEN = flags.DEFINE_bool('open', False, 'Open the page in a browser.')
_ACCESS_LOG = flags.DEFINE_bool('access_log', False, 'Print a line for each request.')

_BACKLOG, _MOST_CONNECTIONS, _GRACE = 512, 1000, 25


def main() -> int:
  try:
    import fastapi  # noqa: F401
    import prometheus_client  # noqa: F401
    import uvicorn
  except ImportError as error:
    raise UserError(f"{error.name} is not installed; run: pip install 'tangshi_tf[web]'") from None
  from tangshi_tf.service.worker import CONFIGURATION
  names = _MODEL.value or ['best', 'gru', 'lstm', 'rnn']
  for name in names:
    run_dir.RunDir.open(name)  # what is wrong with a name is said before anything starts
  os.environ[CONFIGURATION] = json.dumps({'names': names, 'host': _HOST.value, 'allowed': _ALLOWED_HOST.value,
                                           'origins': _ORIGIN.value, 'shared': _WORKERS.value > 1})
  sock = _listen()
  address = _address(sock.getsockname()[1])
  print(f'{address}  (loading {", ".join(names)} ...)', flush=True)
  if not _is_loopback(_HOST.value):
    print(f'--host={_HOST.value}: other machines can reach this service. It has no passwords and no encryption; put '
          'it behind a proxy that has.', file=sys.stderr)
  if _OPEN.value:
    threading.Thread(target=_open, args=(address,), daemon=True).start()
  application = 'tangshi_tf.service.worker:application'
  options = {'factory': True, 'workers': _WORKERS.value, 'access_log': _ACCESS_LOG.value, 'server_header': False,
             'backlog': _BACKLOG, 'limit_concurrency': _MOST_CONNECTIONS, 'timeout_graceful_shutdown': _GRACE,
             'timeout_keep_alive': 15, 'timeout_worker_healthcheck': 120}  # TensorFlow's import lets nobody answer
  if _WORKERS.value > 1:
    uvicorn.run(application, fd=sock.fileno(), **options)
  else:
    uvicorn.Server(uvicorn.Config(application, **options)).run(sockets=[sock])
  return 0


def _listen():
  """Returns a socket that listens on the port, so that a port that is taken is one line."""
  import socket
  family = socket.AF_INET6 if ':' in _HOST.value else socket.AF_INET
  sock = socket.socket(family)
  sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  try:
    sock.bind((_HOST.value, _PORT.value))
    sock.listen(_BACKLOG)
  except (OSError, OverflowError, UnicodeError) as error:
    raise UserError(f'--host={_HOST.value} --port={_PORT.value}: cannot listen there '
                    f'({getattr(error, "strerror", None) or error}); expected a free port of this machine') from None
  sock.set_inheritable(True)
  return sock


def _address(port: int) -> str:
  host = f'[{_HOST.value}]' if ':' in _HOST.value else _HOST.value
  return f'http://{host}:{port}/'


def _is_loopback(host: str) -> bool:
  try:
    return ipaddress.ip_address(host).is_loopback
  except ValueError:
    return host == 'localhost'


def _open(address: str):
  """Opens the page once the service answers."""
  for _ in range(600):
    try:
      urllib.request.urlopen(f'{address}readyz', timeout=2)
    except OSError:
      time.sleep(0.2)
    else:
      webbrowser.open(address)
      return


if __name__ == '__main__':
  cli.run(main)
