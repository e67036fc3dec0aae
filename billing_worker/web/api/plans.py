"""Plans: the price, the interval, and the policy after a decline."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.calendar import LARGEST_COUNT, BillingCalendar, Unit
from billing_worker.domain.catch_up import DEFAULT_MAX_AGE, LONGEST_MAX_AGE, CatchUpMode, policy_of
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import LARGEST_AMOUNT
from billing_worker.domain.notices.notice import NoticeKind
from billing_worker.domain.plan import LONGEST_NAME
from billing_worker.domain.schedule import Collection
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import plan_with
from billing_worker.usecases.reading.views.plans import PlanView, of_plan
from billing_worker.usecases.subscription.change import change_plan
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan
from billing_worker.web.api.charge_options import ChargeOptions
from billing_worker.web.api.shapes import (
    CHANGES,
    JSON,
    METADATA_CHANGES,
    READS,
    READS_ONE,
    AtLeast,
    AtMost,
    Created,
    Currency,
    Described,
    Ident,
    InCurrency,
    Input,
    LabelledInput,
    Lists,
    MetadataChanges,
    Minor,
    OwnId,
    Page,
    PlainDays,
    PolicyName,
    Text,
    example,
)
from billing_worker.web.context import Ctx

KINDS = "The notices that its customers get; upcoming=7 comes 7 days before a charge; [] for none"
Kinds = Annotated[list[Text], Described(maxItems=len(NoticeKind))]

router = APIRouter(prefix="/plans", tags=["plans"])


class PlanInput(LabelledInput, ChargeOptions):
    """A new plan: an interval counted from each subscription's start, or a cron expression."""

    model_config = example(name="Basic", amount=9900, currency="KRW", interval="month")

    name: Annotated[Text, Described(minLength=1, maxLength=LONGEST_NAME)] = Field(
        description="Shown to the customer as the product; at most 40 characters", examples=["Basic"]
    )
    amount: Annotated[Minor, Described(minimum=1, maximum=LARGEST_AMOUNT)]
    currency: Annotated[Currency, Described(pattern="^[A-Z]{3}$")]
    interval: Annotated[Unit, Field(strict=False)] | None = Field(
        None, description="Or a cron expression", examples=["month"]
    )
    interval_count: Annotated[int, Described(minimum=1, maximum=max(LARGEST_COUNT.values()))] | None = Field(
        None, description="The number of units in an interval; 1 by default. Not allowed with a cron expression"
    )
    cron: Text | None = Field(None, description="Instead of an interval: minute hour day month weekday")
    timezone: Text | None = Field(None, description="IANA name; default: the setting BILLING_TIMEZONE")
    dunning_days: PlainDays | None = Field(
        None, description="Days to wait after the first, second … decline; default: the policy `default`"
    )
    dunning_policy: PolicyName | None = Field(None, description="Instead of days: the name of a policy")
    collection: Annotated[Collection, Field(strict=False)] = Field(
        Collection.WORKER, description="By which way new subscriptions are collected: a worker, or PortOne's schedule"
    )
    notices: Kinds | None = Field(None, description=f"{KINDS}; default: BILLING_NOTICE_KINDS", examples=[["failed"]])
    catch_up: Annotated[CatchUpMode, Field(strict=False)] = Field(
        CatchUpMode.BILL_ALL, description="The policy for late periods after an outage"
    )
    catch_up_max_age: Annotated[int, Described(minimum=1, maximum=LONGEST_MAX_AGE)] = Field(
        DEFAULT_MAX_AGE, description="Days; for older periods an operator is asked"
    )


class PlanChanges(Input):
    """The fields of a plan that may change. A missing field stays as it is."""

    model_config = example(catch_up="latest_only", metadata={"team": "sales"})

    catch_up: Annotated[CatchUpMode, Field(strict=False)] | None = Field(
        None, description="The policy for late periods after an outage"
    )
    catch_up_max_age: Annotated[int, Described(minimum=1, maximum=LONGEST_MAX_AGE)] | None = Field(
        None, description="Days; for older periods an operator is asked"
    )
    notices: Kinds | None = Field(
        None, description=f'{KINDS}; ["default"]: BILLING_NOTICE_KINDS', examples=[["failed"]]
    )
    dunning_policy: PolicyName | None = Field(None, description="The policy after a decline, for invoices to come")
    metadata: MetadataChanges | None = METADATA_CHANGES


class PlanQuery(Created):
    """The filters of the list of plans."""

    external_id: OwnId = None
    currency: InCurrency = None
    amount_min: AtLeast = None
    amount_max: AtMost = None


@router.post("", status_code=201, dependencies=[JSON], responses=CHANGES, name="create_plan")
def create(plan: PlanInput, context: Ctx) -> PlanView:
    """Create a plan. It cannot be changed afterwards: a new price is a new plan."""
    calendar = _calendar(plan, plan.timezone or context.settings.timezone)
    created = create_plan(
        context.ports,
        plan.name,
        plan.amount,
        plan.currency,
        calendar=calendar,
        dunning_days=plan.dunning_days,
        dunning_policy=plan.dunning_policy,
        catch_up=policy_of(plan.catch_up, plan.catch_up_max_age),
        options=plan.options(),
        collection=plan.collection,
        notices=plan.notices,
        external_id=plan.external_id,
        metadata=plan.metadata,
    )
    return of_plan(created)


@router.get("", responses=READS, name="list_plans")
def list_plans(query: Annotated[PlanQuery, Query()], lists: Lists) -> Page[PlanView]:
    """List plans, newest first."""
    return lists.of(Kind.PLANS, query)


@router.get("/{plan_id}", responses=READS_ONE, name="get_plan")
def get(plan_id: Ident, context: Ctx) -> PlanView:
    """Show one plan."""
    return plan_with(context.ports, plan_id)


@router.patch("/{plan_id}", dependencies=[JSON], responses=CHANGES, name="change_plan")
def change(plan_id: Ident, changes: PlanChanges, context: Ctx) -> PlanView:
    """Change a plan's policies, its notices or its metadata. A new price is a new plan."""
    changed = change_plan(
        context.ports,
        plan_id,
        catch_up=changes.catch_up,
        catch_up_max_age=changes.catch_up_max_age,
        notices=changes.notices,
        dunning_policy=changes.dunning_policy,
        metadata=changes.metadata,
    )
    return of_plan(changed)


def _calendar(plan: PlanInput, timezone: str) -> BillingCalendar:
    if plan.cron is not None and plan.interval_count is not None:
        raise InvalidInput("interval_count", plan.interval_count, "belongs to an interval, not to a cron expression")
    count = 1 if plan.interval_count is None else plan.interval_count
    return calendar_from(interval=plan.interval, interval_count=count, cron=plan.cron, timezone=timezone)
