"""PGs: a table of this release, for reading only."""

from fastapi import APIRouter

from billing_worker.usecases.reading.pgs import all_pgs, pg_with
from billing_worker.usecases.reading.views.pgs import PgSummary, PgView
from billing_worker.web.api.shapes import READS, READS_ONE, Ident, Page

router = APIRouter(prefix="/pgs", tags=["PGs"])


@router.get("", responses=READS, name="list_pgs")
def list_pgs() -> Page[PgSummary]:
    """List every PG that is known here, with the flows that it has; the whole list at once."""
    return Page(data=list(all_pgs()), next_cursor=None)


@router.get("/{code}", responses=READS_ONE, name="get_pg")
def get(code: Ident) -> PgView:
    """Show one PG: its flows, and what it requires, forbids, cuts and limits in each, with the sources."""
    return pg_with(code)
