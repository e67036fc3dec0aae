"""The judge is silent about good books and names what is wrong with others."""

from collections import Counter

from sqlalchemy import text

from tests.chaos import judge
from tests.chaos.judge import Report
from tests.support.world import World


def paid_world(world: World) -> World:
    world.subscribe("webhook-never")
    world.settle()
    assert len(world.money()) == 1
    return world


def verdict(world: World, acknowledged: set[str] = frozenset(), posts: dict[str, int] | None = None) -> list[str]:
    return [line.partition(":")[0] for line in judge.breaches(world.books(), set(acknowledged), posts or {})]


def test_good_books_are_not_blamed(world: World) -> None:
    paid_world(world)
    (payment,) = world.money()
    world.webhook(payment["imp_uid"], payment["merchant_uid"])
    key = f"{payment['imp_uid']}|paid||{payment['merchant_uid']}"
    assert verdict(world, {key}, Counter({payment["merchant_uid"]: 1})) == []


def test_a_webhook_that_was_acknowledged_and_forgotten_is_named(world: World) -> None:
    assert verdict(paid_world(world), {"imp_1|paid||order"}) == ["I21"]


def test_a_charge_that_was_not_written_down_is_named(world: World) -> None:
    (payment,) = paid_world(world).money()
    assert verdict(world, posts={payment["merchant_uid"]: 2, "never": 1}) == ["I17", "I17"]


def test_a_second_payment_and_an_event_told_twice_are_named(world: World) -> None:
    (payment,) = paid_world(world).money()
    world.sandbox.control("/operator/pay", merchant_uid=payment["merchant_uid"])
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET type = 'invoice.voided' WHERE type = 'invoice.paid'"))
    assert {"I1", "I22"} <= set(verdict(world))


def test_an_undecided_attempt_is_named(world: World) -> None:
    world.subscribe("drop-after-charge")
    world.tick()
    assert "I16" in verdict(world)


def test_a_number_that_was_not_reached_makes_a_run_bad() -> None:
    report = Report(1, 8, {}, wanted_kills=2, wanted_charges=3, drained_seconds=1.0, no_unknown_seconds=1.0)
    report.kills, report.charges = {"worker1": 2}, 3
    assert report.good
    assert "GOOD" in report.text()
    report.charges = 2
    assert not report.good
    assert "MISSED: 2 charges, wanted 3" in report.text()
    report.charges, report.drained_seconds = 3, None
    assert len(report.missed) == 1


def test_times_are_summed_up_by_their_quantiles() -> None:
    assert judge.spread([]) == {"calls": 0}
    found = judge.spread([float(n) for n in range(1, 101)])
    assert (found["calls"], found["p50"], found["p99"], found["max"]) == (100, 50.5, 100.0, 100.0)
