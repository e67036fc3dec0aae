"""Time, names, the gateway and the doorbell: everything outside that is not the database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from billing_worker.domain.card import CardFacts
from billing_worker.domain.card_entry import Card, DeleteAnswer, IssueAnswer, IssueRequest
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import ChargeRequest, Evidence, GatewayPayment, Outcome
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.domain.schedule import (
    RegisterAnswer,
    RevokeAnswer,
    ScheduleListing,
    ScheduleReading,
    ScheduleRequest,
)


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


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A billing key as the gateway stores it."""

    card: CardFacts
    pg_provider: str | None = None
    """The code of its PG; None where the gateway does not tell it."""
    pg_id: str | None = None
    """The merchant's account at that PG."""


@dataclass(frozen=True, slots=True)
class KeyReading:
    """The result of a read of one billing key: found, certainly not there, or not read."""

    stored: StoredKey | None = None
    """The key; None when the gateway says that it has none, or when the read failed."""
    trouble: str | None = None
    """Set when the read failed or could not be understood: then it proves nothing."""

    @property
    def known(self) -> bool | None:
        """Whether the gateway has the key; None when the read proves nothing."""
        return None if self.trouble is not None else self.stored is not None


class Gateway(Protocol):
    """A payment gateway. No method raises for an outside failure: trouble is part of the answer."""

    def charge(self, request: ChargeRequest) -> Outcome:
        """Place one charge: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def charge_card(self, request: ChargeRequest, card: Card) -> Outcome:
        """Place one charge of card data, once, as `charge` does. An approved one is stored as a key of the request.

        A request with an empty `customer_uid` stores no key. Nothing of the card is in the outcome.
        """

    def issue_key(self, request: IssueRequest) -> IssueAnswer:
        """Store a card under a customer_uid: one request, sent once (again only after a 401). Charges nothing.

        A key that the gateway already has under this customer_uid is overwritten there, and its PG keeps the old one:
        the caller reads first. Nothing of the card is in the answer.
        """

    def delete_key(self, customer_uid: str, reason: str, requester: str | None = None) -> DeleteAnswer:
        """Delete a key at the gateway. A key that it does not have is deleted: a repeat does no harm."""

    def cancel(self, request: RefundRequest) -> RefundAnswer:
        """Give money back: one request, sent once (again only after a 401, which proves that nothing was done)."""

    def register_schedule(self, request: ScheduleRequest) -> RegisterAnswer:
        """Ask the gateway to charge at a time: one request, sent once (again only after a 401). Charges nothing now.

        The gateway takes an order number once, so a repeat registers nothing more.
        """

    def revoke_schedule(self, customer_uid: str, merchant_uid: str) -> RevokeAnswer:
        """Take one schedule back, by its key and its order number. A repeat does no harm."""

    def read_schedule(self, merchant_uid: str) -> ScheduleReading:
        """The schedule as the gateway has it now; none if it never had one under this order number."""

    def schedules_of_key(self, customer_uid: str, start: datetime, end: datetime) -> ScheduleListing:
        """All schedules of a key whose time lies in this span (half open), to the last page, in any state."""

    def schedules_between(self, start: datetime, end: datetime) -> ScheduleListing:
        """All schedules of the account whose time lies in this span (half open), to the last page, in any state.

        A span that is longer than the gateway's three months is read in parts.
        """

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

    def read_key(self, customer_uid: str) -> KeyReading:
        """The billing key as the gateway stores it now, without anything of the card but its last digits."""


class Doorbell(Protocol):
    """Tells workers that there is work. Best effort: the scans find the work of a lost ring."""

    def ring(self, job: str, ident: str) -> None:
        """Ask for `job` on one id. Never raises and never blocks for longer than a few seconds."""
