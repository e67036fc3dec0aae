"""The PGs behind PortOne: a table of this release, which no database holds."""

from collections.abc import Sequence

from billing_worker.domain.errors import NotFound
from billing_worker.domain.pgs.table import OF_ALL, PGS
from billing_worker.usecases.reading.views.pgs import PgFactView, PgSummary, PgView, facts_of, of_pg, summary_of_pg


def all_pgs() -> Sequence[PgSummary]:
    """Every PG, in the order of the table."""
    return [summary_of_pg(pg) for pg in PGS.values()]


def pg_with(code: str) -> PgView:
    """A PG with its facts. Raises NotFound."""
    if code not in PGS:
        raise NotFound("PG", code)
    return of_pg(PGS[code])


def facts_of_all() -> Sequence[PgFactView]:
    """What holds at every PG."""
    return facts_of(OF_ALL)
