"""What a held-up process, a changed rate, a clock that went back and an operator do to pauses and turns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from billing_worker.adapters.database.spending import SqlSpending
from billing_worker.adapters.database.stops import SqlStops
from billing_worker.domain.catch_up import BACKLOG_AFTER, ServiceSpan
from billing_worker.domain.payment import ChargeRequest, Failed, Outcome, Trouble
from billing_worker.domain.pg_limits import NEW_AHEAD, SEOUL, PgLimits, PgTurns, Quiet
from billing_worker.domain.stop import Stop
from billing_worker.domain.timing import Timing
from billing_worker.ports.outside import Listing
from billing_worker.usecases.charge import probe
from billing_worker.usecases.control.gateway_pause import end_pause
from billing_worker.usecases.control.stop_charging import clear_stop
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.clock import START
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

PG = "daou"
SPACING = timedelta(milliseconds=100)
TIMING = Timing(http_deadline=2.0, lease=20.0, claim=1.0, first_look=0.2, settle_window=0.3)
AHEAD = TIMING.ahead
AN_HOUR = timedelta(hours=1)


@dataclass
class HeldUp(Around):
    """The process stands still after its third call, as after a SIGSTOP."""

    world: World | None = None
    left: list[datetime] = field(default_factory=list)
    stands: timedelta = timedelta(seconds=3)

    def charge(self, request: ChargeRequest) -> Outcome:
        assert self.world is not None
        self.left.append(self.world.clock.real_now())
        answer = super().charge(request)
        if len(self.left) == 3:
            self.world.clock.advance(seconds=self.stands.total_seconds())
        return answer


@pytest.mark.parametrize("seconds", [3, 17])
def test_a_process_that_was_held_up_makes_no_burst(world: World, seconds: int) -> None:
    gateway = HeldUp(world.ports.gateway, world=world, stands=timedelta(seconds=seconds))
    world = world.with_ports(gateway=gateway, pg_limits=PgLimits(spacing={PG: SPACING}), timing=TIMING)
    plan = world.plan()
    subscriptions = [world.subscribe(plan=plan, key=world.key(pg=PG)) for _ in range(20)]
    world.renew_and_charge()
    assert all(later - earlier >= SPACING for earlier, later in pairwise(gateway.left))
    world.resolve()
    assert [world.invoice(each).status for each in subscriptions] == ["paid"] * 20
    assert all(world.invoice(each).declines == 0 for each in subscriptions)
    assert all(later - earlier >= SPACING for earlier, later in pairwise(gateway.left))
    world.assert_books_agree()


def test_a_rate_that_was_too_low_holds_charges_for_an_hour_at_most_once_it_is_corrected() -> None:
    now = START
    turns = PgTurns(PG, now, now)
    slow = timedelta(minutes=1)
    waits = [turns.queue(slow, now, AHEAD) for _ in range(10_000)]
    assert max(waits) <= AN_HOUR
    assert all(earlier <= later for earlier, later in pairwise(waits))
    assert turns.queue(SPACING, now, AHEAD) <= AN_HOUR


def test_a_thread_with_new_renewals_waits_for_a_second_at_most() -> None:
    turns = PgTurns(PG, START, START)
    taken = [turns.take(SPACING, START, AHEAD, is_new=True) for _ in range(50)]
    assert sum(each is not None for each in taken) == NEW_AHEAD / SPACING + 1
    assert turns.take(SPACING, START, AHEAD, is_new=False) == START + NEW_AHEAD + SPACING


def test_turns_from_a_clock_that_went_back_hold_nothing() -> None:
    now = START
    turns = PgTurns(PG, now, now)
    ahead_of_time = now + timedelta(days=2)
    assert turns.take(SPACING, ahead_of_time, AHEAD, is_new=True) == ahead_of_time
    turns.queue(SPACING, ahead_of_time, AHEAD)
    assert turns.take(SPACING, now, AHEAD, is_new=False) == now
    assert turns.queue(SPACING, now, AHEAD) <= AN_HOUR


def test_service_noted_by_a_clock_that_went_back_makes_nothing_late_that_is_not_due() -> None:
    span = ServiceSpan()
    span.note(START)
    span.note(START + timedelta(days=2))
    assert span.late_until(START) == START - BACKLOG_AFTER


class Away(Around):
    """Fails every charge."""

    def charge(self, request: ChargeRequest) -> Outcome:  # noqa: ARG002 - one interface
        return Failed("refused", trouble=Trouble.NOT_REACHED)


def paused(world: World) -> World:
    away = world.with_ports(gateway=Away(world.ports.gateway))
    plan = world.plan()
    for _ in range(5):
        world.subscribe(plan=plan)
    away.tick()
    return away


def test_an_operator_who_clears_the_pause_at_the_same_time_keeps_the_note(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = paused(world)
    listed = SqlStops.list_open

    def cleared_meanwhile(self: SqlStops) -> Sequence[Stop]:
        found = listed(self)
        monkeypatch.undo()
        for stop in found:
            clear_stop(world.ports, stop.id, "PortOne called")
        return found

    monkeypatch.setattr(SqlStops, "list_open", cleared_meanwhile)
    end_pause(away.ports)
    assert [each["note"] for each in world.rows("SELECT note FROM stops")] == ["PortOne called"]


def test_the_probe_asks_for_an_order_that_no_shop_has(world: World) -> None:
    asked: list[str] = []

    class Asked(Around):
        def payments_of(self, merchant_uid: str) -> Listing:
            asked.append(merchant_uid)
            return super().payments_of(merchant_uid)

    away = paused(world)
    here = away.with_ports(gateway=Asked(world.ports.gateway))
    probe.probe(here.ports, "gateway")
    assert asked[0].startswith(world.environment)
    assert not world.rows("SELECT id FROM stops WHERE closed_at IS NULL")


def told(world: World, subscription_id: str) -> str:
    return str(why(world.ports, subscription_id))


def test_why_says_that_the_pause_ends_by_itself(world: World) -> None:
    away = paused(world)
    waiting = world.subscribe()
    away.renew()
    said = told(away, waiting.id)
    assert "as soon as the gateway answers" in said
    assert "once an operator clears the stop" not in said


def test_a_report_promises_no_end_of_late_work_while_charging_is_stopped(world: World) -> None:
    paused(world)
    world.clock.advance(minutes=2)
    held = report(world.ports, "UTC")
    assert (held.standing.late, held.drain) == (5, None)
    end_pause(world.ports)
    assert report(world.ports, "UTC").drain is not None


def test_why_names_the_limit_that_a_charge_waits_for(world: World) -> None:
    plan = world.plan(interval="day")
    quiet = Quiet(*((world.clock.now().astimezone(SEOUL) + timedelta(minutes=m)).time() for m in (-5, 50)))
    spacing = {"nice_v2": timedelta(minutes=1)}
    limits = PgLimits(spacing, {"kakaopay": 1}, {PG: quiet}, timedelta(hours=6))
    here = world.with_ports(pg_limits=limits, timing=TIMING)
    night = world.subscribe(plan=plan, key=world.key(pg=PG))
    wallet = world.key(pg="kakaopay")
    used = [world.subscribe(plan=plan, key=wallet, allow_duplicate=True) for _ in range(2)]
    rated = [world.subscribe(plan=plan) for _ in range(3)]
    spread = world.subscribe(plan=plan, key=world.key(pg="uplus"))
    here.renew_and_charge()
    assert "quiet hours" in told(here, night.id)
    assert sum("uses of its key" in told(here, each.id) for each in used) == 1
    assert sum("1 charge each 60 s" in told(here, each.id) for each in rated) == 2
    world.clock.advance(days=1)
    here.renew()
    assert "are spread: this is its time" in told(here, spread.id)
    assert "is charged within 6 h of it" in told(here, spread.id)


WALLET = PgLimits(monthly_uses={"kakaopay": 2})


def test_a_use_of_a_key_counts_although_its_subscription_has_another_key_now(world: World) -> None:
    here = world.with_ports(pg_limits=WALLET)
    plan, wallet = world.plan(), world.key(pg="kakaopay")
    first, second = (world.subscribe(plan=plan, key=wallet, customer="hong", allow_duplicate=True) for _ in range(2))
    here.settle()
    replace_key(world.ports, first.id, world.key().id)
    third = world.subscribe(plan=plan, key=wallet, customer="hong", allow_duplicate=True)
    here.settle()
    assert [world.invoice(each).status for each in (first, second, third)] == ["paid", "paid", "open"]


def test_two_charges_do_not_both_take_the_last_use_of_a_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world.with_ports(pg_limits=WALLET)
    wallet = world.key(pg="kakaopay")
    world.subscribe(key=wallet)
    counted, others = SqlSpending.uses_of_key, list[int]()

    def counted_meanwhile(self: SqlSpending, key_id: str, since: datetime) -> int:
        statement = "SELECT id FROM billing_keys WHERE id = %s FOR UPDATE SKIP LOCKED"
        with world.engine.begin() as connection:
            others.append(len(connection.exec_driver_sql(statement, (key_id,)).all()))
        return counted(self, key_id, since)

    monkeypatch.setattr(SqlSpending, "uses_of_key", counted_meanwhile)
    here.renew_and_charge()
    assert others == [0]


def test_the_spread_ends_within_the_period(world: World) -> None:
    here = world.with_ports(pg_limits=PgLimits(spread=timedelta(hours=6)))
    plan = world.plan(cron="*/30 * * * *")
    subscriptions = [world.subscribe(plan=plan) for _ in range(3)]
    here.settle()
    world.clock.advance(minutes=30)
    here.settle()
    for each in subscriptions:
        world.cancel(each, at_period_end=True)
    here.run_until(world.clock.now() + timedelta(minutes=30), timedelta(minutes=5))
    assert [[each.status for each in world.invoices(one)] for one in subscriptions] == [["paid", "paid"]] * 3


@dataclass
class Throttling(Around):
    """Refuses every charge, and answers every read."""

    calls: int = 0

    def charge(self, request: ChargeRequest) -> Outcome:  # noqa: ARG002 - one interface
        self.calls += 1
        return Failed("HTTP 429: too many requests", trouble=Trouble.SERVER_ERROR)


def test_a_pause_that_ends_at_once_leaves_the_growing_waits_of_failed_charges(world: World) -> None:
    gateway = Throttling(world.ports.gateway)
    here = world.with_ports(gateway=gateway)
    plan = world.plan()
    subscriptions = [world.subscribe(plan=plan) for _ in range(5)]
    here.run_until(world.clock.now() + timedelta(minutes=16), timedelta(seconds=30))
    tries = (0, 1, 3, 7, 15)
    assert gateway.calls <= len(subscriptions) * len(tries)
    assert all(world.invoice(each).declines == 0 for each in subscriptions)


@dataclass
class Flaky(Around):
    """Fails the charges of all keys but those that the gateway refuses."""

    def charge(self, request: ChargeRequest) -> Outcome:
        if "refuse" in request.customer_uid:
            return super().charge(request)
        return Failed("refused", trouble=Trouble.NOT_REACHED)


def test_a_refusal_without_a_payment_is_an_answer_too(world: World) -> None:
    here = world.with_ports(gateway=Flaky(world.ports.gateway))
    plan = world.plan()
    for behaviour in (*["ok"] * 4, "refuse-buyer", *["ok"] * 4):
        world.subscribe(behaviour, plan=plan)
        here.renew_and_charge()
        world.clock.advance(seconds=1)
    found = [each["status"] for each in world.rows("SELECT status FROM payment_attempts ORDER BY started_at")]
    assert found == [*["failed"] * 4, "declined", *["failed"] * 4]
    assert not world.rows("SELECT id FROM stops")
