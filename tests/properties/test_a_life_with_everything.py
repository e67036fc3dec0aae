"""A stateful test: everything that merchants, customers, the gateway and the workers can do, in any order.

After every step the invariants hold that may never be broken, judged by the sandbox's ledger. At the end, when nothing
goes wrong any more and every webhook has come, nothing is lost either.
"""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.charge import reconcile
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.databases import Databases
from tests.support.gateways import Around, loses_the_reply, never_arrives
from tests.support.invariants import violations
from tests.support.sandbox import Row, Sandbox
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
MOST_CUSTOMERS = 3
BEHAVIOURS = (
    "ok",
    "decline-limit-1x",
    "drop-after-charge-1x",
    "drop-before-charge-1x",
    "decline-limit",
    "decline-stolen",
)
SCANS = ("renew", "renew_and_charge", "collect", "reconcile", "apply", "deliver", "tick")
ANY = st.integers(min_value=0, max_value=50)
"""Picks one of what there is, by its place."""


class Life(RuleBasedStateMachine):
    """A few customers, and whatever happens to them."""

    databases: Databases
    sandbox: Sandbox

    def __init__(self) -> None:
        super().__init__()
        self._database = self.databases.migrated()
        self._built = World.built(self._database.__enter__(), self.sandbox)
        self.world = self._built.__enter__()
        self.plan = self.world.plan(interval="day", dunning_days=(1, 1))
        self.customers: list[Subscription] = []
        self.late: set[str] = set()
        """Payments that the gateway approved late: until a notification, they may be a second one."""

    @initialize(behaviour=st.sampled_from(BEHAVIOURS))
    def somebody_comes(self, behaviour: str) -> None:
        self.customers.append(self.world.subscribe(behaviour, plan=self.plan))

    @precondition(lambda self: len(self.customers) < MOST_CUSTOMERS)
    @rule(behaviour=st.sampled_from(BEHAVIOURS))
    def another_one_comes(self, behaviour: str) -> None:
        self.customers.append(self.world.subscribe(behaviour, plan=self.plan))

    @rule(scan=st.sampled_from(SCANS))
    def beat_rings(self, scan: str) -> None:
        getattr(self.world, scan)()

    @rule(which=ANY, times=st.integers(1, 2))
    def a_message_comes_late_or_twice(self, which: int, times: int) -> None:
        for _ in range(times if self._invoices() else 0):
            self.world.charge(self._invoice(which))

    @rule(placed=st.booleans())
    def answers_are_lost(self, placed: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        gateway = Around(self.world.ports.gateway, loses_the_reply if placed else never_arrives)
        self.world.with_ports(gateway=gateway).renew_and_charge()
        self.world.with_ports(gateway=gateway).collect()

    @rule(seconds=st.sampled_from([1, 5, 60, 3600, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)

    @rule(which=ANY, status=st.sampled_from(["paid", "failed", "cancelled"]), times=st.integers(1, 3))
    def a_webhook_comes(self, which: int, status: str, times: int) -> None:
        rows = self._payments()
        for _ in range(times if rows else 0):
            row = rows[which % len(rows)]
            ident = self.world.webhook(row["imp_uid"], row["merchant_uid"], status)
        if rows and times > 1:
            apply.apply(self.world.ports, ident)

    @rule(which=ANY, other=ANY)
    def a_forged_webhook_comes(self, which: int, other: int) -> None:
        rows = self._payments()
        if rows and self._invoices():
            self.world.webhook(rows[which % len(rows)]["imp_uid"], self._invoice(other).merchant_uid)

    @rule(which=ANY)
    def the_gateway_is_read(self, which: int) -> None:
        attempts = [attempt for invoice in self._invoices() for attempt in self.world.attempts(invoice)]
        if attempts:
            reconcile.reconcile(self.world.ports, attempts[which % len(attempts)].id)

    @rule(which=ANY)
    def a_decline_is_approved_late(self, which: int) -> None:
        failed = [row for row in self._payments() if row["status"] == "failed"]
        if failed:
            row = failed[which % len(failed)]
            self.world.sandbox.control("/operator/pay", imp_uid=row["imp_uid"])
            self.late.add(row["imp_uid"])

    @rule(which=ANY, working=st.booleans())
    def a_customer_gives_another_card(self, which: int, working: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        key = self.world.key("ok" if working else "decline-limit")
        with suppress(Conflict):
            replace_key(self.world.ports, self._customer(which).id, key.id)

    @rule(which=ANY)
    def somebody_tries_again(self, which: int) -> None:
        if self._invoices():
            with suppress(Conflict):
                retry_now(self.world.ports, self._invoice(which).id)

    @rule(which=ANY, at_period_end=st.booleans())
    def a_customer_leaves(self, which: int, at_period_end: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        with suppress(Conflict):
            self.world.cancel(self._customer(which), at_period_end=at_period_end)

    @invariant()
    def nothing_is_wrong(self) -> None:
        books = self.world.books()
        known = {row["imp_uid"] for row in books.rows("SELECT imp_uid FROM payment_attempts WHERE status = 'approved'")}
        books.ledger = [row for row in books.ledger if row["imp_uid"] not in self.late - known]
        assert violations(books, at_rest=False) == []

    def teardown(self) -> None:
        """Nothing goes wrong any more, every webhook comes: then nothing is lost."""
        try:
            for row in self.world.ledger():
                self.world.webhook(row["imp_uid"], row["merchant_uid"], row["status"])
            self.world.resolve(minutes=30)
            self.world.assert_books_agree()
            assert self.world.rows("SELECT id FROM payment_attempts WHERE status IN ('in_flight', 'unknown')") == []
        finally:
            self._built.__exit__(None, None, None)
            self._database.__exit__(None, None, None)

    def _customer(self, which: int) -> Subscription:
        return self.customers[which % len(self.customers)]

    def _invoices(self) -> list[Invoice]:
        return [invoice for customer in self.customers for invoice in self.world.invoices(customer)]

    def _payments(self) -> list[Row]:
        """In an order of their own: a scan promises no order for work due at the same moment."""
        return [row for invoice in self._invoices() for row in self.world.ledger(invoice)]

    def _invoice(self, which: int) -> Invoice:
        invoices = self._invoices()
        return invoices[which % len(invoices)]


BOUNDED = settings(
    max_examples=10,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.fm("E5")
@pytest.mark.fm("E18")
@pytest.mark.fm("L4")
@pytest.mark.fm("L10")
def test_whatever_happens_in_whatever_order_each_period_is_charged_once(
    databases: Databases, shared_sandbox: Sandbox
) -> None:
    shared: dict[str, Any] = {"databases": databases, "sandbox": shared_sandbox}
    run_state_machine_as_test(type("Life", (Life,), shared), settings=BOUNDED)
    assert shared_sandbox.rules() == []
