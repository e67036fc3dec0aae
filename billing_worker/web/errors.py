"""One shape for everything that goes wrong, whoever noticed it: `{"error": {"type", "field", "message"}}`.

A client learns what it did wrong and what to do about it; of our own failures it learns that they happened, and a
reference under which the log has the rest.
"""

from collections.abc import Mapping
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
from billing_worker.web.validation import explained

RETRY_AFTER = "5"
"""Seconds: about what a database needs to come back after a restart."""

_log = structlog.get_logger("billing.web")


class ErrorType(StrEnum):
    """What a program can decide by."""

    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SIGNATURE_INVALID = "signature_invalid"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_INPUT = "invalid_input"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"


class ErrorBody(BaseModel):
    """What went wrong."""

    type: ErrorType
    field: str | None = Field(None, description="The field of the request that is wrong")
    message: str = Field(description="One line for a person")
    reference: str | None = Field(None, description="Only with type internal: the log has more under this reference")


class Problem(BaseModel):
    """The body of every answer with status 400 or more."""

    error: ErrorBody


class Refused(Exception):
    """A request that is answered with a problem at once."""

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
    400: "The body cannot be read, or a field of a notification is wrong",
    401: "No bearer token, or a wrong one",
    403: "Refused: the signature, the source address, or (where no token is set) a caller that is not local",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    409: "Right in itself, but something stands against it now",
    413: "The body is too large",
    415: "The content type is not one that is read here",
    422: "A field is wrong",
    500: "Our own failure; the reference is in the log",
    503: "The database does not answer, or too much waits for it; try again after a while",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: these problems may be the answer."""
    return {status: {"model": Problem, "description": _DESCRIPTIONS[status]} for status in statuses}


def problem(
    status: int,
    kind: ErrorType,
    message: str,
    *,
    field: str | None = None,
    reference: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer in the one shape."""
    body: dict[str, str | None] = {"type": kind.value, "field": field, "message": message}
    if reference is not None:
        body["reference"] = reference
    return JSONResponse({"error": body}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Answer every expected error in the one shape."""
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
    # Without the value: the caller knows it, and it may be a customer's.
    return problem(422, ErrorType.INVALID_INPUT, error.problem, field=error.field)


async def _not_found(_: Request, error: NotFound) -> JSONResponse:
    return problem(404, ErrorType.NOT_FOUND, f"there is no {error.kind} with this id")


async def _conflict(_: Request, error: Conflict) -> JSONResponse:
    return problem(409, ErrorType.CONFLICT, str(error), field=error.field)


async def _signature_invalid(_: Request, error: SignatureInvalid) -> JSONResponse:
    return problem(403, ErrorType.SIGNATURE_INVALID, str(error))


async def _unavailable(request: Request, error: Unavailable) -> JSONResponse:
    # The driver's words name hosts and users: they are for the log.
    _log.warning("request.unavailable", method=request.method, error=str(error))
    message = "the database does not answer; try again later"
    if request.method != "GET":
        message += "; whether this request was carried out is not known, so look before you repeat it"
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


def _methods_at(request: Request) -> str:
    """What is possible at this address: the framework names the methods of its first route alone."""
    found: set[str] = set()
    for path, operations in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.scope["path"]):
            found |= {method.upper() for method in operations}
    return ", ".join(sorted(found))
