"""PortOne's official description as the judge of requests and answers, and what is known to differ from it."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, unquote

import jsonschema_rs

from billing_worker.adapters.portone.requests import Call
from tests.support.portone_schemas import Known, answer_schema, in_path, operation_of, request_schema

FINDINGS, LONGEST = 3, 300
"""Complaints about one body: the first tell enough."""

BACKWARD = "compatibility promise of PortOne (api/backward-compatibility): new fields and values at any time"
CHOSEN = "inferred: a fault that a client must bear, as docs/sandbox.md says of the behaviour"
UNASKED = "whether these reads hide test payments is not known; unknown parameters are ignored (requests.py)"

DEVIATIONS = {
    "unset values are null": "bodies of the real API in tests of go-iamport; the description's prose of card_type",
    "a refusal has no response": "bodies of the real API in tests of node-iamporter and iamport-rest-client",
    "lists of schedules are pages": "clients in Java, Go and Node.js parse {total, previous, next, list}",
    "a prepared amount is no page": "the fields that it requires are those of PagedPaymentAnnotation: a slip",
    "answers may have new fields": BACKWARD,
    "status pending": "the description's prose of GET /payments: paypal_v2 may answer pending",
    "status settling": BACKWARD,
    "payment_status ready": "inferred: a schedule shows the status of its payment",
    "payment_status pending": "as payment_status ready",
    "payment_status settling": "as payment_status ready",
    "amounts may be texts": CHOSEN,
    "merchant_uid may be longer": "chosen with --long-merchant-uid accept",
    "channel_key may be missing": "public clients in Go, Python and Java issue with `pg` alone (fact sheet, 4.2)",
    "HTTP 401: any": "api/rest-v1, authentication: an expired token is a 401 of every call",
    "HTTP 400: POST": "tests of node-iamporter (getToken without keys); inferred for a body that cannot be read",
    "HTTP 400: PUT": "inferred, as HTTP 400: POST",
    "HTTP 400: GET /payments/find/{merchant_uid}/{payment_status}": "as findAll; the words are from node-iamporter",
    "HTTP 400: GET /subscribe/customers/{customer_uid}/payments": "inferred: a page too far, as in other lists",
    "HTTP 404: GET /payments/prepare/{merchant_uid}": "tests of node-iamporter",
    "include_sandbox: GET /payments/findAll/{merchant_uid}/{payment_status}": UNASKED,
    "include_sandbox: GET /payments/status/{payment_status}": UNASKED,
    "include_sandbox: GET /subscribe/customers/{customer_uid}/payments": UNASKED,
}
"""What differs from the description, each with its source. A test checks that each is still needed."""

ALL: Known = frozenset(DEVIATIONS)
FAULTS = {307, 429, 500, 502, 503}
"""Statuses of transport and overload, which no description of the API lists, and whose bodies are free."""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, and the call that it answers."""

    method: str
    path: str
    status: int
    body: bytes

    @property
    def operation(self) -> str | None:
        """Its operation in the description."""
        return operation_of(self.method, self.path)


def complaints_about(said: Said, known: Known = ALL) -> list[str]:
    """What the description has against an answer. A transport fault has no description, and no complaint."""
    if said.status in FAULTS:
        return []
    operation = said.operation
    if operation is None:
        return [f"{said.method} {said.path} is not described"]
    validator = _validator(operation, said.status, known)
    if validator is None:
        return [f"{operation} has no answer with HTTP {said.status}"]
    try:
        body = json.loads(said.body)
    except ValueError:
        return [f"{operation}, HTTP {said.status}: not JSON"]
    return [f"{operation}, HTTP {said.status}: {one}" for one in _found(validator, body)]


def complaints_about_request(call: Call, known: Known = ALL) -> list[str]:
    """What the description has against a request."""
    path, _, query = call.path.partition("?")
    operation = operation_of(call.method, path)
    if operation is None:
        return [f"{call.method} {path} is not described"]
    request = {
        "path": {name: unquote(value) for name, value in in_path(operation, path).items()},
        "query": dict(parse_qsl(query, keep_blank_values=True)),
        "body": json.loads(call.body) if call.body else {},
    }
    return [f"{operation}: {one}" for one in _found(_request_validator(operation, known), request)]


def _found(validator: Any, instance: Any) -> list[str]:
    errors = islice(validator.iter_errors(instance), FINDINGS)
    return [f"{'/'.join(map(str, one.instance_path))}: {one.message}"[:LONGEST] for one in errors]


@cache
def _validator(operation: str, status: int, known: Known) -> Any:
    schema = answer_schema(operation, status, known)
    return schema and jsonschema_rs.Draft202012Validator(schema)


@cache
def _request_validator(operation: str, known: Known) -> Any:
    return jsonschema_rs.Draft202012Validator(request_schema(operation, known))
