"""The API's description in OpenAPI 3.1: FastAPI's findings, and the rest.

FastAPI cannot know the media type of a problem, the meaning of each word of an enumeration, that every change takes an
Idempotency-Key, and the scope that a token needs.
"""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from billing_worker import __version__
from billing_worker.domain.access import Scope as TokenScope
from billing_worker.web.errors import MEDIA_TYPE
from billing_worker.web.examples import exemplify
from billing_worker.web.security import Place, is_guarded
from billing_worker.web.words import MEANINGS

DESCRIPTION = """
Charges stored billing keys on time, once a period, and says why when it did not.

Amounts are whole numbers of minor units: won for KRW, cents for USD. Times are ISO 8601 with an offset.

**Tokens.** `/v1` and `/metrics` want a bearer token on every interface. Its scope is `read`, `write` or `money`; each
includes the one before it.

**Errors.** Every answer with status 400 or more is `application/problem+json` (RFC 9457): `type` is one URI a kind,
`field` names what is wrong, `way_out` says what to do. Every answer has a `Request-Id`, which the log has too.

**Repeating.** Every POST, PUT and PATCH takes an `Idempotency-Key`: the same request with the same key has one effect
and one answer, also after a crash. The answer is kept for 30 days and given again with `Idempotency-Replayed: true`.

**Lists** are read part by part: `limit`, and the `next_cursor` of one answer as the `cursor` of the next.
"""

TAGS = (
    ("plans", "The price, the interval, and the policy after a decline."),
    ("dunning policies", "When a declined invoice is tried again, and what comes last."),
    ("billing keys", "Cards that PortOne stores under names of the merchant."),
    ("PGs", "What each PG behind PortOne has, requires, forbids and cuts."),
    ("recovery", "Advice about declined payments of any system: when to charge again, and why then."),
    ("subscriptions", "Customers on plans."),
    ("customers", "Everything about one customer, by the merchant's own id."),
    ("invoices", "The debt for each period, and the attempts to collect it."),
    ("refunds", "Money given back, in part or whole."),
    ("stops", "Scopes in which no new charge begins until the stop is cleared; the pause ends by itself."),
    ("alerts", "Alerts for operators."),
    ("actions", "The log of actions: who changed what, and when."),
    ("inbox", "Received webhooks and pingbacks."),
    ("events", "Events for the merchant's own system."),
    ("notices", "Notices to customers about their payments."),
    ("insight", "Explanations of charges, and the report on the books."),
    ("receiver", "The receiver of PortOne's and Paymentwall's notifications."),
    ("operation", "Health and metrics."),
)

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own name of this request, 1 to 255 visible ASCII characters: with it a repeat has no effect "
    "and gets the first answer. For example `order-1001-subscribe`",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
}
REPLAYED = {
    "description": "Only if this is the kept answer to an earlier request",
    "schema": {"type": "string", "enum": ["true"]},
}
REQUEST_ID = {"description": "The name of this request in the log", "schema": {"type": "string"}}
MONEY = {"x-scope": "money"}
"""For a route's `openapi_extra`: it moves money or allows it to move."""


ASKS = {"x-scope": "read"}
"""For a route's `openapi_extra`: a question with a body. It changes nothing."""


KEY_NEEDED = {"x-idempotency-key": "required"}
"""For a route's `openapi_extra`: it is refused without an Idempotency-Key."""


class DescribedApp(FastAPI):
    """A FastAPI application that describes itself."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            schema: dict[str, Any] = super().openapi()
            schema["components"]["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer", "description": "Made by `billing-worker token create`"}
            }
            schema["tags"] = [{"name": name, "description": text} for name, text in TAGS]
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _complete(path, method, operation)
            _explain_words(schema["components"]["schemas"])
            _describe_defaults(schema)
            exemplify(schema["components"]["schemas"])
            for unused in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(unused, None)
            self.openapi_schema = schema
        return self.openapi_schema


def new_app(**options: Any) -> DescribedApp:
    """An application without the framework's own documentation pages, which load scripts from elsewhere."""
    return DescribedApp(
        title="Billing worker",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever Host the caller claimed
        generate_unique_id_function=lambda route: route.name,
        **options,
    )


def needing(app: FastAPI, scope: TokenScope) -> Iterator[Place]:
    """The routes that are marked as needing this scope."""
    return (place for place, route in _places(app) if (route.openapi_extra or {}).get("x-scope") == scope)


def changing(app: FastAPI) -> Iterator[Place]:
    """The routes that change something."""
    return (
        place
        for place, route in _places(app)
        if place.method != "GET" and is_guarded(route.path or "") and (route.openapi_extra or {}) != ASKS
    )


def _places(app: FastAPI) -> Iterator[tuple[Place, RouteContext]]:
    """Each described route. The whole description, which says the same, takes far longer to make."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield Place(method, route.path_regex), route


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    if is_guarded(path):
        operation["security"] = [{"token": []}]
        operation.setdefault("x-scope", "read" if method == "get" else "write")
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope `{operation['x-scope']}`."
    elif operation["responses"].get("422", {}).get("description") == "Validation Error":
        # FastAPI adds its own 422 to every route with parameters; here it is a 400 or a 404.
        operation["responses"].pop("422")
    changes = path.startswith("/v1/") and operation["x-scope"] != TokenScope.READ
    own = operation.setdefault("parameters", []) if changes else []
    if changes:
        own.append(IDEMPOTENCY_KEY | {"required": operation.pop("x-idempotency-key", None) == "required"})
    for status, response in operation["responses"].items():
        response.setdefault("headers", {})["Request-Id"] = REQUEST_ID
        if changes and status[0] in "24":
            response["headers"]["Idempotency-Replayed"] = REPLAYED
        content = response.get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if schema.get("$ref", "").endswith("/Problem"):
            response["content"] = {MEDIA_TYPE: content["application/json"]}


def _describe_defaults(schema: dict[str, Any]) -> None:
    """State the defaults of requests in words: generators treat a field with a `default` as always present."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
            for field in schema["components"]["schemas"].get(name, {}).get("properties", {}).values():
                default = field.pop("default", None)
                if default is not None:
                    field["description"] = f"{field.get('description', '')} (default: {json.dumps(default)})".strip()


def _explain_words(schemas: dict[str, Any]) -> None:
    """Explain each word of every enumeration."""
    for name, schema in schemas.items():
        if "enum" in schema:
            meanings = MEANINGS[name]
            lines = [f"- `{word}`: {meanings[word]}" for word in schema["enum"]]
            schema["description"] = "\n".join([schema.get("description", "").split("\n")[0], "", *lines]).strip()
            schema["x-enumDescriptions"] = {word: meanings[word] for word in schema["enum"]}
