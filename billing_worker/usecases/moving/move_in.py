"""Move one customer in: read PortOne, arrange a subscription that goes on where its schedules stand, and store it.

The schedules at PortOne are adopted: each becomes the schedule of one period of the new subscription, in the same
transaction. So the period's invoice has their order number, and no period can be paid by both ways. Where a worker is
to collect, they are revoked afterwards, by the job that serves schedules; one that fires before that is recognised.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import ISSUED_BY_PAYMENT, BillingKey
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.moment import Moment
from billing_worker.domain.order_number import is_readable
from billing_worker.domain.pgs.rules import alike
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection, GatewaySchedule, Schedule, ScheduleStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.domain.text import normal_form, spellings
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.key.register import NewKey, new_key
from billing_worker.usecases.moving.at_portone import AtPortOne, CustomerUnread, scheduled_of
from billing_worker.usecases.subscription.enroll import Enrolment, store
from billing_worker.usecases.subscription.subscribe import NewSubscription, new_subscription

LEAST_LEAD = timedelta(hours=24)
"""A customer who is charged sooner is not moved: the old program may be about to charge."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A customer to move in, as a list of the merchant says."""

    customer_uid: str = field(repr=False)
    customer: str
    plan_id: str
    _: KW_ONLY
    pg_provider: str | None = None
    """None: as PortOne tells."""
    start: datetime | None = None
    """When the first period began, where its day of the month is not that of the next charge."""
    buyer_name: str | None = None
    buyer_email: str | None = None
    buyer_tel: str | None = None
    external_id: str | None = None
    allow_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What moving one customer in will store."""

    enrolment: Enrolment
    adopted: tuple[Schedule, ...]
    """PortOne's schedules, as schedules of the coming periods."""
    leaves_shadow: bool = False
    """Whether the subscription is here already, in shadow, and is charged here from now on."""

    @property
    def next_at(self) -> datetime:
        """When the customer is charged next."""
        return self.enrolment.subscription.next_period_start


class AlreadyHere(Exception):
    """The customer was moved in before; names the subscription."""


def arrange(ports: Ports, mover: Mover, plan: Plan, there: AtPortOne, collection: Collection) -> Arrangement:
    """Read PortOne about one customer, and say what would be stored. Nothing is changed.

    Raises AlreadyHere, InvalidInput or Conflict with the reason of a refusal, and CustomerUnread.
    """
    known, shadowed = _known(ports, mover, collection)
    scheduled = scheduled_of(ports, there, mover.customer_uid)
    reading = ports.gateway.read_key(mover.customer_uid)
    if reading.trouble is not None:
        raise CustomerUnread(f"PortOne could not be read about this key: {reading.trouble}")
    if reading.stored is None:
        raise InvalidInput("customer_uid", "…", "PortOne has no key under this customer_uid")
    pg_provider = _pg_of(mover, known, reading.stored.pg_provider)
    moment = ports.clock.moment()
    key = known or _key(ports, mover, pg_provider, moment)
    if known is None and pg_provider not in ISSUED_BY_PAYMENT:
        key.card = reading.stored.card
        key.activate(moment.billing)
    subscription = shadowed
    if subscription is None:
        paid_at = _start_of_paid(ports, mover, plan, moment) if mover.start is None and not scheduled else None
        wanted = NewSubscription(
            plan.id,
            key.id,
            mover.customer,
            start=mover.start or paid_at or scheduled[0].at,
            allow_duplicate=mover.allow_duplicate,
            external_id=mover.external_id,
        )
        subscription = new_subscription(ports, moment.billing, plan, key, wanted)
        if paid_at is not None and subscription.next_period_start == paid_at:
            subscription.skip_to(plan.calendar, paid_at)
    subscription.collection = collection
    if collection is Collection.SHADOW:
        return Arrangement(Enrolment(plan, key, subscription, has_new_key=known is None), ())
    if subscription.next_period_start < moment.billing + LEAST_LEAD:
        at = f"{subscription.next_period_start:%Y-%m-%dT%H:%MZ}"
        raise Conflict(f"the next charge is due within 24 hours ({at}); move this customer after it", field="start")
    _refuse_known_numbers(ports, scheduled)
    adopted = _adopted(ports, subscription, key, plan, scheduled, moment)
    enrolment = Enrolment(plan, key, subscription, has_new_key=known is None)
    return Arrangement(enrolment, adopted, leaves_shadow=shadowed is not None)


