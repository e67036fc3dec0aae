"""What an outcome does to the attempt, the invoice, the subscription and the key: one function, used by every path.

The synchronous answer, a webhook's re-read, the resolver and an operator's refresh all end in `settle`. Settling the
same outcome twice changes nothing the second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.calendar import BillingCalendar
from billing_worker.domain.declines import DUPLICATE
from billing_worker.domain.dunning import DunningPolicy
from billing_worker.domain.events import Event, EventType
from billing_worker.domain.invoice import AttemptStatus, Invoice, InvoiceStatus, PaymentAttempt
from billing_worker.domain.payment import Approved, ChargeRequest, Declined, DeclineKind, Failed, Outcome, Unknown
from billing_worker.domain.subscription import RENEWING, Subscription, SubscriptionStatus
from billing_worker.domain.timing import technical_backoff

TAKEN_BACK_PAUSE = timedelta(days=1)
"""Nobody can tell a net-cancel from a refund that an operator gave: a day for a person to cancel the subscription."""


@dataclass(slots=True)
class Charge:
    """Everything that one outcome can touch, locked together by the subscription's row."""

    subscription: Subscription
    invoice: Invoice
    attempt: PaymentAttempt
    key: BillingKey
    policy: DunningPolicy
    calendar: BillingCalendar
    plan_name: str = ""
    events: list[Event] = field(default_factory=list)

    @property
    def request(self) -> ChargeRequest:
        """What this attempt asks the gateway for."""
        return self.attempt.request(self.key, self.plan_name)

    def emit(self, kind: EventType, subject_id: str, **data: str | int | None) -> None:
        """Note what happened, for the outbox."""
        about: dict[str, str | int | None] = {
            "subscription_id": self.subscription.id,
            "invoice_id": self.invoice.id,
            "merchant_uid": self.attempt.merchant_uid,
        }
        self.events.append(Event(kind, subject_id, about | data))


def settle(charge: Charge, outcome: Outcome, now: datetime) -> bool:
    """Apply an outcome. Returns whether it changed the attempt; events are left in `charge.events`.

    An attempt that is closed already changes only by a late approval.
    """
    attempt = charge.attempt
    if not attempt.is_open and (attempt.status is AttemptStatus.APPROVED or not isinstance(outcome, Approved)):
        return False
    match outcome:
        case Approved():
            _approve(charge, outcome, now)
        case Declined():
            _decline(charge, outcome, now)
        case Failed():
            _fail(charge, outcome, now)
        case Unknown():
            attempt.reason = outcome.reason
            attempt.refused = attempt.refused or DUPLICATE.search(outcome.reason) is not None
            if attempt.status is AttemptStatus.IN_FLIGHT:
                attempt.move_to(AttemptStatus.UNKNOWN, now)
    if charge.subscription.status is SubscriptionStatus.CANCELED and not attempt.is_open:
        void_if_open(charge.invoice, charge.events, now)
    return True


def _approve(charge: Charge, outcome: Approved, now: datetime) -> None:
    invoice, attempt = charge.invoice, charge.attempt
    attempt.move_to(AttemptStatus.APPROVED, now)
    attempt.imp_uid = outcome.payment.imp_uid
    attempt.reason = attempt.decline_kind = None
    if invoice.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
        attempt.surplus = True
        charge.emit(EventType.PAYMENT_SURPLUS, invoice.id, imp_uid=attempt.imp_uid, amount=attempt.money.amount)
        return
    invoice.move_to(InvoiceStatus.PAID, now)
    invoice.last_reason = None
    charge.emit(
        EventType.INVOICE_PAID,
        invoice.id,
        imp_uid=attempt.imp_uid,
        amount=invoice.money.amount,
        currency=invoice.money.currency,
    )
    subscription = charge.subscription
    if subscription.status in (
        SubscriptionStatus.PENDING,
        SubscriptionStatus.TRIALING,
        SubscriptionStatus.PAST_DUE,
        SubscriptionStatus.UNPAID,
    ):
        # Periods that began while it was unpaid are left out: nobody is charged for time without service.
        was_unpaid = subscription.status is SubscriptionStatus.UNPAID
        skipped = subscription.skip_to(charge.calendar, now) if was_unpaid else 0
        subscription.move_to(SubscriptionStatus.ACTIVE)
        charge.emit(EventType.SUBSCRIPTION_ACTIVATED, subscription.id, skipped_periods=skipped)


