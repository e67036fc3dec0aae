"""Refunds: the intent, the one call to the gateway, and the proof that the money went back.

A refund is written down before it is sent. It always names the amount and the balance that we believe is left on the
payment: PortOne takes a missing amount for everything, and refuses a balance that is not the real one. The refund's id
leads the reason, so that each entry in the gateway's list of cancellations names its refund.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing_worker.domain.errors import InvalidInput, InvalidTransition
from billing_worker.domain.invoice import AttemptStatus, PaymentAttempt
from billing_worker.domain.moment import Moment
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Evidence, Failed, GatewayPayment, PaymentStatus, Unknown
from billing_worker.domain.payment_options import PaymentOptions, parts_given_back
from billing_worker.domain.pgs.facts import Rule
from billing_worker.domain.pgs.table import following
from billing_worker.domain.text import require_printable
from billing_worker.domain.timing import Timing, technical_backoff

LONGEST_REASON = 100
LONGEST_IDEMPOTENCY_KEY = 255

SHOWN_LATER = following(Rule.SHOWN_LATER)
"""PGs that accept a refund and move the money later. There, a read that does not show the refund proves nothing, and
the balance is still compared with the old balance."""


class RefundStatus(StrEnum):
    """The state of a refund."""

    PENDING = "pending"
    """Written down, to be sent."""
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Proven: this refund gave no money back."""


_R = RefundStatus
REFUND_TRANSITIONS: dict[RefundStatus, frozenset[RefundStatus]] = {
    _R.PENDING: frozenset({_R.IN_FLIGHT, _R.SUCCEEDED, _R.FAILED}),
    _R.IN_FLIGHT: frozenset({_R.PENDING, _R.UNKNOWN, _R.SUCCEEDED, _R.FAILED}),
    _R.UNKNOWN: frozenset({_R.PENDING, _R.SUCCEEDED, _R.FAILED}),
    _R.SUCCEEDED: frozenset(),
    # The gateway shows the refund after all.
    _R.FAILED: frozenset({_R.SUCCEEDED}),
}

OPEN_REFUND = frozenset({_R.PENDING, _R.IN_FLIGHT, _R.UNKNOWN})


class RefundCause(StrEnum):
    """The reason for a refund."""

    REQUESTED = "requested"
    SURPLUS = "surplus"
    """Another payment paid the period, or the period is not owed any more."""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """The contents of one cancel call."""

    imp_uid: str
    merchant_uid: str
    money: Money
    balance: Money
    """What we believe is left on the payment before this call. The gateway refuses any other."""
    reason: str
    tax_free: int | None = None
    """Minor units of the part without tax, if the payment named one; so is the VAT."""
    vat_amount: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The gateway took the call and showed the payment in its present state."""

    payment: GatewayPayment
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway refused. Only a read tells whether money was given back before."""

    reason: str
    evidence: Evidence


RefundAnswer = Answered | Refused | Failed | Unknown


