"""The API over HTTP."""

import asyncio
import concurrent.futures
import json

import pytest

import tangshi_tf
from tangshi_tf.service import engine as engines
from tangshi_tf.service import schema


def events_of(text):
  found = []
  for part in filter(None, text.split('\n\n')):
    fields = dict(line.split(': ', 1) for line in part.split('\n'))
    found.append((fields['event'], json.loads(fields['data'])))
  return found


def assert_same(found, expected):
  """Asserts that poems are the same; what is measured of them is rounded differently in another batch."""
  rounded = 'perplexity', 'log_probability'
  for poem, other in zip(found, expected, strict=True):
    assert {**poem, **dict.fromkeys(rounded)} == {**other, **dict.fromkeys(rounded)}
    assert [poem[name] for name in rounded] == pytest.approx([other[name] for name in rounded], rel=1e-4)


def test_poems_are_those_of_the_package(client):
  answer = client.post('/api/generate', json={'form': '七绝', 'seed': 3, 'num': 2})
  assert answer.status_code == 200
  found = answer.json()
  expected = tangshi_tf.load('gru').write('七绝', seed=3, num=2)
  assert [poem['text'] for poem in found['poems']] == [poem.text for poem in expected]
  assert found['model'] == 'gru' and found['parameters'] == {'form': '七绝', 'seed': 3, 'num': 2}
  poem = found['poems'][0]
  assert poem['seed'] == 3 and poem['rhyme'] == expected[0].rhyme and poem['lines'] == expected[0].lines
  assert poem['perplexity'] == pytest.approx(expected[0].perplexity, rel=1e-4)
  assert [len(tones) for tones in poem['tones']] == [7] * 4


def test_events_end_in_the_poems_of_json(client):
  asked = {'form': '五绝', 'seed': 5, 'num': 2, 'model': 'rnn'}
  answer = client.post('/api/generate', json=asked, headers={'accept': 'text/event-stream'})
  assert answer.headers['content-type'].startswith('text/event-stream')
  events = events_of(answer.text)
  poems = {data['index']: data['poem'] for name, data in events if name == 'poem'}
  assert_same([poems[0], poems[1]], client.post('/api/generate', json=asked).json()['poems'])
  assert events[-1][0] == 'end' and events[-1][1]['parameters']['seed'] == 5
  texts = [data['text'] for name, data in events if name == 'text' and data['index'] == 1]
  assert len(texts) > 4 and all(poems[1]['text'].startswith(text) for text in texts)


def test_a_poem_does_not_depend_on_the_requests_beside_it(client):
  alone = client.post('/api/generate', json={'form': '七绝', 'seed': 11}).json()['poems']
  with concurrent.futures.ThreadPoolExecutor(12) as pool:
    answers = [pool.submit(client.post, '/api/generate', json={'form': '七绝', 'seed': seed}) for seed in range(4, 28)]
  found = {answer.result().json()['poems'][0]['seed']: answer.result().json()['poems'] for answer in answers}
  assert_same(found[11], alone)
  assert len({poems[0]['text'] for poems in found.values()}) == 24


def test_a_poem_is_completed_and_filled_in(client):
  found = client.post('/api/continue', json={'text': '白日依山尽，黄河', 'form': '五绝', 'seed': 1}).json()['poems'][0]
  assert found['text'].startswith('白日依山尽，黄河') and len(found['lines']) == 4
  free = client.post('/api/continue', json={'text': '白日依山尽，', 'seed': 1}).json()['poems'][0]['text']
  assert free.startswith('白日依山尽，') and len(free) > 6
  template = '一日重阳陌上春，□□□□□□□。东风忽到花前立，飞鸟朝来不语频。'
  filled = client.post('/api/generate', json={'template': template, 'seed': 2}).json()['poems'][0]
  assert filled['lines'][0] == '一日重阳陌上春' and filled['lines'][2:] == ['东风忽到花前立', '飞鸟朝来不语频']
  assert '□' not in filled['text'] and filled['form'] == '七绝'


def test_beam_and_best_of_are_answered_at_once(client):
  for asked in ({'form': '五绝', 'beam': 4}, {'form': '五绝', 'best_of': 3, 'seed': 1}):
    found = client.post('/api/generate', json=asked, headers={'accept': 'text/event-stream'})
    assert found.headers['content-type'] == 'application/json' and len(found.json()['poems'][0]['lines']) == 4


