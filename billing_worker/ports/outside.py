"""Time, names, the gateway and the doorbell: everything outside that is not the database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import ChargeRequest, Evidence, GatewayPayment, Outcome
from billing_worker.domain.refund import RefundAnswer, RefundRequest


class Clock(Protocol):
    """The only source of time. It follows the database server's clock."""

    def moment(self) -> Moment:
        """What both clocks show now. Raises Unavailable when the server was never reached."""


class Ids(Protocol):
    """The only source of random names."""

    def new(self, prefix: str) -> str:
        """A new identifier: the prefix, `_`, and 16 lower-case letters and digits (80 random bits)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a read of the gateway found."""

    payments: Sequence[tuple[GatewayPayment, Evidence]]
    """Empty when the gateway says that it knows none."""
    trouble: str | None = None
    """Set when the read failed or could not be understood: then `payments` proves nothing."""
    evidence: Evidence | None = field(default=None, compare=False)
    """The last answer of this read as it came, for an operator who must judge what the program could not."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A payment in the gateway's books that could not be read exactly."""

    imp_uid: str
    merchant_uid: str
    """Both as far as the row says them; empty otherwise."""
    problem: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of the gateway's books over a span of time."""

    payments: Sequence[GatewayPayment] = ()
    unreadable: Sequence[Unreadable] = ()
    trouble: str | None = None
    """Set when this page could not be read: no further one follows, and what was not seen proves nothing."""


class Gateway(Protocol):
    """A payment gateway. No method raises for anything the outside may do: trouble is part of the answer."""

    def charge(self, request: ChargeRequest) -> Outcome:
        """Place one charge: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        """Give money back: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def payment(self, imp_uid: str) -> Listing:
        """The payment with this id: a list of one, or of none when the gateway knows none."""

    def shows(self, imp_uid: str) -> bool:
        """Control read: whether the gateway shows a payment that is known to exist, by a read begun after this call.

        Who asks has just found nothing. A control read that is older than that read would not speak for it: an outage
        that began in between would pass for absence. Who asks at the same time shares one read, where an adapter can.
        """

    def payments_of(self, merchant_uid: str) -> Listing:
        """Every payment under this merchant_uid, to the last page."""

    def payments_of_key(self, customer_uid: str) -> Listing:
        """Every payment of this billing key, failed ones and the one that issued it too, to the last page."""

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        """All payments whose latest change (paid, failed, cancelled) lies in a span of at most 90 days.

        Page by page, each read when it is asked for. A payment that changes meanwhile may come twice, or not at all:
        its new time lies behind the span then.
        """

    def knows_key(self, customer_uid: str) -> bool | None:
        """Whether the gateway has this billing key; None when the read failed."""


class Doorbell(Protocol):
    """Tells workers that there is something to do. Best effort: the scans find what a lost ring would have told."""

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id. Never raises and never blocks for longer than a few seconds."""
