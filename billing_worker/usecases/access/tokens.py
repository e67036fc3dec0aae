"""Tokens of the API: create, list, revoke, and find the token of a request.

A token is 256 bits of chance. Its text is shown once, at its creation; only a SHA-256 digest is stored, which does not
reveal it. A random token cannot be guessed, so a slow hash is not needed.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from billing_worker.domain.access import ApiToken, Scope
from billing_worker.domain.action import Verb
from billing_worker.domain.errors import InvalidInput
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note

PREFIX = "bwt_"
"""The prefix by which secret scanners and people recognise a token."""

_FORM = re.compile(r"bwt_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token and its text, which is not stored."""

    token: ApiToken
    text: str = field(repr=False)


def create_token(ports: Ports, name: str, scope: str, chance: str) -> NewToken:
    """Create a token; `chance` is 256 random bits in 43 URL-safe characters. Raises InvalidInput or Conflict."""
    if scope not in set(Scope):
        raise InvalidInput("scope", scope, f"must be one of {', '.join(Scope)}")
    text = PREFIX + chance
    real_now = ports.clock.moment().real
    token = ApiToken(
        id=ports.ids.new("tok"),
        name=name,
        scope=Scope(scope),
        digest=digest_of(text),
        created_at=real_now,
        created_by=ports.actor,
    )
    with ports.database.transaction() as uow:
        uow.tokens.add(token)
        note(ports, uow, Verb.TOKEN_CREATED, f"token:{name}", f"scope {scope}", at=real_now)
        uow.commit()
    return NewToken(token, text)


def revoke_token(ports: Ports, name: str) -> ApiToken:
    """Revoke it; processes notice within seconds. Raises NotFound, or Conflict when it is already revoked."""
    with ports.database.transaction() as uow:
        token = uow.tokens.lock_named(name)
        real_now = ports.clock.moment().real
        token.revoke(ports.actor, real_now)
        uow.tokens.save(token)
        note(ports, uow, Verb.TOKEN_REVOKED, f"token:{name}", at=real_now)
        uow.commit()
    return token


def tokens(ports: Ports) -> Sequence[ApiToken]:
    """All tokens, including revoked ones, newest first."""
    with ports.database.transaction() as uow:
        return uow.tokens.list()


def token_with(ports: Ports, text: str) -> ApiToken | None:
    """The token in force with this text; None for any other text."""
    if not has_form(text):
        return None
    with ports.database.transaction() as uow:
        return uow.tokens.with_digest(digest_of(text))


def has_form(text: str) -> bool:
    """Whether the text could be a token. Other texts cost no query."""
    return _FORM.fullmatch(text) is not None


def digest_of(text: str) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
