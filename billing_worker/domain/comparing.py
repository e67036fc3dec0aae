"""What a payment in the gateway's books means beside our own books."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing_worker.domain.alerts import Action
from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.money import Money
from billing_worker.domain.payment import GatewayPayment, PaymentStatus


@dataclass(frozen=True, slots=True)
class Booked:
    """The fields of an attempt that are compared with the gateway's books."""

    attempt_id: str
    invoice_id: str
    merchant_uid: str
    imp_uid: str | None
    customer_uid: str
    pg_provider: str
    money: Money
    status: AttemptStatus
    refunded: int
    surplus: bool
    closed_at: datetime | None


class Match(StrEnum):
    """How a payment in the gateway's books relates to ours."""

    AGREES = "agrees"
    RECORD = "record"
    """It says more than we know: read this payment by itself, and record it."""
    PHANTOM = "phantom"
    """Our books say paid, and the gateway's do not."""
    ORPHAN = "orphan"
    """It carries a number that only this worker could have made, but our books do not have it."""
    FOREIGN = "foreign"
    """A card of one of our customers was charged under a number that is not ours."""
    ISSUED_TWICE = "issued_twice"
    """It issued a key that another payment had already issued: the customer paid twice."""
    OTHER = "other"
    """Not ours."""


def match_booked(booked: Booked, payment: GatewayPayment) -> Match:
    """Match a payment with the attempt that has it."""
    if payment.merchant_uid != booked.merchant_uid:
        return Match.PHANTOM
    if booked.status is not AttemptStatus.APPROVED:
        return Match.RECORD if payment.holds_money else Match.AGREES
    if payment.status not in (PaymentStatus.PAID, PaymentStatus.CANCELLED):
        return Match.PHANTOM
    same = (payment.money, payment.cancelled.amount) == (booked.money, booked.refunded)
    return Match.AGREES if same and payment.may_be_of(booked.customer_uid) else Match.RECORD


def match_unbooked(payment: GatewayPayment, open_attempt: AttemptStatus | None) -> Match:
    """Match a payment under one of our orders that no attempt has yet."""
    if not payment.holds_money:
        return Match.AGREES
    # A charge under way gets its own answer. If it gets none, the next span shows the payment again.
    return Match.AGREES if open_attempt is AttemptStatus.IN_FLIGHT else Match.RECORD


def match_unknown(payment: GatewayPayment, environment: str, ours: str | None, key_since: datetime | None) -> Match:
    """Match a payment under an order that our books do not have.

    `ours` is the environment in its order number, if that has the form of our numbers. `key_since` is when its card was
    registered here, if it was.
    """
    if not payment.holds_money:
        return Match.OTHER
    if ours == environment:
        return Match.ORPHAN
    if key_since is None or issues_key(payment):
        return Match.OTHER
    # The gateway's timestamps have whole seconds.
    before = payment.started_at is not None and payment.started_at < key_since.replace(microsecond=0)
    return Match.OTHER if before else Match.FOREIGN


def issues_key(payment: GatewayPayment) -> bool:
    """Whether this payment issued the card's key: the customer made it in a browser, before the first charge."""
    return payment.issues_key is True


class FindingKind(StrEnum):
    """The kinds of findings, as an operator reads them."""

    LOST_ANSWER = "lost_answer"
    LATE_APPROVAL = "late_approval"
    OPERATOR_PAYMENT = "operator_payment"
    DUPLICATE = "duplicate"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    MISMATCH = "mismatch"
    ORPHAN_PAYMENT = "orphan_payment"
    FOREIGN_PAYMENT = "foreign_payment"
    PHANTOM_PAYMENT = "phantom_payment"
    UNREADABLE_PAYMENT = "unreadable_payment"
    ISSUED_TWICE = "issued_twice"
    SCHEDULE = "schedule"
    """It concerns no payment yet: PortOne's list of schedules and ours differ."""


BOOKED = frozenset(
    {
        FindingKind.LOST_ANSWER,
        FindingKind.LATE_APPROVAL,
        FindingKind.OPERATOR_PAYMENT,
        FindingKind.DUPLICATE,
        FindingKind.REFUND,
        FindingKind.PARTIAL_REFUND,
    }
)
"""The findings that were booked from the gateway's read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between both books, and its result."""

    kind: FindingKind
    imp_uid: str
    merchant_uid: str
    invoice_id: str | None
    done: str
    actions: tuple[Action, ...] = ()
    """What an operator should do; empty when nothing is left to do."""

    @property
    def booked(self) -> bool:
        """Whether our books changed by it."""
        return self.kind in BOOKED


def kind_of_change(before: Booked | None, after: Booked | None, *, was_open: bool) -> FindingKind:
    """The kind of finding, from the attempt that had the payment before and the one that has it now."""
    if after is None or after.status is not AttemptStatus.APPROVED:
        return FindingKind.MISMATCH
    if before is not None and before.status is AttemptStatus.APPROVED:
        if before.refunded == after.refunded:
            return FindingKind.MISMATCH
        return FindingKind.REFUND if after.refunded >= after.money.amount else FindingKind.PARTIAL_REFUND
    if after.surplus:
        return FindingKind.DUPLICATE
    if before is not None:
        return FindingKind.LATE_APPROVAL
    return FindingKind.LOST_ANSWER if was_open else FindingKind.OPERATOR_PAYMENT
