"""What the tests of the service share."""

import time

import pytest

pytest.importorskip('fastapi', reason="the extra 'web' is not installed")
pytest.importorskip('prometheus_client', reason="the extra 'web' is not installed")


@pytest.fixture(scope='package')
def client():
  """Asks an application with the shipped gru and rnn."""
  from starlette.testclient import TestClient

  from tangshi_tf.service.app import create
  from tangshi_tf.service.house import House
  from tangshi_tf.service.protection import host_names
  house = House(['gru', 'rnn'], hosts=host_names('127.0.0.1', ['testserver']), origins=['https://friend.example'])
  with TestClient(create(house)) as found:
    found.house = house
    for _ in range(1200):
      if found.get('/readyz').status_code == 200:
        break
      time.sleep(0.1)
    yield found
