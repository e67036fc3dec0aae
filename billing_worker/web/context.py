"""What every endpoint may reach: handed in when the application is made, found through the request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

from fastapi import Depends, Request

from billing_worker.config import Settings
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import Database
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
    ring: Callable[[str, str], None]
    """Asks for a job on one id, once the request's effect is durable."""
    then: Callable[[Callable[[Ports], None]], None]
    """Does something once the request's effect is durable, and before it is answered."""
    idempotency_key: str | None = None
    """What the request is called by its sender."""


class Held:
    """What a request with an Idempotency-Key works with: its own transaction, and what waits for the commit."""

    PLACE = "billing.held"
    """Where the request's scope (ASGI's word) has it."""

    def __init__(self, key: str, database: Database, bell: Bell, ports: Ports) -> None:
        self.key, self.database = key, database
        self._bell, self._rings = bell, list[tuple[str, str]]()
        self._ports, self._later = ports, list[Callable[[Ports], None]]()

    def hold(self, job: str, ident: str) -> None:
        """Ring when the effect is durable: a worker that looked before would find nothing."""
        self._rings.append((job, ident))

    def hold_work(self, work: Callable[[Ports], None]) -> None:
        """Do it when the effect is durable, in transactions of its own."""
        self._later.append(work)

    @property
    def has_work(self) -> bool:
        """Whether something was held that may take a while."""
        return bool(self._later)

    def work(self) -> None:
        """Do what was held."""
        for work in self._later:
            work(self._ports)

    def ring(self) -> None:
        """Ring for all that was held."""
        for job, ident in self._rings:
            self._bell.ring(job, ident)


async def _context(request: Request) -> Context:
    """Find it, as this request may use it; async, since a sync dependency would cost a thread for every request."""
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
