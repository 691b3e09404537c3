"""What the service is asked and what it answers, as JSON; the names are those of the command line."""

import dataclasses
import re
from typing import Annotated, Any

import pydantic
from pydantic import Field

from tangshi_tf.errors import UserError
from tangshi_tf.settings import WritingSettings, known

LONGEST_TEXT = 2000  # characters
MOST_POEMS = 24  # of a request
# Bounds of a request below those of the command line, since many share one machine.
MOST = {'num': MOST_POEMS, 'best_of': 50, 'beam': 32, 'max_len': 200, 'seed': 2**53 - 1}  # a page's largest integer
_NOT_SERVED = {'original'}  # draws again without a bound
_MOST_GIVEN = 8  # begin words, words of a theme

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
ModelName = Annotated[str | None, Field(description='A model that /api/models names (default: the first).',
                                        max_length=100)]


class _Strict(pydantic.BaseModel):
  """What comes from a client; values of another type are refused, not converted."""

  model_config = pydantic.ConfigDict(extra='forbid', strict=True)

  @pydantic.model_validator(mode='before')
  @classmethod
  def _whole_numbers(cls, values: Any) -> Any:
    """Returns the values with 2.0 as 2, which JSON does not tell apart."""
    if not isinstance(values, dict):
      return values
    return {name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in values.items()}


class Asked(_Strict):
  """What every request has in common."""

  model: ModelName = None


def _fields() -> dict[str, Any]:
  """Returns the fields of the settings of writing."""
  fields: dict[str, Any] = {}
  for field in dataclasses.fields(WritingSettings):
    if field.name in _NOT_SERVED:
      continue
    what = known(WritingSettings)[field.name]
    kind: Any = field.type
    more: dict[str, Any] = {'description': re.sub('--([a-z])', r'\1', what.text)}
    if 'list' in str(kind):
      kind = Text | Annotated[list[Text], Field(max_length=_MOST_GIVEN)] | None
    elif kind == (str | None):
      kind = Text | None
    if what.choices:
      more['json_schema_extra'] = {'enum': [*what.choices, None]}
    if isinstance(what.low, (int, float)):
      more['gt' if what.open_low else 'ge'] = what.low
    high = MOST.get(field.name, what.high)
    if high is not None:
      more['le'] = high
    fields[field.name] = (kind, Field(field.default, **more))
  return fields


class _Generate(Asked):
  """What is to be written; everything may be left out."""

  def settings(self) -> WritingSettings:
    """Returns the settings of writing.

    Raises:
      UserError: they cannot be used.
    """
    values = {name: getattr(self, name) for name in type(self).model_fields if name in known(WritingSettings)}
    settings = WritingSettings(**{name: value for name, value in values.items() if value is not None})
    poems = (settings.num or 1) * len(settings.begin or [''])
    if poems > MOST_POEMS:
      raise UserError(f'num={settings.num} for {len(settings.begin or [])} begin words makes {poems} poems; expected '
                      f'at most {MOST_POEMS}')
    return settings


Generate = pydantic.create_model('Generate', __base__=_Generate, __doc__=_Generate.__doc__, **_fields())


class Continue(Generate):  # type: ignore[misc,valid-type]
  """A poem that is to be completed, and how."""

  text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, description='The beginning of the poem.')]


class Told(Asked):
  """A request about a text, of which a model with controls may be told something."""

  title: Text | None = None
  poet: Text | None = None
  dynasty: Text | None = None


class Score(Told):
  """Texts whose surprisal is asked for."""

  texts: Annotated[list[Text], Field(min_length=1, max_length=64)]
  whole: Annotated[bool, Field(description='Whether they are whole poems, so that their end counts, too.')] = False


class Check(_Strict):
  """A poem that is to be checked."""

  text: Text
  form: Text | None = None
  tones: Annotated[str, Field(json_schema_extra={'enum': ['strict', 'loose', 'off']})] = 'strict'


class Texts(_Strict):
  """Some texts."""

  texts: Annotated[list[Text], Field(min_length=1, max_length=64)]


class Choices(Told):
  """A poem whose next character is asked for."""

  text: Annotated[Text, Field(description='The poem so far.')] = ''
  form: Text | None = None
  tones: Text | None = None
  rhyme: Text | None = None
  num: Annotated[int, Field(ge=1, le=50)] = 5


class Poem(pydantic.BaseModel):
  """A poem that was written."""

  text: str
  lines: list[str]
  seed: int | None
  begin: str
  form: str | None
  pattern: str | None
  rhyme: str | None
  perplexity: float | None
  log_probability: float | None
  tones: list[str]


class Poems(pydantic.BaseModel):
  """Poems, and what made them."""

  poems: list[Poem]
  model: str
  parameters: dict[str, Any]
  notes: list[str] = []


class Character(pydantic.BaseModel):
  """A character and its surprisal."""

  token: str
  bits: float


class ScoredText(pydantic.BaseModel):
  """The surprisal of a text."""

  text: str
  bits: float
  bits_per_token: float | None
  perplexity: float | None
  unknown: list[str]
  tokens: list[Character]


class Scores(pydantic.BaseModel):
  """The surprisal of texts."""

  model: str
  scores: list[ScoredText]


class FaultFound(pydantic.BaseModel):
  """What is wrong at a place, counted from 1; 0 for a whole line, or the poem."""

  line: int
  position: int
  rule: str
  text: str


class Checked(pydantic.BaseModel):
  """What a check found."""

  text: str
  form: str
  pattern: str | None
  rhyme: str | None
  lines: list[str]
  tones: list[str]
  faults: list[FaultFound]
  notes: list[FaultFound]


class Choice(pydantic.BaseModel):
  """A character that may come next, or 'eos' for the end."""

  word: str
  probability: float


class ChoicesFound(pydantic.BaseModel):
  """What may come next."""

  model: str
  text: str
  choices: list[Choice]


class ModelFacts(pydantic.BaseModel):
  """A model that writes."""

  name: str
  cell: str
  parameters: int
  vocabulary: int
  controls: list[str]
  poets: list[str]
  dynasties: list[str]


class Models(pydantic.BaseModel):
  """The models, and what can be asked of all of them."""

  models: list[ModelFacts]
  forms: list[str]
  rhymes: list[str]
  begins: list[str]
  version: str
  traditional: bool


class Problem(pydantic.BaseModel):
  """What was wrong (RFC 9457)."""

  type: str = 'about:blank'
  title: str
  status: int
  detail: str
