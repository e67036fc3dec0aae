"""Notices to customers: what they heard, and what is still to be sent."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.notices.notice import Channel, NoticeKind, NoticeStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.views.notices import NoticeView
from billing_worker.web.api.shapes import READS, Created, Id, Lists, OfCustomer, OfSubscription, Page

router = APIRouter(prefix="/notices", tags=["notices"])


class NoticeQuery(Created):
    """The filters of the list of notices."""

    customer: OfCustomer = None
    subscription_id: OfSubscription = None
    invoice_id: Id | None = Field(None, description="Only about this invoice")
    kind: NoticeKind | None = Field(None, description="Only of this kind")
    channel: Channel | None = Field(None, description="Only by this way")
    status: NoticeStatus | None = Field(None, description="Only with this status")


@router.get("", responses=READS, name="list_notices")
def list_notices(query: Annotated[NoticeQuery, Query()], lists: Lists) -> Page[NoticeView]:
    """List notices to customers, newest first."""
    return lists.of(Kind.NOTICES, query)
