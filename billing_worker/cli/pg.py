"""`billing-worker pg …`."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from billing_worker.cli.output import AsJson, Output
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.pgs.facts import Support
from billing_worker.domain.pgs.table import PGS, closest
from billing_worker.usecases.reading.pgs import all_pgs, facts_of_all, pg_with

app = typer.Typer(help="PGs behind PortOne: what each has, and what it requires, forbids and cuts. Needs no database.")

COLUMNS = ("code", "korean", "english", "issue", "window", "again", "onetime", "schedule")
FLOWS_OF_A_PG = COLUMNS[3:]
FLOWS = ("flow", "has", "note", "sources")
FACTS = ("flow", "kind", "field", "text", "checked_here", "sources")
LEGEND = "D: documented by PortOne. O: observed. I: concluded here. Only what is documented is refused."
UTC = "UTC"
Wanted = Literal["issue", "window", "again", "onetime", "schedule"]


@app.command("list")
def list_(
    *,
    has: Annotated[Wanted | None, typer.Option(help="Only those that surely have this flow.")] = None,
    as_json: AsJson = False,
) -> None:
    """List every PG by its code, and which flows it has.

    issue: keys from card data, by the API. window: keys by the payment window. again: charge a key. onetime: charge
    card data once. schedule: let PortOne charge a key later. "contradicted": the documents disagree; "silent": none
    says.

    Example: billing-worker pg list --has issue
    """
    wanted = [pg for pg in all_pgs() if has is None or getattr(pg, has) is Support.YES]
    Output(as_json, UTC).rows(wanted, COLUMNS, empty="")


@app.command()
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="PortOne's code: nice_v2, kcp_billing, paymentwall …")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one PG: its flows, what each flow requires, forbids, cuts and limits, and who says so.

    "checked here: yes": this worker keeps the rule by itself, and refuses what would break it before anything is sent.

    Example: billing-worker pg show paymentwall
    """
    if code not in PGS and (meant := closest(code)) is not None:
        raise InvalidInput("code", code, f"is no PG of PortOne V1; is {meant.code} ({meant.korean}) meant?")
    found, out = pg_with(code), Output(as_json, UTC)
    if as_json:
        out.json(asdict(found))
        return
    out.record(found, headline=f"{found.korean}, {found.english}", without=("korean", "english", *FLOWS_OF_A_PG))
    out.section("flows", found.flows, FLOWS)
    out.section("in each flow", found.facts, FACTS)
    out.section("at every PG", facts_of_all(), FACTS)
    out.say("")
    out.say(LEGEND, "dim")
