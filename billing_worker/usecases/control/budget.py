"""Check a charge against the budgets. A charge beyond them does not begin, and an operator decides."""

from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.budget import DAY, RUN, Budgets
from billing_worker.domain.money import Money
from billing_worker.domain.stop import ALL, StopCause, scope_of
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.control import Spent
from billing_worker.ports.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Beyond:
    """The scope to stop, and the reason."""

    scope: str
    reason: str


class Allowance:
    """The rest of the budgets. Charges that the same transaction has begun are counted exactly.

    Transactions at the same moment do not see each other: a limit may be overshot by as many chunks as there are
    threads.
    """

    def __init__(self, uow: UnitOfWork, budgets: Budgets, now: datetime) -> None:
        self._uow = uow
        self._budgets = budgets
        self._now = now
        self._of_customers: dict[tuple[str, str], int] = {}
        self._of_run: dict[str, Spent] = {}
        self._begun: list[Money] = []

    def beyond(self, due: DueInvoice) -> Beyond | None:
        """The budget that this invoice would exceed; None if it exceeds none, and then it counts as begun.

        An invoice that an operator let through passes, whatever it costs.
        """
        found = self._beyond_customer(due) or self._beyond_run(due)
        if found is not None and due.invoice.id not in self._uow.stops.accepted(StopCause.BUDGET):
            return found
        self._take(due)
        return None

    def _beyond_customer(self, due: DueInvoice) -> Beyond | None:
        money = due.invoice.money
        if self._budgets.jumps(money.amount, due.last_paid):
            last, jump = Money(due.last_paid or 0, money.currency), self._budgets.jump
            reason = f"invoice {due.invoice.id} is over {money}, more than {jump} times the last paid one ({last})"
            return Beyond(scope_of(due.invoice.owner_id), reason)
        limit = self._budgets.customer_day.get(money.currency)
        if limit is None:
            return None
        spent = self._spent_by(due.customer, money.currency)
        if spent + money.amount <= limit:
            return None
        so_far, most = Money(spent, money.currency), Money(limit, money.currency)
        reason = (
            f"invoice {due.invoice.id} over {money} would bring this customer from {so_far} beyond {most} in 24 hours"
        )
        return Beyond(scope_of(due.invoice.owner_id), reason)

    def _beyond_run(self, due: DueInvoice) -> Beyond | None:
        money = due.invoice.money
        if not self._budgets.limits_the_run(money.currency):
            return None
        spent = self._spent_in_run(money.currency)
        amount = spent.amount + sum(each.amount for each in self._begun if each.currency == money.currency)
        limit = self._budgets.run.get(money.currency)
        if limit is not None and amount + money.amount > limit:
            so_far, most = Money(amount, money.currency), Money(limit, money.currency)
            reason = (
                f"invoice {due.invoice.id} over {money} would bring this hour's charges from {so_far} beyond {most}"
            )
            return Beyond(ALL, reason)
        count = spent.count + len(self._begun)
        if self._budgets.count is not None and count + 1 > self._budgets.count:
            return Beyond(
                ALL, f"{count} charges were made within an hour; BILLING_BUDGET_COUNT is {self._budgets.count}"
            )
        return None

    def _take(self, due: DueInvoice) -> None:
        self._begun.append(due.invoice.money)
        if not self._of_customers:
            return
        whose = (due.customer, due.invoice.money.currency)
        if whose in self._of_customers:
            self._of_customers[whose] += due.invoice.money.amount

    def _spent_by(self, customer: str, currency: str) -> int:
        if (customer, currency) not in self._of_customers:
            spent = self._uow.spending.of_customer(customer, self._now - DAY, currency)
            self._of_customers[customer, currency] = spent.amount
        return self._of_customers[customer, currency]

    def _spent_in_run(self, currency: str) -> Spent:
        if currency not in self._of_run:
            cleared = self._uow.stops.cleared_at(ALL, StopCause.BUDGET)
            since = max(self._now - RUN, cleared) if cleared is not None else self._now - RUN
            self._of_run[currency] = self._uow.spending.since(since, currency)
        return self._of_run[currency]
