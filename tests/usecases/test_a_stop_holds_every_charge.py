"""A stop holds charges from the moment it is committed, loses none, and only an operator ends it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.language import Language
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.ports.outside import Gateway
from billing_worker.texts.alerts import ways_out
from billing_worker.usecases.charge import collect
from billing_worker.usecases.control.stop_charging import clear_stop, stop_on_word, stops
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription import renew
from tests.support.alerts import said
from tests.support.gateways import Around
from tests.support.world import World


def stop_alerts(world: World) -> list[str]:
    return [said(alert) for alert in world.alerts() if alert.kind == "stopped"]


def test_nothing_is_charged_while_all_is_stopped_and_everything_once_it_is_cleared(world: World) -> None:
    subscriptions = [world.subscribe() for _ in range(3)]
    stopped = stop_on_word(world.ports, ALL, "something looks wrong")
    world.settle()
    assert world.ledger() == []
    invoices = [world.invoice(each) for each in subscriptions]
    assert [invoice.status for invoice in invoices] == ["open"] * 3
    assert all(world.attempts(invoice) == [] for invoice in invoices)
    assert stops(world.ports, 10)[0].waiting == 3
    assert "something looks wrong" in stop_alerts(world)[0]
    world.clock.advance(hours=1)
    world.settle()
    assert world.ledger() == []
    assert clear_stop(world.ports, stopped.stop.id, "it was nothing").waiting == 3
    world.clock.advance(seconds=world.ports.timing.claim)
    world.settle()
    assert [world.invoice(each).status for each in subscriptions] == ["paid"] * 3
    assert stop_alerts(world) == []
    world.assert_books_agree()


def test_a_stop_of_one_pg_or_one_subscription_holds_no_other(world: World) -> None:
    kcp, nice = world.subscribe(key=world.key(pg="kcp")), world.subscribe(key=world.key(pg="nice_v2"))
    held = world.subscribe(key=world.key(pg="nice_v2"))
    stop_on_word(world.ports, "pg:kcp", "kcp answers strangely")
    stop_on_word(world.ports, f"subscription:{held.id}", "the customer called")
    world.settle()
    assert [world.invoice(each).status for each in (kcp, nice, held)] == ["open", "paid", "open"]
    assert len(world.ledger()) == 1


def test_a_stopped_invoice_is_not_handed_out_and_a_worker_that_has_its_id_does_not_charge_it(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    (ident,) = collect.due(world.ports, 10)
    stop_on_word(world.ports, ALL, "stop")
    assert collect.collect(world.ports, [ident]) == 0
    assert world.ledger() == []
    world.clock.advance(seconds=world.ports.timing.claim)
    assert not collect.due(world.ports, 10)
    assert world.attempts(world.invoice(subscription)) == []


def test_a_dead_key_is_not_given_up_while_it_is_stopped(world: World) -> None:
    subscription = world.subscribe("decline-stolen", plan=world.plan(interval="year"))
    world.settle()
    stopped = stop_on_word(world.ports, ALL, "stop")
    world.clock.advance(days=60)
    world.settle()
    assert world.invoice(subscription).status == "open"
    clear_stop(world.ports, stopped.stop.id, "go on")
    world.settle()
    assert world.invoice(subscription).status == "uncollectible"


@pytest.mark.fm("J9")
def test_no_attempt_begins_once_stopping_has_returned_however_many_workers_race(world: World, another_process) -> None:
    plan, key = world.plan(), world.key()
    for _ in range(60):
        world.subscribe(plan=plan, key=key, allow_duplicate=True)
    world.renew()
    ids = list(collect.due(world.ports, 100))
    other, halfway = another_process(), threading.Event()
    begun: list[str] = []

    def noted(gateway: Gateway, request: ChargeRequest) -> Outcome:
        begun.append(request.merchant_uid)
        if len(begun) == 10:
            halfway.set()
        return gateway.charge(request)

    workers = [one.with_ports(gateway=Around(one.ports.gateway, noted)) for one in (world, other)]
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(collect.collect, workers[n % 2].ports, [ident]) for n, ident in enumerate(ids)]
        assert halfway.wait(30)
        stop_on_word(world.ports, ALL, "stop the line")
        written = {row["id"] for row in world.rows("SELECT id FROM payment_attempts")}
        for each in running:
            each.result(60)
    assert 10 <= len(written) < 60
    assert {row["id"] for row in world.rows("SELECT id FROM payment_attempts")} == written
    assert len(world.ledger()) == len(begun) == len(written)
    world.assert_books_agree(at_rest=False)


@pytest.mark.fm("J9")
def test_stopping_waits_for_an_act_that_had_begun_and_holds_the_next(world: World, another_process) -> None:
    """The first act of a worker is under way, uncommitted, when the stop comes: it counts as before the stop."""
    world.subscribe()
    world.renew()
    (ident,) = collect.due(world.ports, 10)
    other = another_process()
    with ThreadPoolExecutor(1) as pool:
        with world.ports.database.transaction() as uow:
            assert uow.lock_due([ident])[0].stop is None
            stopping = pool.submit(stop_on_word, other.ports, ALL, "stop")
            while not world.rows("SELECT 1 FROM stops"):
                assert not stopping.done()
            assert not stopping.done()
            uow.commit()
        stopping.result(30)
    assert collect.collect(world.ports, [ident]) == 0


def test_an_act_that_hangs_does_not_keep_an_operator_from_stopping(world: World, another_process, monkeypatch) -> None:
    monkeypatch.setattr("billing_worker.adapters.database.stops.LONGEST_ACT_MS", 200)
    world.subscribe()
    world.renew()
    (ident,) = collect.due(world.ports, 10)
    with world.ports.database.transaction() as uow:
        uow.lock_due([ident])
        assert stop_on_word(another_process().ports, ALL, "stop").stop.is_open
    assert collect.collect(world.ports, [ident]) == 0


def test_an_attempt_that_was_sent_is_resolved_while_all_is_stopped(world: World) -> None:
    subscription = world.subscribe("drop-after-charge")
    world.settle()
    stop_on_word(world.ports, ALL, "stop")
    world.resolve()
    assert world.invoice(subscription).status == "paid"
    assert len(world.ledger()) == 1


def test_periods_are_opened_while_all_is_stopped_and_wait_for_their_turn(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="day"))
    world.settle()
    stopped = stop_on_word(world.ports, ALL, "stop")
    world.run_until(world.clock.now() + timedelta(days=3))
    assert [invoice.status for invoice in world.invoices(subscription)] == ["paid", "open", "open", "open"]
    clear_stop(world.ports, stopped.stop.id, "go on")
    world.settle()
    assert [invoice.status for invoice in world.invoices(subscription)] == ["paid"] * 4
    world.assert_books_agree()


def test_why_says_what_stopped_it_and_the_way_out(world: World) -> None:
    subscription = world.subscribe(key=world.key(pg="kcp"))
    world.renew()
    number = stop_on_word(world.ports, "pg:kcp", "kcp answers strangely").stop.id
    told = why(world.ports, world.invoice(subscription).id)
    assert "kcp answers strangely" in told.answer
    assert f"billing-worker breaker clear {number}" in ways_out(told.ways_out, Language.EN)
    assert "kcp answers strangely" in why(world.ports, subscription.id).answer


def test_two_causes_in_one_scope_hold_until_both_are_cleared(world: World) -> None:
    world.subscribe()
    first = stop_on_word(world.ports, ALL, "one")
    again = stop_on_word(world.ports, ALL, "once more")
    assert again.stop.id == first.stop.id
    with world.ports.database.transaction() as uow:
        other = uow.stops.open(ALL, StopCause.BREACH, "two", ["I1 inv_1"], world.clock.now())
        uow.commit()
    clear_stop(world.ports, first.stop.id, "done")
    world.settle()
    assert world.ledger() == []
    clear_stop(world.ports, other.id, "done")
    world.clock.advance(seconds=world.ports.timing.claim)
    world.settle()
    assert len(world.ledger()) == 1


@pytest.mark.parametrize(
    "scope", ["", "everything", "pg:", "pg:KCP", "pg:a b", "subscription:", "subscription:a'b", "all "]
)
def test_a_scope_that_means_nothing_is_refused(world: World, scope: str) -> None:
    with pytest.raises(InvalidInput, match="scope"):
        stop_on_word(world.ports, scope, "stop")


def test_what_cannot_be_stopped_or_cleared_is_said(world: World) -> None:
    with pytest.raises(NotFound):
        stop_on_word(world.ports, "subscription:sub_nobody", "stop")
    with pytest.raises(InvalidInput, match="reason"):
        stop_on_word(world.ports, ALL, "")
    with pytest.raises(NotFound):
        clear_stop(world.ports, 4711, "done")
    number = stop_on_word(world.ports, ALL, "stop").stop.id
    clear_stop(world.ports, number, "done")
    with pytest.raises(Conflict, match="already cleared"):
        clear_stop(world.ports, number, "done")
    assert renew.due(world.ports, 1) == []
