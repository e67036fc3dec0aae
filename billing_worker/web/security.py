"""Who may ask: the bearer token, or, where none is set, only this machine itself."""

import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.web.errors import ErrorType, problem
from billing_worker.web.sources import address_of, peer_of

GUARDED = ("/v1", "/metrics")
"""Everything that tells of money or moves it. The receiver, the health checks and the docs are open."""

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

_WAY_OUT = "set BILLING_API_TOKEN and send it as a bearer token"


@dataclass(frozen=True, slots=True)
class Access:
    """The rule for the guarded addresses."""

    token: bytes | None = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Access":
        """Raises SettingsInvalid for a token that anybody could guess: an empty one."""
        if settings.api_token is None:
            return cls(None)
        # A header ends where its last visible letter does: with a line break, as files of secrets have, none would fit.
        token = settings.api_token.get_secret_value().strip().encode()
        if not token:
            raise SettingsInvalid("BILLING_API_TOKEN: is empty; leave it out, or set a long random text")
        return cls(token)

    def refusal(self, scope: Scope) -> tuple[int, ErrorType, str] | None:
        """Why this request is not served; None where it is."""
        if self.token is not None:
            if secrets.compare_digest(_bearer(scope), self.token):
                return None
            return 401, ErrorType.UNAUTHORIZED, "send the API token: Authorization: Bearer …"
        trouble = _not_local(scope)
        return None if trouble is None else (403, ErrorType.FORBIDDEN, f"{trouble}; {_WAY_OUT}")


class AccessGuard:
    """Stands before the router and before the body is read, so that no endpoint can be forgotten."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be served."""
        if scope["type"] == "http" and is_guarded(scope["path"]):
            refusal = self._access.refusal(scope)
            if refusal is not None:
                status, kind, message = refusal
                headers = {"WWW-Authenticate": 'Bearer realm="billing"'} if status == 401 else {}  # noqa: PLR2004
                await problem(status, kind, message, headers=headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_guarded(path: str) -> bool:
    """Whether this address needs the token."""
    return any(path == start or path.startswith(start + "/") for start in GUARDED)


def is_loopback(host: str | None) -> bool:
    """Whether an address can only be reached from this machine."""
    address = address_of(host)
    return address is not None and address.is_loopback


def _bearer(scope: Scope) -> bytes:
    """The token as bytes: comparing text would refuse, or stumble over, what is not ASCII."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(sent) != 1:
        return b""
    scheme, _, token = sent[0].partition(b" ")
    return bytes(token.strip()) if scheme.lower() == b"bearer" else b""


def _not_local(scope: Scope) -> str | None:
    """Why this cannot be a program on this machine that speaks to us directly, and on purpose."""
    headers = Headers(scope=scope)
    if not is_loopback(peer_of(scope)):
        return "without a token only this machine itself is served"
    if any(name in headers for name in _PROXY_HEADERS):
        return "without a token nothing is served through a proxy"
    host = headers.get("host", "")
    if not _is_local_name(host):
        # A web page whose name was pointed at 127.0.0.1 (DNS rebinding) still sends its own name here.
        return "without a token only the names localhost and 127.0.0.1 are served"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "without a token no other web site is served"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "without a token no other web site is served"
    return None


def _is_local_name(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name = host
    return name.lower() == "localhost" or is_loopback(name.removeprefix("[").removesuffix("]"))
