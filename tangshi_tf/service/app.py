"""The application: the page, the API, and what operators ask."""

import asyncio
import contextlib
import http
import importlib.util
import json
import pathlib
import time
from collections.abc import AsyncIterator
from typing import Any

import fastapi
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.sse import format_sse_event
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import tangshi_tf
from tangshi_tf import controls, corpus, prosody
from tangshi_tf.decoding import Writer
from tangshi_tf.decoding.poem import WrittenPoem
from tangshi_tf.decoding.request import Request
from tangshi_tf.errors import UserError
from tangshi_tf.service import schema
from tangshi_tf.service.engine import BusyError
from tangshi_tf.service.house import House
from tangshi_tf.service.protection import MOST_BYTES, PROBLEM, Protection, problem

PAGE = pathlib.Path(__file__).with_name('page')
_PROBLEMS = {status: {'model': schema.Problem, 'description': what, 'content': {PROBLEM: {}}} for status, what in {
    400: 'What was asked for cannot be met; the detail says why.', 413: 'The body is too large.',
    422: 'The request has not the form that is described here.', 429: 'Too many poems are being written already.',
    503: 'The models are still being loaded, or the service ends.'}.items()}
_FRESH = {'cache-control': 'no-cache'}
_STREAM = {200: {'content': {'text/event-stream': {'schema': {'type': 'string'}}}}}
_EXAMPLE = {'form': '七绝', 'begin': '月', 'num': 2, 'seed': 1}


class _GoneError(Exception):
  """The client has left."""


def create(house: House) -> Protection:
  """Returns the application.

  Args:
    house: the models and what writes.
  """
  @contextlib.asynccontextmanager
  async def lifespan(_) -> AsyncIterator[None]:
    house.open()
    if house.shared:  # nobody chooses which process answers, so none does before it can
      await asyncio.get_running_loop().run_in_executor(None, house.wait)
    yield
    await asyncio.get_running_loop().run_in_executor(None, house.close)

  app = fastapi.FastAPI(
      title='tangshi_tf', version=tangshi_tf.__version__,
      description='Poems in the manner of the Tang, from a character-level recurrent language model.', docs_url=None,
      redoc_url=None, lifespan=lifespan, max_body_size=MOST_BYTES, responses=_PROBLEMS)
  _handle_problems(app, house)
  _add_page(app)
  _add_operation(app, house)
  _add_poems(app, house)
  _add_texts(app, house)
  return Protection(app, hosts=house.hosts, origins=house.origins)  # around what the framework refuses, too


def _handle_problems(app: fastapi.FastAPI, house: House):
  """Answers what goes wrong as problems, and counts requests."""
  def answer(status: int, title: str, detail: str, **headers: str) -> Response:
    return JSONResponse(problem(status, title, detail), status, headers, media_type=PROBLEM)

  @app.exception_handler(UserError)
  async def _(_, error):
    return answer(400, 'Bad Request', str(error))

  @app.exception_handler(BusyError)
  async def _(_, error):
    house.metrics.refused.inc()
    return answer(429, 'Too Many Requests', str(error), **{'Retry-After': str(error.seconds)})

  @app.exception_handler(_GoneError)
  async def _(_, error):
    return Response(status_code=499)

  @app.exception_handler(RequestValidationError)
  async def _(_, error):
    first = error.errors()[0]
    where = '.'.join(str(part) for part in first['loc'] if part != 'body')
    more = f' and {len(error.errors()) - 1} more' if len(error.errors()) > 1 else ''
    return answer(422, 'Unprocessable Content', f'{where or "body"}: {first["msg"]}{more}'[:500])

  @app.exception_handler(HTTPException)
  async def _(_, error):
    return answer(error.status_code, http.HTTPStatus(error.status_code).phrase, str(error.detail),
                  **(error.headers or {}))

  @app.exception_handler(Exception)
  async def _(_, error):
    return answer(500, 'Internal Server Error', 'something went wrong; the log of the service says what')

  @app.middleware('http')
  async def _(request, call_next):
    start = time.perf_counter()
    response = await call_next(request)
    route = request.scope.get('route')
    path = route.path if route is not None else 'other'
    house.metrics.requests.labels(path, response.status_code).inc()
    house.metrics.seconds.labels(path).observe(time.perf_counter() - start)
    return response


def _add_page(app: fastapi.FastAPI):
  @app.get('/', include_in_schema=False)
  async def _():
    return FileResponse(PAGE / 'index.html', media_type='text/html; charset=utf-8', headers=_FRESH)

  app.mount('/page', StaticFiles(directory=PAGE))


