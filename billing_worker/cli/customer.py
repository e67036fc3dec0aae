"""`billing-worker customer …`."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing_worker.cli import views
from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session
from billing_worker.usecases.reading.customer import customer_with

app = typer.Typer(help="Customers, by your own id: everything about one of them at once.")

SUBSCRIPTIONS = ("id", "status", "plan_id", "billing_key_id", "next_period_start")
KEYS = ("id", "customer_uid", "pg_provider", "status", "invalid_reason")
INVOICES = ("id", "amount", "status", "period_start", "next_attempt_at", "last_reason")
PAYMENTS = ("id", "amount", "imp_uid", "closed_at", "refunded", "merchant_uid")
NEXT = ("at", "what", "money", "subscription_id", "invoice_id")


@app.command()
def show(
    customer: Annotated[str, typer.Argument(metavar="NAME", help="Your own id of the customer.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a customer: subscriptions, keys, what is owed, the last payments, and what comes next.

    Example: billing-worker customer show user-42
    """
    with session(as_json=as_json) as work:
        found = customer_with(work.ports, customer)
        subscriptions = [views.of_subscription(each) for each in found.subscriptions]
        keys = [views.of_key(each) for each in found.keys]
        owed = [views.of_invoice(each) for each in found.owed]
        payments = [{**views.of_attempt(each), "amount": each.money} for each in found.payments]
        coming = [{**asdict(each), "money": each.money} for each in found.coming]
        if as_json:
            work.out.json(
                {
                    "customer": found.customer,
                    "subscriptions": subscriptions,
                    "billing_keys": keys,
                    "open_invoices": owed,
                    "last_payments": payments,
                    "next": [
                        {"amount" if name == "money" else name: value for name, value in each.items()}
                        for each in coming
                    ],
                }
            )
            return
        work.out.say(f"customer {found.customer}", "bold")
        work.out.section("subscriptions", subscriptions, SUBSCRIPTIONS)
        work.out.section("billing keys", keys, KEYS)
        work.out.section("open invoices", owed, INVOICES)
        work.out.section("last payments", payments, PAYMENTS)
        work.out.section("what comes next", coming, NEXT)
