"""The operators: they read each alert, and act on it, here or at the gateway's console."""

from datetime import timedelta
from functools import partial

from billing_worker.domain.invoice import AttemptStatus
from billing_worker.domain.schedule import Collection
from billing_worker.domain.stop import ALL, PG, SUBSCRIPTION
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Chosen
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.fleet.gateway import BUYER_EMAIL
from billing_worker.simulation.fleet.ledger import Row
from billing_worker.simulation.world.office import Office
from billing_worker.usecases.charge import retry
from billing_worker.usecases.control import stop_charging
from billing_worker.usecases.key import change, decide
from billing_worker.usecases.subscription import catch_up
from billing_worker.usecases.subscription.change import change_subscription

YEAR = timedelta(days=365.25)
IN_DUNNING = 0.2
"""The fraction of declined subscriptions whose way is changed before their next try."""

OTHER_WAY = {
    Collection.WORKER: Collection.PORTONE_SCHEDULE,
    Collection.PORTONE_SCHEDULE: Collection.WORKER,
}


class Operators:
    """Act some time after an alert, in the office or at the console."""

    def __init__(self, fleet: Fleet, office: Office) -> None:
        self._office = office
        self._world = fleet.world
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler
        self._switches_a_year = fleet.options.switches_a_year

    def alarmed(self, attempt_id: str) -> None:
        """Give money back at the gateway's console, because a payment contradicts an attempt."""
        self._scheduler.after(self._office.days(0.2, 5), partial(self._give_back, attempt_id))

    def stuck(self, refund_id: str) -> None:
        """Make a refund at the gateway's console, with its id, because the gateway did not show it for a day."""
        self._scheduler.after(self._office.days(0.2, 3), partial(self._refund_by_hand, refund_id))

    def asked_of_issue(self, key_id: str) -> None:
        """Decide what the payment that issued a key pays."""
        self._office.later(self._office.days(0.1, 3), partial(self._say_what_it_pays, key_id))

    def misspelt(self, key_id: str) -> None:
        """Correct the e-mail of a key, because it differs from that of the issuing payment."""
        self._office.later(self._office.days(0.01, 3), partial(self._correct, key_id))

    def taken_back(self, invoice_id: str) -> None:
        """Retry an invoice whose payment was given back too often."""
        if self._world.store.invoices.rows[invoice_id].awaits_decision:
            self._office.later(timedelta(days=2), partial(self._once_more, invoice_id))

    def asked(self, plan_id: str) -> None:
        """Decide on the late periods of a plan."""
        self._office.later(self._office.days(0.1, 3), partial(self._decide, plan_id))

    def switch_sometime(self, subscription_id: str) -> None:
        """Collect this subscription by the other way at a random moment, and back at another one."""
        if self._switches_a_year:
            wait = YEAR / self._switches_a_year * self._chaos.random.expovariate(1)
            self._office.later(wait, partial(self._switch, subscription_id, again=True))

    def went_past_due(self, subscription_id: str) -> None:
        """Collect some of the subscriptions by the other way while their invoices are in dunning."""
        if self._switches_a_year and self._chaos.roll() < IN_DUNNING:
            self._office.later(self._office.days(0, 3), partial(self._switch, subscription_id, again=False))

    def _switch(self, subscription_id: str, ports: Ports, *, again: bool) -> None:
        if again:
            self.switch_sometime(subscription_id)
        now = self._world.store.subscriptions.rows[subscription_id].collection
        change_subscription(ports, subscription_id, collection=OTHER_WAY[now])

    def _decide(self, plan_id: str, ports: Ports) -> None:
        modes = ("bill_all", "latest_only", "forgive")
        catch_up.decide_late(ports, modes[int(self._chaos.roll() * len(modes))], Chosen(plan_id=plan_id))

    def _once_more(self, invoice_id: str, ports: Ports) -> None:
        if self._world.store.invoices.rows[invoice_id].awaits_decision:
            self._office.on_click(invoice_id)
            retry.retry_now(ports, invoice_id)

    def _say_what_it_pays(self, key_id: str, ports: Ports) -> None:
        own = [row for row in self._world.store.subscriptions.of_key(key_id) if row.canceled_at is None]
        pays = bool(own) and self._chaos.roll() < 0.5  # noqa: PLR2004 - half of them
        decide.decide(ports, key_id, own[-1].id if pays else None)

    @staticmethod
    def _correct(key_id: str, ports: Ports) -> None:
        change.set_email(ports, key_id, BUYER_EMAIL)

    def stop(self, ports: Ports) -> None:
        """Stop charging in a scope, and clear the stop some time later."""
        names = [
            ALL,
            PG + "nice_v2",
            *(SUBSCRIPTION + ident for ident in list(self._world.store.subscriptions.rows)[:3]),
        ]
        scope = names[int(self._chaos.roll() * len(names))]
        stopped = stop_charging.stop_on_word(ports, scope, "something looks wrong")
        self._office.later(self._chaos.between(60, 3 * 86400), partial(self._clear, stopped.stop.id))

    @staticmethod
    def _clear(stop_id: int, ports: Ports) -> None:
        stop_charging.clear_stop(ports, stop_id, "it was nothing")

    def pay(self, row: Row) -> None:
        """Turn a refused charge into a payment, at the console, if the gateway still has the card."""
        ledger = self._world.ledger
        if row.customer_uid in ledger.cards and ledger.takes(row.merchant_uid, row.pg):
            ledger.pay_at_the_console(row, self._scheduler.now)

    def _give_back(self, attempt_id: str) -> None:
        store, ledger = self._world.store, self._world.ledger
        attempt = store.attempts.rows[attempt_id]
        ours = {row.imp_uid for row in store.attempts.rows.values() if row.status is AttemptStatus.APPROVED}
        for row in ledger.orders[attempt.merchant_uid]:
            if self._office.open and row.status == "paid" and row.imp_uid not in ours:
                ledger.cancel(row, row.holds, "by hand")

    def _refund_by_hand(self, refund_id: str) -> None:
        found = self._world.store.refunds.rows[refund_id]
        row = self._world.ledger.rows[self._world.store.attempts.rows[found.attempt_id].imp_uid or ""]
        if self._office.open and found.is_open and row.holds >= found.money.amount:
            self._world.ledger.cancel(row, found.money.amount, f"{refund_id} by hand")
