"""Floods, replays at speed and old entries: reads of the gateway are counted in the sandbox, and bounded."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest

from billing_worker.domain.notification import FOREIGN_FOR, InboxRules
from billing_worker.ports.lists import Kind
from billing_worker.usecases.incoming import apply, receive, replay, tidy
from billing_worker.usecases.incoming.receive import Notification
from billing_worker.usecases.reading.lists import listed
from billing_worker.usecases.reading.one import notification_with
from tests.support.alerts import said
from tests.support.sandbox import Row
from tests.support.world import World

pytestmark = pytest.mark.long

RATE = 60
BURST = 5
"""A bucket holds five seconds of its rate."""
SCAN = 3


def paced(world: World) -> World:
    return world.with_ports(inbox=InboxRules(foreign_reads=RATE))


def hint(imp_uid: str, merchant_uid: str, status: str = "paid") -> Notification:
    payload = {"imp_uid": imp_uid, "merchant_uid": merchant_uid, "status": status}
    return Notification(receive.PORTONE, f"{imp_uid}|{status}||{merchant_uid}", payload)


def flood(world: World, count: int) -> None:
    """Forged webhooks about payments and orders that do not exist."""
    forged = [hint(f"imp_f{n}", f"forged{n}") for n in range(count)]
    for start in range(0, count, 200):
        receive.receive_many(world.ports, forged[start : start + 200])


def reads(world: World, of: str = "imp") -> int:
    return len(world.sandbox.requests(f"/payments/{of}"))


@contextmanager
def twin_of(world: World) -> Iterator[World]:
    """Another process with the same settings."""
    twin = world.twin()
    try:
        yield twin.with_ports(inbox=world.ports.inbox)
    finally:
        twin.close()


def lost(world: World) -> Row:
    """The ledger's row of a payment of ours whose invoice is open: its charge was declined, then paid by hand."""
    subscription = world.subscribe("decline-system")
    world.renew()
    world.collect()
    row = world.ledger(world.invoice(subscription))[0]
    world.sandbox.control("/operator/pay", imp_uid=row["imp_uid"])
    return row


@pytest.mark.fm("E9")
def test_ten_thousand_forged_webhooks_cost_a_bounded_number_of_reads_and_hold_up_no_genuine_one(world: World) -> None:
    world = paced(world)
    row = lost(world)
    flood(world, 10_000)
    assert world.rows("SELECT count(*) AS n FROM inbox WHERE is_foreign") == [{"n": 10_000}]
    receipt = receive.receive_many(world.ports, [hint(row["imp_uid"], row["merchant_uid"])])[0]
    assert receipt.at_once
    before = reads(world)
    first, *rest = apply.due(world.ports, 500)
    assert (first, len(rest)) == (receipt.id, BURST), "a known one comes first, whenever it came"
    for ident in (first, *rest):
        apply.apply(world.ports, ident)
    assert world.rows("SELECT status FROM invoices") == [{"status": "paid"}]
    with twin_of(world) as twin:
        for _ in range(20):
            world.clock.advance(seconds=SCAN)
            world.apply()
            twin.apply()
    assert reads(world) - before <= 1 + BURST + RATE
    assert reads(world) - before >= RATE, "they are read, though slowly"
    tidy.tidy(world.ports, tidy.INBOX)
    assert world.alerts() == []
    world.clock.advance(hours=2)
    tidy.tidy(world.ports, tidy.INBOX)
    assert [alert.kind for alert in world.alerts()] == ["inbox_foreign"]
    world.clock.advance(seconds=FOREIGN_FOR.total_seconds())
    for _ in range(2):
        tidy.tidy(world.ports, tidy.INBOX)
    assert world.alerts() == []
    assert world.rows("SELECT count(*) AS n FROM inbox WHERE status = 'received'") == [{"n": 0}]
    world.assert_books_agree()


@pytest.mark.fm("E6")
@pytest.mark.fm("E9")
def test_the_webhook_that_confirms_a_paymentwall_key_is_applied_by_the_next_scan(world: World) -> None:
    """Its merchant_uid is the merchant's own, and so it is foreign to us."""
    world = paced(world)
    _, key, issued = world.paymentwall_key()
    assert key is not None
    world.sandbox.control("/operator/pay", imp_uid=issued["imp_uid"])
    receipt = receive.receive_many(world.ports, [hint(issued["imp_uid"], issued["merchant_uid"])])[0]
    assert not receipt.at_once
    world.apply()
    assert world.key_now(key).status == "active"


