"""The view of a plan."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.calendar import AnchoredCalendar, CronCalendar, Unit
from billing_worker.domain.catch_up import DEFAULT_MAX_AGE, CatchUpMode
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection
from billing_worker.usecases.reading.views.fields import (
    CURRENCY,
    EXTERNAL_ID,
    METADATA,
    PLAN_ID,
    POLICY_NAME,
    described,
    minor,
    view_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan."""

    id: str = field(metadata=PLAN_ID)
    name: str = field(metadata=described(example="Basic"))
    amount: int = field(metadata=minor())
    currency: str = field(metadata=CURRENCY)
    calendar: str = field(metadata=described("Interval or cron expression, in words", example="every month"))
    interval: Unit | None = field(metadata=described("The unit of its periods; null for a cron plan"))
    interval_count: int | None = field(metadata=described(example=1))
    cron: str | None = field(metadata=described(example="0 9 L * *"))
    timezone: str = field(metadata=described(example="Asia/Seoul"))
    dunning_policy: str = field(metadata=POLICY_NAME)
    collection: Collection = field(metadata=described("By which way new subscriptions are collected"))
    notices: list[str] | None = field(
        metadata=described("What its customers hear; null: BILLING_NOTICE_KINDS", example=["failed", "upcoming=7"])
    )
    catch_up: CatchUpMode
    catch_up_max_age: int = field(metadata=described(example=30))
    tax_free: int | None = field(metadata=described("Minor units without tax", example=9900))
    vat_amount: int | None = field(metadata=described("Minor units of VAT; null: the PG reckons it", example=0))
    card_quota: int | None = field(metadata=described("Months of an instalment plan", example=3))
    custom_data: str | None = field(metadata=described("Your own text", example="basket 42"))
    notice_url: str | None
    external_id: str | None = field(metadata=EXTERNAL_ID)
    metadata: dict[str, str] = field(metadata=METADATA)
    created_at: datetime


def of_plan(plan: Plan) -> PlanView:
    """The view of a plan."""
    calendar = plan.calendar
    anchored = calendar if isinstance(calendar, AnchoredCalendar) else None
    return view_of(
        PlanView,
        plan,
        amount=plan.money.amount,
        currency=plan.money.currency,
        calendar=str(calendar),
        interval=anchored.unit if anchored else None,
        interval_count=anchored.count if anchored else None,
        cron=calendar.expression if isinstance(calendar, CronCalendar) else None,
        timezone=calendar.zone,
        notices=plan.notices.words if plan.notices is not None else None,
        catch_up=plan.catch_up.mode,
        catch_up_max_age=plan.catch_up.max_age or DEFAULT_MAX_AGE,
        tax_free=plan.options.tax_free,
        vat_amount=plan.options.vat_amount,
        card_quota=plan.options.card_quota,
        custom_data=plan.options.custom_data,
        notice_url=plan.options.notice_url,
        metadata=dict(plan.metadata),
    )
