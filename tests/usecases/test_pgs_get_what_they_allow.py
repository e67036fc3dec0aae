"""Rates, monthly uses and quiet hours of PGs: a charge beyond them waits, and is neither lost nor counted as failed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest

from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.pg_limits import NEW_AHEAD, SEOUL, PgLimits, PgTurns, Quiet, month_of
from billing_worker.domain.plan import Plan
from billing_worker.domain.subscription import Subscription
from billing_worker.domain.timing import Timing
from billing_worker.usecases.charge import collect
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.jobs import CHUNK
from billing_worker.usecases.reading.why import why
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

PG = "daou"
RATE = 10
SPACING = timedelta(seconds=1) / RATE
TIMING = Timing(http_deadline=2.0, lease=20.0, claim=1.0, first_look=0.2, settle_window=0.3)
AHEAD = TIMING.ahead
LIMITS = PgLimits(spacing={PG: SPACING})
MANY = 130
SCAN = 3
"""Seconds between two rounds of beat."""


@dataclass
class Timed(Around):
    """Notes when each call leaves, by PG."""

    world: World | None = None
    left: list[tuple[str, datetime]] = field(default_factory=list)

    def charge(self, request: ChargeRequest) -> Outcome:
        assert self.world is not None
        self.left.append((request.pg_provider, self.world.clock.real_now()))
        return super().charge(request)

    def of(self, pg: str) -> list[datetime]:
        return [when for each, when in self.left if each == pg]


def timed(world: World, limits: PgLimits = LIMITS) -> tuple[World, Timed]:
    gateway = Timed(world.ports.gateway, world=world)
    return world.with_ports(gateway=gateway, pg_limits=limits, timing=TIMING), gateway


def subscribed(
    world: World, count: int, pg: str = PG, plan: Plan | None = None, **more: datetime
) -> list[Subscription]:
    plan = plan or world.plan()
    return [world.subscribe(plan=plan, key=world.key(pg=pg), **more) for _ in range(count)]


def paid(world: World, subscriptions: Sequence[Subscription]) -> int:
    return Counter(str(world.invoices(each)[-1].status) for each in subscriptions if world.invoices(each))["paid"]


def test_no_second_has_more_calls_than_the_rate_and_few_less(world: World) -> None:
    world, gateway = timed(world)
    begin = world.clock.real_now()
    subscriptions = subscribed(world, MANY)
    while paid(world, subscriptions) < MANY:
        world.tick()
        world.clock.advance(seconds=SCAN)
        assert world.clock.real_now() - begin < 4 * MANY * SPACING
    left = gateway.of(PG)
    assert len(left) == MANY
    assert all(later - earlier >= SPACING for earlier, later in pairwise(left))
    assert left[-1] - left[0] < 2 * MANY * SPACING
    assert all(world.attempt(world.invoice(each)).number == 1 for each in subscriptions)
    assert all(world.invoice(each).failures == 0 for each in subscriptions)
    world.assert_books_agree()


def test_other_pgs_do_not_wait_for_the_one_with_a_rate(world: World) -> None:
    world, gateway = timed(world)
    plan = world.plan()
    slow, free = subscribed(world, 30, plan=plan), subscribed(world, 15, "nice_v2", plan)
    begin = world.clock.real_now()
    world.renew_and_charge()
    assert paid(world, free) == len(free)
    assert set(gateway.of("nice_v2")) == {begin}
    assert 0 < paid(world, slow) == len(gateway.of(PG))


def test_a_charge_beyond_the_next_seconds_is_looked_at_once_at_its_time(world: World) -> None:
    spacing = 2 * SPACING
    world, gateway = timed(world, PgLimits(spacing={PG: spacing}))
    subscriptions = subscribed(world, CHUNK)
    begin = world.clock.real_now()
    world.renew_and_charge()
    assert len(gateway.of(PG)) == NEW_AHEAD / spacing + 1
    waiting = [each for each in map(world.invoice, subscriptions) if each.status == "open"]
    assert len(waiting) == CHUNK - len(gateway.of(PG))
    looks = sorted(each.next_attempt_at or begin for each in waiting)
    assert looks[0] >= begin + AHEAD
    assert all(later - earlier >= spacing for earlier, later in pairwise(looks))
    assert all(each.lease_until is None and each.attempts == 0 for each in waiting)
    assert "next" in str(why(world.ports, waiting[0].subscription_id)).lower()


def test_a_wait_for_a_turn_leaves_time_for_the_call() -> None:
    assert Timing().ahead == timedelta(seconds=5)
    for deadline, lease in ((2.0, 3.0), (65.0, 66.0), (1.0, 3600.0)):
        timing = Timing(http_deadline=deadline, lease=lease, first_look=0.1)
        assert timedelta(0) < timing.ahead <= timedelta(seconds=min(5.0, lease - deadline))


def test_two_processes_share_one_rate(world: World, another_process) -> None:  # type: ignore[no-untyped-def] # a fixture
    first, gateway = timed(world)
    second = another_process().with_ports(gateway=gateway, pg_limits=LIMITS, timing=TIMING)
    subscriptions = subscribed(world, 10)
    ids = [each.id for each in subscriptions]
    for each, part in ((first, ids[:5]), (second, ids[5:])):
        collect.renew(each.ports, part)
    left = gateway.of(PG)
    assert len(left) == len(ids)
    assert all(later - earlier >= SPACING for earlier, later in pairwise(left))


def test_a_retry_is_not_sent_behind_new_renewals_for_ever() -> None:
    turns = PgTurns(PG, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    now = turns.next_call_at
    while turns.take(SPACING, now, AHEAD, is_new=True) is not None:
        pass
    waits = turns.queue(SPACING, now, AHEAD)
    assert waits == AHEAD
    # At its look, it goes before renewals that came meanwhile: they queue while others do.
    for _ in range(200):
        turns.queue(SPACING, now, AHEAD)
    look = now + waits
    assert turns.take(SPACING, look, AHEAD, is_new=True) is None
    assert turns.take(SPACING, look, AHEAD, is_new=False) is not None


def test_a_charge_that_never_left_takes_its_turn_with_it_and_no_more() -> None:
    turns = PgTurns(PG, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    later = turns.next_call_at + timedelta(hours=1)
    assert turns.take(SPACING, later, AHEAD, is_new=True) == later
    assert turns.next_call_at == later + SPACING


def test_a_quiet_hour_holds_the_pg_and_no_other(world: World) -> None:
    here = world.clock.now().astimezone(SEOUL)
    end = (here + timedelta(minutes=50)).time()
    limits = PgLimits(quiet={PG: Quiet((here - timedelta(minutes=5)).time(), end)})
    world, gateway = timed(world, limits)
    plan = world.plan()
    quiet, loud = subscribed(world, 2, plan=plan), subscribed(world, 2, "nice_v2", plan)
    world.settle()
    assert (paid(world, quiet), paid(world, loud)) == (0, 2)
    assert {world.invoice(each).next_attempt_at for each in quiet} == {world.clock.now() + timedelta(minutes=50)}
    retry_now(world.ports, world.invoice(quiet[0]).id)
    world.settle()
    assert paid(world, quiet) == 0
    world.clock.advance(minutes=50)
    world.settle()
    assert paid(world, quiet) == 2
    assert len(gateway.of(PG)) == 2


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        ("23:29:59", None),
        ("23:30:00", "2026-03-11T00:35:00"),
        ("00:00:00", "2026-03-10T00:35:00"),
        ("00:34:59", "2026-03-10T00:35:00"),
        ("00:35:00", None),
        ("12:00:00", None),
    ],
)
def test_quiet_hours_span_midnight_in_seoul(at: str, ends: str | None) -> None:
    now = datetime.combine(datetime(2026, 3, 10, tzinfo=SEOUL), time.fromisoformat(at), SEOUL)
    found = Quiet(time(23, 30), time(0, 35)).ends(now.astimezone(UTC))
    assert (found and found.astimezone(SEOUL).replace(tzinfo=None).isoformat()) == ends
    day = Quiet(time(9), time(18)).ends(datetime(2026, 3, 10, 3, tzinfo=UTC))
    assert day == datetime(2026, 3, 10, 9, tzinfo=UTC)


def test_a_key_is_used_so_often_a_month_and_then_again_in_the_next(world: World) -> None:
    world, gateway = timed(world, PgLimits(monthly_uses={"kakaopay": 2}))
    plan, key = world.plan(), world.key(pg="kakaopay")
    subscriptions = [world.subscribe(plan=plan, key=key, allow_duplicate=True) for _ in range(3)]
    world.settle()
    assert paid(world, subscriptions) == 2
    (waiting,) = [each for each in map(world.invoice, subscriptions) if each.status == "open"]
    assert waiting.next_attempt_at == month_of(world.clock.now())[1]
    world.run_until(datetime(2026, 2, 1, 1, tzinfo=SEOUL), timedelta(hours=1))
    assert paid(world, subscriptions) == 3
    assert len(gateway.of("kakaopay")) == 3


def test_a_month_is_that_of_seoul() -> None:
    first = datetime(2026, 1, 31, 15, tzinfo=UTC)
    assert month_of(first)[0] == first
    assert month_of(first - timedelta(microseconds=1)) == (datetime(2025, 12, 31, 15, tzinfo=UTC), first)


def test_renewals_are_spread_stably_and_first_charges_are_not(world: World) -> None:
    hours = timedelta(hours=6)
    world, gateway = timed(world, PgLimits(spread=hours))
    start = world.clock.now()
    subscriptions = subscribed(world, 12, "nice_v2", world.plan(interval="day"))
    world.settle()
    assert paid(world, subscriptions) == 12
    assert {when for _, when in gateway.left} == {start}
    for day in (1, 2):
        gateway.left.clear()
        due = start + timedelta(days=day)
        world.run_until(due + timedelta(hours=7), timedelta(minutes=10))
        assert len(gateway.left) == 12
        assert all(due <= when <= due + hours + timedelta(minutes=10) for _, when in gateway.left)
        assert len({when for _, when in gateway.left}) > 6
    own = [world.ports.pg_limits.offset(each.id, timedelta(days=1)) for each in subscriptions]
    assert all(timedelta(0) <= each < hours for each in own)
    assert len(set(own)) == len(own)
    world.assert_books_agree()
