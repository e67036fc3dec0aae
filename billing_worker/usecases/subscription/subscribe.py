"""Put customers on plans."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    BillingKey,
    KeyStatus,
)
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.events import Event, EventType, of_subscription
from billing_worker.domain.labels import entered_external_id, entered_metadata
from billing_worker.domain.pgs.rules import require_money, require_options
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import LONGEST_CUSTOMER, Subscription, SubscriptionStatus
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.dunning.policies import policy_named
from billing_worker.usecases.key.own import refuse_key_of_another

CHARGED_AT_ONCE = timedelta(days=1)
"""A start no older than this means "now": the request was slow, or an import ran overnight."""


EARLIEST_START, LATEST_START = 1970, 2199
"""Years. A start beyond them is a mistake, and within them no period overflows."""


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A caller's description of a subscription; `new_subscription` checks it."""

    plan_id: str
    billing_key_id: str
    customer: str
    _: KW_ONLY
    start: datetime | None = None
    """When the first period begins; None: now."""
    allow_duplicate: bool = False
    external_id: str | None = None
    metadata: Mapping[str, str] | None = None
    collection: Collection | None = None
    """By which way its periods are collected; None: as the plan says."""
    dunning_policy: str | None = None
    """The name of its own policy after a decline; None: that of its plan."""


def subscribe(ports: Ports, wanted: NewSubscription) -> Subscription:
    """Put a customer on a plan, from `start` (default: now). The first charge is due when the first period begins.

    A start more than a day ago is only an anchor: a merchant who moves existing customers here has charged the periods
    since then elsewhere. The next period is the first one charged here.

    Raises InvalidInput, or Conflict: for a known external_id, for a key that cannot be charged, or if this customer
    already has a live subscription on this plan, without `allow_duplicate`.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        try:
            plan = uow.plans.get(wanted.plan_id)
            key = uow.keys.lock(wanted.billing_key_id)
        except NotFound as error:
            field = "plan_id" if error.kind == "plan" else "billing_key_id"
            raise InvalidInput(field, error.ident, f"there is no such {error.kind}") from error
        subscription = new_subscription(ports, moment.billing, plan, key, wanted)
        refuse_key_of_another(uow, key.id, subscription.customer)
        if wanted.dunning_policy is not None:
            named = policy_named(uow, wanted.dunning_policy, plan.calendar, now=moment.billing)
            subscription.dunning_policy = named.name
        _refuse_twin(uow, subscription)
        uow.subscriptions.add(subscription)
        uow.announce([created(subscription, plan)], moment)
        note(ports, uow, Verb.SUBSCRIPTION_CREATED, subscription.id, at=moment.real)
        uow.commit()
    return subscription


def _refuse_twin(uow: UnitOfWork, wanted: Subscription) -> None:
    """Refuse a second subscription of a customer to a plan, unless it is allowed: a repeat would charge twice."""
    twin = uow.subscriptions.live_twin(wanted.customer, wanted.plan_id)
    if twin is not None and not wanted.allow_duplicate:
        problem = f"this customer has subscription {twin.id} on this plan already, and it is {twin.status}"
        way_out = "say allow_duplicate if another one is meant"
        raise Conflict(f"{problem}; {way_out}", field="customer", existing_id=twin.id)


def new_subscription(ports: Ports, now: datetime, plan: Plan, key: BillingKey, wanted: NewSubscription) -> Subscription:
    """A new subscription, not stored yet.

    Raises InvalidInput, also for a plan whose price the key's PG does not charge, or Conflict for a dead key.
    """
    start = wanted.start
    if start is not None and start.tzinfo is None:
        raise InvalidInput("start", start.isoformat(), "needs a time zone, e.g. 2026-03-31T09:00:00+09:00")
    if start is not None and not EARLIEST_START <= start.year <= LATEST_START:
        problem = f"must be between the years {EARLIEST_START} and {LATEST_START}"
        raise InvalidInput("start", start.isoformat(), problem)
    if key.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
        raise Conflict(f"billing key {key.id} is {key.status}; register a new one", field="billing_key_id")
    require_money(key.pg_provider, plan.money, "plan_id")
    require_options(key.pg_provider, plan.options, plan.money, "plan_id")
    anchor = start or now
    subscription = Subscription(
        id=ports.ids.new("sub"),
        plan_id=plan.id,
        billing_key_id=key.id,
        customer=entered("customer", wanted.customer, LONGEST_CUSTOMER),
        status=SubscriptionStatus.PENDING,
        anchor=anchor,
        next_period_index=0,
        next_period_start=plan.calendar.first_start(anchor),
        created_at=now,
        external_id=entered_external_id(wanted.external_id),
        metadata=entered_metadata(wanted.metadata),
        allow_duplicate=wanted.allow_duplicate,
        collection=wanted.collection or plan.collection,
    )
    if subscription.next_period_start < now - CHARGED_AT_ONCE:
        subscription.skip_to(plan.calendar, now)
    return subscription


def created(subscription: Subscription, plan: Plan) -> Event:
    """The event about a new subscription."""
    return of_subscription(
        EventType.SUBSCRIPTION_CREATED,
        subscription,
        amount=plan.money.amount,
        currency=plan.money.currency,
        next_period_start=subscription.next_period_start.isoformat(),
    )
