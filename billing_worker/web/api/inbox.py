"""The inbox: received webhooks and pingbacks, and their results."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.ports.incoming import InboxStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.incoming import replay as review
from billing_worker.usecases.jobs import JobName
from billing_worker.usecases.reading.one import notification_with
from billing_worker.usecases.reading.views.traffic import NotificationSummary, NotificationView, of_notification
from billing_worker.web.api.shapes import ACTS, READS, READS_ONE, Instant, Lists, Number, Page, Paging
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/inbox", tags=["inbox"])


class InboxQuery(Paging):
    """The filters of the list of notifications."""

    status: InboxStatus | None = Field(None, description="Only with this status")
    source: Literal["portone", "paymentwall"] | None = Field(
        None, description="Only webhooks of PortOne (`portone`), or only pingbacks of Paymentwall (`paymentwall`)"
    )
    foreign: bool | None = Field(None, description="Webhooks about merchant_uids that were never ours, or the others")
    received_after: Instant | None = Field(None, description="Received first at or after this")
    received_before: Instant | None = Field(None, description="Received first before this")
    stuck: bool = Field(default=False, description="Only those that an operator must look at")


@router.get("", responses=READS, name="list_inbox")
def list_inbox(query: Annotated[InboxQuery, Query()], context: Ctx, lists: Lists) -> Page[NotificationSummary]:
    """List webhooks and pingbacks, newest first."""
    wanted = dict(query.wanted())
    if wanted.pop("stuck"):
        wanted["stuck_at"] = context.ports.clock.moment().real
    return lists.of(Kind.NOTIFICATIONS, query, wanted)


@router.get("/{message_id}", responses=READS_ONE, name="show_inbox")
def show(message_id: Number, context: Ctx) -> NotificationView:
    """Show one notification: its fields, its history, its result, and the gateway's last answer."""
    return notification_with(context.ports, message_id)


@router.post("/{message_id}/replay", responses=ACTS, name="replay_inbox")
def replay(message_id: Number, context: Ctx) -> NotificationView:
    """Look into it again: a worker reads the gateway once more. This moves no money, and may be repeated."""
    message = review.look_again(context.ports, message_id)
    if not message.is_foreign:
        context.ring(JobName.APPLY, str(message.id))
    return of_notification(message)
