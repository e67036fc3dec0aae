"""Alerts: what an operator must look at."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.ports.alerts import Alert
from billing_worker.ports.lists import Kind
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.web.api.shapes import ACTS, READS, READS_ONE, Instant, Lists, Number, Page, Paging, Word
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/alerts", tags=["alerts"])


class AlertQuery(Paging):
    """Which alerts to list."""

    open: bool | None = Field(True, description="Only open ones; false: only closed ones")  # noqa: FBT003 - a default
    kind: Word | None = Field(None, description="Only of this kind")
    subject_id: Word | None = Field(None, description="Only about this thing")
    opened_after: Instant | None = Field(None, description="Opened at or after this")
    opened_before: Instant | None = Field(None, description="Opened before this")


class AlertOutput(BaseModel):
    """Something that an operator must look at."""

    id: int
    kind: str = Field(examples=["mismatch"])
    subject_id: str = Field(examples=["att_0123456789abcdef"])
    detail: str
    proposal: str | None = Field(description="What to do about it, in one line")
    evidence_id: int | None = Field(description="What the gateway said: `billing-worker alert show ID` prints it")
    opened_at: datetime
    closed_at: datetime | None


@router.get("", responses=READS, name="list_alerts")
def list_alerts(query: Annotated[AlertQuery, Query()], lists: Lists) -> Page[AlertOutput]:
    """List what an operator must look at, newest first; only what is open, unless asked otherwise."""
    return lists.of(Kind.ALERTS, query, shown)


@router.get("/{alert_id}", responses=READS_ONE, name="get_alert")
def get(alert_id: Number, context: Ctx) -> AlertOutput:
    """Show one alert, open or closed."""
    with context.ports.database.transaction() as uow:
        return shown(uow.alerts.get(alert_id))


@router.post("/{alert_id}/close", responses=ACTS, name="close_alert")
def close(alert_id: Number, context: Ctx) -> AlertOutput:
    """Close an alert that is dealt with. The same trouble opens a new one."""
    close_alert(context.ports, alert_id)
    with context.ports.database.transaction() as uow:
        return shown(uow.alerts.get(alert_id))


def shown(alert: Alert) -> AlertOutput:
    """As the API shows it."""
    return AlertOutput.model_validate(alert, from_attributes=True)
