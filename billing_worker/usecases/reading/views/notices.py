"""The view of a notice to a customer."""

from dataclasses import dataclass, field
from datetime import datetime

from billing_worker.domain.notices.notice import Channel, Notice, NoticeKind, NoticeStatus
from billing_worker.usecases.reading.views.fields import SUBSCRIPTION_ID, described, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """A notice to a customer, and its delivery by one channel."""

    id: str = field(metadata=described("The `webhook-id` and the `Message-ID`", example="ntc_0123456789abcdef"))
    kind: NoticeKind
    channel: Channel
    customer: str = field(metadata=described("Your own id of the customer", example="user-42"))
    invoice_id: str | None = field(
        metadata=described("null: about the next charge of the subscription", example="inv_0123456789abcdef")
    )
    subscription_id: str | None = field(metadata=SUBSCRIPTION_ID)
    status: NoticeStatus
    created_at: datetime = field(metadata=described("When its cause happened; billing time"))
    due_at: datetime
    tries: int
    next_try_at: datetime | None
    closed_at: datetime | None = field(metadata=described("When it was sent, dropped or given up"))
    note: str | None = field(
        metadata=described("The last trouble, or why it was not sent", example="the invoice is paid")
    )


def of_notice(notice: Notice) -> NoticeView:
    """The view of a notice."""
    return view_of(NoticeView, notice, next_try_at=notice.next_try_at if notice.waits else None)
