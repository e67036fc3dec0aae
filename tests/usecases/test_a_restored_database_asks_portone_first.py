"""A database restored from a backup charges nothing until PortOne's books have told what was charged since."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.catch_up import CatchUpMode, CatchUpPolicy
from billing_worker.domain.errors import Conflict
from billing_worker.domain.order_number import read_merchant_uid
from billing_worker.domain.plan import Plan
from billing_worker.usecases.control.environment import accept_fingerprint
from billing_worker.usecases.control.stop_charging import stops
from billing_worker.usecases.review import compare as comparing
from billing_worker.usecases.review.audit import audit
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan
from tests.support.clock import LinkedClock
from tests.support.databases import Databases
from tests.support.sandbox import running_sandbox
from tests.support.world import World

pytestmark = pytest.mark.long

CUSTOMERS = 7
"""More than a clerk serves by hand: as unasked charges they would be a runaway."""
A_DAY = timedelta(days=1)
AGAIN = "/subscribe/payments/again"


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with running_sandbox() as sandbox:
        clock = LinkedClock(sandbox.hold_clock)
        with World.built(database_url, sandbox, clock=clock) as built:
            yield built


@pytest.fixture
def mode() -> CatchUpMode:
    return CatchUpMode.BILL_ALL


@pytest.fixture
def restored(world: World, databases: Databases, mode: CatchUpMode) -> Iterator[World]:
    """Two days of charges, a backup, three more days of charges, and the backup in the place of the lost database."""
    plan = daily(world, mode)
    for _ in range(CUSTOMERS):
        world.subscribe(plan=plan)
    world.run_until(world.clock.now() + A_DAY)
    compare(world)
    world.engine.dispose()
    with databases.copy_of(world.database_url) as url:
        world.run_until(world.clock.now() + 3 * A_DAY)
        assert paid_periods(world) == dict.fromkeys(range(5), CUSTOMERS)
        made = replace(world.elsewhere(url), clock=world.clock).with_ports(clock=world.clock)
        yield made
        made.close()


def daily(world: World, mode: CatchUpMode) -> Plan:
    return create_plan(
        world.ports, f"Daily {mode}", 9900, "KRW", calendar=calendar_from(interval="day"), catch_up=CatchUpPolicy(mode)
    )


def compare(world: World) -> None:
    """What `billing-worker reconcile` does."""
    for ident in comparing.plan(world.ports):
        done = comparing.compare(world.ports, ident)
        assert done is not None
        assert done.trouble is None


def paid_periods(world: World) -> dict[int, int]:
    """How many payments hold money at the gateway, by period."""
    numbers = [read_merchant_uid(row["merchant_uid"]) for row in world.money()]
    return dict(sorted(Counter(number.period_index for number in numbers if number is not None).items()))


@pytest.mark.fm("G2")
@pytest.mark.parametrize("mode", list(CatchUpMode))
def test_what_was_charged_after_the_backup_is_booked_and_no_charge_of_it_is_asked_for(restored: World) -> None:
    asked = len(restored.sandbox.requests(AGAIN))
    restored.settle()
    with pytest.raises(Conflict, match="reconcile"):
        accept_fingerprint(restored.ports)
    compare(restored)
    assert audit(restored.ports, since=None, sample=0).stop is None
    accept_fingerprint(restored.ports)
    restored.resolve(minutes=10)
    assert len(restored.sandbox.requests(AGAIN)) == asked
    assert stops(restored.ports, 10) == []
    assert restored.alerts() == []
    restored.run_until(restored.clock.now() + 2 * A_DAY)
    assert paid_periods(restored) == dict.fromkeys(range(7), CUSTOMERS)
    assert audit(restored.ports, since=None, sample=0).stop is None
    restored.assert_books_agree()


@pytest.mark.fm("G2")
def test_a_restored_database_waives_nothing_and_opens_nothing_before_it_was_claimed(restored: World) -> None:
    before = restored.rows("SELECT id, next_period_index FROM subscriptions ORDER BY id")
    restored.settle()
    assert restored.rows("SELECT id, next_period_index FROM subscriptions ORDER BY id") == before


@pytest.mark.fm("G2")
def test_a_comparison_from_before_the_stop_is_too_old_for_a_claim(restored: World) -> None:
    compare(restored)
    restored.clock.advance(minutes=5)
    restored.settle()
    with pytest.raises(Conflict, match="a claim needs"):
        accept_fingerprint(restored.ports)
    compare(restored)
    restored.clock.advance(hours=2)
    with pytest.raises(Conflict, match="a claim needs"):
        accept_fingerprint(restored.ports)
    accept_fingerprint(restored.ports, compares=False)
    assert stops(restored.ports, 10) == []


@pytest.mark.fm("G2")
@pytest.mark.parametrize("mode", [CatchUpMode.BILL_ALL, CatchUpMode.FORGIVE])
def test_a_period_before_a_paid_one_is_opened_only_where_the_plan_bills_late_periods(
    world: World, databases: Databases, mode: CatchUpMode
) -> None:
    """Of a period that the lost database left unpaid, no payment tells whether it was waived or declined."""
    subscription = world.subscribe(plan=daily(world, mode))
    world.settle()
    world.engine.dispose()
    with databases.copy_of(world.database_url) as url:
        made = replace(world.elsewhere(url), clock=world.clock).with_ports(clock=world.clock)
        world.clock.advance(days=2)
        order = f"{world.environment}{subscription.id.removeprefix('sub_')}p00002g03"
        key = world.rows("SELECT customer_uid FROM billing_keys")[0]["customer_uid"]
        world.sandbox.control("/operator/pay", merchant_uid=order, customer_uid=key, amount=9900)
        made.settle()
        compare(made)
        bills = mode is CatchUpMode.BILL_ALL
        statuses = [str(invoice.status) for invoice in made.invoices(subscription)]
        assert statuses == (["paid", "open", "paid"] if bills else ["paid"])
        expected = ["stopped"] if bills else ["orphan_payment", "stopped"]
        assert sorted(alert.kind for alert in made.alerts()) == expected
        made.close()


@pytest.mark.fm("G2")
def test_a_claimed_database_books_an_unasked_payment_as_ever(world: World) -> None:
    """Only a database that stands in for a lost one takes what it did not ask for as asked for by that one."""
    subscription = world.subscribe()
    world.renew()
    invoice = world.invoice(subscription)
    key = world.rows("SELECT customer_uid FROM billing_keys")[0]["customer_uid"]
    world.sandbox.control("/operator/pay", merchant_uid=invoice.merchant_uid, customer_uid=key, amount=9900)
    compare(world)
    assert [alert.kind for alert in world.alerts()] == ["unasked_payment"]
