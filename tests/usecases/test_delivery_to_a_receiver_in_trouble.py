"""Events and a merchant's receiver that is slow, down, gone, or has one event that it cannot take."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from billing_worker.domain.declines.normaliser import normalise
from billing_worker.domain.delivery import LEASE, LONGEST_PAUSE
from billing_worker.domain.errors import Conflict
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Declined, Evidence
from billing_worker.ports.calls import Answered
from billing_worker.ports.lists import Kind
from billing_worker.ports.outgoing import Address, Delivering, EventFilter, OutboxMessage, Refusal
from billing_worker.usecases.outgoing import deliver, replay
from billing_worker.usecases.reading.lists import listed
from billing_worker.usecases.settle.record import record_answers, record_outcome
from tests.support.alerts import proposed, said
from tests.support.invariants import i22_no_contradiction, violations
from tests.support.receivers import Merchant
from tests.support.told import EVENTS, STATES, contradictions
from tests.support.world import TIMING, World

pytestmark = pytest.mark.long


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


@pytest.fixture
def told(world: World, merchant: Merchant) -> World:
    return world.with_ports(notifier=merchant)


def later(world: World, count: int) -> None:
    """So many subscriptions that begin one day: one event each, and nothing to charge."""
    plan, key = world.plan(), world.key()
    for _ in range(count):
        start = world.clock.now() + timedelta(days=60)
        world.subscribe(plan=plan, key=key, allow_duplicate=True, start=start)


NEXT = """
    SELECT min(moment) AS next FROM (
        SELECT greatest(next_try_at, lease_until) AS moment FROM outbox
        WHERE delivered_at IS NULL AND abandoned_at IS NULL
        UNION ALL SELECT next_probe_at FROM event_endpoints WHERE disabled_at IS NULL) moments
    WHERE moment > :now
