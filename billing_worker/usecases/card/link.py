"""Links to the card page: signed, with an expiry, and with nothing secret in them."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime

from billing_worker.domain.card_session import CardSession

_TOKEN = re.compile(r"(cs_[a-z0-9]{16})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


def token_of(secret: bytes, session_id: str, expires_at: datetime) -> str:
    """The part of a link that names a session: its id, its expiry (Unix seconds, UTC), and their HMAC-SHA256."""
    named = f"{session_id}.{int(expires_at.timestamp())}"
    return f"{named}.{_signature(secret, named)}"


def link_of(secret: bytes, url: str, session: CardSession) -> str:
    """The link that opens a session, at this public address of the web process."""
    return f"{url}/card/{token_of(secret, session.id, session.expires_at)}"


def session_of(secret: bytes, token: str) -> tuple[str, datetime] | None:
    """The session and the expiry of a genuine token; None for any other text. Compares in constant time."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    if not hmac.compare_digest(found[3], _signature(secret, f"{found[1]}.{found[2]}")):
        return None
    return found[1], datetime.fromtimestamp(int(found[2]), UTC)


def _signature(secret: bytes, named: str) -> str:
    digest = hmac.new(secret, f"card-page {named}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
