"""Open the next period of a subscription: the invoice with its snapshot, and the step to the following period."""

from collections.abc import Sequence
from datetime import timedelta

from billing_worker.domain.giving_up import end_subscription
from billing_worker.domain.invoice import Invoice, InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import merchant_uid
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import NEVER_SCHEDULED, Subscription
from billing_worker.ports.bundle import Ports
from billing_worker.ports.charging import DueInvoice, DueSubscription
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.environment import scanning
from billing_worker.usecases.control.pace import claim_renewals
from billing_worker.usecases.schedule.opened import is_at_portone, of_next_periods, take_order_number
from billing_worker.usecases.shadow.decide import decide_in_shadow
from billing_worker.usecases.subscription.catch_up import may_bill_late_period


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim subscriptions whose next period has begun; none before this database is claimed."""
    with scanning(ports) as (uow, elsewhere):
        if elsewhere:
            return []
        ids = claim_renewals(ports, uow, ports.clock.moment(), limit)
        uow.commit()
    return ids


def open_periods(
    ports: Ports, uow: UnitOfWork, found: Sequence[DueSubscription], moment: Moment
) -> Sequence[DueInvoice]:
    """Step each of these to its next period if it is due; returns the new invoices, which the caller stores.

    Only one period each: after an outage the next scan opens the next one, oldest first. Periods that are late are
    billed, waived or held back as the plan's catch-up policy says, unless PortOne's schedule has charged them in time.
    A restored database opens none before it is claimed: it would waive what the database before it has charged.
    """
    opened = []
    scheduled = (
        of_next_periods(uow, found) if any(due.subscription.scheduled_index > NEVER_SCHEDULED for due in found) else {}
    )
    for due in found:
        subscription = due.subscription
        subscription.lease_until = None
        if due.elsewhere or not subscription.renews_at(moment.billing):
            continue
        schedules = scheduled.get(subscription.id, ())
        if subscription.cancel_at_period_end:
            _end(uow, subscription, moment)
        elif ports.shadow or subscription.collection is Collection.SHADOW:
            decide_in_shadow(ports, uow, due)
        elif (schedules and is_at_portone(schedules)) or may_bill_late_period(uow, subscription, due.plan, moment):
            invoice = next_invoice(ports, due, moment)
            if schedules:
                take_order_number(invoice, schedules, due.key.pg_provider)
            opened.append(due.owing(invoice, schedules))
    return opened


def _end(uow: UnitOfWork, subscription: Subscription, moment: Moment) -> None:
    voidable = uow.invoices.voidable(subscription.id)
    events = end_subscription(subscription, voidable, moment.billing)
    uow.invoices.save_all(voidable)
    uow.announce(events, moment)


def next_invoice(ports: Ports, due: DueSubscription, moment: Moment) -> Invoice:
    """Step this subscription to its next period; returns the invoice of it, which the caller stores."""
    subscription = due.subscription
    period = subscription.open_period(due.plan.calendar)
    # A new customer waits for the first charge: only renewals are spread.
    length = period.end - period.start
    offset = ports.pg_limits.offset(subscription.id, length) if period.index else timedelta(0)
    return Invoice(
        id=ports.ids.new("inv"),
        subscription_id=subscription.id,
        billing_key_id=subscription.billing_key_id,
        period=period,
        money=due.plan.money,
        options=due.plan.options,
        status=InvoiceStatus.OPEN,
        merchant_uid=merchant_uid(ports.environment, subscription.id, period.index, 1),
        generation=1,
        created_at=moment.billing,
        next_attempt_at=period.start + offset,
        dunning_policy=due.policy_id,
    )
