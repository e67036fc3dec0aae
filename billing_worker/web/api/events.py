"""Outgoing events: what was told, how its delivery goes, and sending it once more."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.domain.delivery import Endpoint, EndpointStatus
from billing_worker.domain.events import EventType
from billing_worker.ports import EventFilter, EventStatus, OutboxMessage
from billing_worker.usecases import events
from billing_worker.web.api.shapes import CHANGES, READS, READS_ONE, Ident, Moment, Page, Paging, page
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/events", tags=["events"])


class EventQuery(Paging):
    """Which events to list."""

    subscription_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_]{1,64}$", description="Only of this subscription")
    type: EventType | None = Field(None, description="Only of this type")
    failed: bool = Field(default=False, description="Only those refused at least once and not delivered")
    given_up: bool = Field(default=False, description="Only those given up after three days")
    since: Moment | None = Field(None, description="Only those that happened since; billing time")


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
def list_events(query: Annotated[EventQuery, Query()], context: Ctx) -> Page[EventOutput]:
    """List events, newest first."""
    kind = query.type.value if query.type else None
    wanted = EventFilter(query.subscription_id, kind, failed=query.failed, given_up=query.given_up, since=query.since)
    return page(events.search(context.ports, wanted, query.limit + 1), query.limit, _shown)


@router.get("/endpoint", responses=CHANGES, name="get_event_endpoint")
def endpoint(context: Ctx) -> EndpointOutput:
    """Show how your receiver does."""
    return _endpoint(events.endpoint(context.ports))


@router.post("/endpoint/enable", responses=CHANGES, name="enable_event_endpoint")
def enable(context: Ctx) -> EndpointOutput:
    """Let a disabled receiver have its events again; what waited is sent at once, in order."""
    return _endpoint(events.enable(context.ports))


@router.get("/{event_id}", responses=READS_ONE, name="get_event")
def get(event_id: Ident, context: Ctx) -> EventOutput:
    """Show one event."""
    with context.ports.database.transaction() as uow:
        return _shown(uow.outbox.get(event_id))


@router.post("/{event_id}/replay", responses=CHANGES, name="replay_event")
def replay(event_id: Ident, context: Ctx) -> EventOutput:
    """Send an event once more, under its old `webhook-id`; one that waits anyway is tried at once."""
    return _shown(events.replay_one(context.ports, event_id))


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