def test_texts_are_scored_checked_and_go_on(client):
  scored = client.post('/api/score', json={'texts': ['床前明月光', '𠀀']}).json()['scores']
  score = tangshi_tf.load('gru').score('床前明月光')
  assert [token['token'] for token in scored[0]['tokens']] == list('床前明月光')
  assert scored[0]['bits'] == pytest.approx(score.total, rel=1e-4) and scored[1]['unknown'] == ['𠀀']
  checked = client.post('/api/check', json={'text': '白日依山尽，黄河入海流。欲穷千里目，更上一层台。'}).json()
  faults = [(fault['line'], fault['position'], fault['rule']) for fault in checked['faults']]
  assert checked['form'] == '五绝' and faults == [(4, 5, 'rhyme')]
  choices = client.post('/api/choices', json={'text': '白日', 'form': '五绝', 'num': 3}).json()['choices']
  assert [(choice['word'], pytest.approx(choice['probability'], abs=1e-4)) for choice in choices] == tangshi_tf.load(
      'gru').choices('白日', '五绝', num=3)


def test_the_models_and_what_can_be_asked(client):
  found = client.get('/api/models').json()
  assert [model['name'] for model in found['models']] == ['gru', 'rnn'] and found['models'][0]['cell'] == 'gru'
  assert found['forms'] == ['五绝', '七绝', '五律', '七律'] and '上平一东' in found['rhymes']
  assert found['begins'][0] == '日'


@pytest.mark.parametrize(('path', 'body', 'status', 'detail'), [
    ('generate', {'form': '七七'}, 400, "form '七七' is unknown; expected 五绝"),
    ('generate', {'begin': '𠀀'}, 400, "character '𠀀' is not in"),
    ('generate', {'model': '../../etc/passwd'}, 400, "model '../../etc/passwd' is unknown; expected one of gru, rnn"),
    ('generate', {'title': '春'}, 400, "title '春': the model gru is not told one"),
    ('generate', {'beam': 4, 'seed': 1}, 400, 'both beam and seed; expected one of them'),
    ('generate', {'num': 6, 'begin': ['春'] * 5}, 400, 'makes 30 poems; expected at most 24'),
    ('generate', {'num': 10**9}, 422, 'num: Input should be less than or equal to 24'),
    ('generate', {'num': '2'}, 422, 'num: Input should be a valid integer'),
    ('generate', {'original': True}, 422, 'original: Extra inputs are not permitted'),
    ('generate', {'begin': '春' * 3000}, 422, 'begin'),
    ('generate', [], 422, 'Input should be a valid dictionary'),
    ('generate', {'seed': -1}, 422, 'seed: Input should be greater than or equal to 0'),
    ('continue', {}, 422, 'text: Field required'), ('continue', {'text': '，'}, 400, 'begin'),
    ('continue', {'text': '春', 'begin': '春'}, 400, 'both text and begin; expected one of them'),
    ('score', {'texts': []}, 422, 'texts: List should have at least 1 item'),
    ('score', {'texts': ['a'] * 65}, 422, 'texts'), ('check', {'text': 'x', 'tones': 'y'}, 400, "tones 'y' is unknown"),
    ('choices', {'text': '床前', 'num': 99}, 422, 'num: Input should be less than or equal to 50')])
def test_bad_requests_are_problems_of_one_line(client, path, body, status, detail):
  answer = client.post(f'/api/{path}', json=body)
  found = answer.json()
  assert answer.status_code == found['status'] == status, found
  assert answer.headers['content-type'] == 'application/problem+json'
  assert detail in found['detail'] and '\n' not in found['detail'] and len(found['detail']) < 600


def test_malformed_bodies(client):
  json_type = {'content-type': 'application/json'}
  for body in (b'', b'{', b'\xff\xfe', b'{"form":', b'null', b'[' * 5000):
    answer = client.post('/api/generate', content=body, headers=json_type)
    assert answer.status_code in (400, 422), body[:10]
    assert answer.headers['content-type'] == 'application/problem+json'
  assert client.post('/api/generate', content=b'{}', headers={'content-type': 'text/plain'}).status_code == 422
  large = client.post('/api/generate', content=b'{"begin": "' + b'a' * 10**6 + b'"}', headers=json_type)
  assert large.status_code == large.json()['status'] == 413
  assert large.headers['content-type'] == 'application/problem+json' and 'content-security-policy' in large.headers
  assert client.post('/api/generate', content=b'{"num": 2.0, "seed": 1.0}', headers=json_type).status_code == 200
  for method, path, status in (('GET', '/api/generate', 405), ('GET', '/nothing', 404), ('DELETE', '/', 405)):
    answer = client.request(method, path)
    assert answer.status_code == answer.json()['status'] == status


def test_no_path_leads_to_other_files(client):
  for path in ('/page/../app.py', '/page/..%2fapp.py', '/page/%2e%2e/app.py', '/page//etc/passwd', '/page/', '/page'):
    assert client.get(path, follow_redirects=False).status_code in (404, 405, 307), path
  for name in ('index.html', 'page.css', 'main.js', 'icon.svg'):
    answer = client.get(f'/page/{name}')
    assert answer.status_code == 200 and 'default-src' in answer.headers['content-security-policy']