def _decline(charge: Charge, outcome: Declined, now: datetime) -> None:
    invoice, attempt, key = charge.invoice, charge.attempt, charge.key
    attempt.move_to(AttemptStatus.DECLINED, now)
    attempt.imp_uid = outcome.imp_uid
    attempt.decline_kind = outcome.kind
    attempt.reason = outcome.reason
    if outcome.kind is DeclineKind.HARD and key.invalidate(outcome.reason):
        charge.emit(EventType.BILLING_KEY_INVALID, key.id, reason=outcome.reason)
    if invoice.status is not InvoiceStatus.OPEN:
        return
    invoice.declines += 1
    invoice.last_reason = outcome.reason
    if charge.subscription.status is SubscriptionStatus.CANCELED:
        charge.emit(EventType.INVOICE_PAYMENT_FAILED, invoice.id, reason=outcome.reason, next_attempt_at=None)
        return
    next_attempt = _after_decline(charge, outcome, now)
    charge.emit(
        EventType.INVOICE_PAYMENT_FAILED,
        invoice.id,
        reason=outcome.reason,
        next_attempt_at=next_attempt.isoformat() if next_attempt else None,
    )
    if next_attempt is None:
        give_up(charge.subscription, invoice, charge.events, now)
    elif charge.subscription.status in (
        SubscriptionStatus.PENDING,
        SubscriptionStatus.TRIALING,
        SubscriptionStatus.ACTIVE,
    ):
        charge.subscription.move_to(SubscriptionStatus.PAST_DUE)
        charge.emit(EventType.SUBSCRIPTION_PAST_DUE, charge.subscription.id)


def _after_decline(charge: Charge, outcome: Declined, now: datetime) -> datetime | None:
    """When the invoice is taken up again; None when dunning is used up."""
    invoice, policy = charge.invoice, charge.policy
    if invoice.billing_key_id != charge.key.id:
        # Another card was given while this one was being charged: it gets its own try, at once.
        invoice.next_attempt_at = now
    elif outcome.kind is DeclineKind.HARD:
        end = policy.end(invoice.declines, now)
        invoice.await_key(end, outcome.reason)
        return end if end > now else None
    else:
        invoice.next_attempt_at = policy.next_retry(invoice.declines, now)
    return invoice.next_attempt_at


def meet_dead_key(
    subscription: Subscription, due: Invoice, key: BillingKey, policy: DunningPolicy, now: datetime
) -> list[Event]:
    """A due invoice whose key will not work: wait for another key as long as dunning would last, then give up."""
    events: list[Event] = []
    until = policy.end(max(due.declines, 1), now)
    if due.awaits_key or until <= now:
        give_up(subscription, due, events, now)
        return events
    due.await_key(until, key.invalid_reason or f"the billing key is {key.status}")
    data: dict[str, str | int | None] = {"subscription_id": subscription.id, "invoice_id": due.id}
    data |= {"reason": due.last_reason, "next_attempt_at": until.isoformat()}
    events.append(Event(EventType.INVOICE_PAYMENT_FAILED, due.id, data))
    if subscription.status in (SubscriptionStatus.PENDING, SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE):
        subscription.move_to(SubscriptionStatus.PAST_DUE)
        events.append(Event(EventType.SUBSCRIPTION_PAST_DUE, subscription.id, data))
    return events


def _fail(charge: Charge, outcome: Failed, now: datetime) -> None:
    invoice, attempt = charge.invoice, charge.attempt
    attempt.move_to(AttemptStatus.FAILED, now)
    attempt.reason = outcome.reason
    if invoice.status is InvoiceStatus.OPEN:
        invoice.failures += 1
        invoice.last_reason = outcome.reason
        invoice.next_attempt_at = now + (
            TAKEN_BACK_PAUSE if outcome.taken_back else technical_backoff(invoice.failures)
        )


def give_up(subscription: Subscription, invoice: Invoice, events: list[Event], now: datetime) -> None:
    """Dunning is used up: the invoice is uncollectible, and no further period is opened until somebody pays."""
    invoice.move_to(InvoiceStatus.UNCOLLECTIBLE, now)
    data: dict[str, str | int | None] = {"subscription_id": subscription.id, "invoice_id": invoice.id}
    events.append(Event(EventType.INVOICE_UNCOLLECTIBLE, invoice.id, data | {"reason": invoice.last_reason}))
    if subscription.status in RENEWING:
        subscription.move_to(SubscriptionStatus.UNPAID)
        events.append(Event(EventType.SUBSCRIPTION_UNPAID, subscription.id, data))


def void_if_open(invoice: Invoice, events: list[Event], now: datetime) -> None:
    """Nothing will be charged for this invoice any more: its subscription was canceled."""
    if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
        invoice.move_to(InvoiceStatus.VOID, now)
        data: dict[str, str | int | None] = {"subscription_id": invoice.subscription_id, "invoice_id": invoice.id}
        events.append(Event(EventType.INVOICE_VOIDED, invoice.id, data))


def end_subscription(subscription: Subscription, voidable: Sequence[Invoice], now: datetime) -> list[Event]:
    """Cancel a subscription and close what it still owes; an invoice whose attempt is open follows with its outcome."""
    subscription.cancel(now)
    events = [Event(EventType.SUBSCRIPTION_CANCELED, subscription.id, {"subscription_id": subscription.id})]
    for invoice in voidable:
        void_if_open(invoice, events, now)
    return events