def move_in(ports: Ports, arrangement: Arrangement) -> None:
    """Store what was arranged, all of it or nothing. Raises AlreadyHere, or Conflict for what was stored meanwhile."""
    made, subscription = arrangement.enrolment, arrangement.enrolment.subscription
    with ports.database.transaction() as uow:
        if arrangement.leaves_shadow:
            _leave_shadow(ports, uow, subscription)
        else:
            uow.subscriptions.lock_pairs([(subscription.customer, subscription.plan_id)])
            _refuse_twin(uow, subscription)
            store(ports, uow, ports.clock.moment(), [made])
        uow.schedules.add_all(arrangement.adopted)
        uow.commit()


def _leave_shadow(ports: Ports, uow: UnitOfWork, arranged: Subscription) -> None:
    found = uow.subscriptions.lock(arranged.id)
    if (found.collection, found.next_period_index) != (Collection.SHADOW, arranged.next_period_index):
        raise Conflict(f"subscription {arranged.id} has changed meanwhile; run the row again", field="customer")
    found.collection, found.scheduled_index = arranged.collection, arranged.scheduled_index
    uow.subscriptions.save(found)
    told = f"collected by {found.collection}, out of the shadow"
    note(ports, uow, Verb.SUBSCRIPTION_CHANGED, found.id, told, at=ports.clock.moment().real)


def _known(ports: Ports, mover: Mover, collection: Collection) -> tuple[BillingKey | None, Subscription | None]:
    """The key, and the subscription in shadow that is to be charged now, where they are stored here already.

    Raises AlreadyHere where the customer is on this plan with it, or Conflict: with another card, where the key pays
    for another customer or plan, and for a customer who has canceled here: an old file that is run again must not
    charge them.
    """
    with ports.database.transaction() as uow:
        key = uow.keys.with_customer_uid(mover.customer_uid)
        found = uow.subscriptions.of_keys_or_customers([key.id] if key is not None else [], spellings(mover.customer))
    same = [
        each
        for each in found
        if each.plan_id == mover.plan_id and normal_form(each.customer) == normal_form(mover.customer)
    ]
    for each in same:
        if each.canceled_at is None and key is not None and each.billing_key_id == key.id:
            if each.collection is Collection.SHADOW and collection is not Collection.SHADOW:
                return key, each
            raise AlreadyHere(f"subscription {each.id}")
    for each in found:
        if key is not None and each.billing_key_id == key.id:
            _refuse_other_use(mover, each)
    for each in same:
        if each.canceled_at is None and not mover.allow_duplicate:
            raise _twin(each)
        if each.canceled_at is not None and (mover.start is None or mover.start <= each.canceled_at):
            problem = f"subscription {each.id} of this customer was canceled on {each.canceled_at:%Y-%m-%d %H:%M} UTC"
            raise Conflict(f"{problem}; if the customer comes back, give the row a start after that", field="customer")
    return key, None


def _refuse_other_use(mover: Mover, there: Subscription) -> None:
    """Refuse a key that is another customer's, or pays for another plan: a corrected file must not charge it twice."""
    if normal_form(there.customer) != normal_form(mover.customer):
        problem = f"this key is that of customer {there.customer} here, of subscription {there.id}"
        raise Conflict(problem, field="customer", existing_id=there.id)
    if there.plan_id != mover.plan_id and there.canceled_at is None and not mover.allow_duplicate:
        told = f"this key pays for subscription {there.id} on {there.plan_id} here already"
        way_out = "cancel that one if its plan was a mistake, or say allow_duplicate for a further one"
        raise Conflict(f"{told}; {way_out}", field="plan_id", existing_id=there.id)


def _pg_of(mover: Mover, known: BillingKey | None, told: str | None) -> str:
    if told is not None and mover.pg_provider not in (None, told):
        raise InvalidInput("pg_provider", mover.pg_provider, f"PortOne stores this key at {told}")
    if told is not None and known is not None and not alike(known.pg_provider, told):
        # It waits for an operator, and a worker could not charge what is revoked at PortOne.
        problem = f"PortOne stores this key at {told}, and it is registered here as one of {known.pg_provider}"
        raise Conflict(f"{problem}; correct the PG of key {known.id} first", field="pg_provider")
    pg_provider = mover.pg_provider or told
    if pg_provider is None:
        raise InvalidInput("pg_provider", None, "is needed: PortOne does not tell the PG of this key")
    return pg_provider


def _key(ports: Ports, mover: Mover, pg_provider: str, moment: Moment) -> BillingKey:
    wanted = NewKey(
        mover.customer_uid,
        pg_provider,
        buyer_name=mover.buyer_name,
        buyer_email=mover.buyer_email,
        buyer_tel=mover.buyer_tel,
    )
    return new_key(ports, moment, wanted)


