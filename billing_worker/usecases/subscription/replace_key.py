"""Charge another card from now on."""

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    KeyStatus,
)
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.events import EventType, of_invoice, of_subscription
from billing_worker.domain.fallback import FallbackEnd
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.pgs.rules import require_money, require_options
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.own import refuse_key_of_another


def replace_key(ports: Ports, subscription_id: str, billing_key_id: str) -> Subscription:
    """Charge another card from now on. What is owed is tried at once, also what dunning gave up.

    An attempt in flight keeps its key. Raises NotFound, InvalidInput for a key that cannot take these charges, and
    Conflict for a subscription or a key that has ended.
    """
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        moment = ports.clock.moment()
        if subscription.status is SubscriptionStatus.CANCELED:
            raise Conflict(f"subscription {subscription_id} is canceled", field="subscription_id")
        try:
            key = uow.keys.lock(billing_key_id)
        except NotFound as error:
            raise InvalidInput("billing_key_id", billing_key_id, "there is no such billing key") from error
        if key.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
            raise Conflict(f"billing key {key.id} is {key.status}; register a new one", field="billing_key_id")
        plan = uow.plans.get(subscription.plan_id)
        require_money(key.pg_provider, plan.money, "billing_key_id")
        require_options(key.pg_provider, plan.options, plan.money, "billing_key_id")
        refuse_key_of_another(uow, key.id, subscription.customer)
        before, subscription.billing_key_id = subscription.billing_key_id, key.id
        for fallback in uow.fallbacks.of_subscription(subscription_id):
            if fallback.billing_key_id == key.id and fallback.ended_at is None:
                fallback.end(FallbackEnd.MAIN, moment.billing)
                uow.fallbacks.save(fallback)
        if before != key.id:
            changed = {"previous_billing_key_id": before, "reason": "at a request"}
            uow.announce([of_subscription(EventType.SUBSCRIPTION_KEY_CHANGED, subscription, **changed)], moment)
        idle = {invoice.id for invoice in uow.invoices.voidable(subscription_id)}
        for invoice in uow.invoices.of_subscription(subscription_id):
            if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
                given_up = invoice.status is InvoiceStatus.UNCOLLECTIBLE
                invoice.use_key(key.id, moment.billing, at_once=invoice.id in idle)
                if given_up and invoice.status is InvoiceStatus.OPEN:
                    uow.announce([of_invoice(EventType.INVOICE_REOPENED, subscription, invoice)], moment)
                uow.invoices.save(invoice)
        uow.subscriptions.save(subscription)
        note(ports, uow, Verb.KEY_REPLACED, subscription_id, f"charged on {key.id}", at=moment.real)
        uow.commit()
    return subscription
