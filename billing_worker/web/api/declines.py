"""Declines: what a text of a PG means, and the texts that no rule understands. For reading only."""

from typing import Annotated

from fastapi import APIRouter, Query

from billing_worker.domain.billing_key import LONGEST_PG
from billing_worker.domain.declines.text import LONGEST
from billing_worker.usecases.reading import declines as reading
from billing_worker.usecases.reading.views.declines import DeclineView, UnknownTextView
from billing_worker.web.api.shapes import READS, Page
from billing_worker.web.context import Ctx

router = APIRouter(prefix="/declines", tags=["declines"])


@router.get("/explain", responses=READS, name="explain_decline")
def explain(
    pg: Annotated[str, Query(max_length=LONGEST_PG, description="PortOne's code of the PG", examples=["kcp"])],
    text: Annotated[
        str, Query(max_length=LONGEST, description="The text, with or without its code", examples=["[CC43]도난카드"])
    ],
) -> DeclineView:
    """Explain the text of a decline: what it is about, and what helps."""
    return reading.explain(pg, text)


@router.get("/unknown", responses=READS, name="list_unknown_declines")
def unknown(context: Ctx) -> Page[UnknownTextView]:
    """List texts of PGs that no rule understands: those of 90 days, at most a hundred, the most frequent first."""
    return Page(data=list(reading.unknown_texts(context.ports)), next_cursor=None)
