"""`billing-worker refund …`."""

import sys
from typing import Annotated

import typer

from billing_worker.cli import listing
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.parsing import minor_units
from billing_worker.cli.session import Session, session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.domain.refund import RefundStatus, check_amount, refundable
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import refund_with
from billing_worker.usecases.reading.views.refunds import of_refund
from billing_worker.usecases.refund.refund import payment_to_refund, request_refund

app = typer.Typer(help="Refunds: money given back, in part or whole.")

COLUMNS = ("id", "amount", "status", "cause", "reason", "attempt_id", "created_at", "closed_at", "note")


@app.command()
def create(
    invoice_id: Annotated[str, typer.Argument(metavar="INVOICE_ID", help="inv_…")],
    *,
    amount: Annotated[
        str | None,
        typer.Option(help="In the smallest unit: 3000 is 3,000 KRW, and 1999 is 19.99 USD.", metavar="NUMBER"),
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All that is left of the payment.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; PortOne is told. At most 100 characters.")],
    attempt: Annotated[
        str | None, typer.Option(metavar="ID", help="att_…: which payment, where an invoice was paid twice.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The same key is the same refund; at most 255 characters.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for a confirmation on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give back a part of an invoice's payment, or all that is left of it. The next scan sends it.

    A missing amount never means everything. The invoice stays paid.

    Example: billing-worker refund create inv_0123456789abcdef --amount 3000 --reason "two days without service"
    """
    wanted = None if amount is None else minor_units(amount)
    if isinstance(wanted, str):
        raise InvalidInput("amount", wanted, "must be a whole number of the smallest unit, without a fraction")
    with session(as_json=as_json) as work:
        if sys.stdin.isatty() and not yes and everything == (wanted is None):
            _ask(work, invoice_id, attempt, wanted)
        made = request_refund(
            work.ports,
            invoice_id,
            wanted,
            everything=everything,
            reason=reason,
            attempt_id=attempt,
            idempotency_key=idempotency_key,
        )
        work.out.record(of_refund(made), headline=f"Refund {made.id} over {made.money} is {made.status}")


@app.command("list")
def list_(
    *,
    customer: listing.Customer = None,
    subscription: listing.Subscription = None,
    status: Annotated[RefundStatus | None, typer.Option(help="Only these.")] = None,
    created_after: listing.After = None,
    created_before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List refunds, newest first.

    Example: billing-worker refund list --status failed
    """
    with session(as_json=as_json) as work:
        wanted = {"customer": customer, "subscription_id": subscription, "status": status}
        chosen = {**wanted, **listing.between(work, "created", created_after, created_before)}
        any_wanted = any(value is not None for value in chosen.values())
        empty = "There are no such refunds." if any_wanted else "There are no refunds."
        most = None if everything else limit
        show_list(work, Kind.REFUNDS, chosen, COLUMNS, most=most, empty=empty)


@app.command()
def show(refund_id: Annotated[str, typer.Argument(metavar="ID", help="rfd_…")], *, as_json: AsJson = False) -> None:
    """Show one refund with the gateway's answer, masked and truncated.

    Example: billing-worker refund show rfd_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        found = refund_with(work.ports, refund_id)
        work.out.record(found)
        work.out.part("the gateway's answer", found.evidence)


def _ask(work: Session, invoice_id: str, attempt_id: str | None, amount: int | None) -> None:
    """Ask an operator at a terminal for a confirmation: a refund cannot be undone."""
    payment = payment_to_refund(work.ports, invoice_id, attempt_id)
    left = Money(refundable(payment), payment.money.currency)
    money = left if amount is None else check_amount(amount, payment)
    typer.confirm(f"Give back {money} of payment {payment.imp_uid} ({left} left)?", abort=True, err=True)
