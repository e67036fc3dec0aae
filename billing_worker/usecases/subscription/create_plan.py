"""Create a plan: a price, a calendar, and the policies for declines and late periods."""

from collections.abc import Mapping, Sequence

from billing_worker.domain.action import Verb
from billing_worker.domain.calendar import DEFAULT_ZONE, AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import BILL_ALL, CatchUpPolicy
from billing_worker.domain.dunning.policy import DEFAULT
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.labels import entered_external_id, entered_metadata
from billing_worker.domain.money import Money
from billing_worker.domain.notices.switches import own_switches
from billing_worker.domain.payment_options import PLAIN, PaymentOptions, entered_options
from billing_worker.domain.plan import LONGEST_NAME, Plan
from billing_worker.domain.schedule import Collection
from billing_worker.domain.text import entered
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.dunning.policies import chosen_policy

LONGEST_CALENDAR = 100
"""A cron expression, or the name of a time zone: both are far shorter."""


def calendar_from(
    *,
    interval: str | None = None,
    interval_count: int = 1,
    cron: str | None = None,
    timezone: str = DEFAULT_ZONE,
) -> BillingCalendar:
    """A calendar from a caller's words: an interval unit, or a cron expression. Raises InvalidInput."""
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
    dunning_days: Sequence[int] | None = None,
    dunning_policy: str | None = None,
    catch_up: CatchUpPolicy = BILL_ALL,
    options: PaymentOptions = PLAIN,
    collection: Collection = Collection.WORKER,
    notices: Sequence[str] | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Plan:
    """Store a new plan, with a policy by name or by plain days (1, 3, 5 and 7 by default).

    Raises InvalidInput with the wrong field, or Conflict for a known external_id.
    """
    moment, money = ports.clock.moment(), Money.charge(amount, currency)
    plan = Plan(
        id=ports.ids.new("plan"),
        name=entered("name", name, LONGEST_NAME),
        money=money,
        calendar=calendar,
        dunning_policy="",
        created_at=moment.billing,
        catch_up=catch_up,
        options=entered_options(options, money),
        collection=collection,
        notices=own_switches(notices) if notices is not None else None,
        external_id=entered_external_id(external_id),
        metadata=entered_metadata(metadata),
    )
    with ports.database.transaction() as uow:
        plan.dunning_policy = chosen_policy(
            *(uow, dunning_policy, dunning_days),
            field="dunning_days",
            otherwise=DEFAULT,
            calendar=calendar,
            now=moment.billing,
        ).name
        uow.plans.add(plan)
        note(ports, uow, Verb.PLAN_CREATED, plan.id, at=moment.real)
        uow.commit()
    return plan