"""


def live(world: World, **span: float) -> None:
    """Beat rings whenever something may be due."""
    until = world.clock.now() + timedelta(**span)
    while world.clock.now() < until:
        if world.deliver():
            world.clock.advance(seconds=1)
            continue
        (row,) = world.rows(NEXT, now=world.clock.now())
        world.clock.advance_to(min(row["next"] or until, until))
    world.deliver()


def test_a_slow_worker_can_repeat_an_event_and_no_other_can_overtake_it(world: World, merchant: Merchant) -> None:
    """The first worker is held up within its call until its lease is over, and ends after everybody else."""
    world.subscribe()
    world.settle()
    told = world.with_ports(notifier=merchant)
    other = world.twin().with_ports(notifier=merchant)
    (first,) = deliver.due(told.ports, 10)
    seen: list[object] = []

    def slow(message: OutboxMessage, at: datetime) -> Refusal | None:
        assert message.id == first
        # Within the lease no other worker gets it, nor the events after it.
        seen.append(deliver.due(other.ports, 10))
        deliver.deliver(other.ports, first)
        world.clock.advance_to(at + LEASE + timedelta(seconds=1))
        other.settle()
        return Refusal("it took too long")

    class Slow(Merchant):
        def send(self, message: OutboxMessage, at: datetime) -> Refusal | None:
            return slow(message, at)

    deliver.deliver(world.with_ports(notifier=Slow()).ports, first)
    assert seen == [[]]
    assert [kind for _, kind in merchant.got] == ["subscription.created", "invoice.paid", "subscription.activated"]
    # What the slow one says is no longer heard.
    assert world.rows("SELECT * FROM outbox WHERE delivered_at IS NULL OR note IS NOT NULL") == []
    other.close()


def test_a_worker_that_was_held_up_before_its_call_sends_nothing(world: World, merchant: Merchant) -> None:
    later(world, 1)
    (ident,) = deliver.due(world.with_ports(notifier=merchant).ports, 10)

    class Stopped(type(world.clock)):  # type: ignore[misc] # the clock of this world, with a pause in it
        readings = 0

        def moment(self) -> Moment:
            self.readings += 1
            at = super().moment()
            return replace(at, real=at.real + (LEASE if self.readings > 1 else timedelta(0)))

    held = world.with_ports(notifier=merchant, clock=Stopped(world.clock.now()))
    deliver.deliver(held.ports, ident)
    assert merchant.asked == []


@pytest.mark.fm("D5")
def test_a_dead_receiver_gets_single_probes_and_all_in_order_once_it_is_back(
    told: World, world: World, merchant: Merchant
) -> None:
    later(world, 40)
    merchant.trouble = "ConnectError"
    live(told, hours=5)
    # One event each ten minutes, not forty each few seconds.
    at_most = 5 * 60 / (LONGEST_PAUSE / timedelta(minutes=1)) + 30
    assert 10 < len(merchant.asked) < at_most
    assert len(set(merchant.asked)) > 30  # each probe is another event: one bad event cannot stand for all
    assert replay.endpoint(told.ports).status == "down"
    merchant.trouble = None
    merchant.asked.clear()
    world.clock.advance(minutes=11)
    told.deliver()
    assert len(merchant.asked) == 1
    told.deliver()
    assert len(merchant.asked) == 11  # a small window at first
    live(told, minutes=1)
    assert len(merchant.got) == 40
    assert replay.endpoint(told.ports).status == "ok"


@pytest.mark.parametrize("hours", [0.5, 26, 70])
def test_a_receiver_that_is_well_again_gets_everything_within_a_minute(
    told: World, world: World, merchant: Merchant, hours: float
) -> None:
    later(world, 8)
    merchant.trouble = "HTTP 503"
    live(told, hours=hours)
    merchant.trouble = None
    live(told, minutes=LONGEST_PAUSE / timedelta(minutes=1))
    live(told, minutes=1)
    assert len(merchant.got) == 8
    assert world.rows("SELECT FROM outbox WHERE delivered_at IS NULL") == []


def test_events_that_no_one_can_take_are_still_given_up_after_three_days(
    told: World, world: World, merchant: Merchant
) -> None:
    """Three of them make the receiver look down again and again; each recovery tries them again at once."""
    later(world, 3)
    poison = {row["id"] for row in world.rows("SELECT id FROM outbox")}
    merchant.refuses = lambda message: Refusal("HTTP 500") if message.id in poison else None
    for _ in range(20):
        live(told, hours=4)
        later(world, 1)
    live(told, hours=1)
    given_up = world.rows("SELECT id FROM outbox WHERE abandoned_at IS NOT NULL")
    assert {row["id"] for row in given_up} == poison
    assert len(merchant.got) == 20
    assert max(merchant.asked.count(each) for each in poison) < 400


def test_a_receiver_that_fails_for_days_is_disabled_with_one_alert_and_can_be_enabled(
    told: World, world: World, merchant: Merchant
) -> None:
    told = told.with_ports(delivering=Delivering(disable_after=timedelta(days=2)))
    later(world, 5)
    subscription = world.subscribe()
    world.settle()
    merchant.trouble = "HTTP 503"
    live(told, days=2, hours=23)
    (alert,) = [each for each in world.alerts() if each.kind.startswith("events")]
    assert alert.kind == "events_disabled"
    assert "billing-worker event endpoint enable" in proposed(alert)
    merchant.asked.clear()
    live(told, days=10)
    assert merchant.asked == []
    merchant.trouble = None
    assert replay.enable(told.ports).status == "ok"
    with pytest.raises(Conflict, match="not disabled"):
        replay.enable(told.ports)
    assert world.alerts() == []
    told.settle()
    kinds = [kind for subject, kind in merchant.got if subject.startswith("inv") or subject == subscription.id]
    assert kinds == ["subscription.created", "invoice.paid", "subscription.activated"]
    assert len(merchant.got) == 8


def test_a_receiver_that_is_gone_is_disabled_at_once_and_another_url_begins_afresh(
    told: World, world: World, merchant: Merchant
) -> None:
    later(world, 2)
    merchant.refuses = lambda _message: Refusal("HTTP 410", gone=True)
    told.settle()
    assert len(merchant.asked) == 1
    assert [alert.kind for alert in world.alerts()] == ["events_disabled"]
    successor = Merchant(address=Address("another", "https://new.example/events"))
    world.with_ports(notifier=successor).settle()
    assert len(successor.got) == 2
    assert world.alerts() == []


def test_going_back_to_a_receiver_that_is_disabled_is_told_and_not_silent(
    told: World, world: World, merchant: Merchant
) -> None:
    later(world, 1)
    merchant.refuses = lambda _message: Refusal("HTTP 410", gone=True)
    told.settle()
    successor = world.with_ports(notifier=Merchant(address=Address("another", "https://new.example/events")))
    successor.settle()
    assert world.alerts() == []
    merchant.refuses = lambda _message: None
    later(world, 1)
    told.settle()
    assert merchant.got == []
    (alert,) = world.alerts()
    assert (alert.kind, said(alert).partition(" has taken no")[0]) == ("events_disabled", merchant.address.shown)
    replay.enable(told.ports)
    told.settle()
    assert (len(merchant.got), world.alerts()) == (1, [])

    # While both are in use, for the length of a restart, the one that works has the last word.
    merchant.refuses = lambda _message: Refusal("HTTP 410", gone=True)
    later(world, 1)
    told.settle()
    world.clock.advance(minutes=2)
    successor.settle()
    assert world.alerts() == []


def test_an_event_that_is_never_taken_is_given_up_after_three_days_and_holds_no_other_back(
    told: World, world: World, merchant: Merchant
) -> None:
    subscription = world.subscribe()
    world.settle()
    merchant.refuses = lambda message: Refusal("HTTP 500: bad row") if message.event.type == "invoice.paid" else None
    later(world, 1)
    live(told, hours=71)
    (bad,) = listed(told.ports, Kind.EVENTS, {"failed": True}, limit=10).items
    assert (bad.type, bad.tries > 5) == ("invoice.paid", True)
    assert len(merchant.got) == 2
    live(told, hours=2)
    assert len(merchant.got) == 3
    (alert,) = world.alerts()
    assert (alert.kind, said(alert).partition(",")[0]) == ("events_given_up", "1 events were given up")
    with world.ports.database.transaction() as uow:
        assert uow.books.standing(world.clock.moment(), world.clock.now(), receiver=True).abandoned_events == 1
    assert replay.endpoint(told.ports).disabled_at is None

    # Repaired: it is sent under its old name; and while it was refused again no other event waited for it.
    assert replay.send_range_again(told.ports, EventFilter(given_up=True)) == 1
    world.cancel(subscription)
    live(told, minutes=2)
    assert merchant.got[-1][1] == "subscription.canceled"
    merchant.refuses = lambda _message: None
    replay.send_again(told.ports, bad.id)
    told.settle()
    assert merchant.got[-1] == (bad.subject_id, "invoice.paid")
    assert merchant.asked[-1] == bad.id
    assert world.alerts() == []


def test_a_receiver_may_ask_for_a_pause_but_not_for_ever(told: World, world: World, merchant: Merchant) -> None:
    later(world, 1)
    for asked, waits in ((timedelta(minutes=10), timedelta(minutes=10)), (timedelta(days=9), timedelta(hours=6))):
        merchant.refuses = lambda _message, wait=asked: Refusal("HTTP 429", retry_after=wait)
        told.deliver()
        (row,) = world.rows("SELECT next_try_at FROM outbox")
        assert row["next_try_at"] == world.clock.now() + waits
        world.clock.advance_to(row["next_try_at"])


def test_slow_answers_narrow_the_window_and_quick_ones_widen_it(told: World, world: World) -> None:
    """A receiver that takes ten seconds an event must not take all workers from the charges."""
    later(world, 60)
    assert len(deliver.due(told.ports, 500)) == 10
    world.clock.advance(seconds=0.3)
    assert len(deliver.due(told.ports, 500)) <= 10
    world.clock.advance(seconds=0.3)
    assert deliver.due(told.ports, 500) == []  # those are still under way
    world.clock.advance(seconds=5)  # their claims are over
    handed = []
    while ids := deliver.due(told.ports, 500):
        handed.append(len(ids))
        for ident in ids:
            deliver.deliver(told.ports, ident)
    assert handed[:2] == [20, 40] or handed[:3] == [10, 20, 30]


def test_delivered_events_are_forgotten_after_a_while_and_undelivered_ones_never(
    told: World, world: World, merchant: Merchant
) -> None:
    world.subscribe()
    told.settle()
    later(world, 1)
    merchant.trouble = "HTTP 500"
    world.clock.advance(days=told.ports.delivering.keep.days + 1)
    told.deliver()
    kept = {row["type"] for row in world.rows("SELECT type FROM outbox")}
    # The audit counts left out periods by `subscription.activated`.
    assert kept == {"subscription.created", "subscription.activated"}


def test_replays_of_a_range_go_out_in_order_and_at_a_pace(told: World, world: World, merchant: Merchant) -> None:
    world.subscribe()
    told.settle()
    first = list(merchant.got)
    merchant.got.clear()
    assert replay.send_range_again(told.ports, EventFilter(since=world.clock.now() - timedelta(days=1))) == 3
    told.settle()
    assert len(merchant.got) == 1  # ten a second, and no time has passed
    for _ in range(3):
        world.clock.advance(seconds=0.2)
        told.deliver()
    assert merchant.got == first


def test_two_workers_who_learn_that_a_card_is_dead_tell_it_once(world: World) -> None:
    """One card pays for two subscriptions, and both charges are declined for good at the same moment."""
    key = world.key()
    owners = [world.subscribe(key=key) for _ in range(2)]
    world.renew()
    gone = Declined(normalise("", "lost"), "lost", Evidence("test", "again", 200, ""))
    attempts = []
    for owner in owners:
        with world.ports.database.transaction() as uow:
            (due,) = uow.lock_due([world.invoice(owner).id])
            attempt = due.invoice.start_attempt(f"att_{owner.id}"[:20], world.clock.moment(), TIMING)
            uow.attempts.add(attempt)
            uow.invoices.save(due.invoice)
            uow.commit()
            attempts.append(attempt)
    other = world.twin()
    with world.ports.database.transaction() as uow:
        settlement = uow.lock_settlement(attempts[0].id)
        record_answers(other.ports, [Answered(attempts[1].id, attempts[1].fence, gone)])
        record_outcome(world.ports, uow, settlement, gone, world.clock.moment())
        uow.commit()
    other.close()
    assert world.events().count("billing_key.invalid") == 1
    assert world.events().count("invoice.payment_failed") == 2
    assert [line for line in violations(world.books(), at_rest=False) if line.startswith("I22")] == []


def test_an_event_that_contradicts_or_hides_what_happened_is_found(world: World) -> None:
    """A test of the check that all scenarios and `make chaos` are judged by."""
    world.subscribe()
    world.settle()
    assert i22_no_contradiction(world.books()) == []
    for mistake, says in (
        ("UPDATE outbox SET type = 'invoice.payment_failed' WHERE type = 'invoice.paid'", "was told to be: failing"),
        ("DELETE FROM outbox WHERE type = 'subscription.activated'", "is active, and was told to be: pending"),
        ("UPDATE outbox SET stream_sequence = 9 WHERE type = 'subscription.activated'", "place 9"),
        ("UPDATE outbox SET stream_sequence = -1 WHERE type = 'subscription.activated'", "although it was begin"),
    ):
        with world.engine.connect() as connection:
            connection.execute(text(mistake))
            rows = [[dict(row) for row in connection.execute(text(q)).mappings()] for q in (EVENTS, STATES)]
            assert says in "\n".join(contradictions(*rows)), mistake
