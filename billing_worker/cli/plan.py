"""`billing-worker plan …`."""

from typing import Annotated

import typer

from billing_worker.cli import charge_options, listing, options
from billing_worker.cli.listing import Every, show_list
from billing_worker.cli.output import AsJson, Limit
from billing_worker.cli.parsing import minor_units, whole_days, words
from billing_worker.cli.session import session
from billing_worker.domain.catch_up import DEFAULT_MAX_AGE, policy_of
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.schedule import Collection
from billing_worker.ports.lists import Kind
from billing_worker.usecases.reading.one import plan_with
from billing_worker.usecases.reading.views.plans import of_plan
from billing_worker.usecases.subscription.change import change_plan
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan

app = typer.Typer(help="Plans: the price, the interval, and the policy after a decline.")

COLUMNS = ("id", "name", "amount", "calendar", "timezone", "dunning_policy", "created_at")
CATCH_UP = "The policy for late periods (bill_all, latest_only, forgive, ask)"
NOTICES = "Kinds of notices between commas, such as failed,upcoming=7; '' for none"
MaxAge = Annotated[int, typer.Option(help="Days; for older periods an operator is asked.", metavar="DAYS")]
DunningDays = Annotated[
    str | None,
    typer.Option(help="Days to wait after each decline in turn; '' for no retry. Or the default.", metavar="DAYS"),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Shown to the customer as the product's name; at most 40 characters.")],
    *,
    amount: Annotated[
        str, typer.Option(help="In the smallest unit: 9900 is 9,900 KRW, and 1999 is 19.99 USD.", metavar="NUMBER")
    ],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "KRW",
    interval: Annotated[str | None, typer.Option(help="day, week, month or year, counted from the start.")] = None,
    interval_count: Annotated[int | None, typer.Option(help="Units in an interval; 1 by default.")] = None,
    cron: Annotated[str | None, typer.Option(help="Instead of an interval: 'minute hour day month weekday'.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone; BILLING_TIMEZONE if not given.")] = None,
    dunning_days: DunningDays = None,
    dunning_policy: options.DunningPolicy = None,
    collection: Annotated[Collection, typer.Option(help=options.COLLECTION)] = Collection.WORKER,
    notices: Annotated[str | None, typer.Option(help=f"{NOTICES}; BILLING_NOTICE_KINDS if not given.")] = None,
    catch_up: Annotated[str, typer.Option(help=f"{CATCH_UP} after an outage.", metavar="MODE")] = "bill_all",
    catch_up_max_age: MaxAge = DEFAULT_MAX_AGE,
    tax_free: charge_options.TaxFree = None,
    vat_amount: charge_options.VatAmount = None,
    card_quota: charge_options.CardQuota = None,
    custom_data: charge_options.CustomData = None,
    notice_url: charge_options.NoticeUrl = None,
    external_id: options.ExternalId = None,
    metadata: options.Metadata = [],  # noqa: B006 - typer's way to say "none", and no code changes it
    as_json: AsJson = False,
) -> None:
    """Create a plan.

    Day 31 of an interval plan falls on the last day of a short month and comes back to 31. A cron plan bills whenever
    the expression fires in its time zone; L is the last day of a month.

    Example: billing-worker plan create "Basic" --amount 9900 --interval month

    Example: billing-worker plan create "Month's end" --amount 9900 --cron "0 9 L * *" --timezone Asia/Seoul
    """
    if cron is not None and interval_count is not None:
        raise InvalidInput("interval_count", interval_count, "is not allowed with a cron expression; leave it out")
    with session(as_json=as_json) as work:
        calendar = calendar_from(
            interval=interval,
            interval_count=1 if interval_count is None else interval_count,
            cron=cron,
            timezone=work.settings.timezone if timezone is None else timezone,
        )
        plan = create_plan(
            work.ports,
            name,
            minor_units(amount),
            currency,
            calendar=calendar,
            dunning_days=None if dunning_days is None else whole_days("dunning_days", dunning_days),
            dunning_policy=dunning_policy,
            catch_up=policy_of(catch_up, catch_up_max_age),
            options=charge_options.given(tax_free, vat_amount, card_quota, custom_data, notice_url),
            collection=collection,
            notices=None if notices is None else words(notices),
            external_id=external_id,
            metadata=listing.pairs(metadata),
        )
        work.out.record(of_plan(plan), headline=f"Created plan {plan.id}")


