"""`billing-worker catch-up`: late periods after an outage, and an operator's decision about them."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from billing_worker.cli.output import AsJson, View, working
from billing_worker.cli.session import Session, session
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.money import Money
from billing_worker.ports.control import Chosen
from billing_worker.usecases.subscription.backlog import PaysTwice, PlanBacklog, Preview
from billing_worker.usecases.subscription.backlog import preview as look
from billing_worker.usecases.subscription.catch_up import decide_late as decide

app = typer.Typer(help="Late periods after an outage: their sums, and a decision about them.")

COLUMNS = (
    *("plan_id", "name", "currency", "mode", "subscriptions", "on_hold", "periods", "oldest_due"),
    *("bill", "bill_sum", "waive", "waive_sum", "ask", "ask_sum"),
)
CUSTOMERS = ("customer", "payments", "for_late_periods", "sums")

Mode = Annotated[str | None, typer.Option(metavar="MODE", help="Preview bill_all, latest_only or forgive.")]
PlanId = Annotated[str | None, typer.Option("--plan", metavar="ID", help="Only this plan.")]
SubscriptionId = Annotated[str | None, typer.Option("--subscription", metavar="ID", help="Only this subscription.")]


@app.callback(invoke_without_command=True)
def catch_up(
    context: typer.Context,
    *,
    _preview: Annotated[bool, typer.Option("--preview", help="Show what would happen. This is the default.")] = False,
    mode: Mode = None,
    plan: PlanId = None,
    subscription: SubscriptionId = None,
    as_json: AsJson = False,
) -> None:
    """Show late periods after an outage: counts, sums, and customers who would pay twice in a week.

    A period is late if it was not opened within a day of its start. This changes nothing, and blocks no worker.

    Example: billing-worker catch-up --preview

    Example: billing-worker catch-up --preview --mode latest_only
    """
    if context.invoked_subcommand is not None:
        _refuse_before_apply(
            {"--preview": _preview, "--mode": mode, "--plan": plan, "--subscription": subscription, "--json": as_json}
        )
        return
    with session(as_json=as_json) as work:
        _show(work, _looked(work, Chosen(plan, subscription), mode))


@app.command()
def apply(
    *,
    mode: Annotated[str, typer.Option(metavar="MODE", help="bill_all, latest_only or forgive.")],
    plan: PlanId = None,
    subscription: SubscriptionId = None,
    everybody: Annotated[bool, typer.Option("--all", help="All late subscriptions.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Apply the decision instead of a preview.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide on the periods that are late now. Workers follow the decision at the pace of late work.

    The decision applies to all periods of late subscriptions that have begun, on hold or not. After them, the plan's
    policy applies again. The last decision counts. A waived period is never billed later.

    Example: billing-worker catch-up apply --mode latest_only --all --yes
    """
    if sum((plan is not None, subscription is not None, everybody)) != 1:
        raise InvalidInput("subscription", subscription, "name one: --subscription ID, --plan ID or --all")
    chosen = Chosen(plan, subscription)
    with session(as_json=as_json) as work:
        found = _looked(work, chosen, mode)
        if not yes:
            _show(work, found)
            work.out.say("Nothing was changed. To apply this decision, add --yes.", "bold")
            return
        concerned = decide(work.ports, mode, chosen)
        total = sum(concerned.values())
        view = {"mode": mode, "subscriptions": total, "plans": [_count(*each) for each in sorted(concerned.items())]}
        if as_json:
            work.out.json(view)
            return
        work.out.say(f"Decided {mode} for {total} subscriptions; workers follow at the pace of late work.", "bold")
        _show(work, found)


def _refuse_before_apply(given: Mapping[str, object]) -> None:
    """Refuse options before `apply`, which do not reach it.

    The decision would apply to all customers instead of one plan.
    """
    for name, value in given.items():
        if value not in (None, False):
            raise InvalidInput(name, value, "comes before apply; give it after apply, or leave apply out for a preview")


def _looked(work: Session, chosen: Chosen, mode: str | None) -> Preview:
    with working("Reading late subscriptions"):
        return look(work.ports, chosen, mode)


def _show(work: Session, found: Preview) -> None:
    plans = [_plan(line) for line in found.plans]
    customers = [_customer(each) for each in found.paying_twice_first]
    if work.out.as_json:
        view: View = {"at": found.at, "plans": plans, "paying_twice": found.paying_twice}
        work.out.json({**view, "paying_twice_first": customers})
        return
    work.out.rows(plans, COLUMNS, empty="Nothing is late.")
    if plans:
        work.out.say(f"{found.paying_twice} customers would pay more than once within seven days.")
    work.out.section("The first of them", customers, CUSTOMERS)


def _plan(line: PlanBacklog) -> dict[str, Any]:
    """Sums under separate names: a view shows only one amount and its currency."""
    sums = {name: line.sum(getattr(line, name)) for name in ("bill", "waive", "ask")}
    return {
        "plan_id": line.plan_id,
        "name": line.name,
        "currency": line.price.currency,
        "mode": line.mode,
        "max_age": line.max_age,
        "subscriptions": line.subscriptions,
        "on_hold": line.on_hold,
        "periods": line.periods,
        "oldest_due": line.oldest_due,
        **{name: getattr(line, name) for name in sums},
        **{f"{name}_sum": total for name, total in sums.items()},
    }


def _customer(each: PaysTwice) -> View:
    sums = [str(Money(amount, currency)) for currency, amount in sorted(each.sums.items())]
    return {"customer": each.customer, "payments": each.payments, "for_late_periods": each.late, "sums": sums}


def _count(plan_id: str, subscriptions: int) -> View:
    return {"plan_id": plan_id, "subscriptions": subscriptions}
