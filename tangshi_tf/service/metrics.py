"""What is counted, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
  """The figures of a process.

  Attributes:
    requests: by path and status.
    seconds: how long requests took, by path.
    poems, characters: that were written.
    rows: poems that were written side by side, by call of the loop.
    refused: requests for which there was no room.
    waiting: poems that are written or waiting.
  """

  def __init__(self):
    self._registry = CollectorRegistry()
    more = {'registry': self._registry, 'namespace': 'tangshi'}
    self.requests = Counter('requests', 'Requests.', ['path', 'status'], **more)
    self.seconds = Histogram('request_seconds', 'Seconds that requests took.', ['path'],
                             buckets=(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30), **more)
    self.poems = Counter('poems', 'Poems written.', **more)
    self.characters = Counter('characters', 'Characters written.', **more)
    self.rows = Histogram('rows', 'Poems written side by side.', buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), **more)
    self.refused = Counter('refused', 'Requests for which there was no room.', **more)
    self.waiting = Gauge('poems_waiting', 'Poems being written or waiting.', **more)

  def observe(self, name: str, value: float):
    """Takes a figure of the engine."""
    if name == 'rows':
      self.rows.observe(value)
    elif name == 'characters':
      self.poems.inc()
      self.characters.inc(value)

  def text(self) -> bytes:
    """Returns the figures in Prometheus's text format."""
    return generate_latest(self._registry)
