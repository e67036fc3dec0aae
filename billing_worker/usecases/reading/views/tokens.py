"""What is shown of a token of the API."""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.access import ApiToken, Scope
from billing_worker.usecases.reading.views.joined import joined


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token that was given out."""

    name: str
    scope: Scope
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokenView(TokenView):
    """A token with its text, which is shown once."""

    token: str


def of_token(token: ApiToken) -> TokenView:
    """The view of a token."""
    return TokenView(
        name=token.name,
        scope=token.scope,
        created_at=token.created_at,
        created_by=token.created_by,
        revoked_at=token.revoked_at,
        revoked_by=token.revoked_by,
    )


def of_new_token(token: ApiToken, text: str) -> NewTokenView:
    """The view of a token at the moment when it is given out."""
    return joined(NewTokenView, of_token(token), token=text)
