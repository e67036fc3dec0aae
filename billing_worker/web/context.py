"""The context of every endpoint: given when the application is built, found through the request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

from fastapi import Depends, Request

from billing_worker.config import Settings
from billing_worker.config.card_page import CardPage
from billing_worker.domain.errors import SettingsInvalid
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import Database
from billing_worker.web.bell import Bell
from billing_worker.web.errors import ErrorType, Refused
from billing_worker.web.intake import Intake
from billing_worker.web.sources import Sources


class Pingback(Protocol):
    """A pingback with a valid signature."""

    @property
    def uid(self) -> str:
        """The payer; for a billing key its customer_uid."""

    @property
    def ref(self) -> str:
        """Paymentwall's name of the transaction."""

    @property
    def type(self) -> int:
        """The type: 0 paid, 2 reversed, 201 accepted after a review, and so on."""

    @property
    def is_test(self) -> bool:
        """Whether no money moved."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """All received parameters, without the signature."""


VerifyPingback = Callable[[bytes], Pingback]
"""Reads a raw query string. Raises SignatureInvalid, or InvalidInput for a malformed one."""

CheckDatabase = Callable[[], None]
"""Raises Unavailable if the database does not answer, SettingsInvalid if its tables belong to another release."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that an endpoint may use."""

    ports: Ports
    settings: Settings
    bell: Bell
    intake: Intake
    verify_pingback: VerifyPingback | None
    check_database: CheckDatabase
    sources: Sources
    ring: Callable[[str, str], None]
    """Rings for a job on one id when the request's effect is durable."""
    then: Callable[[Callable[[Ports], None]], None]
    """Runs work when the request's effect is durable, before the answer."""
    idempotency_key: str | None = None
    """The sender's name for the request."""


def card_page_of(context: Context) -> CardPage:
    """What the card page needs. Raises Refused where a setting is missing, with its name."""
    try:
        return context.settings.card_page
    except SettingsInvalid as error:
        raise Refused(409, ErrorType.CONFLICT, str(error)) from error


class Held:
    """The state of a request with an Idempotency-Key.

    It has its own transaction, and holds rings and work until the commit.
    """

    PLACE = "billing.held"
    """Its place in the request's scope (ASGI's word)."""

    def __init__(self, key: str, database: Database, bell: Bell, ports: Ports) -> None:
        self.key, self.database = key, database
        self._bell, self._rings = bell, list[tuple[str, str]]()
        self._ports, self._later = ports, list[Callable[[Ports], None]]()

    def hold(self, job: str, ident: str) -> None:
        """Hold a ring until the effect is durable: a worker that looks earlier finds nothing."""
        self._rings.append((job, ident))

    def hold_work(self, work: Callable[[Ports], None]) -> None:
        """Hold work until the effect is durable; it runs in its own transactions."""
        self._later.append(work)

    @property
    def has_work(self) -> bool:
        """Whether work is held that may take a while."""
        return bool(self._later)

    def work(self) -> None:
        """Run the held work."""
        for work in self._later:
            work(self._ports)

    def ring(self) -> None:
        """Ring all held rings."""
        for job, ident in self._rings:
            self._bell.ring(job, ident)


async def _context(request: Request) -> Context:
    """The context for this request. Async, since a sync dependency would cost a thread for every request."""
    context: Context = request.app.state.context
    principal = request.scope.get("billing.principal")
    held: Held | None = request.scope.get(Held.PLACE)
    ports = context.ports if principal is None else replace(context.ports, actor=principal.actor)
    if held is None:
        return replace(context, ports=ports)
    return replace(
        context,
        ports=replace(ports, database=held.database),
        ring=held.hold,
        then=held.hold_work,
        idempotency_key=held.key,
    )


Ctx = Annotated[Context, Depends(_context)]
