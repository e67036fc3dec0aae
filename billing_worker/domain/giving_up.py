"""What comes when dunning ends: the invoice is given up, and its policy says what becomes of the subscription."""

from collections.abc import Sequence
from datetime import datetime, time

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.declines.reasons import Advice, DeclineKind
from billing_worker.domain.dunning.planner import TryFacts, time_of, used_up_at
from billing_worker.domain.dunning.policy import DunningPolicy, FinalAction
from billing_worker.domain.events import Event, EventType, of_invoice, of_subscription, of_subscription_by
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.pg_limits import NO_LIMITS, PgLimits
from billing_worker.domain.subscription import (
    AWAITING_PAYMENT,
    GOOD_STANDING,
    RENEWING,
    Subscription,
    SubscriptionStatus,
)

BY_DUNNING = "dunning"
"""Why a subscription is canceled, where a policy did it."""


def facts_of(subscription: Subscription | None, invoice: Invoice, key: BillingKey, limits: PgLimits) -> TryFacts:
    """What the time of the next try of an invoice depends on, beside its policy."""
    hour = subscription.paid_hour if subscription is not None else None
    quiet = limits.quiet.get(key.pg_provider)
    return TryFacts(
        invoice.id,
        key.declined_at,
        paid_hour=None if hour is None else time(hour),
        closed=() if quiet is None else (quiet,),
    )


def fall_behind(subscription: Subscription | None, invoice: Invoice, events: list[Event]) -> None:
    """Note a subscription whose invoice is not paid."""
    if subscription is not None and subscription.status in GOOD_STANDING:
        subscription.move_to(SubscriptionStatus.PAST_DUE)
        kind = EventType.SUBSCRIPTION_PAST_DUE
        events.append(of_subscription_by(kind, subscription, invoice, reason=invoice.last_reason))


def meet_dead_key(  # noqa: PLR0917 - an invoice, with all that decides
    subscription: Subscription | None,
    due: Invoice,
    key: BillingKey,
    policy: DunningPolicy,
    now: datetime,
    limits: PgLimits = NO_LIMITS,
) -> list[Event]:
    """Handle a due invoice with a dead key: wait for another key as long as dunning would last, then give up."""
    events: list[Event] = []
    facts = facts_of(subscription, due, key, limits)
    until = used_up_at(policy, max(due.declines, 1), None, now, facts)
    if due.awaits_key or until <= now:
        ends = give_up_again if due.is_tried_again else give_up
        ends(subscription, due, policy, events, now, facts)
        return events
    due.await_key(until, key.invalid_reason or f"the billing key is {key.status}")
    more: dict[str, str | int | None] = {"attempt_id": None, "imp_uid": None, "decline_kind": DeclineKind.HARD}
    more |= {"decline_category": None, "decline_advice": Advice.ANOTHER_CARD, "next_billing_key_id": None}
    more |= {"reason": due.last_reason, "next_attempt_at": until.isoformat(), "next_is_last": False}
    events.append(of_invoice(EventType.INVOICE_PAYMENT_FAILED, subscription, due, **more))
    fall_behind(subscription, due, events)
    return events


def give_up(  # noqa: PLR0917 - an invoice, with all that decides
    subscription: Subscription | None,
    invoice: Invoice,
    policy: DunningPolicy,
    events: list[Event],
    now: datetime,
    facts: TryFacts,
) -> None:
    """End dunning: the invoice is uncollectible, and the policy's final action follows.

    The one more try of the policy is planned the first time. A single payment has no final action.
    """
    close_unpaid(subscription, invoice, events, now)
    ending = policy.ending
    if ending.win_back is not None and not invoice.won_back:
        invoice.win_back_at, invoice.won_back = time_of(ending.win_back, policy.hours, now, facts), True
    if subscription is None or subscription.status not in RENEWING:
        return
    match ending.final:
        case FinalAction.UNPAID:
            subscription.move_to(SubscriptionStatus.UNPAID)
            kind, reason = EventType.SUBSCRIPTION_UNPAID, invoice.last_reason
            events.append(of_subscription_by(kind, subscription, invoice, reason=reason))
        case FinalAction.CANCEL:
            events += end_subscription(subscription, [invoice], now, reason=BY_DUNNING)
        case FinalAction.KEEP_PAST_DUE:
            fall_behind(subscription, invoice, events)


def give_up_again(  # noqa: PLR0917 - one signature with `give_up`
    subscription: Subscription | None,
    invoice: Invoice,
    policy: DunningPolicy,  # noqa: ARG001 - as above
    events: list[Event],
    now: datetime,
    facts: TryFacts,  # noqa: ARG001 - as above
) -> None:
    """Give up an invoice that was tried once more after dunning: its final action came before."""
    close_unpaid(subscription, invoice, events, now)


def close_unpaid(subscription: Subscription | None, invoice: Invoice, events: list[Event], now: datetime) -> None:
    """Make the invoice uncollectible."""
    invoice.move_to(InvoiceStatus.UNCOLLECTIBLE, now)
    reason = invoice.last_reason
    events.append(of_invoice(EventType.INVOICE_UNCOLLECTIBLE, subscription, invoice, reason=reason))


def cover(subscription: Subscription, invoice: Invoice, imp_uid: str, now: datetime) -> list[Event]:
    """Void an invoice, because an operator said that a payment with another sum stands for its period."""
    invoice.last_reason = f"covered by payment {imp_uid}, which issued the key"
    events: list[Event] = []
    void_if_open(subscription, invoice, events, now)
    if subscription.status in AWAITING_PAYMENT:
        subscription.move_to(SubscriptionStatus.ACTIVE)
        events.append(of_subscription_by(EventType.SUBSCRIPTION_ACTIVATED, subscription, invoice, skipped_periods=0))
    return events


def void_if_open(subscription: Subscription | None, invoice: Invoice, events: list[Event], now: datetime) -> None:
    """Void the invoice if it is open: it will not be charged any more."""
    if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
        invoice.move_to(InvoiceStatus.VOID, now)
        events.append(of_invoice(EventType.INVOICE_VOIDED, subscription, invoice))


def end_subscription(
    subscription: Subscription, voidable: Sequence[Invoice], now: datetime, **why: str | int | None
) -> list[Event]:
    """Cancel a subscription and close its open invoices. An invoice with an open attempt follows at its outcome.

    The cancellation is the last event of the subscription itself; `why` is told with it.
    """
    subscription.cancel(now)
    events: list[Event] = []
    for invoice in voidable:
        void_if_open(subscription, invoice, events, now)
    events.append(of_subscription(EventType.SUBSCRIPTION_CANCELED, subscription, canceled_at=now.isoformat(), **why))
    return events
