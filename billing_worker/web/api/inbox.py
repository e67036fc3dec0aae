"""The inbox: webhooks and pingbacks that were received, and what became of them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from billing_worker.ports.incoming import InboxMessage, InboxStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.incoming import replay as review
from billing_worker.usecases.jobs import JobName
from billing_worker.web.api.shapes import ACTS, READS, READS_ONE, Instant, Lists, Number, Page, Paging
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/inbox", tags=["inbox"])


class InboxQuery(Paging):
    """Which notifications to list."""

    status: InboxStatus | None = Field(None, description="Only with this status")
    source: Literal["portone", "paymentwall"] | None = Field(
        None, description="Only webhooks of PortOne (`portone`), or only pingbacks of Paymentwall (`paymentwall`)"
    )
    foreign: bool | None = Field(None, description="Webhooks about merchant_uids that were never ours, or the others")
    received_after: Instant | None = Field(None, description="Received first at or after this")
    received_before: Instant | None = Field(None, description="Received first before this")
    stuck: bool = Field(default=False, description="Only those that an operator must look at")


class NotificationSummary(BaseModel):
    """A webhook or pingback in a list."""

    id: int
    source: str
    status: InboxStatus
    foreign: bool
    payload: dict[str, str] = Field(description="What it says; names of cards are masked")
    note: str | None
    received_at: datetime
    deliveries: int
    tries: int = Field(description="Reads of the gateway that were answered, since it came last")


class NotificationOutput(NotificationSummary):
    """A webhook or pingback."""

    led_to: str | None = Field(description="The invoice or key that it led to")
    last_received_at: datetime | None = Field(description="The last delivery but the first")
    read_at: datetime | None = Field(description="When the gateway was asked last")
    unanswered: int = Field(description="Reads in a row that were not answered")
    next_try_at: datetime | None
    closed_at: datetime | None
    answer: dict[str, Any] | None = Field(description="What the gateway said last, with card numbers masked")


@router.get("", responses=READS, name="list_inbox")
def list_inbox(query: Annotated[InboxQuery, Query()], context: Ctx, lists: Lists) -> Page[NotificationSummary]:
    """List webhooks and pingbacks, newest first."""
    wanted = dict(query.wanted())
    if wanted.pop("stuck"):
        wanted["stuck_at"] = context.ports.clock.real_now()
    return lists.of(Kind.NOTIFICATIONS, query, lambda each: NotificationSummary(**_summary(each)), wanted)


@router.get("/{message_id}", responses=READS_ONE, name="show_inbox")
def show(message_id: Number, context: Ctx) -> NotificationOutput:
    """Show one: what it says, its history, what it led to, and what the gateway said last."""
    return _whole(review.look(context.ports, message_id))


@router.post("/{message_id}/replay", responses=ACTS, name="replay_inbox")
def replay(message_id: Number, context: Ctx) -> NotificationOutput:
    """Have it looked into again: a worker reads the gateway anew. Moves no money, and may be asked for twice."""
    message = review.look_again(context.ports, message_id)
    if not message.is_foreign:
        context.ring(JobName.APPLY, str(message.id))
    return _whole(message)


def _summary(message: InboxMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "source": message.source,
        "status": message.status,
        "foreign": message.is_foreign,
        "payload": review.shown(message.payload),
        "note": message.note,
        "received_at": message.received_at,
        "deliveries": message.deliveries,
        "tries": message.tries,
    }


def _whole(message: InboxMessage) -> NotificationOutput:
    waits = message.status is InboxStatus.RECEIVED
    return NotificationOutput(
        **_summary(message),
        led_to=message.subject_id,
        last_received_at=message.last_received_at,
        read_at=message.read_at,
        unanswered=message.failures,
        next_try_at=message.next_try_at if waits else None,
        closed_at=message.closed_at,
        answer=message.answer,
    )