def _add_operation(app: fastapi.FastAPI, house: House):
  """Adds what operators ask."""
  @app.get('/healthz', tags=['operation'])
  async def healthz() -> dict[str, str]:
    """Says that the process lives."""
    return {'status': 'alive'}

  @app.get('/readyz', tags=['operation'])
  async def readyz() -> dict[str, str]:
    """Says whether poems can be written."""
    house.require_ready()
    return {'status': 'ready'}

  @app.get('/metrics', tags=['operation'], response_class=Response)
  async def metrics() -> Response:
    """Figures for Prometheus."""
    house.metrics.waiting.set(house.engine.poems if house.engine is not None else 0)
    return Response(house.metrics.text(), media_type='text/plain; version=0.0.4; charset=utf-8')


def _example(body: dict[str, Any]) -> dict[str, Any]:
  """Returns what the API's description shows as an example."""
  return {'requestBody': {'content': {'application/json': {'example': body}}}}


def _add_poems(app: fastapi.FastAPI, house: House):
  @app.get('/api/models', tags=['poems'])
  async def models() -> schema.Models:
    """The models, and what can be asked of them."""
    house.require_ready()
    return schema.Models(
        models=[facts(writer) for writer in house.writers.values()], forms=list(prosody.FORMS),
        rhymes=prosody.level_groups(), begins=list(corpus.SAMPLE_BEGINS), version=tangshi_tf.__version__,
        traditional=importlib.util.find_spec('opencc') is not None)

  @app.post('/api/generate', tags=['poems'], response_model=schema.Poems, responses=_STREAM,
            openapi_extra=_example(_EXAMPLE))
  async def generate(asked: schema.Generate, request: fastapi.Request):
    """Writes poems; with `Accept: text/event-stream` they are told as they come."""
    return await answer(asked, request, asked.settings())

  @app.post('/api/continue', tags=['poems'], response_model=schema.Poems, responses=_STREAM,
            openapi_extra=_example({'text': '白日依山尽，', 'form': '五绝'}))
  async def continue_(asked: schema.Continue, request: fastapi.Request):
    """Completes a poem, as /api/generate does that begins with it."""
    return await answer(asked, request, house.continued(asked))

  async def answer(asked, request: fastapi.Request, settings):
    writer = house.writer(asked.model)
    wanted = writer.spelled(Request.of(settings))
    writer.require(wanted)
    parameters = asked.model_dump(exclude_none=True, exclude_defaults=True, exclude={'model'})
    if 'text/event-stream' in request.headers.get('accept', '') and not (wanted.beam or wanted.best_of > 1):
      return await EventStream.of(house, writer, wanted, parameters)
    poems = await unless_gone(request, house.desk.poems(writer, wanted))
    return schema.Poems(poems=[poem_facts(poem) for poem in poems], model=writer.name, parameters=parameters,
                        notes=wanted.notes)


def _add_texts(app: fastapi.FastAPI, house: House):
  @app.post('/api/score', tags=['texts'], openapi_extra=_example({'texts': ['床前明月光']}))
  async def score(asked: schema.Score, request: fastapi.Request) -> schema.Scores:
    """How surprising each character of texts is, in bits."""
    writer = house.writer(asked.model)
    told = {name: value for name in ('title', 'poet', 'dynasty') if (value := getattr(asked, name))}
    scores = await unless_gone(request, house.desk.slowly(
        lambda: writer.score(asked.texts, whole=asked.whole, **told)))
    return schema.Scores(model=writer.name, scores=[schema.ScoredText(
        text=found.text, bits=found.total, bits_per_token=found.mean, perplexity=found.perplexity,
        unknown=found.unknown, tokens=[schema.Character(token=token, bits=bits) for token, bits in found.tokens()])
        for found in scores])

  @app.post('/api/check', tags=['texts'],
            openapi_extra=_example({'text': '白日依山尽，黄河入海流。欲穷千里目，更上一层台。'}))
  async def check(asked: schema.Check) -> schema.Checked:
    """Whether a poem keeps its form, tones and rhyme; anybody's poem."""
    found = prosody.check_text(asked.text, None if asked.form is None else prosody.find_form(asked.form), asked.tones)
    lines = corpus.verse_lines(found.text)
    return schema.Checked(
        text=found.text, form=found.form.name, pattern=found.pattern and found.pattern.name, rhyme=found.rhyme,
        lines=lines, tones=[''.join(map(prosody.tone, line)) for line in lines],
        **{name: [schema.FaultFound(line=fault.line, position=fault.position, rule=fault.rule, text=fault.text)
                  for fault in getattr(found, name)] for name in ('faults', 'notes')})

  @app.post('/api/traditional', tags=['texts'], openapi_extra=_example({'texts': ['白日依山尽，']}))
  async def traditional(asked: schema.Texts) -> schema.Texts:
    """Texts in traditional characters, where OpenCC is installed."""
    return schema.Texts(texts=[corpus.to_traditional(text) for text in asked.texts])

  @app.post('/api/choices', tags=['texts'], openapi_extra=_example({'text': '白日', 'form': '五绝'}))
  async def choices(asked: schema.Choices, request: fastapi.Request) -> schema.ChoicesFound:
    """The likeliest characters that may come next in a poem."""
    writer = house.writer(asked.model)
    options = asked.model_dump(exclude_none=True, exclude={'model', 'text', 'form', 'num'})
    found = await unless_gone(request, house.desk.slowly(
        lambda: writer.choices(asked.text, asked.form, num=asked.num, **options)))
    return schema.ChoicesFound(model=writer.name, text=asked.text, choices=[
        schema.Choice(word=word, probability=probability) for word, probability in found])


