"""The access token of POST /users/getToken. All rules are documented (PortOne V1 spec) and run on real time."""

import secrets
from dataclasses import dataclass

GRACE = 60.0  # asked for in its last 60 seconds …
EXTENSION = 300.0  # … a token lives 5 minutes longer
TOKEN_HEADERS = ("authorization", "x-imptokenheader")
"""PortOne documented the second one first, and old clients still send it."""

SCHEMES = ("bearer ",)  # the raw token is accepted as well (observed: used by official clients)


@dataclass(slots=True)
class Tokens:
    """The one token of an API key: every request gets the same until it expires."""

    lifetime: float
    access_token: str = ""
    expired_at: float = 0.0

    def issue(self, now: float) -> bool:
        """Make `access_token` and `expired_at` current; return whether either of them changed."""
        left = self.expired_at - now
        if not self.access_token or left <= 0:
            self.access_token = secrets.token_hex(20)
            self.expired_at = float(int(now + self.lifetime))
            return True
        if left <= GRACE:
            self.expired_at += EXTENSION
            return True
        return False

    def accepts(self, authorization: str | None, now: float) -> bool:
        """Whether a request with this header is accepted."""
        if not authorization or not self.access_token or now >= self.expired_at:
            return False
        given = authorization.strip()
        for scheme in SCHEMES:
            if given.lower().startswith(scheme):
                given = given[len(scheme) :].strip()
        return secrets.compare_digest(given.encode(), self.access_token.encode())

    def revoke(self) -> None:
        """Invalidate the current token, as a rotation of the API key would."""
        self.access_token = ""
