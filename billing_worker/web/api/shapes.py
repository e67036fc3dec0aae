"""The parts that the requests and answers of all endpoints share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Header, Path, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from billing_worker.domain.dunning.policy import MOST_STEPS
from billing_worker.domain.dunning.steps import LONGEST_WAIT
from billing_worker.domain.dunning.version import LONGEST_DERIVED_NAME
from billing_worker.domain.labels import LONGEST_EXTERNAL_ID, LONGEST_PAIR_NAME, LONGEST_PAIR_VALUE, MOST_PAIRS
from billing_worker.domain.language import Language
from billing_worker.domain.text import misplaced, named
from billing_worker.ports.lists import Kind
from billing_worker.texts.catalogue import accepted
from billing_worker.usecases.reading.lists import LONGEST_CURSOR, listed
from billing_worker.web.context import Context, Ctx
from billing_worker.web.errors import ErrorType, Refused, documented

T = TypeVar("T")

FEW_ROWS, MOST_ROWS = 50, 500
EARLIEST, LATEST = 2000, 2199
"""Years. Date arithmetic overflows beyond them, and no billing happens there."""

READS = documented(401, 403, 422, 500, 503)
READS_ONE = documented(401, 403, 404, 422, 500, 503)
ACTS = documented(400, 401, 403, 404, 408, 409, 413, 422, 500, 503)
"""For a change without a body."""
CHANGES = ACTS | documented(415)
"""For a change with one."""


class Input(BaseModel):
    """A request's body: exact types (a number is not its text), and no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(**fields: Any) -> ConfigDict:
    """The example request on the docs page. One with all fields would contradict itself."""
    return ConfigDict(json_schema_extra={"example": {**fields}})


class Paging(BaseModel):
    """The query of a list. Every other field is a filter."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(FEW_ROWS, ge=1, le=MOST_ROWS, description="The most entries to return, newest first")
    cursor: str | None = Field(
        None, min_length=1, max_length=LONGEST_CURSOR, description="`next_cursor` of the previous answer"
    )

    def wanted(self) -> Mapping[str, object]:
        """The filters in this query."""
        return self.model_dump(exclude={"limit", "cursor"}, exclude_none=True)


class Page(BaseModel, Generic[T]):
    """A part of a list, newest first."""

    data: list[T]
    next_cursor: str | None = Field(description="The `cursor` of the next part; null at the end of the list")


async def _language(
    context: Ctx,
    accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Language:
    """Read the language. The API's description leaves it out, where it would look like a filter; docs/api.md has it.

    Async, as the others.
    """
    return accepted(accept_language, context.settings.language)


InLanguage = Annotated[Language, Depends(_language)]
"""The language in the request."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Answers with parts of lists."""

    context: Context
    request: Request
    response: Response
    language: Language

    def of(self, kind: Kind, query: Paging, wanted: Mapping[str, object] | None = None) -> Page[Any]:
        """A part of a list, and a `Link` to the next one (RFC 8288). `wanted` replaces the query's filters."""
        chosen = query.wanted() if wanted is None else wanted
        ports, language = self.context.ports, self.language
        found = listed(ports, kind, chosen, limit=query.limit, cursor=query.cursor, language=language)
        if found.next_cursor is not None:
            kept = [(name, value) for name, value in self.request.query_params.multi_items() if name != "cursor"]
            target = urlencode([*kept, ("cursor", found.next_cursor)])
            # Relative, so that it works behind any proxy and with any host header.
            self.response.headers["Link"] = f'<{self.request.url.path}?{target}>; rel="next"'
        return Page(data=list(found.items), next_cursor=found.next_cursor)


async def _listing(context: Ctx, request: Request, response: Response, language: InLanguage) -> Listing:
    """Async, since a sync dependency would cost a thread for every request."""
    return Listing(context, request, response, language)


Lists = Annotated[Listing, Depends(_listing)]


def _printable(text: str) -> str:
    """PostgreSQL stores neither NUL nor half a surrogate pair, and JSON can spell both."""
    place = misplaced(text)
    if place is not None:
        raise ValueError(f"has {named(text, place)}; take it out")
    return text