@dataclass(slots=True)
class Refund:
    """One intended cancellation of an approved attempt's payment, in part or whole.

    `created_at` and `closed_at` are billing time; `lease_until`, `next_step_at` and `absent_since` are real time.
    """

    id: str
    attempt_id: str
    money: Money
    balance: int
    """Minor units left on the payment when the refund was written down."""
    cause: RefundCause
    reason: str
    created_at: datetime
    next_step_at: datetime | None
    status: RefundStatus = RefundStatus.PENDING
    idempotency_key: str | None = None
    fence: int = 0
    sends: int = 0
    failures: int = 0
    looks: int = 0
    lease_until: datetime | None = None
    absent_since: datetime | None = None
    accepted: bool = False
    """The gateway accepted it and does not show it yet (asynchronous PGs): it is never sent again."""
    refused: bool = False
    note: str | None = None
    evidence_id: int | None = None
    closed_at: datetime | None = None

    def __post_init__(self) -> None:
        self.reason = self.reason.strip()
        require_printable("reason", self.reason, LONGEST_REASON)

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still unknown. Until it is known, no other refund of this payment begins."""
        return self.status in OPEN_REFUND

    def move_to(self, status: RefundStatus, now: datetime) -> None:
        """Change the status. Raises InvalidTransition for an edge that the table does not list."""
        if status not in REFUND_TRANSITIONS[self.status]:
            raise InvalidTransition("refund", self.id, self.status, status)
        self.status = status
        if status not in OPEN_REFUND:
            self.closed_at = now
            self.next_step_at = self.lease_until = None

    def send(self, moment: Moment, timing: Timing) -> None:
        """Begin the call. The refund is open from here until the gateway's books show its outcome."""
        self.move_to(RefundStatus.IN_FLIGHT, moment.billing)
        self.fence += 1
        self.sends += 1
        self.lease_until = moment.real + timedelta(seconds=timing.lease)
        self.looks = 0
        self.absent_since = None
        self.next_step_at = timing.next_look(0, moment.real)

    def look(self, now: datetime) -> None:
        """Begin a read of the gateway. A worker whose lease has ended can write nothing from here on."""
        self.looks += 1
        if self.status is RefundStatus.IN_FLIGHT:
            self.fence += 1
            self.note = "no answer was recorded before the lease ended"
            self.move_to(RefundStatus.UNKNOWN, now)

    def request(self, attempt: PaymentAttempt, options: PaymentOptions) -> RefundRequest:
        """The request to the gateway. Raises InvalidTransition for a payment that is not known as paid."""
        if attempt.status is not AttemptStatus.APPROVED or attempt.imp_uid is None:
            raise InvalidTransition("attempt", attempt.id, attempt.status, "refunded")
        balance = Money(self.balance, self.money.currency)
        before = attempt.money.amount - self.balance
        after = before + self.money.amount
        tax_free, vat_amount = parts_given_back(options, attempt.money, before, after)
        return RefundRequest(
            imp_uid=attempt.imp_uid,
            merchant_uid=attempt.merchant_uid,
            money=self.money,
            balance=balance,
            reason=f"{self.id} {self.reason}",
            tax_free=tax_free,
            vat_amount=vat_amount,
        )


@dataclass(frozen=True, slots=True)
class RefundFinding:
    """What a payment in the gateway's books proves about one refund of ours."""

    done: bool = False
    balance_changed: bool = False
    """Another refund changed the balance meanwhile, so this one was based on a wrong balance."""
    may_come_later: bool = False
    """Whether this PG may show the refund later: a read without it proves nothing."""
    trouble: str | None = None
    """Set if the payment proves nothing."""


def judge_refund(refund: Refund, attempt: PaymentAttempt, payment: GatewayPayment) -> RefundFinding:
    """Whether the payment shows this refund. Every compared field must be equal, as for a charge."""
    same = (payment.imp_uid, payment.merchant_uid, payment.money)
    if same != (attempt.imp_uid, attempt.merchant_uid, attempt.money):
        return RefundFinding(trouble=f"the gateway's payment {payment.imp_uid} is another one, or over {payment.money}")
    if payment.status not in (PaymentStatus.PAID, PaymentStatus.CANCELLED):
        return RefundFinding(trouble=f"the gateway's payment {payment.imp_uid} has the status {payment.status}")
    before = attempt.money.amount - refund.balance
    after = before + refund.money.amount
    own = [each.money.amount for each in payment.cancellations if (each.reason or "").startswith(refund.id)]
    if own and (sum(own) < refund.money.amount or payment.cancelled.amount < after):
        shown = Money(sum(own), refund.money.currency)
        return RefundFinding(trouble=f"the gateway shows {shown} of it, and {payment.cancelled} given back in all")
    if own:
        return RefundFinding(done=True)
    anonymous = all(each.reason is None for each in payment.cancellations)
    if anonymous and payment.cancelled.amount == after and _may_have_passed(refund):
        # The gateway stores no reasons. The balance let exactly one such cancellation pass.
        return RefundFinding(done=True)
    return RefundFinding(
        balance_changed=payment.cancelled.amount != before, may_come_later=payment.pg_provider in SHOWN_LATER
    )


