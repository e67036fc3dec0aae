"""Alerts for operators."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.ports.lists import Kind
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.usecases.reading.one import alert_with
from billing_worker.usecases.reading.views.control import AlertDetail, AlertView
from billing_worker.web.api.shapes import ACTS, READS, READS_ONE, InLanguage, Instant, Lists, Number, Page, Paging, Word
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/alerts", tags=["alerts"])


class AlertQuery(Paging):
    """The filters of the list of alerts."""

    open: bool | None = Field(True, description="Only open ones; false: only closed ones")  # noqa: FBT003 - a default
    kind: Word | None = Field(None, description="Only of this kind")
    subject_id: Word | None = Field(None, description="Only about this thing")
    opened_after: Instant | None = Field(None, description="Opened at or after this")
    opened_before: Instant | None = Field(None, description="Opened before this")


@router.get("", responses=READS, name="list_alerts")
def list_alerts(query: Annotated[AlertQuery, Query()], lists: Lists) -> Page[AlertView]:
    """List alerts, newest first; only open ones by default."""
    return lists.of(Kind.ALERTS, query)


@router.get("/{alert_id}", responses=READS_ONE, name="get_alert")
def get(alert_id: Number, context: Ctx, language: InLanguage) -> AlertDetail:
    """Show one alert, open or closed, with the gateway's answer about it."""
    return alert_with(context.ports, alert_id, language)


@router.post("/{alert_id}/close", responses=ACTS, name="close_alert")
def close(alert_id: Number, context: Ctx, language: InLanguage) -> AlertDetail:
    """Close an alert after dealing with it. If the trouble returns, a new alert opens."""
    close_alert(context.ports, alert_id)
    return alert_with(context.ports, alert_id, language)