def test_the_page_is_light_and_asks_no_other_host(client):
  import re

  from tangshi_tf.service.app import PAGE
  assert sum(path.stat().st_size for path in PAGE.iterdir()) < 150_000
  for path in PAGE.iterdir():
    addresses = re.findall(r'(?:https?:)?//[\w.-]+\.\w+', path.read_text(encoding='utf-8'))
    assert set(addresses) <= {'http://www.w3.org'}, path
  page = client.get('/').text
  assert '<script>' not in page and 'style=' not in page and 'onclick' not in page


def test_foreign_hosts_and_origins_are_refused(client):
  assert client.get('/healthz', headers={'host': 'evil.example'}).status_code == 421
  assert client.get('/healthz', headers={'host': 'localhost:8000'}).status_code == 200
  assert client.get('/healthz', headers={'host': '[::1]:8000'}).status_code == 200
  ask = {'json': {'form': '五绝'}}
  assert client.post('/api/generate', headers={'origin': 'https://evil.example'}, **ask).status_code == 403
  assert client.post('/api/generate', headers={'origin': 'null'}, **ask).status_code == 403
  own = client.post('/api/generate', headers={'origin': 'http://testserver'}, **ask)
  assert own.status_code == 200 and 'access-control-allow-origin' not in own.headers
  friend = client.post('/api/generate', headers={'origin': 'https://friend.example'}, **ask)
  assert friend.status_code == 200 and friend.headers['access-control-allow-origin'] == 'https://friend.example'
  asked = client.options('/api/generate', headers={'origin': 'https://friend.example',
                                                   'access-control-request-method': 'POST'})
  assert asked.status_code == 204 and 'content-type' in asked.headers['access-control-allow-headers']


def test_a_full_house_says_when_to_come_again(client, monkeypatch):
  monkeypatch.setattr(engines, 'MOST_POEMS', 0)
  monkeypatch.setattr(client.house.engine, '_poems', 5)
  answer = client.post('/api/generate', json={'form': '五绝'})
  assert answer.status_code == 429 and int(answer.headers['retry-after']) >= 1
  assert answer.headers['content-type'] == 'application/problem+json'


def test_a_client_that_leaves_before_its_first_event_frees_its_rows(client, monkeypatch):
  from tangshi_tf.decoding.request import Request
  from tangshi_tf.service.app import EventStream
  from tangshi_tf.settings import WritingSettings
  tickets = []
  monkeypatch.setattr(client.house.engine, 'submit', tickets.append)

  async def leave(*_):
    return {'type': 'http.disconnect'}

  async def ask_and_leave():
    stream = await EventStream.of(client.house, client.house.writer('rnn'), Request.of(WritingSettings()), {})
    await stream({'type': 'http', 'asgi': {'spec_version': '2.3'}}, leave, leave)

  asyncio.run(ask_and_leave())
  assert [ticket.gone for ticket in tickets] == [True]


def test_figures_and_description(client):
  client.post('/api/generate', json={'form': '五绝', 'begin': '"}\\n{'})
  text = client.get('/metrics').text
  assert 'tangshi_requests_total{path="/api/generate",status="400"}' in text and 'tangshi_poems_total' in text
  description = client.get('/openapi.json').json()
  assert {*(f'/api/{name}' for name in ('generate', 'continue', 'score', 'check', 'choices', 'models')), '/healthz',
          '/readyz', '/metrics'} <= set(description['paths'])
  asked = description['paths']['/api/generate']['post']['requestBody']['content']['application/json']
  assert asked['example']['form'] == '七绝'
  assert {'model', 'form', 'begin', 'acrostic', 'rhyme', 'tones', 'init', 'temperature', 'num', 'seed', 'title'} <= set(
      schema.Generate.model_fields)
  assert client.get('/docs').status_code == 404  # it would ask other hosts


def test_models_have_names_without_paths(tmp_path):
  from tangshi_tf.service.house import House
  house = House([])
  names = {'gru': 'gru', str(tmp_path / 'gru'): 'gru-2', 'runs/mine/': 'mine', 'a/mine': 'mine-2'}
  for name, expected in names.items():
    label = house._label(name)
    assert label == expected
    house.writers[label] = None


def test_the_service_waits_for_its_models():
  from starlette.testclient import TestClient

  from tangshi_tf.service.app import create
  from tangshi_tf.service.house import House
  from tangshi_tf.service.protection import host_names
  house = House(['nothing'], hosts=host_names('::', ['testserver']))
  with TestClient(create(house)) as asked:
    assert asked.get('/healthz').status_code == 200 and asked.get('/').status_code == 200
    answer = asked.post('/api/generate', json={})
    assert answer.status_code == 503 and answer.headers['retry-after'] == '2'
    assert asked.get('/api/models').status_code == asked.get('/readyz').status_code == 503
