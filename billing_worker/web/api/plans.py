"""Plans: what is charged, how often, and what happens after a decline."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.calendar import LARGEST_COUNT, AnchoredCalendar, BillingCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import DEFAULT_MAX_AGE, LONGEST_MAX_AGE, CatchUpMode, policy_of
from billing_worker.domain.dunning import DEFAULT_RETRY_DAYS, LONGEST_RETRY_DAYS, MOST_RETRIES
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.plan import LONGEST_NAME, Plan
from billing_worker.usecases.subscribe import calendar_from, create_plan
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    READS,
    READS_ONE,
    Currency,
    Described,
    Ident,
    Input,
    Minor,
    Page,
    Paging,
    Text,
    example,
    page,
)
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/plans", tags=["plans"])


class PlanInput(Input):
    """A new plan: an interval counted from each subscription's start, or a cron expression."""

    model_config = example(name="Basic", amount=9900, currency="KRW", interval="month")

    name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_NAME)] = Field(
        description="Shown to the customer as the product; at most 40 characters", examples=["Basic"]
    )
    amount: Annotated[Minor, Described(minimum=1, maximum=LARGEST_AMOUNT)]
    currency: Annotated[Currency, Described(pattern="^[A-Z]{3}$")]
    interval: Annotated[str, Described(enum=list(Unit))] | None = Field(
        None, description="Or a cron expression", examples=["month"]
    )
    interval_count: Annotated[int, Described(minimum=1, maximum=max(LARGEST_COUNT.values()))] = Field(
        1, description="Every so many of them"
    )
    cron: Text | None = Field(None, description="Instead of an interval: minute hour day month weekday")
    timezone: Text | None = Field(None, description="IANA name; default: the setting BILLING_TIMEZONE")
    dunning_days: Annotated[
        list[Annotated[int, Described(minimum=1, maximum=LONGEST_RETRY_DAYS)]], Described(maxItems=MOST_RETRIES)
    ] = Field(list(DEFAULT_RETRY_DAYS), description="Days to wait after the first, second … decline")
    catch_up: Annotated[str, Described(enum=list(CatchUpMode))] = Field(
        "bill_all", description="Late periods after an outage: bill_all, latest_only, forgive, ask"
    )
    catch_up_max_age: Annotated[int, Described(minimum=1, maximum=LONGEST_MAX_AGE)] = Field(
        DEFAULT_MAX_AGE, description="Days; for older periods a person is asked"
    )


class PlanOutput(BaseModel):
    """A plan."""

    id: str
    name: str
    amount: Minor
    currency: Currency
    interval: str | None
    interval_count: int | None
    cron: str | None
    timezone: str
    dunning_days: list[int]
    catch_up: str
    catch_up_max_age: int
    created_at: datetime


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="create_plan")
def create(plan: PlanInput, context: Ctx) -> PlanOutput:
    """Create a plan. It cannot be changed afterwards: a new price is a new plan."""
    calendar = _calendar(plan, plan.timezone or context.settings.timezone)
    created = create_plan(
        context.ports,
        plan.name,
        plan.amount,
        plan.currency,
        calendar=calendar,
        dunning_days=plan.dunning_days,
        catch_up=policy_of(plan.catch_up, plan.catch_up_max_age),
    )
    return shown(created)


@router.get("", responses=READS, name="list_plans")
def list_plans(query: Annotated[Paging, Query()], context: Ctx) -> Page[PlanOutput]:
    """List plans, newest first."""
    with context.ports.database.transaction() as uow:
        return page(uow.plans.list(query.limit + 1), query.limit, shown)


@router.get("/{plan_id}", responses=READS_ONE, name="get_plan")
def get(plan_id: Ident, context: Ctx) -> PlanOutput:
    """Show one plan."""
    with context.ports.database.transaction() as uow:
        return shown(uow.plans.get(plan_id))


def shown(plan: Plan) -> PlanOutput:
    """As the API shows it."""
    calendar = plan.calendar
    anchored = calendar if isinstance(calendar, AnchoredCalendar) else None
    return PlanOutput(
        id=plan.id,
        name=plan.name,
        amount=plan.money.amount,
        currency=plan.money.currency,
        interval=anchored.unit.value if anchored else None,
        interval_count=anchored.count if anchored else None,
        cron=calendar.expression if isinstance(calendar, CronCalendar) else None,
        timezone=calendar.zone,
        dunning_days=list(plan.dunning.retry_days),
        catch_up=plan.catch_up.mode.value,
        catch_up_max_age=plan.catch_up.max_age or DEFAULT_MAX_AGE,
        created_at=plan.created_at,
    )


def _calendar(plan: PlanInput, timezone: str) -> BillingCalendar:
    if plan.cron is not None and "interval_count" in plan.model_fields_set:
        raise InvalidInput("interval_count", plan.interval_count, "belongs to an interval, not to a cron expression")
    return calendar_from(interval=plan.interval, interval_count=plan.interval_count, cron=plan.cron, timezone=timezone)
