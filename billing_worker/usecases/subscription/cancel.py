"""End a subscription, now or at the end of its current period."""

from billing_worker.domain.action import Verb
from billing_worker.domain.errors import Conflict
from billing_worker.domain.events import EventType, of_subscription
from billing_worker.domain.giving_up import end_subscription
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note


def cancel(ports: Ports, subscription_id: str, *, at_period_end: bool = False) -> Subscription:
    """Cancel a subscription. After this returns no attempt begins for it.

    An attempt already written down may still be sent within the HTTP deadline, and is settled by its outcome.

    Raises NotFound, or Conflict when it is already canceled.
    """
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        # Read under the lock, so that no earlier attempt gets a later time than the cancellation.
        moment = ports.clock.moment()
        if subscription.status is SubscriptionStatus.CANCELED:
            raise Conflict(f"subscription {subscription_id} is canceled already", field="subscription_id")
        # An unpaid subscription has no current period that could end.
        if at_period_end and subscription.status is not SubscriptionStatus.UNPAID:
            if not subscription.cancel_at_period_end:
                subscription.cancel_at_period_end = True
                # Its period is over, and no decision is needed any more: on hold it would never end.
                subscription.held_since = None
                ends = subscription.next_period_start.isoformat()
                told = of_subscription(EventType.SUBSCRIPTION_CANCEL_SCHEDULED, subscription, cancel_at=ends)
                uow.announce([told], moment)
            note(ports, uow, Verb.SUBSCRIPTION_CANCEL_SCHEDULED, subscription.id, at=moment.real)
        else:
            voidable = uow.invoices.voidable(subscription_id)
            events = end_subscription(subscription, voidable, moment.billing)
            for invoice in voidable:
                uow.invoices.save(invoice)
            uow.announce(events, moment)
            note(ports, uow, Verb.SUBSCRIPTION_CANCELED, subscription.id, at=moment.real)
        uow.subscriptions.save(subscription)
        uow.commit()
    return subscription
