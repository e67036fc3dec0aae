"""`billing-worker customer …`."""

from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session
from billing_worker.usecases.reading.customer import customer_with

app = typer.Typer(help="Customers, by your own id: everything about one customer at once.")

SUBSCRIPTIONS = ("id", "status", "plan_id", "billing_key_id", "next_period_start")
KEYS = ("id", "customer_uid", "pg_provider", "status", "invalid_reason")
INVOICES = ("id", "amount", "status", "period_start", "next_attempt_at", "last_reason")
PAYMENTS = ("id", "amount", "imp_uid", "closed_at", "refunded", "merchant_uid")
NEXT = ("at", "what", "amount", "subscription_id", "invoice_id")


@app.command()
def show(
    customer: Annotated[str, typer.Argument(metavar="NAME", help="Your own id of the customer.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a customer: subscriptions, keys, debts, the last payments, and the next steps.

    Example: billing-worker customer show user-42
    """
    with session(as_json=as_json) as work:
        found = customer_with(work.ports, customer)
        if as_json:
            work.out.json(found)
            return
        work.out.say(f"customer {found.customer}", "bold")
        work.out.section("subscriptions", found.subscriptions, SUBSCRIPTIONS)
        work.out.section("billing keys", found.billing_keys, KEYS)
        work.out.section("open invoices", found.open_invoices, INVOICES)
        work.out.section("last payments", found.last_payments, PAYMENTS)
        work.out.section("what comes next", found.next, NEXT)
