"""Charge another card from now on."""

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    KeyStatus,
)
from billing_worker.domain.calendar import AnchoredCalendar
from billing_worker.domain.dunning.policy import NewKey
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.events import Event, EventType, of_invoice, of_subscription
from billing_worker.domain.fallback import FallbackEnd
from billing_worker.domain.giving_up import void_if_open
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.moment import Moment
from billing_worker.domain.pgs.rules import require_money, require_options
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription, SubscriptionStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.own import refuse_key_of_another

UNPAID = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


def replace_key(ports: Ports, subscription_id: str, billing_key_id: str) -> Subscription:
    """Charge another card from now on. What is owed is tried at once, also what dunning gave up.

    If the policy of what dunning gave up says so, another card voids that instead, and a new period begins now.

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
        is_another = subscription.billing_key_id != key.id
        _make_main(uow, subscription, key.id, moment)
        if is_another and _begins_anew(uow, subscription, plan, moment):
            uow.subscriptions.save(subscription)
            note(ports, uow, Verb.KEY_REPLACED, subscription_id, f"a new period on {key.id}", at=moment.real)
            uow.commit()
            return subscription
        idle = {invoice.id for invoice in uow.invoices.voidable(subscription_id)}
        for invoice in uow.invoices.of_subscription(subscription_id):
            if invoice.status in UNPAID:
                given_up = invoice.status is InvoiceStatus.UNCOLLECTIBLE
                invoice.use_key(key.id, moment.billing, at_once=invoice.id in idle)
                if given_up and invoice.status is InvoiceStatus.OPEN:
                    uow.announce([of_invoice(EventType.INVOICE_REOPENED, subscription, invoice)], moment)
                uow.invoices.save(invoice)
        uow.subscriptions.save(subscription)
        note(ports, uow, Verb.KEY_REPLACED, subscription_id, f"charged on {key.id}", at=moment.real)
        uow.commit()
    return subscription


def _make_main(uow: UnitOfWork, subscription: Subscription, key_id: str, moment: Moment) -> None:
    """Charge this key from now on; as the main one it is no fallback any more."""
    before, subscription.billing_key_id = subscription.billing_key_id, key_id
    for fallback in uow.fallbacks.of_subscription(subscription.id):
        if fallback.billing_key_id == key_id and fallback.ended_at is None:
            fallback.end(FallbackEnd.MAIN, moment.billing)
            uow.fallbacks.save(fallback)
    if before != key_id:
        changed = {"previous_billing_key_id": before, "reason": "at a request"}
        uow.announce([of_subscription(EventType.SUBSCRIPTION_KEY_CHANGED, subscription, **changed)], moment)


def _begins_anew(uow: UnitOfWork, subscription: Subscription, plan: Plan, moment: Moment) -> bool:
    """Void what an unpaid subscription owes and begin a new period, if the policy of its last debt says so.

    A debt with an open attempt may still be paid: then it is collected. So is one beside a paid period that still runs,
    which a new period would take money for a second time.
    """
    if subscription.status is not SubscriptionStatus.UNPAID or not isinstance(plan.calendar, AnchoredCalendar):
        return False
    known = uow.invoices.of_subscription(subscription.id)
    owed = [each for each in known if each.status in UNPAID]
    if any(each.status is InvoiceStatus.PAID and each.period and each.period.end > moment.billing for each in known):
        return False
    idle = uow.invoices.voidable(subscription.id)
    if not owed or len(idle) < len(owed):
        return False
    if uow.dunning_policies.get(owed[-1].dunning_policy).policy.ending.new_key is not NewKey.NEW_PERIOD:
        return False
    events: list[Event] = []
    for invoice in idle:
        void_if_open(subscription, invoice, events, moment.billing)
    uow.invoices.save_all(idle)
    left_out = subscription.next_period_start.isoformat()
    count = subscription.begin_again(plan.calendar, moment.billing, paid=False)
    subscription.move_to(SubscriptionStatus.PAST_DUE)
    begins = subscription.next_period_start.isoformat()
    events.append(of_subscription(EventType.SUBSCRIPTION_PAST_DUE, subscription, next_period_start=begins))
    kind, span = EventType.SUBSCRIPTION_PERIODS_SKIPPED, {"first": left_out, "last": left_out}
    events.append(of_subscription(kind, subscription, count=count, **span))
    uow.announce(events, moment)
    return True