@pytest.mark.fm("E4")
def test_a_webhook_at_speed_for_a_minute_is_read_once_a_window_and_once_after_the_last(world: World) -> None:
    row = lost(world)
    last = world.clock.now() + timedelta(minutes=1)
    before = reads(world, row["imp_uid"])
    while world.clock.now() < last:
        payload = hint(row["imp_uid"], row["merchant_uid"], "a_new_word").payload
        receipt = receive.receive(world.ports, receive.PORTONE, "k", payload)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(partial(apply.apply, world.ports), [receipt.id] * 4))
        world.clock.advance(seconds=0.5)
    during = reads(world, row["imp_uid"]) - before
    assert during == 12, "once in five seconds"
    world.clock.advance(seconds=5)
    assert world.apply() == 1, "the last delivery is followed by a read"
    assert reads(world, row["imp_uid"]) - before == during + 1
    assert world.rows("SELECT status, deliveries FROM inbox") == [{"status": "applied", "deliveries": 120}]


@pytest.mark.fm("E9")
def test_one_known_merchant_uid_cannot_cause_endless_reads(world: World) -> None:
    row = lost(world)
    before = reads(world)
    made_up = [hint(f"imp_x{n}", row["merchant_uid"]) for n in range(200)]
    for receipt in receive.receive_many(world.ports, made_up):
        apply.apply(world.ports, receipt.id)
    assert reads(world) - before == 5
    assert apply.due(world.ports, 500) == [], "they are put off"
    other = lost(world)
    world.webhook(other["imp_uid"], other["merchant_uid"])
    world.apply()
    assert {"status": "paid"} in world.rows("SELECT status FROM invoices"), "another order is not held up"


@pytest.mark.fm("E3")
def test_offers_of_a_slow_queue_use_up_no_tries(world: World) -> None:
    """The same id lies in the queue five times: only one of them finds something to do."""
    subscription = world.subscribe()
    world.renew()
    message = world.webhook("imp_000000000000", world.invoice(subscription).merchant_uid)
    for _ in range(5):
        apply.apply(world.ports, message)
    assert world.rows("SELECT tries FROM inbox") == [{"tries": 1}]
    with world.sandbox.outage("error503", "read"):
        for _ in range(8):
            world.clock.advance(hours=1)
            apply.apply(world.ports, message)
    assert world.rows("SELECT tries, failures, status FROM inbox") == [
        {"tries": 1, "failures": 8, "status": "received"}
    ]


@pytest.mark.fm("E17")
def test_what_a_killed_worker_had_claimed_comes_again(world: World) -> None:
    row = lost(world)
    world.webhook(row["imp_uid"], row["merchant_uid"])
    assert len(apply.due(world.ports, 500)) == 1
    assert apply.due(world.ports, 500) == []
    world.clock.advance(seconds=world.ports.timing.claim)
    assert world.apply() == 1
    assert world.rows("SELECT status FROM inbox") == [{"status": "applied"}]


@pytest.mark.fm("E14")
def test_what_is_stuck_opens_an_alert_and_the_alert_closes_by_itself(world: World) -> None:
    row = lost(world)
    message = world.webhook(row["imp_uid"], row["merchant_uid"])
    with world.sandbox.outage("error503", "read"):
        for _ in range(60):
            world.clock.advance(minutes=1)
            world.apply()
            assert tidy.due(world.ports, 1) in ([tidy.INBOX], []), "a new bucket is empty"
            tidy.tidy(world.ports, tidy.INBOX)
    (alert,) = world.alerts()
    assert alert.kind == "inbox_stuck"
    assert f"the newest is {message}" in said(alert)
    assert "503" in said(alert)
    sought = replay.seek(world.ports, stuck=True)
    stuck = listed(world.ports, Kind.NOTIFICATIONS, {"stuck_at": sought.stuck_at}, limit=9).items
    assert [found.id for found in stuck] == [message]
    with world.ports.database.transaction() as uow:
        standing = uow.books.standing(world.clock.moment(), world.clock.now(), receiver=False)
    assert (standing.stuck_notifications, standing.foreign_notifications) == (1, 0)
    world.clock.advance(hours=1)
    world.apply()
    tidy.tidy(world.ports, tidy.INBOX)
    assert world.alerts() == []
    assert world.rows("SELECT status FROM inbox") == [{"status": "applied"}]


