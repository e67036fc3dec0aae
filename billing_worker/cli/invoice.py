"""`billing-worker invoice …`."""

from typing import Annotated

import typer

from billing_worker.cli import listing
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.session import session
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.reading.one import invoice_with
from billing_worker.usecases.reading.views.invoices import of_invoice

app = typer.Typer(help="Invoices: the debt for one period, and the attempts to collect it.")

Id = Annotated[str, typer.Argument(metavar="ID", help="inv_…")]
COLUMNS = (
    "id",
    "amount",
    "status",
    "period_start",
    "attempt_count",
    "next_attempt_at",
    "subscription_id",
    "last_reason",
)
ATTEMPT_COLUMNS = ("number", "id", "status", "started_at", "decline_kind", "reason", "imp_uid", "next_look_at")
REFUND_COLUMNS = ("id", "amount", "status", "cause", "reason", "created_at", "closed_at", "note")


@app.command("list")
def list_(
    *,
    customer: listing.Customer = None,
    subscription: listing.Subscription = None,
    plan: listing.Plan = None,
    status: Annotated[InvoiceStatus | None, typer.Option(help="Only these.")] = None,
    period_after: listing.After = None,
    period_before: listing.Before = None,
    due: Annotated[bool, typer.Option("--due", help="Only due now and not started yet.")] = False,
    unplaced: Annotated[
        bool, typer.Option("--unplaced", help="Only those whose last charge could not be placed; they are tried again.")
    ] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only those with a charge whose outcome is unclear.")
    ] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List invoices, newest first.

    What `report` counts as due, unplaced or unknown is listed by --due, --unplaced and --unknown, and periods that have
    begun without an invoice by: billing-worker subscription list --due

    Example: billing-worker invoice list --unplaced
    """
    with session(as_json=as_json) as work:
        wanted = {"customer": customer, "subscription_id": subscription, "plan_id": plan, "status": status}
        waiting = {"due": due or None, "unplaced": unplaced or None, "unknown": unknown or None}
        chosen = {**wanted, **waiting, **listing.between(work, "period", period_after, period_before)}
        any_wanted = any(value is not None for value in chosen.values())
        empty = "There are no such invoices." if any_wanted else "There are no invoices: no period has been due yet."
        most = None if everything else limit
        show_list(work, Kind.INVOICES, chosen, COLUMNS, most=most, empty=empty)


@app.command()
def show(invoice_id: Id, *, as_json: AsJson = False) -> None:
    """Show one invoice with its payment attempts and refunds.

    Example: billing-worker invoice show inv_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        found = invoice_with(work.ports, invoice_id)
        work.out.record(found)
        work.out.section("attempts", found.attempts, ATTEMPT_COLUMNS)
        work.out.section("refunds", found.refunds, REFUND_COLUMNS)


@app.command()
def retry(invoice_id: Id, *, as_json: AsJson = False) -> None:
    """Make an unpaid invoice due at once, even one that dunning gave up. The next scan charges it.

    A second run still makes one charge. If it is declined, dunning goes on at the date that it had.

    Example: billing-worker invoice retry inv_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        invoice = retry_now(work.ports, invoice_id)
        work.out.record(of_invoice(invoice), headline=f"Invoice {invoice.id} is due now")
