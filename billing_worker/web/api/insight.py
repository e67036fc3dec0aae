"""Why something was, or was not, charged; how the books stand; and what a person must look at."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from billing_worker.texts.explanations import view_of_explanation
from billing_worker.usecases.reading import report as reporting
from billing_worker.usecases.reading import why as explaining
from billing_worker.web.api.alerts import AlertOutput, WayOutOutput, shown
from billing_worker.web.api.shapes import READS, READS_ONE, Currency, InLanguage, Minor
from billing_worker.web.context import Ctx

router = APIRouter(tags=["insight"])

LONGEST_IDENT = 120
"""The longest id that anything here can have: a customer's."""


class ExplanationOutput(BaseModel):
    """What is known about one subscription, invoice, attempt, refund or key, in plain words."""

    subject: str
    answer: str = Field(description="One sentence: the state, and the reason for it")
    history: list[str] = Field(description="What happened so far, oldest first")
    actions: list[str] = Field(description="Who did what, oldest first")
    next: str = Field(description="What will happen, and what an operator can do")
    ways_out: list[WayOutOutput] = Field(description="What an operator can do")
    alerts: list[str]


class MonthOutput(BaseModel):
    """What the invoices of one month, in one currency, came to."""

    month: str = Field(examples=["2026-01"])
    currency: Currency
    invoices: int
    paid: int
    paid_amount: Minor
    open: int
    uncollectible: int
    void: int
    recovered: int = Field(description="Paid after at least one decline")
    refunded_amount: Minor


class StandingOutput(BaseModel):
    """How things stand at this moment."""

    periods_due: int
    due: int
    in_flight: int
    unknown: int
    waiting_for_key: int
    in_dunning: int
    oldest_due: datetime | None
    late: int = Field(description="Due for more than an hour, or could not be placed: started at a bounded rate")
    on_hold: int = Field(description="Subscriptions whose late periods wait for a person's decision")
    open_alerts: int
    open_stops: int = Field(description="Where charging is stopped until a person clears it")
    undelivered_events: int
    abandoned_events: int = Field(description="Events that were given up after three days, and not replayed")
    unapplied_notifications: int
    stuck_notifications: int = Field(description="Of these, those that a person must look at")
    foreign_notifications: int = Field(description="Of these, webhooks whose merchant_uid was never ours")
    oldest_notification: datetime | None = Field(description="Real time since when the oldest of them waits")
    compared_until: datetime | None = Field(description="Up to when both books were compared, without a gap")


class DrainOutput(BaseModel):
    """How late work goes down."""

    late: int
    per_minute: int = Field(description="0: as fast as the workers can")
    done_at: datetime | None


class ReportOutput(BaseModel):
    """What the books say."""

    months: list[MonthOutput]
    standing: StandingOutput
    alerts: list[AlertOutput]
    drain: DrainOutput | None = Field(description="Empty where nothing is late")


@router.get("/why/{id:path}", responses=READS_ONE, name="why")
def why(
    id: Annotated[  # noqa: A002 - as the use case names it in its errors
        str, Path(min_length=1, max_length=LONGEST_IDENT, description="An id of ours, of PortOne's, or of your own")
    ],
    context: Ctx,
    language: InLanguage,
) -> ExplanationOutput:
    """Say why something stands as it does, and what comes next.

    Takes ids of ours (sub_…, inv_…, att_…, rfd_…, key_…), a merchant_uid, an imp_uid, a customer_uid, an external_id or
    the merchant's own id of a customer.
    """
    told = view_of_explanation(explaining.why(context.ports, id, context.settings.timezone), language)
    return ExplanationOutput.model_validate(told, from_attributes=True)


@router.get("/report", responses=READS, name="report")
def report(context: Ctx, language: InLanguage) -> ReportOutput:
    """Show what the books say: month by month, and now. Months are those of the setting BILLING_TIMEZONE."""
    found = reporting.report(context.ports, context.settings.timezone)
    alerts = [shown(alert, language) for alert in found.alerts]
    return ReportOutput(
        months=[MonthOutput.model_validate(each, from_attributes=True) for each in found.months],
        standing=StandingOutput.model_validate(found.standing, from_attributes=True),
        alerts=alerts,
        drain=DrainOutput.model_validate(found.drain, from_attributes=True) if found.drain is not None else None,
    )
