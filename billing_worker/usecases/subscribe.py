"""Create plans, register billing keys and subscribe customers."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from billing_worker.domain.action import Verb
from billing_worker.domain.billing_key import (
    LONGEST_BUYER_EMAIL,
    LONGEST_BUYER_NAME,
    LONGEST_BUYER_TEL,
    LONGEST_CUSTOMER_UID,
    LONGEST_GOODSID,
    LONGEST_PG,
    PAYMENTWALL,
    BillingKey,
    IssueUse,
    KeyStatus,
    first_status,
)
from billing_worker.domain.calendar import DEFAULT_ZONE, AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import BILL_ALL, CatchUpPolicy
from billing_worker.domain.dunning import DEFAULT_RETRY_DAYS, DunningPolicy
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.events import Event, EventType, of_subscription
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.labels import entered_external_id, entered_metadata
from billing_worker.domain.money import Money
from billing_worker.domain.plan import LONGEST_NAME, Plan
from billing_worker.domain.subscription import LONGEST_CUSTOMER, Subscription, SubscriptionStatus
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.actions import note
from billing_worker.usecases.confirm import FIRST_LOOK

CHARGED_AT_ONCE = timedelta(days=1)
"""A start that is no older than this was meant as "now": the request took its time, or an import ran overnight."""


EARLIEST_START, LATEST_START = 1970, 2199
"""Years. A start beyond them is a slip, and far enough from what a date can hold that no period overflows."""

LONGEST_CALENDAR = 100
"""A cron expression, or the name of a time zone: both are shorter by far."""


def calendar_from(
    *,
    interval: str | None = None,
    interval_count: int = 1,
    cron: str | None = None,
    timezone: str = DEFAULT_ZONE,
) -> BillingCalendar:
    """A calendar from what a caller names: an interval unit, or a cron expression. Raises InvalidInput."""
    timezone = entered("timezone", timezone, LONGEST_CALENDAR)
    if cron is not None:
        if interval is not None:
            raise InvalidInput("cron", cron, "give either a cron expression or an interval, not both")
        return CronCalendar(entered("cron", cron, LONGEST_CALENDAR), timezone)
    if interval is None:
        raise InvalidInput("interval", None, "give an interval (day, week, month, year) or a cron expression")
    try:
        unit = Unit(interval)
    except ValueError as error:
        raise InvalidInput("interval", interval, "must be day, week, month or year") from error
    return AnchoredCalendar(unit, interval_count, timezone)


def create_plan(
    ports: Ports,
    name: str,
    amount: object,
    currency: str,
    *,
    calendar: BillingCalendar,
    dunning_days: Sequence[int] = DEFAULT_RETRY_DAYS,
    catch_up: CatchUpPolicy = BILL_ALL,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Plan:
    """Store a new plan. Raises InvalidInput with the field that is wrong, or Conflict for a known external_id."""
    plan = Plan(
        id=ports.ids.new("plan"),
        name=entered("name", name, LONGEST_NAME),
        money=Money.charge(amount, currency),
        calendar=calendar,
        dunning=DunningPolicy(tuple(dunning_days)),
        created_at=ports.clock.now(),
        catch_up=catch_up,
        external_id=entered_external_id(external_id),
        metadata=entered_metadata(metadata),
    )
    with ports.database.transaction() as uow:
        uow.plans.add(plan)
        note(ports, uow, Verb.PLAN_CREATED, plan.id)
        uow.commit()
    return plan


def register_key(
    ports: Ports,
    customer_uid: str,
    pg_provider: str,
    *,
    buyer_name: str | None = None,
    buyer_email: str | None = None,
    buyer_tel: str | None = None,
    goodsid: str | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> BillingKey:
    """Make a billing key known that PortOne already stores. Raises InvalidInput, or Conflict for a known one."""
    key = new_key(
        ports,
        ports.clock.now(),
        customer_uid,
        pg_provider,
        buyer_name=buyer_name,
        buyer_email=buyer_email,
        buyer_tel=buyer_tel,
        goodsid=goodsid,
        external_id=external_id,
        metadata=metadata,
    )
    with ports.database.transaction() as uow:
        uow.keys.add(key)
        note(ports, uow, Verb.KEY_REGISTERED, key.id)
        uow.commit()
    return key


def new_key(
    ports: Ports,
    now: datetime,
    customer_uid: str,
    pg_provider: str,
    *,
    buyer_name: str | None = None,
    buyer_email: str | None = None,
    buyer_tel: str | None = None,
    goodsid: str | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> BillingKey:
    """A billing key as it is first stored; nothing is stored here. Raises InvalidInput."""
    pg_provider = entered("pg_provider", pg_provider, LONGEST_PG)
    status = first_status(pg_provider)
    return BillingKey(
        id=ports.ids.new("key"),
        customer_uid=entered("customer_uid", customer_uid, LONGEST_CUSTOMER_UID, ascii_only=True, secret=True),
        pg_provider=pg_provider,
        status=status,
        buyer_name=_optional("buyer_name", buyer_name, LONGEST_BUYER_NAME),
        buyer_email=_optional("buyer_email", buyer_email, LONGEST_BUYER_EMAIL),
        buyer_tel=_optional("buyer_tel", buyer_tel, LONGEST_BUYER_TEL),
        created_at=now,
        activated_at=now if status is KeyStatus.ACTIVE else None,
        next_look_at=ports.clock.real_now() + FIRST_LOOK if status is KeyStatus.PENDING else None,
        goodsid=_optional("goodsid", goodsid, LONGEST_GOODSID),
        issue_claim=IssueUse.OPEN if pg_provider == PAYMENTWALL else IssueUse.NONE,
        external_id=entered_external_id(external_id),
        metadata=entered_metadata(metadata),
    )


def _optional(field: str, value: str | None, longest: int) -> str | None:
    return None if value is None else entered(field, value, longest)


def subscribe(
    ports: Ports,
    plan_id: str,
    billing_key_id: str,
    customer: str,
    *,
    start: datetime | None = None,
    allow_duplicate: bool = False,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Subscription:
    """Put a customer on a plan, from `start` (default: now). The first charge is due when the first period begins.

    A start of more than a day ago is an anchor only: whoever moves existing customers here has charged the periods
    that began since then elsewhere. The first period of ours is the next one.

    Raises InvalidInput, or Conflict: for a known external_id, for a key that cannot be charged, or where this customer
    has a live subscription on this plan already and `allow_duplicate` does not say that another one is meant.
    """
    now = ports.clock.now()
    with ports.database.transaction() as uow:
        try:
            plan = uow.plans.get(plan_id)
            key = uow.keys.get(billing_key_id)
        except NotFound as error:
            field = "plan_id" if error.kind == "plan" else "billing_key_id"
            raise InvalidInput(field, error.ident, f"there is no such {error.kind}") from error
        subscription = new_subscription(
            ports,
            now,
            plan,
            key,
            customer,
            start=start,
            allow_duplicate=allow_duplicate,
            external_id=external_id,
            metadata=metadata,
        )
        _refuse_twin(uow, subscription)
        uow.subscriptions.add(subscription)
        uow.announce(
            [created(subscription, plan)],
            now,
            ports.clock.real_now(),
        )
        note(ports, uow, Verb.SUBSCRIPTION_CREATED, subscription.id)
        uow.commit()
    return subscription


def _refuse_twin(uow: UnitOfWork, wanted: Subscription) -> None:
    """One customer is on one plan once, unless the merchant says that twice is meant: a repeat would charge twice."""
    twin = uow.subscriptions.live_twin(wanted.customer, wanted.plan_id)
    if twin is not None and not wanted.allow_duplicate:
        problem = f"this customer has subscription {twin.id} on this plan already, and it is {twin.status}"
        way_out = "say allow_duplicate if another one is meant"
        raise Conflict(f"{problem}; {way_out}", field="customer", existing_id=twin.id)


def new_subscription(
    ports: Ports,
    now: datetime,
    plan: Plan,
    key: BillingKey,
    customer: str,
    *,
    start: datetime | None = None,
    allow_duplicate: bool = False,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Subscription:
    """A subscription as it is first stored; nothing is stored here. Raises InvalidInput, Conflict for a dead key."""
    if start is not None and start.tzinfo is None:
        raise InvalidInput("start", start.isoformat(), "needs a time zone, e.g. 2026-03-31T09:00:00+09:00")
    if start is not None and not EARLIEST_START <= start.year <= LATEST_START:
        problem = f"must be between the years {EARLIEST_START} and {LATEST_START}"
        raise InvalidInput("start", start.isoformat(), problem)
    if key.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
        raise Conflict(f"billing key {key.id} is {key.status}; register a new one", field="billing_key_id")
    anchor = start or now
    subscription = Subscription(
        id=ports.ids.new("sub"),
        plan_id=plan.id,
        billing_key_id=key.id,
        customer=entered("customer", customer, LONGEST_CUSTOMER),
        status=SubscriptionStatus.PENDING,
        anchor=anchor,
        next_period_index=0,
        next_period_start=plan.calendar.first_start(anchor),
        created_at=now,
        external_id=entered_external_id(external_id),
        metadata=entered_metadata(metadata),
        allow_duplicate=allow_duplicate,
    )
    if subscription.next_period_start < now - CHARGED_AT_ONCE:
        subscription.skip_to(plan.calendar, now)
    return subscription


def created(subscription: Subscription, plan: Plan) -> Event:
    """The event that tells of a new subscription."""
    return of_subscription(
        EventType.SUBSCRIPTION_CREATED,
        subscription,
        amount=plan.money.amount,
        currency=plan.money.currency,
        next_period_start=subscription.next_period_start.isoformat(),
    )


def replace_key(ports: Ports, subscription_id: str, billing_key_id: str) -> Subscription:
    """Charge another card from now on; open invoices follow, and are tried at once.

    An attempt that is in flight keeps the key it was written down with. An invoice that dunning gave up stays so
    until somebody tries it again (`retry_now`).
    """
    now = ports.clock.now()
    with ports.database.transaction() as uow:
        subscription = uow.subscriptions.lock(subscription_id)
        if subscription.status is SubscriptionStatus.CANCELED:
            raise Conflict(f"subscription {subscription_id} is canceled", field="subscription_id")
        try:
            key = uow.keys.get(billing_key_id)
        except NotFound as error:
            raise InvalidInput("billing_key_id", billing_key_id, "there is no such billing key") from error
        if key.status not in (KeyStatus.ACTIVE, KeyStatus.PENDING):
            raise Conflict(f"billing key {key.id} is {key.status}; register a new one", field="billing_key_id")
        subscription.billing_key_id = key.id
        idle = {invoice.id for invoice in uow.invoices.voidable(subscription_id)}
        for invoice in uow.invoices.of_subscription(subscription_id):
            if invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
                invoice.use_key(key.id, now, at_once=invoice.id in idle)
                uow.invoices.save(invoice)
        uow.subscriptions.save(subscription)
        note(ports, uow, Verb.KEY_REPLACED, subscription_id, f"charged on {key.id}")
        uow.commit()
    return subscription
