"""One shape for all errors: `application/problem+json` (RFC 9457).

A client learns its mistake and the way out. Of our own failures it learns only that they happened; the log has the
details under the request's id. docs/api.md describes each type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from billing_worker.domain.errors import Conflict, InvalidInput, NotFound, SignatureInvalid, Unavailable
from billing_worker.web.request_id import current_request_id
from billing_worker.web.validation import explained

RETRY_AFTER = "5"
"""Seconds: about the time of a database restart."""

MEDIA_TYPE = "application/problem+json"
URN = "urn:billing-worker:problem:"

_log = structlog.get_logger("billing.web")


class ErrorType(StrEnum):
    """The kinds of problems, for programs: the end of a problem's `type`."""

    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SIGNATURE_INVALID = "signature_invalid"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    ALREADY_EXISTS = "already_exists"
    REQUEST_UNDER_WAY = "request_under_way"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_INPUT = "invalid_input"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The rules for all problems of a type."""

    title: str
    way_out: str


MEANINGS: Mapping[ErrorType, _Meaning] = {
    ErrorType.MALFORMED: _Meaning("The request cannot be read", "Send a complete HTTP request with a JSON object."),
    ErrorType.UNAUTHORIZED: _Meaning(
        "The token is missing or wrong",
        "Send `Authorization: Bearer TOKEN`; `billing-worker token create` makes one.",
    ),
    ErrorType.FORBIDDEN: _Meaning(
        "The sender is not allowed to do this", "Use a token with the scope that `detail` names, or an allowed address."
    ),
    ErrorType.SIGNATURE_INVALID: _Meaning(
        "The signature does not match", "Check the secret and the signature version on both sides."
    ),
    ErrorType.NOT_FOUND: _Meaning("There is no such object", "Use an id from an earlier answer; see /docs."),
    ErrorType.METHOD_NOT_ALLOWED: _Meaning("This address does not take this method", "Use one that `Allow` names."),
    ErrorType.TIMEOUT: _Meaning("The request came too slowly", "Send it again."),
    ErrorType.CONFLICT: _Meaning(
        "The request is valid, but the present state does not allow it", "First do what `detail` says."
    ),
    ErrorType.ALREADY_EXISTS: _Meaning(
        "It already exists", "Use the one that `existing_id` names; it may be your own earlier request."
    ),
    ErrorType.REQUEST_UNDER_WAY: _Meaning(
        "The first request with this key is still being served",
        "Send the same request again after `Retry-After` seconds.",
    ),
    ErrorType.TOO_LARGE: _Meaning("The request is too large", "Send less; `detail` names the bound."),
    ErrorType.UNSUPPORTED_MEDIA_TYPE: _Meaning("This content type is not read here", "Send `application/json`."),
    ErrorType.INVALID_INPUT: _Meaning("A field is wrong", "Correct the field that `field` names; see /docs."),
    ErrorType.IDEMPOTENCY_KEY_REUSED: _Meaning(
        "The key stands for another request", "Use a new Idempotency-Key for each new request."
    ),
    ErrorType.INTERNAL: _Meaning("Our own failure", "Tell the operator the `request_id`: the log has more under it."),
    ErrorType.UNAVAILABLE: _Meaning(
        "The service cannot answer now",
        "Send the same request again, with its Idempotency-Key, after `Retry-After` seconds.",
    ),
}


class Problem(BaseModel):
    """The body of every answer with status 400 or more (RFC 9457)."""

    type: str = Field(description="One URI per kind; docs/api.md lists them", examples=[URN + "invalid_input"])
    title: str = Field(description="The title of all problems of this type", examples=["A field is wrong"])
    status: int = Field(description="The answer's HTTP status", examples=[422])
    detail: str = Field(description="One line about this case", examples=["must be at least 1"])
    way_out: str = Field(description="What to do about it", examples=["Correct the field that `field` names."])
    request_id: str = Field(description="As in the header Request-Id", examples=["req_0123456789abcdef"])
    field: str | None = Field(None, description="The field of the request that is wrong", examples=["amount"])
    existing_id: str | None = Field(None, description="The id of the existing object, if that is the conflict")


class Refused(Exception):
    """A refused request, answered with a problem at once."""

    def __init__(self, status: int, kind: ErrorType, message: str, field: str | None = None) -> None:
        self.status, self.kind, self.message, self.field = status, kind, message, field
        super().__init__(message)


_OF_STATUS = {
    400: ErrorType.MALFORMED,
    404: ErrorType.NOT_FOUND,
    405: ErrorType.METHOD_NOT_ALLOWED,
    413: ErrorType.TOO_LARGE,
    415: ErrorType.UNSUPPORTED_MEDIA_TYPE,
}
_DESCRIPTIONS = {
    400: "The request cannot be read, or a field of a notification is wrong",
    401: "No bearer token, or a wrong one",
    403: "The token's scope does not cover this; or, at the receiver, a wrong signature or source address",
    404: "There is no such object",
    408: "The body did not arrive in time",
    409: "The present state does not allow it: it already exists, or the same request is still being served",
    413: "The body is too large",
    415: "The content type is not supported",
    422: "A field is wrong, or the Idempotency-Key stands for another request",
    500: "Our own failure; the log has more under the request's id",
    503: "The database does not answer, or too many requests wait for it; try again later",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """A route's `responses` for these problems."""
    return {status: {"model": Problem, "description": _DESCRIPTIONS[status]} for status in statuses}


