"""What is owed for one period, and the attempts to collect it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.errors import InvalidTransition
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, DeclineKind
from billing_worker.domain.timing import Timing


class InvoiceStatus(StrEnum):
    """The state of an invoice."""

    OPEN = "open"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


INVOICE_TRANSITIONS: dict[InvoiceStatus, frozenset[InvoiceStatus]] = {
    InvoiceStatus.OPEN: frozenset({InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.VOID}),
    # A late approval, or an operator's retry.
    InvoiceStatus.UNCOLLECTIBLE: frozenset({InvoiceStatus.PAID, InvoiceStatus.OPEN, InvoiceStatus.VOID}),
    InvoiceStatus.PAID: frozenset(),
    InvoiceStatus.VOID: frozenset(),
}


class AttemptStatus(StrEnum):
    """The state of an attempt."""

    IN_FLIGHT = "in_flight"
    APPROVED = "approved"
    DECLINED = "declined"
    FAILED = "failed"
    UNKNOWN = "unknown"


ATTEMPT_TRANSITIONS: dict[AttemptStatus, frozenset[AttemptStatus]] = {
    AttemptStatus.IN_FLIGHT: frozenset(
        {AttemptStatus.APPROVED, AttemptStatus.DECLINED, AttemptStatus.FAILED, AttemptStatus.UNKNOWN}
    ),
    AttemptStatus.UNKNOWN: frozenset({AttemptStatus.APPROVED, AttemptStatus.DECLINED, AttemptStatus.FAILED}),
    # Late approval: Paymentwall's risk review turns a failure into a payment days later (PortOne webhook guide).
    AttemptStatus.DECLINED: frozenset({AttemptStatus.APPROVED}),
    AttemptStatus.FAILED: frozenset({AttemptStatus.APPROVED}),
    AttemptStatus.APPROVED: frozenset(),
}

OPEN_ATTEMPT = frozenset({AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Period:
    """One billing period, half open: `start` belongs to it, `end` to the next one. Aware UTC."""

    index: int
    start: datetime
    end: datetime


@dataclass(slots=True)
class Invoice:
    """What is owed for one period of one subscription: a snapshot of amount, currency and key.

    `next_attempt_at` is billing time; `lease_until` and `fence` belong to the scan that claimed the invoice.
    """

    id: str
    subscription_id: str
    billing_key_id: str
    period: Period
    money: Money
    status: InvoiceStatus
    merchant_uid: str
    generation: int
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: int = 0
    declines: int = 0
    failures: int = 0
    fence: int = 0
    lease_until: datetime | None = None
    closed_at: datetime | None = None
    last_reason: str | None = None
    awaits_key: bool = False
    """Its key cannot be charged any more. The invoice is given up at `next_attempt_at`, unless another key arrives
    first."""
    taken_back: int = 0
    """How often its payment was taken, while our answer was lost, and then given back at the gateway."""

    @property
    def awaits_decision(self) -> bool:
        """Whether it is open without a date for the next charge, because its payment was taken back too often."""
        return self.status is InvoiceStatus.OPEN and self.next_attempt_at is None

    def move_to(self, status: InvoiceStatus, now: datetime) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in INVOICE_TRANSITIONS[self.status]:
            raise InvalidTransition("invoice", self.id, self.status, status)
        self.status = status
        self.next_attempt_at = None
        self.closed_at = None if status is InvoiceStatus.OPEN else now

    def reopen(self, now: datetime) -> None:
        """Retry after dunning has given up."""
        self.move_to(InvoiceStatus.OPEN, now)
        self.next_attempt_at = now
        # The wait for another key is over. If this key dies too, the customer gets the full wait again.
        self.awaits_key = False

    def await_key(self, until: datetime, reason: str) -> None:
        """Wait for another key, because this one is dead, until dunning would have ended."""
        self.awaits_key = True
        self.next_attempt_at = until
        self.last_reason = reason

    def use_key(self, key_id: str, now: datetime, *, at_once: bool) -> None:
        """Charge another key from the next attempt on; at once if no attempt is under way."""
        self.billing_key_id = key_id
        self.awaits_key = False
        if at_once and self.next_attempt_at is not None:
            self.next_attempt_at = min(self.next_attempt_at, now)

    def wait_until(self, moment: datetime) -> None:
        """Do not look at it before this moment: its PG takes no further charge until then."""
        self.next_attempt_at = moment
        self.lease_until = None

    def is_due(self, now: datetime) -> bool:
        """Whether the state of the invoice allows a charge now."""
        return self.status is InvoiceStatus.OPEN and self.next_attempt_at is not None and self.next_attempt_at <= now

    def start_attempt(self, attempt_id: str, moment: Moment, timing: Timing) -> "PaymentAttempt":
        """Write down the intent to charge. The attempt is open from here until its outcome is known."""
        self.attempts += 1
        self.lease_until = None
        return PaymentAttempt(
            id=attempt_id,
            invoice_id=self.id,
            number=self.attempts,
            merchant_uid=self.merchant_uid,
            billing_key_id=self.billing_key_id,
            money=self.money,
            status=AttemptStatus.IN_FLIGHT,
            fence=self.fence,
            started_at=moment.billing,
            lease_until=moment.real + timedelta(seconds=timing.lease),
            next_look_at=timing.next_look(0, moment.real),
        )


@dataclass(slots=True)
class PaymentAttempt:
    """One intended gateway payment for an invoice.

    Only the holder of `fence` may write the outcome of its own call; a later reader of the gateway takes the fence
    first. `lease_until`, `next_look_at` and `absent_since` are real time; `started_at` and `closed_at` are billing
    time.
    """

    id: str
    invoice_id: str
    number: int
    merchant_uid: str
    billing_key_id: str
    money: Money
    status: AttemptStatus
    fence: int
    started_at: datetime
    lease_until: datetime
    next_look_at: datetime | None
    looks: int = 0
    absent_since: datetime | None = None
    refused: bool = False
    imp_uid: str | None = None
    decline_kind: DeclineKind | None = None
    reason: str | None = None
    surplus: bool = False
    found: bool = False
    """Whether the gateway showed its payment first: another program or a clerk placed it under our merchant_uid."""
    evidence_id: int | None = None
    closed_at: datetime | None = None
    refunded: int = 0
    """Minor units of its payment that the gateway's books showed as given back at the last read."""
    refund_evidence_id: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still unknown. Until it is known, the invoice must not be charged again."""
        return self.status in OPEN_ATTEMPT

    @property
    def holds_money(self) -> bool:
        """Whether its payment was taken and not wholly given back."""
        return self.status is AttemptStatus.APPROVED and self.refunded < self.money.amount

    def give_back(self, refunded: int, evidence_id: int) -> bool:
        """Note the sum that the gateway shows as given back (minor units); False if it is not new.

        The sum never shrinks.
        """
        if self.status is not AttemptStatus.APPROVED or refunded <= self.refunded:
            return False
        self.refunded = refunded
        self.refund_evidence_id = evidence_id
        return True

    def request(self, key: BillingKey, name: str) -> ChargeRequest:
        """The request to the gateway. Its books are compared with it afterwards."""
        return ChargeRequest(
            merchant_uid=self.merchant_uid,
            customer_uid=key.customer_uid,
            money=self.money,
            name=name,
            pg_provider=key.pg_provider,
            buyer_name=key.buyer_name,
            buyer_email=key.buyer_email,
            buyer_tel=key.buyer_tel,
        )

    def move_to(self, status: AttemptStatus, now: datetime) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in ATTEMPT_TRANSITIONS[self.status]:
            raise InvalidTransition("attempt", self.id, self.status, status)
        self.status = status
        if status in OPEN_ATTEMPT:
            return
        self.closed_at = now
        self.next_look_at = None


def merchant_uid(environment: str, subscription_id: str, period_index: int, generation: int) -> str:
    """The order id under which a period is charged: the same for every delivery, worker and day.

    Alphanumeric and at most 40 characters (smartro_v2 silently truncates longer ones). Built from nothing but its
    arguments, so that a repeated charge of the same period carries the same id and PortOne refuses it.
    """
    uid = f"{environment}{subscription_id.removeprefix('sub_')}p{period_index:05d}g{generation:02d}"
    if not uid.isalnum() or not uid.isascii() or len(uid) > 40:  # noqa: PLR2004 - PortOne's limit, see above
        raise AssertionError(f"merchant_uid {uid} is not alphanumeric or longer than 40")
    return uid


_OURS = re.compile(r"(?P<environment>[a-z0-9]{1,8})(?P<subscription>[a-z0-9]{16})p(?P<period>\d{5})g\d{2}")


@dataclass(frozen=True, slots=True)
class OrderNumber:
    """The parts of a merchant_uid that we made."""

    environment: str
    subscription_id: str
    period_index: int


def read_merchant_uid(text: str) -> OrderNumber | None:
    """The parts of a merchant_uid in the form that `merchant_uid` makes; None for any other text."""
    found = _OURS.fullmatch(text)
    if found is None:
        return None
    return OrderNumber(found["environment"], f"sub_{found['subscription']}", int(found["period"]))
