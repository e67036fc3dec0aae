"""Open the next period of a subscription: the invoice with its snapshot, and the step to the following period."""

from collections.abc import Sequence

from billing_worker.domain.invoice import Invoice, InvoiceStatus, merchant_uid
from billing_worker.domain.settlement import end_subscription
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.control.environment import require_claimed_environment
from billing_worker.usecases.control.pace import claim_renewals
from billing_worker.usecases.subscription.catch_up import may_bill_late_period


def due(ports: Ports, limit: int) -> Sequence[str]:
    """Claim subscriptions whose next period has begun."""
    require_claimed_environment(ports)
    with ports.database.transaction() as uow:
        ids = claim_renewals(ports, uow, ports.clock.moment(), limit)
        uow.commit()
    return ids


def renew(ports: Ports, subscription_id: str) -> str | None:
    """Open the invoice of the due period; returns its id, or None if no period is due (any more).

    One period per call: after an outage the next scan opens the next one, oldest first. Late periods are billed, waived
    or held back by the plan's catch-up policy.
    """
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        moment = ports.clock.moment()
        subscription.lease_until = None
        if not subscription.renews_at(moment.billing):
            uow.subscriptions.save(subscription)
            uow.commit()
            return None
        if subscription.cancel_at_period_end:
            voidable = uow.invoices.voidable(subscription.id)
            events = end_subscription(subscription, voidable, moment.billing)
            uow.subscriptions.save(subscription)
            for invoice in voidable:
                uow.invoices.save(invoice)
            uow.announce(events, moment)
            uow.commit()
            return None
        plan = uow.plans.get(subscription.plan_id)
        if not may_bill_late_period(uow, subscription, plan, moment):
            uow.subscriptions.save(subscription)
            uow.commit()
            return None
        period = subscription.open_period(plan.calendar)
        invoice = Invoice(
            id=ports.ids.new("inv"),
            subscription_id=subscription.id,
            billing_key_id=subscription.billing_key_id,
            period=period,
            money=plan.money,
            status=InvoiceStatus.OPEN,
            merchant_uid=merchant_uid(ports.environment, subscription.id, period.index, 1),
            generation=1,
            created_at=moment.billing,
            next_attempt_at=period.start,
        )
        opened = uow.invoices.add(invoice)
        uow.subscriptions.save(subscription)
        uow.commit()
    return invoice.id if opened else None