def body_of(
    status: int,
    kind: ErrorType,
    message: str,
    request_id: str,
    *,
    field: str | None = None,
    existing_id: str | None = None,
) -> dict[str, str | int]:
    """The members of a problem, without those that do not apply."""
    meaning = MEANINGS[kind]
    body: dict[str, str | int] = {"type": URN + kind.value, "title": meaning.title, "status": status}
    body |= {"detail": _sendable(message), "way_out": meaning.way_out, "request_id": request_id}
    extra = {"field": field and _sendable(field), "existing_id": existing_id}
    return body | {name: value for name, value in extra.items() if value is not None}


def _sendable(words: str) -> str:
    """The same as text that UTF-8 has: a caller's own words may hold half a surrogate pair."""
    return words.encode("utf-8", "backslashreplace").decode("utf-8")


def problem(
    status: int,
    kind: ErrorType,
    message: str,
    *,
    field: str | None = None,
    existing_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem as an answer."""
    body = body_of(status, kind, message, current_request_id(), field=field, existing_id=existing_id)
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Answer every expected error with a problem."""
    handlers: dict[Any, Any] = {
        Refused: _refused,
        InvalidInput: _invalid_input,
        NotFound: _not_found,
        Conflict: _conflict,
        SignatureInvalid: _signature_invalid,
        Unavailable: _unavailable,
        RequestValidationError: _not_valid,
        HTTPException: _of_the_framework,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


async def _refused(_: Request, error: Refused) -> JSONResponse:
    return refusal(error)


def refusal(error: Refused) -> JSONResponse:
    """The answer to a request that is refused."""
    headers = {"Retry-After": RETRY_AFTER} if error.kind is ErrorType.UNAVAILABLE else None
    return problem(error.status, error.kind, error.message, field=error.field, headers=headers)


async def _invalid_input(_: Request, error: InvalidInput) -> JSONResponse:
    # Without the value: the caller knows it, and it may be customer data.
    return problem(422, ErrorType.INVALID_INPUT, error.problem, field=error.field)


async def _not_found(_: Request, error: NotFound) -> JSONResponse:
    return problem(404, ErrorType.NOT_FOUND, f"there is no {error.kind} with this id")


async def _conflict(_: Request, error: Conflict) -> JSONResponse:
    kind = ErrorType.CONFLICT if error.existing_id is None else ErrorType.ALREADY_EXISTS
    return problem(409, kind, str(error), field=error.field, existing_id=error.existing_id)


async def _signature_invalid(_: Request, error: SignatureInvalid) -> JSONResponse:
    return problem(403, ErrorType.SIGNATURE_INVALID, str(error))


async def _unavailable(request: Request, error: Unavailable) -> JSONResponse:
    return unavailable(request.method, error)


def unavailable(method: str, error: Unavailable) -> JSONResponse:
    """The answer when the database does not answer."""
    # The driver's words name hosts and users: they are for the log.
    _log.warning("request.unavailable", method=method, error=str(error))
    message = "the database does not answer; try again later"
    if method != "GET":
        message += "; whether this request was carried out is not known: with its Idempotency-Key it may be repeated"
    return problem(503, ErrorType.UNAVAILABLE, message, headers={"Retry-After": RETRY_AFTER})


async def _not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
    field, message, readable = explained(error.errors())
    if not readable:
        return problem(400, ErrorType.MALFORMED, message)
    return problem(422, ErrorType.INVALID_INPUT, message, field=field)


async def _of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
    kind = _OF_STATUS.get(error.status_code, ErrorType.MALFORMED)
    message = HTTPStatus(error.status_code).phrase.lower()
    if error.status_code == 404:  # noqa: PLR2004 - not found
        message = "there is nothing at this address; see /docs"
    if error.status_code == 405:  # noqa: PLR2004 - method not allowed
        message = f"{request.method} is not possible at this address; see /docs"
        allowed = _methods_at(request)
        return problem(405, kind, message, headers={"Allow": allowed} if allowed else error.headers)
    if error.status_code == 400:  # noqa: PLR2004 - bad request
        message = "the body cannot be read"
    return problem(error.status_code, kind, message, headers=error.headers)


def refuse_as_identifier(request: Request) -> None:
    """Refuse a method that only an identifier at this place would take: `GET /v1/payments/by-card`, for example."""
    own = request.app.openapi()["paths"].get(request.scope["path"])
    if own is not None and request.method.lower() not in own:
        raise HTTPException(405)


def _methods_at(request: Request) -> str:
    """The methods of this address: the framework names only those of its first route.

    An address that is in the description as it stands names nothing.
    """
    found: set[str] = set()
    address, paths = request.scope["path"], request.app.openapi()["paths"]
    for path, operations in ({address: paths[address]} if address in paths else paths).items():
        if compile_path(path)[0].match(address):
            found |= {method.upper() for method in operations}
    return ", ".join(sorted(found))
