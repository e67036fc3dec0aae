"""What dunning canceled: nothing of it is charged any more."""

from billing_worker.domain.events import Event
from billing_worker.domain.giving_up import void_if_open
from billing_worker.domain.moment import Moment
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.storage import UnitOfWork


def void_the_rest(uow: UnitOfWork, subscription: Subscription | None, moment: Moment) -> None:
    """Void what a subscription still owes that a policy has canceled in this transaction.

    An invoice with an open attempt follows at its outcome.
    """
    if subscription is None or subscription.status is not SubscriptionStatus.CANCELED:
        return
    events: list[Event] = []
    voidable = uow.invoices.voidable(subscription.id)
    for invoice in voidable:
        void_if_open(subscription, invoice, events, moment.billing)
    uow.invoices.save_all(voidable)
    uow.announce(events, moment)
