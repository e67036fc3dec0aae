"""Access control: a bearer token with a name and a scope, on every interface, including loopback."""

import asyncio
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from billing_worker.config import Settings
from billing_worker.domain.access import Scope as TokenScope
from billing_worker.domain.errors import SettingsInvalid, Unavailable
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.tokens import has_form, token_with
from billing_worker.web.errors import ErrorType, problem, unavailable
from billing_worker.web.sources import address_of

GUARDED = re.compile(r"/(v1|metrics)(/|$)")
"""Every address that shows or moves money. The receiver, the health checks and the docs are open.

The expression matches as the router's do: `$` also matches before a final line break. The router serves such an
address, so the guard must match it too."""

PRINCIPAL = "billing.principal"
"""The place of the principal in the request's scope (ASGI's word)."""

REMEMBERED_FOR = 5.0
"""Seconds: a revoked token works for at most this long."""
MOST_TOKENS = 1000
LOOKS_AT_ONCE = 4
"""Tokens looked up in the database at the same time. A flood of invented ones takes no more connections."""

_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender: a token's name and its scope."""

    name: str
    scope: TokenScope

    @property
    def actor(self) -> str:
        """The actor in the log of actions."""
        return f"token:{self.name}"


@dataclass(frozen=True, slots=True)
class Place:
    """A route: a method at an address."""

    method: str
    path: re.Pattern[str]

    def fits(self, method: str, path: str) -> bool:
        """Whether a request matches this route."""
        return self.method == method and self.path.match(path) is not None


class Access:
    """The rule for guarded addresses: the valid tokens, and the scope that each address needs."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        """Raises SettingsInvalid if no token is set, or an empty one, which anyone could guess."""
        self._ports = ports
        self._set = _token_of(settings)
        self._marked: dict[TokenScope, tuple[Place, ...]] = {}
        self._remembered: OrderedDict[str, tuple[float, Principal | None]] = OrderedDict()
        self._places = asyncio.Semaphore(LOOKS_AT_ONCE)

    def mark(self, marked: Mapping[TokenScope, Iterable[Place]]) -> None:
        """Set the routes that need another scope than their method says."""
        self._marked = {scope: tuple(places) for scope, places in marked.items()}

    def needed(self, method: str, path: str) -> TokenScope:
        """The scope that a request needs."""
        if method in _LOOKING:
            return TokenScope.READ
        for scope, places in self._marked.items():
            if any(each.fits(method, path) for each in places):
                return scope
        return TokenScope.WRITE

    async def principal(self, sent: bytes) -> Principal | None:
        """The principal with this token; None if there is none.

        Raises Unavailable if the database is needed and does not answer.
        """
        if secrets.compare_digest(sent, self._set):
            return Principal("setting", TokenScope.MONEY)
        text = sent.decode("ascii", "replace")
        if not has_form(text):
            return None
        known = self._remembered.get(text)
        if known is not None and time.monotonic() - known[0] < REMEMBERED_FOR:
            return known[1]
        async with self._places:
            token = await to_thread.run_sync(token_with, self._ports, text)
        found = None if token is None else Principal(token.name, token.scope)
        self._remembered[text] = (time.monotonic(), found)
        self._remembered.move_to_end(text)
        if len(self._remembered) > MOST_TOKENS:
            self._remembered.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The reason to refuse a request."""

    status: int
    kind: ErrorType
    message: str
    headers: dict[str, str] = field(default_factory=dict)


class AccessGuard:
    """Runs before the router and before the body is read, so that no endpoint can be forgotten."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an allowed request on, with its principal."""
        if scope["type"] != "http" or not is_guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._access.principal(_bearer(scope))
        except Unavailable as error:
            await unavailable(scope["method"], error)(scope, receive, send)
            return
        refusal = _refusal(principal, self._access.needed(scope["method"], scope["path"]))
        if refusal is not None:
            answer = problem(refusal.status, refusal.kind, refusal.message, headers=refusal.headers)
            await answer(scope, receive, send)
            return
        scope[PRINCIPAL] = principal
        with structlog.contextvars.bound_contextvars(actor=principal.actor if principal else ""):
            await self._app(scope, receive, send)


def _refusal(principal: Principal | None, needed: TokenScope) -> _Refusal | None:
    if principal is None:
        asked = {"WWW-Authenticate": 'Bearer realm="billing"'}
        return _Refusal(401, ErrorType.UNAUTHORIZED, "send the API token: Authorization: Bearer …", asked)
    if not principal.scope.covers(needed):
        message = f"token {principal.name} has the scope {principal.scope}; this needs {needed}"
        asked = {"WWW-Authenticate": f'Bearer realm="billing", error="insufficient_scope", scope="{needed}"'}
        return _Refusal(403, ErrorType.FORBIDDEN, message, asked)
    return None


def is_guarded(path: str) -> bool:
    """Whether this address needs a token."""
    return GUARDED.match(path) is not None


def is_loopback(host: str | None) -> bool:
    """Whether only this machine can reach the address."""
    address = address_of(host)
    return address is not None and address.is_loopback


def _token_of(settings: Settings) -> bytes:
    if settings.api_token is None:
        raise SettingsInvalid("BILLING_API_TOKEN: is not set, and no token was made; start with `billing-worker web`")
    # A header ends with its last visible letter. With the final line break of a secret's file, no token would match.
    token = settings.api_token.get_secret_value().strip().encode()
    if not token:
        raise SettingsInvalid("BILLING_API_TOKEN: is empty; leave it out, or set a long random text")
    return token


def _bearer(scope: Scope) -> bytes:
    """The token as bytes: a comparison of text fails for characters outside ASCII."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(sent) != 1:
        return b""
    scheme, _, token = sent[0].partition(b" ")
    return bytes(token.strip()) if scheme.lower() == b"bearer" else b""
