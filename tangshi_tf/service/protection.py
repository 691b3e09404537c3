"""What stands between the network and the application: names of hosts, origins, headers, problems as JSON."""

import json
from collections.abc import Collection
from typing import Any

HEADERS = {
    'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}
MOST_BYTES = 64 * 1024  # of a request's body
LOOPBACK = {'localhost', '127.0.0.1', '[::1]'}
PROBLEM = 'application/problem+json'
_ANY = {'0.0.0.0', '::', ''}  # addresses that stand for all of a machine


def host_names(host: str, allowed: Collection[str]) -> set[str] | None:
  """Returns the names by which the service may be called, or None for any.

  Args:
    host: the address that it listens on.
    allowed: further names; '*' for any.
  """
  if '*' in allowed:
    return None
  return LOOPBACK | {name.lower() for name in allowed} | (set() if host in _ANY else {_bracketed(host.lower())})


def _bracketed(host: str) -> str:
  return f'[{host}]' if ':' in host and not host.startswith('[') else host


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
  """Returns the JSON of a problem (RFC 9457)."""
  return {'type': 'about:blank', 'title': title, 'status': status, 'detail': ' '.join(detail.split())}


class Protection:
  """An ASGI application around another that refuses foreign hosts and origins and adds headers.

  A page of another site can make a browser send requests to this machine, under
  a name that it has pointed here (DNS rebinding), or from its own origin.
  """

  def __init__(self, app, *, hosts: set[str] | None, origins: Collection[str] = ()):
    """Wraps an application.

    Args:
      app: it.
      hosts: see `host_names`.
      origins: other origins whose pages may use the service (CORS).
    """
    self._app, self._hosts, self._origins = app, hosts, set(origins)

  async def __call__(self, scope, receive, send):
    if scope['type'] != 'http':
      return await self._app(scope, receive, send)
    headers = {name: value.decode('latin-1') for name, value in scope['headers']}
    host, origin = headers.get(b'host', ''), headers.get(b'origin')
    foreign = origin is not None and origin not in self._origins and origin.partition('://')[2] != host
    if self._hosts is not None and _without_port(host).lower() not in self._hosts:
      return await self._refuse(send, 421, 'Misdirected Request', f'host {host[:100]!r} is not the name of this '
                                'service; expected another, or the flag --allowed_host')
    if foreign and scope['method'] not in ('GET', 'HEAD'):
      return await self._refuse(send, 403, 'Forbidden', f'origin {origin[:100]!r} may not use this service; expected '
                                'its own page, or the flag --origin')

    refused = False

    async def send_with_headers(message):
      nonlocal refused
      if message['type'] == 'http.response.start' and message['status'] == 413:
        refused = True  # by the framework, in plain text
        await self._refuse(send, 413, 'Content Too Large',
                           f'the body is too large; expected at most {MOST_BYTES // 1024} KB')
      if refused:
        return
      if message['type'] == 'http.response.start':
        given = {name.lower() for name, _ in message['headers']}
        more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
        if origin in self._origins:
          more += [(b'access-control-allow-origin', origin.encode()), (b'vary', b'origin')]
        message = {**message, 'headers': [*message['headers'], *more]}
      await send(message)

    if origin in self._origins and scope['method'] == 'OPTIONS':
      return await self._allow(send_with_headers)
    await self._app(scope, receive, send_with_headers)

  async def _allow(self, send):
    headers = [(b'access-control-allow-methods', b'GET, POST'), (b'access-control-allow-headers', b'content-type')]
    await send({'type': 'http.response.start', 'status': 204, 'headers': headers})
    await send({'type': 'http.response.body', 'body': b''})

  async def _refuse(self, send, status: int, title: str, detail: str):
    body = json.dumps(problem(status, title, detail)).encode()
    headers = [(b'content-type', PROBLEM.encode()), (b'content-length', str(len(body)).encode()),
               *((name.encode(), value.encode()) for name, value in HEADERS.items())]
    await send({'type': 'http.response.start', 'status': status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})


def _without_port(host: str) -> str:
  if host.startswith('['):
    return host.partition(']')[0] + ']'
  return host.partition(':')[0]
