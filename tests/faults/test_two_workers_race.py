"""Two workers, or a worker and something else, at the same invoice at the same moment: real threads, real locks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from billing_worker.domain.errors import Conflict
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.domain.refund import RefundAnswer, RefundRequest
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.charge import collect, reconcile
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.refund import refund
from tests.support.gateways import Around, loses_the_reply
from tests.support.world import World, open_period

pytestmark = pytest.mark.long

TURNS = 8


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do these at the same moment; what each returned."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(60) for future in [pool.submit(run, work) for work in works]]


@pytest.mark.fm("B3")
@pytest.mark.fm("C29")
@pytest.mark.parametrize("behaviour", ["ok", "decline-limit", "racy"])
def test_two_workers_with_the_same_id_place_one_charge(world: World, another_process, behaviour: str) -> None:
    other = another_process()
    for _ in range(TURNS):
        subscription = world.subscribe(behaviour)
        world.renew()
        (ident,) = collect.due(world.ports, 10)
        calls = at_once(
            lambda ident=ident: collect.collect(world.ports, [ident]),
            lambda ident=ident: collect.collect(other.ports, [ident]),
        )
        assert sorted(calls) == [0, 1]
        assert len(world.ledger(world.invoice(subscription))) == 1
    world.assert_books_agree()


@pytest.mark.fm("A4")
def test_two_workers_that_renew_the_same_subscription_open_one_period(world: World, another_process) -> None:
    other = another_process()
    for _ in range(TURNS):
        subscription = world.subscribe()
        opened = at_once(
            lambda s=subscription: open_period(world.ports, s.id), lambda s=subscription: open_period(other.ports, s.id)
        )
        assert opened.count(None) == 1
        assert len(world.invoices(subscription)) == 1


@pytest.mark.fm("E1")
@pytest.mark.fm("E4")
def test_an_answer_and_ten_copies_of_its_webhook_at_the_same_moment_settle_once(world: World, another_process) -> None:
    others = [another_process() for _ in range(2)]
    for turn in range(TURNS):
        ready, charged = threading.Event(), threading.Barrier(1 + len(others))

        def answers_late(gateway: Gateway, request: ChargeRequest, charged=charged, ready=ready) -> Outcome:
            outcome = gateway.charge(request)
            ready.set()
            charged.wait(10)
            return outcome

        subscription = world.subscribe()
        world.renew()
        (ident,) = collect.due(world.ports, 10)
        slow = world.with_ports(gateway=Around(world.ports.gateway, answers_late))

        def tells(other: World, subscription=subscription, charged=charged, ready=ready) -> None:
            assert ready.wait(10)
            (row,) = world.ledger(world.invoice(subscription))
            message = other.webhook(row["imp_uid"], row["merchant_uid"])
            charged.wait(10)
            for _ in range(5):
                apply.apply(other.ports, message)

        at_once(
            lambda ident=ident, slow=slow: collect.collect(slow.ports, [ident]),
            *(lambda other=other, tells=tells: tells(other) for other in others),
        )
        assert world.invoice(subscription).status == "paid"
        assert world.events().count("invoice.paid") == turn + 1
    world.assert_books_agree()


@pytest.mark.fm("D3")
def test_a_resolver_and_a_late_answer_at_the_same_moment_settle_once(world: World, another_process) -> None:
    other = another_process()
    for turn in range(TURNS):
        subscription = world.subscribe()
        world.with_ports(gateway=Around(world.ports.gateway, loses_the_reply)).settle()
        attempt = world.attempt(world.invoice(subscription))
        at_once(
            lambda a=attempt: reconcile.reconcile(world.ports, a.id),
            lambda a=attempt: reconcile.reconcile(other.ports, a.id),
        )
        assert world.invoice(subscription).status == "paid"
        assert world.events().count("invoice.paid") == turn + 1
    world.assert_books_agree()


@pytest.mark.fm("B3")
@pytest.mark.fm("L13")
def test_two_workers_with_the_same_refund_send_it_once(world: World, another_process) -> None:
    other = another_process()
    plan = world.plan()
    for _ in range(TURNS):
        subscription = world.subscribe(plan=plan)
        world.renew_and_charge()
        invoice = world.invoice(subscription)
        asked = refund.request_refund(world.ports, invoice.id, 3000, reason="asked")
        works = [
            lambda one=one, ident=asked.id: refund.refund(one.ports, ident) for one in (world, other, world, other)
        ]
        at_once(*works)
        (payment,) = world.ledger(invoice)
        calls = world.sandbox.requests("/payments/cancel")
        assert [call["fields"]["amount"] for call in calls if call["fields"]["imp_uid"] == payment["imp_uid"]] == [3000]
        assert payment["cancel_amount"] == world.attempt(invoice).refunded == 3000
        with world.ports.database.transaction() as uow:
            done = uow.refunds.get(asked.id)
        assert (done.status, done.sends) == ("succeeded", 1)
    assert world.events().count("payment.refunded") == TURNS
    world.assert_books_agree()


@pytest.mark.fm("L10")
@pytest.mark.parametrize("key", ["click", None])
def test_two_requests_for_a_refund_at_the_same_moment_make_one(world: World, another_process, key: str | None) -> None:
    other = another_process()
    plan = world.plan()
    for _ in range(TURNS):
        subscription = world.subscribe(plan=plan)
        world.renew_and_charge()
        invoice = world.invoice(subscription)

        def asks(one: World, invoice=invoice) -> str:
            try:
                made = refund.request_refund(one.ports, invoice.id, 3000, reason="asked", idempotency_key=key)
            except Conflict:
                return "conflict"
            return made.id

        said = at_once(*(lambda one=one, asks=asks: asks(one) for one in (world, other)))
        assert (said[0] == said[1]) == (key is not None)
        assert ("conflict" in said) == (key is None)
        with world.ports.database.transaction() as uow:
            (made,) = uow.refunds.of_invoice(invoice.id)
        assert made.id in said


@pytest.mark.fm("E5")
@pytest.mark.fm("L14")
def test_an_answer_a_webhook_and_a_read_of_one_refund_at_the_same_moment_book_it_once(
    world: World, another_process
) -> None:
    other, plan = another_process(), world.plan()
    for turn in range(TURNS):
        subscription = world.subscribe(plan=plan)
        world.renew_and_charge()
        invoice = world.invoice(subscription)
        asked = refund.request_refund(world.ports, invoice.id, None, everything=True, reason="asked")
        (row,) = world.ledger(invoice)
        given = threading.Barrier(2)

        def answers_late(gateway: Gateway, request: RefundRequest, given=given) -> RefundAnswer:
            answer = gateway.cancel(request)
            given.wait(10)
            return answer

        def tells(row=row, given=given) -> None:
            given.wait(10)
            apply.apply(other.ports, other.webhook(row["imp_uid"], row["merchant_uid"], "cancelled"))

        slow = world.with_ports(gateway=Around(world.ports.gateway, on_cancel=answers_late))
        at_once(lambda slow=slow, asked=asked: refund.refund(slow.ports, asked.id), tells)
        assert world.attempt(invoice).refunded == 9900
        assert world.events().count("payment.refunded") == turn + 1
    assert world.alerts() == []
    world.assert_books_agree()


@pytest.mark.fm("G6")
def test_many_workers_on_many_invoices_of_one_key_do_not_lock_each_other_out(world: World, another_process) -> None:
    """Outcomes that touch one key from several subscriptions, and its unlock, at the same time."""
    other, key, plan = another_process(), world.key("decline-stolen"), world.plan()
    subscriptions = [world.subscribe(key=key, plan=plan, allow_duplicate=True) for _ in range(TURNS)]
    world.renew()
    ids = list(collect.due(world.ports, 100))
    assert len(ids) == TURNS
    works = [
        lambda ident=ident, one=one: collect.collect(one.ports, [ident]) for ident in ids for one in (world, other)
    ]
    at_once(*works)
    assert world.key_now(key).status == "invalid"
    assert {world.invoice(one).status for one in subscriptions} == {"open"}
    assert len(world.ledger(key)) <= TURNS


@pytest.mark.fm("A4")
@pytest.mark.fm("B3")
def test_two_whole_workers_side_by_side_charge_a_portfolio_once(world: World, another_process) -> None:
    plan = world.plan(interval="day")
    subscriptions = [
        world.subscribe(behaviour, plan=plan)
        for behaviour in ("ok", "ok", "decline-limit-1x", "drop-after-charge-1x", "error502-html-1x", "webhook-never")
        for _ in range(3)
    ]
    both = [world, another_process()]
    for _ in range(3):
        for _ in range(4):
            at_once(*(one.tick for one in both))
            world.clock.advance(seconds=1)
        world.clock.advance(days=1, seconds=-4)
    world.resolve(hours=2)
    for subscription in subscriptions:
        for invoice in world.invoices(subscription)[:3]:
            assert invoice.status == "paid"
            assert len(world.money(invoice)) == 1
    world.assert_books_agree()
