"""What every endpoint may reach: handed in when the application is made, found through the request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from billing_worker.config import Settings
from billing_worker.ports import Ports
from billing_worker.web.bell import Bell
from billing_worker.web.intake import Intake
from billing_worker.web.sources import Sources


class Pingback(Protocol):
    """A pingback whose signature was found good."""

    @property
    def uid(self) -> str:
        """Whose: for a billing key its customer_uid."""

    @property
    def ref(self) -> str:
        """Paymentwall's name of the transaction."""

    @property
    def type(self) -> int:
        """What happened: 0 paid, 2 reversed, 201 accepted after a review, and so on."""

    @property
    def is_test(self) -> bool:
        """Whether no money moved."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Everything that was received, without the signature."""


VerifyPingback = Callable[[bytes], Pingback]
"""Reads a raw query string. Raises SignatureInvalid, or InvalidInput where it is malformed."""

CheckDatabase = Callable[[], None]
"""Raises Unavailable where the database does not answer, SettingsInvalid where its tables are of another release."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything an endpoint may reach."""

    ports: Ports
    settings: Settings
    bell: Bell
    intake: Intake
    verify_pingback: VerifyPingback | None
    check_database: CheckDatabase
    sources: Sources


async def _context(request: Request) -> Context:
    """Find it; async, since a sync dependency would cost a thread for every request."""
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(_context)]
