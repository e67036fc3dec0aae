"""Read requests and write answers: JSON or form in, the envelope `{code, message, response}` out."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from billing_worker.sandbox import texts

TRANSPORT = "sandbox.transport"  # scope extension: lets an answer close the TCP connection
PART = re.compile(r"\[([^\]]*)\]")


class Refused(Exception):
    """The gateway refuses: HTTP 200 with a code other than 0, unless a status is given."""

    def __init__(self, message: str, code: int = 1, http: int = 200) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http = http


class JsonText(Response):
    """A JSON body, made with as little work as possible."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: Any) -> bytes:
        """Write JSON without escaping Korean."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def envelope(response: Any, *, code: int = 0, message: str | None = None, http: int = 200) -> JsonText:
    """Return an answer as PortOne V1 gives it."""
    return JsonText({"code": code, "message": message, "response": response}, status_code=http)


def refusal(refused: Refused) -> JsonText:
    """Return the answer to a call that is refused."""
    return envelope(None, code=refused.code, message=refused.message, http=refused.http)


def unauthorized() -> JsonText:
    """Return the answer to a missing, wrong or expired token (observed)."""
    return envelope(None, code=-1, message=texts.UNAUTHORIZED, http=401)


class Dropped(Response):
    """No answer, or `part` of one. Then the connection is closed, as when a gateway dies halfway."""

    def __init__(self, part: Response | None = None) -> None:
        super().__init__(status_code=part.status_code if part else 499)
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection without the server's knowledge."""
        transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
        if self._part is not None:
            headers = list(self._part.raw_headers)
            await send({"type": "http.response.start", "status": self._part.status_code, "headers": headers})
            half = bytes(self._part.body)[: len(self._part.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


async def read_fields(request: Request) -> dict[str, Any]:
    """Return the body's fields, JSON or form (documented: both are accepted); path and query are not in it."""
    body = await request.body()
    if not body:
        return {}
    if body.lstrip()[:1] in {b"{", b"["}:
        try:
            fields = json.loads(body)
            if b"\\u" in body:  # may contain half a surrogate pair, which neither the ledger nor an answer can hold
                json.dumps(fields, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise Refused(texts.BAD_BODY, code=-1, http=400) from None
        if not isinstance(fields, dict):
            raise Refused(texts.BAD_BODY, code=-1, http=400)
        return fields
    return nested(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return form fields with brackets as lists and objects: `schedules[0][amount]=1`, `imp_uid[]=a`."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        parts = [name.partition("[")[0], *PART.findall(name)]
        place: dict[str, Any] = fields
        for part in parts[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[parts[-1] or str(len(place))] = value
    return {name: _listed(value) for name, value in fields.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    return list(inner.values()) if inner and all(name.isdigit() for name in inner) else inner


def many(request: Request, name: str) -> list[str]:
    """Return a repeated query parameter, written `name[]=a&name[]=b` or `name=a`."""
    query = request.query_params
    return query.getlist(f"{name}[]") or query.getlist(name)


def whole(text: Any, default: int, lowest: int = 0, highest: int = 2**53) -> int:
    """Return a whole number within bounds; any other value becomes the default."""
    try:
        number = int(text)
    except (TypeError, ValueError, OverflowError):
        return default
    return max(lowest, min(highest, number))


def number(fields: dict[str, Any], name: str) -> float | None:
    """Return a numeric field, number or numeric string; None if it is absent or another type."""
    value = fields.get(name)
    if isinstance(value, bool) or value is None:
        return None
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if abs(result) < 10**15 else None


def text(fields: dict[str, Any], name: str) -> str:
    """Return a field as text; an absent one is empty."""
    value = fields.get(name)
    return "" if value is None else str(value)


def truthy(value: Any) -> bool:
    """Read a flag from JSON or a form."""
    return value is True or str(value).lower() in {"true", "1", "y"}
