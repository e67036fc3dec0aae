"""Charge another card from now on."""

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    KeyStatus,
)
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.pgs.rules import require_money
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note


def replace_key(ports: Ports, subscription_id: str, billing_key_id: str) -> Subscription:
    """Charge another card from now on; open invoices follow, and are tried at once.

    An attempt in flight keeps its key. An invoice that dunning gave up stays so until an operator retries it
    (`retry_now`).
    """
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        moment = ports.clock.moment()
        if subscription.status is SubscriptionStatus.CANCELED:
            raise Conflict(f"subscription {subscription_id} is canceled", field="subscription_id")
        try:
            key = uow.keys.get(billing_key_id)
        except NotFound as error:
            raise InvalidInput("billing_key_id", billing_key_id, "there is no such billing key") from error
        if key.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
            raise Conflict(f"billing key {key.id} is {key.status}; register a new one", field="billing_key_id")
        require_money(key.pg_provider, uow.plans.get(subscription.plan_id).money, "billing_key_id")
        subscription.billing_key_id = key.id
        idle = {invoice.id for invoice in uow.invoices.voidable(subscription_id)}
        for invoice in uow.invoices.of_subscription(subscription_id):
            if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
                invoice.use_key(key.id, moment.billing, at_once=invoice.id in idle)
                uow.invoices.save(invoice)
        uow.subscriptions.save(subscription)
        note(ports, uow, Verb.KEY_REPLACED, subscription_id, f"charged on {key.id}", at=moment.real)
        uow.commit()
    return subscription
