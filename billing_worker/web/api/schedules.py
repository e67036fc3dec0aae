"""Schedules: charges that PortOne makes by itself."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.schedule import ScheduleStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import schedule_with
from billing_worker.usecases.reading.views.schedules import ScheduleView
from billing_worker.web.api.shapes import READS, READS_ONE, Id, Ident, Instant, Lists, Page, Paging, Word
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/schedules", tags=["schedules"])


class ScheduleQuery(Paging):
    """The filters of the list of schedules."""

    subscription_id: Id | None = Field(None, description="Only of this subscription")
    billing_key_id: Id | None = Field(None, description="Only on this key")
    merchant_uid: Word | None = Field(None, description="Only the one with this order number")
    status: ScheduleStatus | None = Field(None, description="Only with this status")
    open: bool | None = Field(None, description="Only those by which PortOne may still charge (true), or the others")
    schedule_after: Instant | None = Field(None, description="Charged at or after this")
    schedule_before: Instant | None = Field(None, description="Charged before this")


@router.get("", responses=READS, name="list_schedules")
def list_schedules(query: Annotated[ScheduleQuery, Query()], lists: Lists) -> Page[ScheduleView]:
    """List schedules, the latest date first."""
    return lists.of(Kind.SCHEDULES, query)


@router.get("/{schedule_id}", responses=READS_ONE, name="get_schedule")
def get(schedule_id: Ident, context: Ctx) -> ScheduleView:
    """Show one schedule."""
    return schedule_with(context.ports, schedule_id)
