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

    def wait_until(self, real: datetime) -> None:
        """Wait until this real time."""


class Ids(Protocol):
    """The only source of random names."""

    def new(self, prefix: str) -> str:
        """A new identifier: the prefix, `_`, and 16 lower-case letters and digits (80 random bits)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The result of a read of the gateway."""

    payments: Sequence[tuple[GatewayPayment, Evidence]]
    """Empty when the gateway says that there are none."""
    trouble: str | None = None
    """Set when the read failed or could not be understood: then `payments` proves nothing."""
    evidence: Evidence | None = field(default=None, compare=False)
    """The last answer of this read as received, for an operator when the program cannot judge it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A payment in the gateway's books that could not be read exactly."""

    imp_uid: str
    merchant_uid: str
    """Both as the row has them; empty otherwise."""
    problem: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of the gateway's books over a span of time."""

    payments: Sequence[GatewayPayment] = ()
    unreadable: Sequence[Unreadable] = ()
    trouble: str | None = None
    """Set when this page could not be read: no further page follows, and a missing payment proves nothing."""


class Gateway(Protocol):
    """A payment gateway. No method raises for an outside failure: trouble is part of the answer."""

    def charge(self, request: ChargeRequest) -> Outcome:
        """Place one charge: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        """Give money back: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def payment(self, imp_uid: str) -> Listing:
        """The payment with this id: a list of one; empty when the gateway does not know it."""

    def shows(self, imp_uid: str) -> bool:
        """Control read: whether the gateway shows a payment that is known to exist. The read begins after this call.

        The caller has just found no payment. A control read from before that read proves nothing about it: an outage
        that began in between would pass for absence. An adapter may share one read between callers at the same time.
        """

    def payments_of(self, merchant_uid: str) -> Listing:
        """Every payment under this merchant_uid, to the last page."""

    def payments_of_key(self, customer_uid: str) -> Listing:
        """Every payment of this billing key, including failed ones and the issuing payment, to the last page."""

    def payments_between(self, start: datetime, end: datetime) -> Iterator[Sheet]:
        """All payments whose latest change (paid, failed, cancelled) lies in a span of at most 90 days.

        Each page is read when the caller asks for it. A payment that changes meanwhile may appear twice, or not at all
        if its new time lies after the span.
        """

    def knows_key(self, customer_uid: str) -> bool | None:
        """Whether the gateway has this billing key; None when the read failed."""


class Doorbell(Protocol):
    """Tells workers that there is work. Best effort: the scans find the work of a lost ring."""

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id. Never raises and never blocks for longer than a few seconds."""