def facts(writer: Writer) -> schema.ModelFacts:
  """Returns what there is to say of a model."""
  return schema.ModelFacts(
      name=writer.name, cell=writer.model.cell, parameters=writer.model.count_params(), vocabulary=len(writer.word2id),
      controls=controls.kinds_of(writer.word2id), poets=controls.names_of(writer.word2id, 'poet'),
      dynasties=controls.names_of(writer.word2id, 'dynasty'))


def poem_facts(poem: WrittenPoem) -> schema.Poem:
  """Returns what there is to say of a poem."""
  return schema.Poem(
      text=poem.text, lines=poem.lines, seed=poem.seed, begin=poem.begin, form=poem.form and poem.form.name,
      pattern=poem.pattern, rhyme=poem.rhyme, perplexity=poem.perplexity, log_probability=poem.log_probability,
      tones=[''.join(map(prosody.tone, line)) for line in poem.lines])


async def unless_gone(request: fastapi.Request, work):
  """Returns what a coroutine returns, unless the client leaves before.

  Raises:
    _GoneError: it has left; the coroutine is cancelled.
  """
  async def gone():
    while (await request.receive())['type'] != 'http.disconnect':
      pass

  tasks = [asyncio.ensure_future(work), asyncio.ensure_future(gone())]
  try:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if tasks[0].done():
      return tasks[0].result()
    raise _GoneError
  finally:
    for task in tasks:
      task.cancel()


class EventStream(StreamingResponse):
  """The events of a request as they come."""

  @classmethod
  async def of(cls, house: House, writer: Writer, request: Request, parameters: dict[str, Any]) -> 'EventStream':
    """Submits a request.

    Raises:
      BusyError: there is no room.
    """
    held = contextlib.AsyncExitStack()
    queue = await held.enter_async_context(house.desk.ticket(writer, request, watched=True))
    ending = {'model': writer.name, 'parameters': parameters, 'notes': request.notes}
    stream = cls(_events(queue, ending), media_type='text/event-stream',
                 headers={'cache-control': 'no-store', 'x-accel-buffering': 'no'})
    stream._held = held
    return stream

  async def __call__(self, scope, receive, send):
    async with self._held:  # also where the client has left before the first event
      await super().__call__(scope, receive, send)


async def _events(queue: asyncio.Queue, ending: dict[str, Any]) -> AsyncIterator[bytes]:
  """Yields what comes from a queue, see `Ticket.tell`, as events."""
  while True:
    kind, *rest = await queue.get()
    if kind == 'text':
      yield event('text', {'index': rest[0], 'text': rest[1]})
    elif kind == 'poem':
      yield event('poem', {'index': rest[0], 'poem': poem_facts(rest[1]).model_dump()})
    elif kind == 'error':
      yield event('error', {'detail': str(rest[0]) if isinstance(rest[0], UserError) else 'something went wrong'})
      return
    else:
      yield event('end', ending)
      return


def event(name: str, data) -> bytes:
  """Returns a server-sent event."""
  return format_sse_event(event=name, data_str=json.dumps(data, ensure_ascii=False))