def _moment(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a time as text, e.g. 2026-03-31T09:00:00+09:00")  # noqa: TRY004 - pydantic's way
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not a time such as 2026-03-31T09:00:00+09:00") from error
    if not EARLIEST <= moment.year <= LATEST:
        raise ValueError(f"must lie between the years {EARLIEST} and {LATEST}")
    return moment


def _json_only(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, ErrorType.UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")


async def _takes_json(request: Request) -> None:
    _json_only(request)


JSON = Depends(_takes_json)
"""For routes with a body. Asking for this type also keeps HTML forms of other sites out."""


class Described:
    """Rules for the description only. The domain checks them, and words the error."""

    def __init__(self, **rules: Any) -> None:
        self._rules = rules

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add them to pydantic's schema."""
        return handler(schema) | self._rules


IDENT = r"^[A-Za-z0-9_]{1,64}$"
Text = Annotated[str, AfterValidator(_printable), Described(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Name = Annotated[str, AfterValidator(_printable), Described(pattern=IDENT)]
"""An id in a body, from an earlier answer."""
Moment = Annotated[datetime, BeforeValidator(_moment)]
Instant = Annotated[AwareDatetime, BeforeValidator(_moment)]
Ident = Annotated[str, Path(pattern=IDENT, description="As an earlier answer named it")]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="As an earlier answer named it")]
Minor = Annotated[int, Field(description="Minor units: won for KRW, cents for USD", examples=[9900])]
Currency = Annotated[str, Field(description="ISO 4217", examples=["KRW"])]
Word = Annotated[str, AfterValidator(_printable), Field(min_length=1, max_length=200)]
"""Text that a filter matches exactly."""
Id = Annotated[str, Field(pattern=IDENT)]
"""An id that a filter matches."""
Sum = Annotated[int, Field(ge=0, le=2**62)]

ExternalId = Annotated[Text, Described(minLength=1, maxLength=LONGEST_EXTERNAL_ID)]
_PAIR_NAME = Annotated[Text, Described(minLength=1, maxLength=LONGEST_PAIR_NAME)]
_PAIR_VALUE = Annotated[Text, Described(minLength=1, maxLength=LONGEST_PAIR_VALUE)]
Metadata = Annotated[dict[_PAIR_NAME, _PAIR_VALUE], Described(maxProperties=MOST_PAIRS)]
MetadataChanges = Annotated[dict[_PAIR_NAME, _PAIR_VALUE | None], Described(maxProperties=MOST_PAIRS)]

PlainDays = Annotated[
    list[Annotated[int, Described(minimum=1, maximum=LONGEST_WAIT.days)]], Described(maxItems=MOST_STEPS)
]
PolicyName = Annotated[Text, Described(maxLength=LONGEST_DERIVED_NAME)]
"""The name of a dunning policy."""

EXTERNAL_ID = Field(
    None,
    description="Your own id, unique in this list: a repeat is a 409 with the existing id",
    examples=["order-1001"],
)
METADATA: Any = Field(
    default_factory=dict, description=f"At most {MOST_PAIRS} of your own pairs of text", examples=[{"team": "sales"}]
)
METADATA_CHANGES = Field(
    default=None, description="Pairs to set; null takes a pair out (RFC 7396)", examples=[{"team": "support"}]
)


OfCustomer = Annotated[Word | None, Field(description="Only of this customer")]
OfSubscription = Annotated[Id | None, Field(description="Only of this subscription")]
OwnId = Annotated[Word | None, Field(description="Only the one with this `external_id`")]
InCurrency = Annotated[Annotated[str, Field(pattern="^[A-Z]{3}$")] | None, Field(description="Only in this currency")]
AtLeast = Annotated[Sum | None, Field(description="Minor units, at least")]
AtMost = Annotated[Sum | None, Field(description="Minor units, at most")]


class Created(Paging):
    """A list with filters by time."""

    created_after: Instant | None = Field(None, description="Created at or after this")
    created_before: Instant | None = Field(None, description="Created before this")


class LabelledInput(Input):
    """A request that creates an entity with labels of the merchant."""

    external_id: ExternalId | None = EXTERNAL_ID
    metadata: Metadata = METADATA
