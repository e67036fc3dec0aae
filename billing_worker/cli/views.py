"""Plans, keys, subscriptions, invoices, attempts and refunds, as the command line shows them.

The names are those of the HTTP API, so that a program can read both.
"""

from collections.abc import Sequence

from billing_worker.cli.output import View, masked
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.calendar import AnchoredCalendar
from billing_worker.domain.invoice import Invoice, PaymentAttempt
from billing_worker.domain.money import Money
from billing_worker.domain.plan import Plan
from billing_worker.domain.refund import Refund, left_of
from billing_worker.domain.subscription import Subscription


def of_plan(plan: Plan) -> View:
    """A plan."""
    anchored = plan.calendar if isinstance(plan.calendar, AnchoredCalendar) else None
    return {
        "id": plan.id,
        "name": plan.name,
        "amount": plan.money,
        "calendar": str(plan.calendar),
        "interval": anchored.unit if anchored else None,
        "interval_count": anchored.count if anchored else None,
        "cron": plan.calendar.expression if not isinstance(plan.calendar, AnchoredCalendar) else None,
        "timezone": plan.calendar.zone,
        "dunning_days": list(plan.dunning.retry_days),
        "catch_up": plan.catch_up.mode,
        "catch_up_max_age": plan.catch_up.max_age,
        "external_id": plan.external_id,
        "metadata": plan.metadata,
        "created_at": plan.created_at,
    }


def of_key(key: BillingKey) -> View:
    """A billing key; its name at PortOne is masked."""
    return {
        "id": key.id,
        "customer_uid": masked(key.customer_uid),
        "pg_provider": key.pg_provider,
        "status": key.status,
        "invalid_reason": key.invalid_reason,
        "buyer_name": key.buyer_name,
        "buyer_email": key.buyer_email,
        "buyer_tel": key.buyer_tel,
        "goodsid": key.goodsid,
        "issuing_payment": key.issue.imp_uid if key.issue else None,
        "issuing_sum": str(key.issue.money) if key.issue else None,
        "issuing_claim": key.issue_claim,
        "counts_for": key.issue_for,
        "external_id": key.external_id,
        "metadata": key.metadata,
        "created_at": key.created_at,
        "activated_at": key.activated_at,
    }


def of_subscription(subscription: Subscription) -> View:
    """A subscription."""
    return {
        "id": subscription.id,
        "customer": subscription.customer,
        "status": subscription.status,
        "plan_id": subscription.plan_id,
        "billing_key_id": subscription.billing_key_id,
        "start": subscription.anchor,
        "next_period_start": subscription.next_period_start,
        "next_period_index": subscription.next_period_index,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": subscription.canceled_at,
        "held_since": subscription.held_since,
        "allow_duplicate": subscription.allow_duplicate,
        "external_id": subscription.external_id,
        "metadata": subscription.metadata,
        "created_at": subscription.created_at,
    }


def of_invoice(invoice: Invoice) -> View:
    """An invoice."""
    return {
        "id": invoice.id,
        "subscription_id": invoice.subscription_id,
        "amount": invoice.money,
        "status": invoice.status,
        "period_index": invoice.period.index,
        "period_start": invoice.period.start,
        "period_end": invoice.period.end,
        "merchant_uid": invoice.merchant_uid,
        "billing_key_id": invoice.billing_key_id,
        "attempt_count": invoice.attempts,
        "decline_count": invoice.declines,
        "next_attempt_at": invoice.next_attempt_at,
        "last_reason": invoice.last_reason,
        "created_at": invoice.created_at,
        "closed_at": invoice.closed_at,
    }


def given_back(invoice: Invoice, attempts: Sequence[PaymentAttempt]) -> View:
    """What was given back of an invoice's payments, and what is left of them."""
    currency = invoice.money.currency
    return {
        "refunded": Money(sum(attempt.refunded for attempt in attempts), currency),
        "refundable": Money(left_of(attempts), currency),
    }


def of_attempt(attempt: PaymentAttempt) -> View:
    """A payment attempt."""
    return {
        "number": attempt.number,
        "id": attempt.id,
        "status": attempt.status,
        "decline_kind": attempt.decline_kind,
        "reason": attempt.reason,
        "merchant_uid": attempt.merchant_uid,
        "imp_uid": attempt.imp_uid,
        "surplus": attempt.surplus,
        "refunded": Money(attempt.refunded, attempt.money.currency),
        "started_at": attempt.started_at,
        "closed_at": attempt.closed_at,
        "next_look_at": attempt.next_look_at,
    }


def of_refund(refund: Refund) -> View:
    """A refund."""
    return {
        "id": refund.id,
        "attempt_id": refund.attempt_id,
        "amount": refund.money,
        "status": refund.status,
        "cause": refund.cause,
        "reason": refund.reason,
        "idempotency_key": refund.idempotency_key,
        "send_count": refund.sends,
        "note": refund.note,
        "next_step_at": refund.next_step_at,
        "created_at": refund.created_at,
        "closed_at": refund.closed_at,
    }
