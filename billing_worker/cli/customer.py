"""`billing-worker customer …`."""

from typing import Annotated

import typer

from billing_worker.cli.output import AsJson
from billing_worker.cli.session import session
from billing_worker.usecases.customer.forget import forget_customer
from billing_worker.usecases.reading.customer import customer_with
from billing_worker.usecases.reading.views.customers import of_forgotten

app = typer.Typer(help="Customers, by your own id: show everything about one, or forget it.")

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


@app.command()
def forget(
    customer: Annotated[str, typer.Argument(metavar="NAME", help="Your own id of the customer.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Empty them. Without this option, only count them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a customer: empty names, e-mails, telephone numbers, cards and texts. It cannot be taken back.

    Amounts, ids, order numbers and times stay, and so does your own id of the customer. It is refused while money may
    still move: end the subscriptions (subscription cancel) and delete the cards at PortOne (key delete) first.

    Example: billing-worker customer forget user-42 --yes
    """
    with session(as_json=as_json) as work:
        found = of_forgotten(*forget_customer(work.ports, customer, only_count=not yes))
        headline = f"customer {customer} is forgotten" if yes else f"what would be emptied of customer {customer}"
        work.out.record(found, headline=headline)
        if not yes and not as_json:
            work.out.say("Nothing was changed. To empty it for good, add --yes.", "bold")
