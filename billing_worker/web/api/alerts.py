"""Alerts: what an operator must look at."""

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from billing_worker.domain.alerts import Action, Severity
from billing_worker.domain.language import Language
from billing_worker.ports.alerts import Alert
from billing_worker.ports.lists import Kind
from billing_worker.texts import alerts as texts
from billing_worker.usecases.control.alerts import close_alert
from billing_worker.web.api.shapes import ACTS, READS, READS_ONE, InLanguage, Instant, Lists, Number, Page, Paging, Word
from billing_worker.web.context import Ctx

WAY_OUT: JsonDict = {
    "action": "retry_invoice",
    "text": "charge it once more",
    "command": "billing-worker invoice retry inv_0123456789abcdef",
    "about": {"invoice": "inv_0123456789abcdef"},
}

router = APIRouter(prefix="/alerts", tags=["alerts"])


class AlertQuery(Paging):
    """Which alerts to list."""

    open: bool | None = Field(True, description="Only open ones; false: only closed ones")  # noqa: FBT003 - a default
    kind: Word | None = Field(None, description="Only of this kind")
    subject_id: Word | None = Field(None, description="Only about this thing")
    opened_after: Instant | None = Field(None, description="Opened at or after this")
    opened_before: Instant | None = Field(None, description="Opened before this")


class WayOutOutput(BaseModel):
    """A way out: what an operator can do."""

    model_config = ConfigDict(json_schema_extra={"example": WAY_OUT})

    action: Action
    text: str = Field(examples=[WAY_OUT["text"]])
    command: str | None = Field(
        description="The command that does it; null where it is done elsewhere", examples=[WAY_OUT["command"]]
    )
    about: dict[str, str | int | None] = Field(
        description="The ids that it needs, by name", examples=[WAY_OUT["about"]]
    )


class AlertOutput(BaseModel):
    """Something that an operator must look at."""

    id: int
    kind: str = Field(examples=["mismatch"])
    severity: Severity
    title: str = Field(description="What happened, in a few words", examples=["Payment contradicts the order"])
    subject_id: str = Field(examples=["att_0123456789abcdef"])
    detail: str
    facts: dict[str, str | int | list[str] | None] | None = Field(
        description="What it says, by name; null for one that an earlier release opened",
        examples=[{"reason": "the amount is another"}],
    )
    actions: list[WayOutOutput] = Field(description="The ways out")
    proposal: str | None = Field(description="The ways out, in one line")
    evidence_id: int | None = Field(description="What the gateway said: `billing-worker alert show ID` prints it")
    opened_at: datetime
    closed_at: datetime | None


@router.get("", responses=READS, name="list_alerts")
def list_alerts(query: Annotated[AlertQuery, Query()], lists: Lists, language: InLanguage) -> Page[AlertOutput]:
    """List what an operator must look at, newest first; only what is open, unless asked otherwise."""
    return lists.of(Kind.ALERTS, query, partial(shown, language=language))


@router.get("/{alert_id}", responses=READS_ONE, name="get_alert")
def get(alert_id: Number, context: Ctx, language: InLanguage) -> AlertOutput:
    """Show one alert, open or closed."""
    with context.ports.database.transaction() as uow:
        return shown(uow.alerts.get(alert_id), language)


@router.post("/{alert_id}/close", responses=ACTS, name="close_alert")
def close(alert_id: Number, context: Ctx, language: InLanguage) -> AlertOutput:
    """Close an alert that is dealt with. The same trouble opens a new one."""
    close_alert(context.ports, alert_id)
    with context.ports.database.transaction() as uow:
        return shown(uow.alerts.get(alert_id), language)


def shown(alert: Alert, language: Language) -> AlertOutput:
    """As the API shows it."""
    words = texts.shown(alert, language)
    actions = [WayOutOutput.model_validate(each, from_attributes=True) for each in words.actions]
    return AlertOutput.model_validate({**texts.view(alert, language), "actions": actions})
