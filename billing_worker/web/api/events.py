"""Outgoing events: their contents, their delivery, and replays."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.events import EventType
from billing_worker.ports.lists import Kind
from billing_worker.ports.outgoing import EventStatus
from billing_worker.usecases.outgoing.replay import enable as enable_endpoint
from billing_worker.usecases.outgoing.replay import endpoint as receiver
from billing_worker.usecases.outgoing.replay import send_again
from billing_worker.usecases.reading.one import event_with
from billing_worker.usecases.reading.views.traffic import EndpointView, EventView, of_endpoint, of_event
from billing_worker.web.api.shapes import (
    ACTS,
    READS,
    READS_ONE,
    Id,
    Ident,
    Instant,
    Lists,
    OfSubscription,
    Page,
    Paging,
)
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/events", tags=["events"])


class EventQuery(Paging):
    """The filters of the list of events."""

    subscription_id: OfSubscription = None
    subject_id: Id | None = Field(None, description="Only about this invoice, key, refund or subscription")
    type: EventType | None = Field(None, description="Only of this type")
    status: EventStatus | None = Field(None, description="Only with this status")
    failed: bool | None = Field(None, description="Only those refused at least once and not delivered")
    occurred_after: Instant | None = Field(None, description="Happened at or after this; billing time")
    occurred_before: Instant | None = Field(None, description="Happened before this; billing time")


@router.get("", responses=READS, name="list_events")
def list_events(query: Annotated[EventQuery, Query()], lists: Lists) -> Page[EventView]:
    """List events, newest first."""
    return lists.of(Kind.EVENTS, query)


@router.get("/endpoint", responses=ACTS, name="get_event_endpoint")
def endpoint(context: Ctx) -> EndpointView:
    """Show the health of your receiver."""
    return of_endpoint(receiver(context.ports))


@router.post("/endpoint/enable", responses=ACTS, name="enable_event_endpoint")
def enable(context: Ctx) -> EndpointView:
    """Enable a disabled receiver. Waiting events are sent at once, in order."""
    return of_endpoint(enable_endpoint(context.ports))


@router.get("/{event_id}", responses=READS_ONE, name="get_event")
def get(event_id: Ident, context: Ctx) -> EventView:
    """Show one event."""
    return event_with(context.ports, event_id)


@router.post("/{event_id}/replay", responses=ACTS, name="replay_event")
def replay(event_id: Ident, context: Ctx) -> EventView:
    """Send an event again under its old `webhook-id`. An event that waits is tried at once."""
    return of_event(send_again(context.ports, event_id))