def test_the_inbox_is_tidied_once_a_minute_by_all_processes_together(world: World) -> None:
    tidied = 0
    with twin_of(world) as twin:
        for _ in range(102):
            world.clock.advance(seconds=SCAN)
            tidied += len(tidy.due(world.ports, 1)) + len(tidy.due(twin.ports, 1))
    assert tidied == 5


@pytest.mark.fm("E22")
def test_old_entries_are_deleted_in_batches_and_a_hint_that_was_deleted_is_only_a_hint_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_worker.usecases.incoming.tidy.MOST_AT_ONCE", 3)
    row = lost(world)
    world.webhook(row["imp_uid"], row["merchant_uid"])
    flood(world, 4)
    for _ in range(5):
        world.apply()
        world.clock.advance(minutes=1)
    assert world.rows("SELECT DISTINCT status FROM inbox ORDER BY status") == [
        {"status": "applied"},
        {"status": "ignored"},
    ]
    events, invoice = world.events(), world.rows("SELECT * FROM invoices")
    world.clock.advance(days=89)
    assert tidy.tidy(world.ports, tidy.INBOX) == 0
    receive.receive(world.ports, receive.PORTONE, "waits", hint("imp_1", row["merchant_uid"]).payload)
    world.clock.advance(days=2)
    assert [tidy.tidy(world.ports, tidy.INBOX) for _ in range(3)] == [3, 2, 0]
    world.clock.advance(days=200)
    assert tidy.tidy(world.ports, tidy.INBOX) == 0, "what is not applied is never deleted"
    assert world.rows("SELECT status FROM inbox") == [{"status": "received"}]
    assert world.rows("SELECT count(*) AS n FROM evidence WHERE attempt_id IS NOT NULL") != [{"n": 0}]
    world.webhook(row["imp_uid"], row["merchant_uid"])
    world.apply()
    assert (world.events(), world.rows("SELECT * FROM invoices")) == (events, invoice)


def test_a_replayed_echo_is_read_by_a_scan_too_although_its_charge_is_recorded(world: World) -> None:
    """Scans close echoes without a read; an operator who replays one wants the read, and the refund that it shows."""
    subscription = world.subscribe()
    world.settle()
    paid = world.attempt(world.invoice(subscription))
    message = world.webhook(str(paid.imp_uid), paid.merchant_uid)
    world.sandbox.control("/operator/cancel", imp_uid=paid.imp_uid, amount=900)
    world.clock.advance(seconds=10)
    replay.look_again(world.ports, message)
    world.settle()
    assert world.attempt(world.invoice(subscription)).refunded == 900
    read = notification_with(world.ports, message).read_at
    world.clock.advance(seconds=10)
    world.webhook(str(paid.imp_uid), paid.merchant_uid)
    world.settle()
    assert notification_with(world.ports, message).read_at == read, "delivered again it is an echo again"


def test_a_replay_reads_again_and_twice_changes_nothing(world: World) -> None:
    row = lost(world)
    message = world.webhook(row["imp_uid"], row["merchant_uid"], "paid")
    flood(world, 2)
    for _ in range(4):
        world.apply()
        world.clock.advance(minutes=1)
    before, events = world.rows("SELECT * FROM payment_attempts"), world.events()
    seen = reads(world, row["imp_uid"])
    for _ in range(2):
        assert replay.look_again(world.ports, message).status == "received"
        apply.apply(world.ports, message)
        world.clock.advance(seconds=5)
    assert reads(world, row["imp_uid"]) == seen + 2
    assert (world.rows("SELECT * FROM payment_attempts"), world.events()) == (before, events)
    sought = replay.seek(world.ports, status="ignored", foreign=True)
    assert replay.count_sought(world.ports, sought) == replay.look_again_at_all(world.ports, sought) == 2
    assert replay.count_sought(world.ports, sought) == 0
