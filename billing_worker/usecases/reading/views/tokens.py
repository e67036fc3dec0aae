"""The views of an API token."""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.access import ApiToken, Scope
from billing_worker.usecases.reading.views.fields import view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """An API token."""

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
    return view_of(TokenView, token)


def of_new_token(token: ApiToken, text: str) -> NewTokenView:
    """The view of a new token with its text."""
    return view_of(NewTokenView, of_token(token), token=text)