@app.command("list")
def list_(
    *,
    external_id: listing.ExternalId = None,
    created_after: listing.After = None,
    created_before: listing.Before = None,
    limit: Limit = 50,
    everything: Every = False,
    as_json: AsJson = False,
) -> None:
    """List plans, newest first.

    Example: billing-worker plan list --all --json
    """
    with session(as_json=as_json) as work:
        wanted = {"external_id": external_id, **listing.between(work, "created", created_after, created_before)}
        empty = "There are no plans. Create one: billing-worker plan create NAME --amount 9900 --interval month"
        most = None if everything else limit
        show_list(work, Kind.PLANS, wanted, COLUMNS, most=most, empty=empty)


@app.command()
def show(plan_id: Annotated[str, typer.Argument(metavar="ID", help="plan_…")], *, as_json: AsJson = False) -> None:
    """Show one plan.

    Example: billing-worker plan show plan_0123456789abcdef
    """
    with session(as_json=as_json) as work:
        work.out.record(plan_with(work.ports, plan_id))


@app.command("set-catch-up")
def set_catch_up(
    plan_id: Annotated[str, typer.Argument(metavar="ID", help="plan_…")],
    *,
    mode: Annotated[str, typer.Option(help=f"{CATCH_UP}.", metavar="MODE")],
    max_age: Annotated[int | None, typer.Option(help="Days; unchanged if not given.", metavar="DAYS")] = None,
    as_json: AsJson = False,
) -> None:
    """Change the policy for late periods after an outage, from now on.

    Subscriptions on hold keep waiting; decide for them with: billing-worker catch-up apply

    Example: billing-worker plan set-catch-up plan_0123456789abcdef --mode ask --max-age 30
    """
    with session(as_json=as_json) as work:
        plan = change_plan(work.ports, plan_id, catch_up=mode, catch_up_max_age=max_age)
        work.out.record(of_plan(plan), headline=f"Plan {plan.id}: {plan.catch_up.mode}")


@app.command("set-notices")
def set_notices(
    plan_id: Annotated[str, typer.Argument(metavar="ID", help="plan_…")],
    kinds: Annotated[str, typer.Argument(help=f"{NOTICES}; default for BILLING_NOTICE_KINDS.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Change what the customers of a plan hear, from now on. Notices that wait follow it too.

    Kinds: billing-worker notice kinds

    Example: billing-worker plan set-notices plan_0123456789abcdef failed,last_warning,recovered,given_up,upcoming=7
    """
    with session(as_json=as_json) as work:
        plan = change_plan(work.ports, plan_id, notices=words(kinds))
        told = "default" if plan.notices is None else ", ".join(plan.notices.words) or "none"
        work.out.record(of_plan(plan), headline=f"Plan {plan.id}: {told}")


@app.command("set-dunning")
def set_dunning(
    plan_id: Annotated[str, typer.Argument(metavar="ID", help="plan_…")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a policy; see: billing-worker dunning list")],
    *,
    as_json: AsJson = False,
) -> None:
    """Use another policy after a decline, for invoices that open from now on. An open invoice keeps its own.

    Example: billing-worker plan set-dunning plan_0123456789abcdef paydays
    """
    with session(as_json=as_json) as work:
        plan = change_plan(work.ports, plan_id, dunning_policy=name)
        work.out.record(of_plan(plan), headline=f"Plan {plan.id}: {plan.dunning_policy}")
