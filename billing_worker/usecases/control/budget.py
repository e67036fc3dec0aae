"""Check a charge against the budgets. A charge beyond them does not begin, and an operator decides."""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.budget import DAY, RUN, Budgets
from billing_worker.domain.money import Money
from billing_worker.domain.stop import ALL, SUBSCRIPTION, StopCause
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Beyond:
    """The scope to stop, and the reason."""

    scope: str
    reason: str


def beyond_budget(uow: UnitOfWork, budgets: Budgets, due: DueInvoice, now: datetime) -> Beyond | None:
    """The budget that this charge would exceed; None if there is none.

    Charges that begin at the same moment do not see each other: a limit may be exceeded by one charge per thread. An
    invoice that an operator has accepted passes at any amount.
    """
    found = _of_subscription(uow, budgets, due, now) or _of_run(uow, budgets, due, now)
    if found is None or due.invoice.id in uow.stops.accepted(StopCause.BUDGET):
        return None
    return found


def _of_subscription(uow: UnitOfWork, budgets: Budgets, due: DueInvoice, now: datetime) -> Beyond | None:
    money, scope = due.invoice.money, SUBSCRIPTION + due.subscription.id
    if budgets.jumps(money.amount, due.last_paid):
        last = Money(due.last_paid or 0, money.currency)
        reason = f"invoice {due.invoice.id} is over {money}, more than {budgets.jump} times the last paid one ({last})"
        return Beyond(scope, reason)
    limit = budgets.customer_day.get(money.currency)
    if limit is None:
        return None
    spent = uow.spending.of_customer(due.subscription.customer, now - DAY, money.currency)
    if spent.amount + money.amount <= limit:
        return None
    so_far, most = Money(spent.amount, money.currency), Money(limit, money.currency)
    reason = f"invoice {due.invoice.id} over {money} would bring this customer from {so_far} beyond {most} in 24 hours"
    return Beyond(scope, reason)


def _of_run(uow: UnitOfWork, budgets: Budgets, due: DueInvoice, now: datetime) -> Beyond | None:
    money = due.invoice.money
    if not budgets.limits_the_run(money.currency):
        return None
    cleared = uow.stops.cleared_at(ALL, StopCause.BUDGET)
    since = max(now - RUN, cleared) if cleared is not None else now - RUN
    spent = uow.spending.since(since, money.currency)
    limit = budgets.run.get(money.currency)
    if limit is not None and spent.amount + money.amount > limit:
        so_far, most = Money(spent.amount, money.currency), Money(limit, money.currency)
        reason = f"invoice {due.invoice.id} over {money} would bring this hour's charges from {so_far} beyond {most}"
        return Beyond(ALL, reason)
    if budgets.count is not None and spent.count + 1 > budgets.count:
        return Beyond(ALL, f"{spent.count} charges were made within an hour; BILLING_BUDGET_COUNT is {budgets.count}")
    return None
