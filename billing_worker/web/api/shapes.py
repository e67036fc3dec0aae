"""What the requests and answers of all endpoints share."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Path, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from billing_worker.domain.text import misplaced, named
from billing_worker.web.errors import ErrorType, Refused, documented

T = TypeVar("T")
S = TypeVar("S")

FEW, MOST = 50, 500
EARLIEST, LATEST = 2000, 2199
"""Years. Beyond them date arithmetic runs over, and nobody bills there."""

READS = documented(401, 403, 422, 500, 503)
READS_ONE = documented(401, 403, 404, 422, 500, 503)
CHANGES = documented(400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503)


class Input(BaseModel):
    """A request's body: exact types (a number is not its text), and no field that we do not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(**fields: str | int) -> ConfigDict:
    """What the docs page offers to send: a request that works, where one made of all fields would contradict itself."""
    return ConfigDict(json_schema_extra={"example": {**fields}})


class Paging(BaseModel):
    """The query of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(FEW, ge=1, le=MOST, description="The most that is returned, newest first")


class Page(BaseModel, Generic[T]):
    """A list, newest first."""

    data: list[T]
    has_more: bool = Field(description="Whether there are more than were asked for")


def page(found: Sequence[S], limit: int, shown: Callable[[S], T]) -> Page[T]:
    """At most `limit` of what was found; the caller looked for one more, to know whether there is one."""
    return Page(data=[shown(one) for one in found[:limit]], has_more=len(found) > limit)


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
    """Rules that the description tells. The domain checks them, and says in its own words what is wrong."""

    def __init__(self, **rules: Any) -> None:
        self._rules = rules

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add them to what pydantic found."""
        return handler(schema) | self._rules


Text = Annotated[str, AfterValidator(_printable), Described(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Name = Annotated[str, AfterValidator(_printable), Described(pattern=r"^[A-Za-z0-9_]{1,64}$")]
"""An id in a body: what an earlier answer gave."""
Moment = Annotated[datetime, BeforeValidator(_moment)]
Instant = Annotated[AwareDatetime, BeforeValidator(_moment)]
Ident = Annotated[str, Path(pattern=r"^[A-Za-z0-9_]{1,64}$", description="As an earlier answer named it")]
Minor = Annotated[int, Field(description="Minor units: won for KRW, cents for USD", examples=[9900])]
Currency = Annotated[str, Field(description="ISO 4217", examples=["KRW"])]