def _start_of_paid(ports: Ports, mover: Mover, plan: Plan, moment: Moment) -> datetime:
    """When the period began that the customer paid last, where PortOne has no schedule. Raises InvalidInput."""
    listing = ports.gateway.payments_of_key(mover.customer_uid)
    if listing.trouble is not None:
        raise CustomerUnread(f"PortOne could not be read about the payments of this key: {listing.trouble}")
    paid = [
        (payment.paid_at, payment.money)
        for payment, _ in listing.payments
        if payment.holds_money and payment.paid_at is not None
    ]
    if not paid:
        problem = "is needed: PortOne has neither a schedule nor a payment of this key"
        raise InvalidInput("start", None, problem)
    last, money = max(paid, key=itemgetter(0))
    if money != plan.money:
        problem = f"is needed: the last payment ({last:%Y-%m-%d}) is of {money}, and the plan's price is {plan.money}"
        raise InvalidInput("start", None, problem)
    if plan.calendar.start_after(last, 1, last) <= moment.billing:
        problem = f"is needed: the last payment ({last:%Y-%m-%d}) is more than a period ago, and nothing is scheduled"
        raise InvalidInput("start", None, problem)
    return last


def _adopted(  # noqa: PLR0917 - one customer, with all that decides
    ports: Ports,
    subscription: Subscription,
    key: BillingKey,
    plan: Plan,
    scheduled: Sequence[GatewaySchedule],
    moment: Moment,
) -> tuple[Schedule, ...]:
    """PortOne's schedules as those of the coming periods, one each. Raises Conflict where they do not fit."""
    first, index = subscription.next_period_start, subscription.next_period_index
    starts = islice(plan.calendar.starts(subscription.anchor, index, first), len(scheduled))
    worker = subscription.collection is Collection.WORKER
    adopted = []
    for number, (shown, start) in enumerate(zip(scheduled, starts, strict=True), index):
        if shown.at != start:
            told = f"PortOne charges at {shown.at:%Y-%m-%dT%H:%M:%SZ}, and the plan's period begins at"
            way_out = "give the row another start, or revoke that schedule"
            raise Conflict(f"{told} {start:%Y-%m-%dT%H:%M:%SZ}; {way_out}", field="start")
        if not is_readable(shown.merchant_uid):
            told = f"PortOne has a schedule under {shown.merchant_uid[:40]!r}, a number that cannot be read singly"
            raise Conflict(f"{told}; revoke it, and register another under letters and digits", field="customer_uid")
        if shown.money != plan.money:
            told = f"PortOne charges {shown.money} on {shown.at:%Y-%m-%d}, and the plan {plan.money}"
            raise Conflict(f"{told}; name a plan with that price", field="plan_id")
        schedule = Schedule(
            id=ports.ids.new("sch"),
            subscription_id=subscription.id,
            billing_key_id=key.id,
            period_index=number,
            generation=0,
            merchant_uid=shown.merchant_uid,
            money=shown.money,
            schedule_at=shown.at,
            status=ScheduleStatus.REVOKING if worker else ScheduleStatus.REGISTERED,
            created_at=moment.billing,
            next_step_at=moment.real,
            sent_at=moment.real,
            note="the customer was moved in" if worker else "registered before the customer was moved in",
        )
        adopted.append(schedule)
        subscription.scheduled_index = number
    return tuple(adopted)


def _refuse_twin(uow: UnitOfWork, wanted: Subscription) -> None:
    twin = uow.subscriptions.live_twin(wanted.customer, wanted.plan_id)
    if twin is not None and not wanted.allow_duplicate:
        raise _twin(twin)


def _twin(there: Subscription) -> Conflict:
    told = f"this customer has subscription {there.id} on this plan already"
    return Conflict(told, field="customer", existing_id=there.id)


def _refuse_known_numbers(ports: Ports, scheduled: Sequence[GatewaySchedule]) -> None:
    """Refuse to adopt what has an owner here: a schedule of another subscription, or a payment under its number."""
    with ports.database.transaction() as uow:
        for shown in scheduled:
            schedule = uow.schedules.with_merchant_uid(shown.merchant_uid)
            owner = schedule.subscription_id if schedule else uow.invoices.with_merchant_uid(shown.merchant_uid)
            if owner is not None:
                told = f"PortOne's schedule {shown.merchant_uid[:40]!r} belongs to {owner} here already"
                raise Conflict(told, field="customer_uid", existing_id=owner)
