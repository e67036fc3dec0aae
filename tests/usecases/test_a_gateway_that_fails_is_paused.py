"""The pause: five calls in a row that the gateway itself failed stop all charging, until a probe is answered."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.gateway_watch import PAUSE_AFTER, PROBE_EVERY, GatewayWatch
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Trouble, Unknown
from billing_worker.domain.stop import ALL, Stop, StopCause
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.outside import Listing
from billing_worker.usecases.charge import probe
from billing_worker.usecases.control.stop_charging import clear_stop
from tests.support.clock import START
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

TROUBLES: tuple[Outcome, ...] = (
    Failed("refused", trouble=Trouble.NOT_REACHED),
    Failed("no token", trouble=Trouble.UNAUTHORIZED),
    Unknown("HTTP 502", trouble=Trouble.SERVER_ERROR),
)
A_MINUTE = timedelta(minutes=1)


class Away(Around):
    """A gateway that fails every call in one way, and every read, until it is back."""

    def __init__(self, world: World, outcome: Outcome = TROUBLES[0]) -> None:
        super().__init__(world.ports.gateway)
        self.outcome = outcome
        self.back = False
        self.calls = 0

    def charge(self, request: ChargeRequest) -> Outcome:
        self.calls += 1
        return super().charge(request) if self.back else self.outcome

    def payments_of(self, merchant_uid: str) -> Listing:
        return super().payments_of(merchant_uid) if self.back else Listing((), "away")


def paused(world: World) -> list[Stop]:
    with world.ports.database.transaction() as uow:
        return [stop for stop in uow.stops.list_open() if stop.cause is StopCause.GATEWAY]


def watched(world: World) -> GatewayWatch:
    with world.ports.database.transaction() as uow:
        return uow.gateway_watch.get()


def subscribed(world: World, count: int) -> Sequence[Subscription]:
    plan = world.plan()
    return [world.subscribe(plan=plan) for _ in range(count)]


def charge_each(world: World, subscriptions: Sequence[Subscription]) -> None:
    """One after the other, each in a transaction of its own."""
    for each in subscriptions:
        world.renew()
        if world.invoice(each).next_attempt_at is not None:
            world.charge(world.invoice(each))


@pytest.mark.parametrize("outcome", TROUBLES, ids=lambda outcome: str(outcome.trouble))
def test_five_in_a_row_pause_charging_and_open_an_alert_at_once(world: World, outcome: Outcome) -> None:
    gateway = Away(world, outcome)
    away = world.with_ports(gateway=gateway)
    subscriptions = subscribed(world, PAUSE_AFTER + 3)
    charge_each(away, subscriptions)
    assert gateway.calls == PAUSE_AFTER
    (stop,) = paused(world)
    assert stop.scope == ALL
    assert str(PAUSE_AFTER) in stop.reason
    assert [alert.kind for alert in world.alerts()] == [AlertKind.STOPPED]
    waiting = [world.invoice(each) for each in subscriptions[PAUSE_AFTER:]]
    assert [(each.attempts, each.declines, each.failures) for each in waiting] == [(0, 0, 0)] * 3


def test_four_in_a_row_or_two_kinds_in_turn_pause_nothing(world: World) -> None:
    gateway = Away(world)
    away = world.with_ports(gateway=gateway)
    charge_each(away, subscribed(world, PAUSE_AFTER - 1))
    assert not paused(world)
    gateway.back = True
    world.clock.advance(seconds=1)
    charge_each(away, subscribed(world, 1))
    world.clock.advance(seconds=1)
    gateway.back = False
    gateway.outcome = TROUBLES[0]
    charge_each(away, subscribed(world, PAUSE_AFTER - 1))
    assert not paused(world)
    assert watched(world).in_a_row == PAUSE_AFTER - 1
    for outcome in (TROUBLES[1], TROUBLES[0]) * PAUSE_AFTER:
        gateway.outcome = outcome
        charge_each(away, subscribed(world, 1))
    assert not paused(world)
    assert watched(world).in_a_row == 1


def test_declines_and_duplicates_pause_nothing(world: World) -> None:
    plan = world.plan()
    for behaviour in ("decline-limit", "decline-stolen", "refuse-duplicate") * PAUSE_AFTER:
        world.subscribe(behaviour, plan=plan)
    world.tick()
    found = [each["status"] for each in world.rows("SELECT status FROM payment_attempts")]
    assert sorted(found) == ["declined"] * 2 * PAUSE_AFTER + ["unknown"] * PAUSE_AFTER
    assert not paused(world)
    assert watched(world) == GatewayWatch()


def test_it_goes_on_within_a_minute_and_everything_that_waited_is_looked_at(world: World) -> None:
    gateway = Away(world)
    away = world.with_ports(gateway=gateway)
    failed = subscribed(world, PAUSE_AFTER - 1)
    charge_each(away, failed)
    gateway.outcome = TROUBLES[2]
    unclear = subscribed(world, PAUSE_AFTER)
    charge_each(away, unclear)
    assert paused(world)
    waiting = subscribed(world, 3)
    # Two hours of outage: reads fail too, and the waits between them double up to an hour.
    for _ in range(24):
        world.clock.advance(minutes=5)
        away.settle()
    calls = gateway.calls
    assert calls == len(failed) + len(unclear)
    assert all(world.invoice(each).attempts == 1 for each in (*failed, *unclear))
    gateway.back = True
    ended = world.clock.now()
    while any(world.invoice(each).status != "paid" for each in (*failed, *waiting)):
        world.clock.advance(seconds=3)
        away.settle()
        assert world.clock.now() - ended <= A_MINUTE
    assert not paused(world)
    assert not [alert for alert in world.alerts() if alert.kind == AlertKind.STOPPED]
    looks = [world.attempt(world.invoice(each)) for each in unclear]
    assert all(each.absent_since is not None and each.absent_since >= ended for each in looks)
    away.resolve()
    assert all(world.invoice(each).status == "paid" for each in unclear)
    assert all(world.invoice(each).declines == 0 for each in (*failed, *unclear, *waiting))
    world.assert_books_agree()


def test_a_wake_moves_no_date_of_dunning_and_no_pause_after_a_payment_was_taken_back(world: World) -> None:
    declined = world.subscribe("decline-limit")
    world.tick()
    before = world.invoice(declined)
    assert before.declines == 1
    assert before.next_attempt_at is not None
    world.clock.advance_to(before.next_attempt_at - timedelta(minutes=30))
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE invoices SET failures = 1")
    with world.ports.database.transaction() as uow:
        uow.gateway_watch.wake(world.ports.clock.moment())
        uow.commit()
    assert world.invoice(declined).next_attempt_at == before.next_attempt_at


def test_only_the_probe_reads_while_paused_and_every_15_seconds(world: World) -> None:
    away = world.with_ports(gateway=Away(world))
    charge_each(away, subscribed(world, PAUSE_AFTER))
    assert probe.due(away.ports, 1) == []
    probes = 0
    for _ in range(60):
        world.clock.advance(seconds=1)
        for ident in probe.due(away.ports, 1):
            probe.probe(away.ports, ident)
            probes += 1
    assert probes == 60 // PROBE_EVERY.seconds
    assert paused(world)


def test_two_workers_do_not_both_claim_one_probe(world: World, another_process: Callable[[], World]) -> None:
    away = world.with_ports(gateway=Away(world))
    charge_each(away, subscribed(world, PAUSE_AFTER))
    world.clock.advance(seconds=PROBE_EVERY.seconds)
    assert [probe.due(each.ports, 1) for each in (away, another_process())] == [["gateway"], []]


def test_a_crash_before_the_pause_ends_repeats_the_probe(world: World) -> None:
    gateway = Away(world)
    away = world.with_ports(gateway=gateway)
    failed = subscribed(world, PAUSE_AFTER)
    charge_each(away, failed)
    gateway.back = True
    with world.ports.database.transaction() as uow:
        uow.gateway_watch.wake(world.ports.clock.moment())
        uow.commit()
    away.settle()
    assert not world.ledger()
    assert paused(world)
    world.clock.advance(seconds=PROBE_EVERY.seconds)
    away.settle()
    assert not paused(world)
    assert len(world.ledger()) == len(failed)
    world.assert_books_agree()


def test_an_operator_may_end_the_pause_and_one_more_failure_pauses_again(world: World) -> None:
    gateway = Away(world)
    away = world.with_ports(gateway=gateway)
    charge_each(away, subscribed(world, PAUSE_AFTER))
    (stop,) = paused(world)
    clear_stop(world.ports, stop.id, "the PG says it works")
    charge_each(away, subscribed(world, 2))
    assert gateway.calls == PAUSE_AFTER + 1
    assert paused(world)


def test_a_chunk_counts_its_answers_in_their_order() -> None:
    watch = GatewayWatch()
    assert watch.note(TROUBLES[:1] * PAUSE_AFTER, START)
    assert not replace(watch).note([*TROUBLES[:1] * 9, Unknown("another amount")], START)
    assert not GatewayWatch().note([*TROUBLES[:1] * 4, TROUBLES[1], *TROUBLES[:1] * 4], START)
    assert GatewayWatch().note([Unknown("duplicate"), *TROUBLES[2:3] * PAUSE_AFTER], START)
