"""Outgoing events: what was told, how its delivery goes, and sending it once more."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.delivery import Endpoint, EndpointStatus
from billing_worker.domain.events import EventType
from billing_worker.ports.lists import Kind
from billing_worker.ports.outgoing import EventStatus, OutboxMessage
from billing_worker.usecases.outgoing.replay import enable as enable_endpoint
from billing_worker.usecases.outgoing.replay import endpoint as receiver
from billing_worker.usecases.outgoing.replay import send_again
from billing_worker.web.api.shapes import ACTS, READS, READS_ONE, Id, Ident, Instant, Lists, Page, Paging
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/events", tags=["events"])


class EventQuery(Paging):
    """Which events to list."""

    subscription_id: Id | None = Field(None, description="Only of this subscription")
    subject_id: Id | None = Field(None, description="Only about this invoice, key, refund or subscription")
    type: EventType | None = Field(None, description="Only of this type")
    status: EventStatus | None = Field(None, description="Only with this status")
    failed: bool | None = Field(None, description="Only those refused at least once and not delivered")
    occurred_after: Instant | None = Field(None, description="Happened at or after this; billing time")
    occurred_before: Instant | None = Field(None, description="Happened before this; billing time")


class EventOutput(BaseModel):
    """An event and its delivery."""

    id: str = Field(description="The `webhook-id`")
    type: EventType
    subject_id: str
    stream: str = Field(description="What it is delivered in one order with: its subscription, or its key")
    sequence: int = Field(description="Its place in that order")
    version: int
    data: dict[str, str | int | None]
    status: EventStatus
    occurred_at: datetime
    tries: int
    replays: int
    next_try_at: datetime | None
    delivered_at: datetime | None
    abandoned_at: datetime | None = Field(description="Given up after three days; `replay` sends it again")
    note: str | None = Field(description="What the receiver answered last")


class EndpointOutput(BaseModel):
    """Your receiver, as its answers show it."""

    url: str
    status: EndpointStatus
    failing_since: datetime | None
    next_probe_at: datetime | None
    disabled_at: datetime | None
    last_success_at: datetime | None
    last_trouble: str | None


@router.get("", responses=READS, name="list_events")
def list_events(query: Annotated[EventQuery, Query()], lists: Lists) -> Page[EventOutput]:
    """List events, newest first."""
    return lists.of(Kind.EVENTS, query, _shown)


@router.get("/endpoint", responses=ACTS, name="get_event_endpoint")
def endpoint(context: Ctx) -> EndpointOutput:
    """Show how your receiver does."""
    return _endpoint(receiver(context.ports))


@router.post("/endpoint/enable", responses=ACTS, name="enable_event_endpoint")
def enable(context: Ctx) -> EndpointOutput:
    """Let a disabled receiver have its events again; what waited is sent at once, in order."""
    return _endpoint(enable_endpoint(context.ports))


@router.get("/{event_id}", responses=READS_ONE, name="get_event")
def get(event_id: Ident, context: Ctx) -> EventOutput:
    """Show one event."""
    with context.ports.database.transaction() as uow:
        return _shown(uow.outbox.get(event_id))


@router.post("/{event_id}/replay", responses=ACTS, name="replay_event")
def replay(event_id: Ident, context: Ctx) -> EventOutput:
    """Send an event once more, under its old `webhook-id`; one that waits anyway is tried at once."""
    return _shown(send_again(context.ports, event_id))


def _shown(message: OutboxMessage) -> EventOutput:
    return EventOutput(
        id=message.id,
        type=message.event.type,
        subject_id=message.event.subject_id,
        stream=message.event.stream_id,
        sequence=message.stream_sequence,
        version=message.version,
        data=message.event.data,
        status=message.status,
        occurred_at=message.occurred_at,
        tries=message.tries,
        replays=message.replays,
        next_try_at=message.next_try_at if message.waits else None,
        delivered_at=message.delivered_at,
        abandoned_at=message.abandoned_at,
        note=message.note,
    )


def _endpoint(found: Endpoint) -> EndpointOutput:
    return EndpointOutput.model_validate(found, from_attributes=True)
