"""What is owed, for one period or without one, and the attempts to collect it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.declines.reasons import Advice, Category, DeclineKind
from billing_worker.domain.errors import InvalidTransition
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import ChargeRequest, charge_request
from billing_worker.domain.payment_options import PLAIN, PaymentOptions
from billing_worker.domain.single_payment import SinglePayment
from billing_worker.domain.timing import Timing
from billing_worker.domain.try_kind import TryKind, kind_of_try


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
    """What is owed for one period of one subscription, or as a single payment: a snapshot of sum, options and key.

    Exactly one of both is set: `subscription_id` with `period`, or `single`. `next_attempt_at` is billing time;
    `lease_until` and `fence` belong to the scan that claimed the invoice.
    """

    id: str
    subscription_id: str | None
    billing_key_id: str
    period: Period | None
    money: Money
    status: InvoiceStatus
    merchant_uid: str
    generation: int
    created_at: datetime
    next_attempt_at: datetime | None
    dunning_policy: str
    """The id of the version that it began with: it keeps this version."""
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
    spared: int = 0
    """Declines that spent no step of dunning: a failure on the way to the card company, or the merchant's own side."""
    single: SinglePayment | None = None
    options: PaymentOptions = PLAIN
    by_hand: bool = False
    """An operator, or a customer with another card, asked for the next charge. A decline spends no step."""
    resumes_at: datetime | None = None
    """While `by_hand`, the policy's own date for the next charge. None: dunning had given up."""
    win_back_at: datetime | None = None
    """When it is tried once more, after dunning gave up. None: no such try is to come."""
    won_back: bool = False
    """Whether that one more try was made, or was planned: there is one at most."""

    @property
    def owner_id(self) -> str:
        """The id of the row that is locked for everything about it: its subscription, or a single payment itself."""
        return self.subscription_id or self.id

    @property
    def owed_from(self) -> datetime:
        """When its period begins, or when a single payment is to be charged: nothing is charged before."""
        if self.period is not None:
            return self.period.start
        return self.of_single.at

    @property
    def is_first(self) -> bool:
        """Whether it is for the first period of its subscription."""
        return self.period is not None and self.period.index == 0

    @property
    def of_single(self) -> SinglePayment:
        """The single payment that it is."""
        if self.single is None:
            raise AssertionError(f"invoice {self.id} is for a period")
        return self.single

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
        if status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
            self.win_back_at = None
        self._go_on_by_policy()

    def try_by_hand(self, now: datetime) -> None:
        """Charge it now at a request, even after dunning has given up. Asking again changes nothing.

        The first charge of an invoice, and the first one on another key after a dead one, are the policy's own. Raises
        InvalidTransition for an invoice that is paid or void.
        """
        if self.status is not InvoiceStatus.OPEN:
            self.move_to(InvoiceStatus.OPEN, now)
            # The wait for another key is over. If this key dies too, the customer gets the full wait again.
            self.awaits_key = False
            self.by_hand = self.declines > 0
        elif not self.by_hand and self.declines > 0 and self.next_attempt_at is not None and not self.awaits_key:
            self.by_hand, self.resumes_at = True, self.next_attempt_at
        self.next_attempt_at = now

    def try_to_win_back(self, now: datetime) -> None:
        """Charge it once more, after dunning gave up. A decline of it spends nothing, and ends as it was."""
        self.move_to(InvoiceStatus.OPEN, now)
        self.awaits_key, self.by_hand = False, True
        self.next_attempt_at, self.win_back_at = now, None

    def spends_a_step(self, now: datetime) -> bool:
        """Whether a decline now is the policy's: the charge was not by hand, or the policy's own date has passed."""
        return not self.by_hand or (self.resumes_at is not None and self.resumes_at <= now)

    def await_key(self, until: datetime, reason: str) -> None:
        """Wait for another key, because this one is dead, until dunning would have ended."""
        self.awaits_key, self.next_attempt_at, self.last_reason = True, until, reason
        self._go_on_by_policy()

    def wait_for_policy(self, until: datetime | None) -> None:
        """Wait until the policy's next date; None if it has none."""
        self.next_attempt_at = until
        self._go_on_by_policy()

    def go_on_at_once(self, key_id: str, now: datetime) -> None:
        """Charge another card of the customer now. A try after dunning gave up stays one: its policy has ended."""
        self.billing_key_id, self.next_attempt_at = key_id, now
        if not self.is_tried_again:
            self._go_on_by_policy()

    @property
    def is_tried_again(self) -> bool:
        """Whether dunning had given up before the next charge was asked for: a decline of it ends as it was."""
        return self.by_hand and self.resumes_at is None

    def _go_on_by_policy(self) -> None:
        self.by_hand, self.resumes_at = False, None

    def use_key(self, key_id: str, now: datetime, *, at_once: bool) -> None:
        """Charge another key from the next attempt on; at once if no attempt is under way, also after dunning."""
        self.billing_key_id = key_id
        if at_once and not self.awaits_decision and not self.is_due(now):
            self.try_by_hand(now)
        self.awaits_key = False

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
            try_kind=kind_of_try(by_hand=self.by_hand, declined=self.declines + self.spared > 0),
            due_at=self.next_attempt_at,
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
    decline_category: Category | None = None
    decline_advice: Advice | None = None
    reason: str | None = None
    surplus: bool = False
    found: bool = False
    """Whether the gateway showed its payment first: another program or a clerk placed it under our merchant_uid."""
    evidence_id: int | None = None
    closed_at: datetime | None = None
    refunded: int = 0
    """Minor units of its payment that the gateway's books showed as given back at the last read."""
    refund_evidence_id: int | None = None
    scheduled: bool = False
    """Whether PortOne makes the charge by a schedule of ours: no worker calls for it."""
    try_kind: TryKind | None = None
    due_at: datetime | None = None
    """When its invoice was due: billing time. This and the kind are None for attempts before migration 0030."""
    took_ms: int | None = None
    """Milliseconds from the call to its answer; None without an answer to our own call."""

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
        self.refunded, self.refund_evidence_id = refunded, evidence_id
        return True

    def request(self, key: BillingKey, name: str, options: PaymentOptions) -> ChargeRequest:
        """The request to the gateway. Its books are compared with it afterwards."""
        return charge_request(self.merchant_uid, self.money, key, name, options)

    def move_to(self, status: AttemptStatus, now: datetime) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in ATTEMPT_TRANSITIONS[self.status]:
            raise InvalidTransition("attempt", self.id, self.status, status)
        self.status = status
        if status in OPEN_ATTEMPT:
            return
        self.closed_at = now
        self.next_look_at = None
