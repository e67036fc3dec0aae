"""Budgets: a charge beyond them does not begin, an operator decides, and accepted invoices trip no second time."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from billing_worker.domain.budget import Budgets, parse_sums
from billing_worker.domain.errors import InvalidInput
from billing_worker.usecases.control.stop_charging import clear_stop, stops
from tests.support.world import World


def with_budgets(world: World, **limits) -> World:
    return world.with_ports(budgets=Budgets(**limits))


def the_stop(world: World):
    (found,) = stops(world.ports, 10)
    return found.stop


def go_on(world: World) -> None:
    clear_stop(world.ports, the_stop(world).id, "approved")
    world.clock.advance(seconds=world.ports.timing.claim)
    world.settle()


def paid(world: World) -> int:
    return len(world.money())


@pytest.mark.fm("J6")
def test_a_run_beyond_its_sum_stops_everything_and_goes_on_when_cleared(world: World) -> None:
    guarded, plan = with_budgets(world, run={"KRW": 30_000}), world.plan(9900)
    for _ in range(10):
        guarded.subscribe(plan=plan)
    guarded.settle()
    assert paid(world) == 3
    stop = the_stop(world)
    assert (stop.scope, stop.cause) == ("all", "budget")
    assert "29,700 KRW" in stop.reason
    assert "30,000 KRW" in stop.reason
    go_on(guarded)
    assert paid(world) > 3
    while stops(world.ports, 10):
        go_on(guarded)
    assert paid(world) == 10
    world.assert_books_agree()


@pytest.mark.fm("J6")
def test_a_run_beyond_its_number_of_charges_stops_everything(world: World) -> None:
    guarded, plan = with_budgets(world, count=4), world.plan()
    for _ in range(6):
        guarded.subscribe(plan=plan)
    guarded.settle()
    assert paid(world) == 4
    assert "BILLING_BUDGET_COUNT" in the_stop(world).reason
    go_on(guarded)
    assert paid(world) == 6


def test_the_window_of_a_run_rolls(world: World) -> None:
    guarded, plan = with_budgets(world, run={"KRW": 20_000}), world.plan(9900)
    for hours in (0, 0, 1, 1):
        start = world.clock.now() + timedelta(hours=hours, minutes=hours)
        guarded.subscribe(plan=plan, start=start)
    guarded.settle()
    assert paid(world) == 2
    world.clock.advance(hours=1, minutes=1)
    guarded.settle()
    assert paid(world) == 4
    assert stops(world.ports, 10) == []


def test_one_invoice_above_the_budget_of_a_run_passes_once_it_is_approved(world: World) -> None:
    guarded = with_budgets(world, run={"KRW": 5_000})
    subscription = guarded.subscribe(plan=world.plan(9900))
    guarded.settle()
    assert paid(world) == 0
    go_on(guarded)
    assert world.invoice(subscription).status == "paid"
    assert stops(world.ports, 10) == []


def test_declined_and_failed_charges_take_nothing_from_the_sum(world: World) -> None:
    guarded, plan = with_budgets(world, run={"KRW": 10_000}), world.plan(9900)
    for _ in range(3):
        guarded.subscribe("decline-limit", plan=plan)
        guarded.settle()
    subscription = guarded.subscribe(plan=plan)
    guarded.settle()
    assert world.invoice(subscription).status == "paid"


def test_each_currency_has_its_own_sum_and_one_that_is_not_named_has_none(world: World) -> None:
    guarded = with_budgets(world, run={"USD": 1_000})
    for amount, currency in ((900, "USD"), (900_000, "KRW"), (900, "USD")):
        guarded.subscribe(plan=world.plan(amount, currency=currency))
        guarded.settle()  # one by one: what is due at the same instant is charged in any order
    assert sorted(row["currency"] for row in world.money()) == ["KRW", "USD"]
    assert "10.00 USD" in the_stop(world).reason


@pytest.mark.fm("J6")
def test_a_customer_beyond_the_days_sum_is_held_and_no_other(world: World) -> None:
    guarded, plan = with_budgets(world, customer_day={"KRW": 20_000}), world.plan(9900)
    key = world.key()
    first = [guarded.subscribe(plan=plan, key=key, allow_duplicate=True) for _ in range(3)]
    other = guarded.subscribe(plan=plan)
    guarded.settle()
    assert sorted(world.invoice(each).status for each in first) == ["open", "paid", "paid"]
    assert world.invoice(other).status == "paid"
    stop = the_stop(world)
    assert stop.scope.startswith("subscription:")
    assert stop.subjects == [next(world.invoice(each).id for each in first if world.invoice(each).status == "open")]
    go_on(guarded)
    assert {world.invoice(each).status for each in first} == {"paid"}
    assert stops(world.ports, 10) == []


def test_a_customers_day_passes(world: World) -> None:
    guarded = with_budgets(world, customer_day={"KRW": 10_000})
    subscription = guarded.subscribe(plan=world.plan(9900, interval="day"))
    guarded.run_until(world.clock.now() + timedelta(days=3))
    assert [invoice.status for invoice in world.invoices(subscription)] == ["paid"] * 4


@pytest.mark.fm("L22")
def test_an_amount_that_jumps_is_held_and_charged_when_an_operator_approves_it(world: World) -> None:
    plan = world.plan(9900, interval="day")
    subscription = world.subscribe(plan=plan)
    world.settle()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE plans SET amount = 990000 WHERE id = :id"), {"id": plan.id})
    world.clock.advance(days=1)
    world.settle()
    assert [row["amount"] for row in world.money()] == [9900]
    stop = the_stop(world)
    assert (stop.scope, stop.cause) == (f"subscription:{subscription.id}", "budget")
    assert "990,000 KRW" in stop.reason
    assert "3 times" in stop.reason
    go_on(world)
    assert sorted(row["amount"] for row in world.money()) == [9900, 990_000]
    world.clock.advance(days=1)
    world.settle()
    assert len(world.money()) == 3
    assert stops(world.ports, 10) == []


def test_approving_one_invoice_approves_no_other(world: World) -> None:
    plan = world.plan(9900, interval="day")
    subscription = world.subscribe(plan=plan)
    world.settle()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE plans SET amount = 100000 WHERE id = :id"), {"id": plan.id})
    world.clock.advance(days=1)
    world.settle()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE plans SET amount = 9000000 WHERE id = :id"), {"id": plan.id})
    go_on(world)
    world.clock.advance(days=1)
    world.settle()
    assert [invoice.status for invoice in world.invoices(subscription)] == ["paid", "paid", "open"]
    assert "9,000,000 KRW" in the_stop(world).reason


@pytest.mark.parametrize(
    ("jump", "amount", "held"), [(3, 300, False), (3, 301, True), (0, 10**9, False), (1, 101, True)]
)
def test_an_amount_jumps_when_it_is_above_the_factor(jump: int, amount: int, *, held: bool) -> None:
    assert Budgets(jump=jump).jumps(amount, 100) is held
    assert not Budgets(jump=jump).jumps(amount, None)


def test_sums_are_read_and_what_cannot_be_read_is_refused() -> None:
    assert parse_sums("KRW=50000000, USD=2000000") == {"KRW": 50_000_000, "USD": 2_000_000}
    assert parse_sums("") == {}
    for wrong in (
        "KRW",
        "KRW=",
        "KRW=0",
        "KRW=-1",
        "KRW=1.5",
        "KRW=1,KRW=2",
        "WON=1",
        "=1",
        "KRW=1,",
        "KRW=" + "9" * 16,
    ):
        with pytest.raises(InvalidInput, match="minor units"):
            parse_sums(wrong)
