"""`billing-worker subscription …`."""

from typing import Annotated

import typer

from billing_worker.cli import fallback, listing, options
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.parsing import moment
from billing_worker.cli.session import session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.schedule import Collection
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import subscription_with
from billing_worker.usecases.reading.views.subscriptions import of_subscription
from billing_worker.usecases.subscription.cancel import cancel as cancel_subscription
from billing_worker.usecases.subscription.change import change_subscription
from billing_worker.usecases.subscription.replace_key import replace_key
from billing_worker.usecases.subscription.subscribe import NewSubscription, subscribe

app = typer.Typer(help="Subscriptions: a customer on a plan, charged on a billing key.")

app.command("add-fallback")(fallback.add)
app.command("remove-fallback")(fallback.remove)
app.command()(fallback.fallbacks)

Id = Annotated[str, typer.Argument(metavar="ID", help="sub_…")]
COLUMNS = ("id", "customer", "status", "plan_id", "billing_key_id", "next_period_start", "created_at")
INVOICE_COLUMNS = ("id", "amount", "status", "period_start", "attempt_count", "next_attempt_at")


@app.command()
def create(
    *,
    plan: Annotated[str, typer.Option(metavar="ID", help="plan_…")],
    key: Annotated[str, typer.Option(metavar="ID", help="key_…: the card to charge.")],
    customer: Annotated[str, typer.Option(metavar="NAME", help="Your own name for the customer.")],
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="ISO 8601 with a zone; default: now. Older than a day: only an anchor."),
    ] = None,
    allow_duplicate: Annotated[
        bool, typer.Option("--allow-duplicate", help="Allow another live subscription of this customer on this plan.")
    ] = False,
    collection: Annotated[Collection | None, typer.Option(help=f"{options.COLLECTION} Default: as the plan.")] = None,
    dunning_policy: options.DunningPolicy = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = [],  # noqa: B006 - typer's way to say "none", and no code changes it
    as_json: AsJson = False,
) -> None:
    """Put a customer on a plan. The first charge is due when the first period begins.

    Example: billing-worker subscription create --plan plan_… --key key_… --customer user-42 --start
    2026-03-31T09:00:00+09:00
    """
    with session(as_json=as_json) as work:
        made = subscribe(
            work.ports,
            NewSubscription(
                plan,
                key,
                customer,
                start=moment("start", start),
                allow_duplicate=allow_duplicate,
                external_id=external_id,
                metadata=listing.pairs(metadata),
                collection=collection,
                dunning_policy=dunning_policy,
            ),
        )
        work.out.record(of_subscription(made), headline=f"Created subscription {made.id}")


@app.command("list")
def list_(
    *,
    customer: listing.Customer = None,
    plan: listing.Plan = None,
    key: listing.Key = None,
    status: Annotated[SubscriptionStatus | None, typer.Option(help="Only these.")] = None,
    collection: Annotated[Collection | None, typer.Option(help="Only collected by this way.")] = None,
    external_id: listing.ExternalId = None,
    created_after: listing.After = None,
    created_before: listing.Before = None,
    due: Annotated[
        bool, typer.Option("--due", help="Only those whose period has begun and has no invoice yet.")
    ] = False,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List subscriptions, newest first.

    Example: billing-worker subscription list --status past_due
    """
    with session(as_json=as_json) as work:
        wanted = {"customer": customer, "plan_id": plan, "billing_key_id": key, "status": status}
        wanted["collection"] = collection
        span = listing.between(work, "created", created_after, created_before)
        chosen = {**wanted, "due": due or None, "external_id": external_id, **span}
        empty, most = "There are no such subscriptions.", None if everything else limit
        show_list(work, Kind.SUBSCRIPTIONS, chosen, COLUMNS, most=most, empty=empty)


@app.command()
def show(subscription_id: Id, *, as_json: AsJson = False) -> None:
    """Show one subscription and its newest 100 invoices.

    Example: billing-worker subscription show sub_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        found = subscription_with(work.ports, subscription_id)
        work.out.record(found)
        work.out.section("invoices", found.invoices, INVOICE_COLUMNS)


@app.command()
def cancel(
    subscription_id: Id,
    *,
    at_period_end: Annotated[bool, typer.Option("--at-period-end", help="Let the paid period run out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a subscription, now or at the end of its period.

    After this returns no charge begins for it. A charge in flight is settled by its outcome.

    Example: billing-worker subscription cancel sub_0123456789abcdef --at-period-end
    """
    with session(as_json=as_json) as work:
        ended = cancel_subscription(work.ports, subscription_id, at_period_end=at_period_end)
        # An unpaid subscription has no current period, and always ends at once.
        what = "is canceled" if ended.status is SubscriptionStatus.CANCELED else "ends when its period does"
        work.out.record(of_subscription(ended), headline=f"Subscription {ended.id} {what}")


@app.command("set-key")
def set_key(
    subscription_id: Id,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="key_…: the new card.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Charge another card from now on. What is owed is tried on it at once, also what dunning gave up.

    If it is declined, dunning goes on at the date that it had.

    Example: billing-worker subscription set-key sub_0123456789abcdef key_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        changed = replace_key(work.ports, subscription_id, key_id)
        work.out.record(of_subscription(changed), headline=f"Subscription {changed.id} is charged on {key_id}")


@app.command("set-collection")
def set_collection(
    subscription_id: Id,
    collection: Annotated[Collection, typer.Argument(metavar="WAY", help=options.COLLECTION)],
    *,
    as_json: AsJson = False,
) -> None:
    """Collect the coming periods by another way. An invoice that is open keeps its own.

    The worker registers the next period at PortOne, or revokes it there, within seconds; see: billing-worker schedule
    list. For all subscriptions at once: billing-worker schedule use WAY --all

    Example: billing-worker subscription set-collection sub_0123456789abcdef portone_schedule
    """
    with session(as_json=as_json) as work:
        changed = change_subscription(work.ports, subscription_id, collection=collection)
        work.out.record(of_subscription(changed), headline=f"Subscription {changed.id} is collected by {collection}")


@app.command("set-dunning")
def set_dunning(
    subscription_id: Id,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Of a policy; see: billing-worker dunning list")
    ] = None,
    *,
    as_plan: Annotated[bool, typer.Option("--as-plan", help="Use the policy of its plan again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Use another policy after a decline, for invoices that open from now on. An open invoice keeps its own.

    Example: billing-worker subscription set-dunning sub_0123456789abcdef paydays
    """
    if (name is None) is not as_plan:
        raise InvalidInput("name", name, "give either the name of a policy or --as-plan")
    with session(as_json=as_json) as work:
        changed = change_subscription(work.ports, subscription_id, dunning_policy=name or "")
        told = changed.dunning_policy or "as its plan"
        work.out.record(of_subscription(changed), headline=f"Subscription {changed.id}: {told}")