def _may_have_passed(refund: Refund) -> bool:
    """Whether the gateway may have accepted one of its calls: not if the only call was refused."""
    return refund.is_open and refund.sends > int(refund.refused)


def refundable(attempt: PaymentAttempt) -> int:
    """The rest of an approved payment in minor units, as the gateway's books were last read."""
    return attempt.money.amount - attempt.refunded


def left_of(attempts: Sequence[PaymentAttempt]) -> int:
    """The refundable rest of all payments of an invoice, in minor units."""
    return sum(refundable(attempt) for attempt in attempts if attempt.status is AttemptStatus.APPROVED)


def check_amount(amount: object, attempt: PaymentAttempt) -> Money:
    """The amount of a refund. Raises InvalidInput for 0 (PortOne reads it as everything), a fraction, or too much."""
    money = Money.charge(amount, attempt.money.currency)
    if money.amount > refundable(attempt):
        left = Money(refundable(attempt), attempt.money.currency)
        raise InvalidInput("amount", amount, f"is more than what is left of this payment ({left})")
    return money


@dataclass(slots=True)
class Settled:
    """The effect of an answer on a refund."""

    done: bool = False
    alert: str | None = None
    """The alert for an operator, if any."""


def settle_refund(
    refund: Refund, attempt: PaymentAttempt, answer: RefundAnswer, moment: Moment, timing: Timing
) -> Settled:
    """Apply the answer to our own call. Only a payment that shows the refund proves it."""
    if isinstance(answer, Failed):
        refund.note = answer.reason
        _send_again(refund, moment)
        return Settled()
    if isinstance(answer, Answered):
        finding = judge_refund(refund, attempt, answer.payment)
        if finding.done:
            refund.move_to(RefundStatus.SUCCEEDED, moment.billing)
            return Settled(done=True)
        refund.accepted = finding.trouble is None
        refund.note = finding.trouble or "taken by the gateway, which does not show it yet"
    else:
        refund.refused = isinstance(answer, Refused)
        refund.note = answer.reason
    refund.move_to(RefundStatus.UNKNOWN, moment.billing)
    refund.next_step_at = timing.next_look(0, moment.real)
    return Settled()


def conclude(
    refund: Refund, finding: RefundFinding, moment: Moment, *, began_at: datetime, window: timedelta
) -> Settled:
    """Apply a read of the payment. `began_at` is when the read began, in real time.

    Only two reads, a settle window apart, prove that nothing was given back. The refund is then sent again with the
    same amount and balance, which lets at most one of both calls through. If the gateway refused it, or the balance
    differs, an operator is alerted. A refund that the gateway accepted and shows later is awaited without a limit.
    """
    if finding.done:
        refund.move_to(RefundStatus.SUCCEEDED, moment.billing)
        return Settled(done=True)
    refund.note = finding.trouble or refund.note
    if finding.trouble is not None or refund.accepted or (finding.may_come_later and not refund.refused):
        return Settled()
    refund.absent_since = refund.absent_since or moment.real
    if began_at - refund.absent_since < window:
        return Settled()
    if finding.balance_changed:
        refund.note = "another refund of this payment came first; nothing was given back by this one"
        refund.move_to(RefundStatus.FAILED, moment.billing)
        return Settled(alert=refund.note)
    if refund.refused:
        refund.move_to(RefundStatus.FAILED, moment.billing)
        return Settled(alert=f"the gateway refused it: {refund.note}")
    _send_again(refund, moment)
    return Settled()


def _send_again(refund: Refund, moment: Moment) -> None:
    refund.move_to(RefundStatus.PENDING, moment.billing)
    refund.lease_until = None
    refund.failures += 1
    refund.next_step_at = moment.real + technical_backoff(refund.failures)
