"""Shadow mode: what this worker would have charged, beside what another biller did."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from billing_worker.domain.shadow import ShadowResult
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.views.shadow import ShadowChargeView
from billing_worker.web.api.shapes import READS, Id, Instant, Lists, Page, Paging

router = APIRouter(prefix="/shadow-charges", tags=["shadow"])


class ShadowQuery(Paging):
    """The filters of the list of charges in shadow mode."""

    subscription_id: Id | None = Field(None, description="Only of this subscription")
    result: ShadowResult | None = Field(None, description="Only with this result")
    differs: bool | None = Field(None, description="Only those that differ from PortOne's books (true), or all")
    at_after: Instant | None = Field(None, description="Charged at or after this")
    at_before: Instant | None = Field(None, description="Charged before this")


@router.get("", responses=READS, name="list_shadow_charges")
def list_shadow_charges(query: Annotated[ShadowQuery, Query()], lists: Lists) -> Page[ShadowChargeView]:
    """List what would have been charged, and what only another biller charged, newest first."""
    return lists.of(Kind.SHADOW, query)
