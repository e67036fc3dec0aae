"""Refunds: written down first, an explicit amount and the checksum on the wire, unclear answers resolved by reading."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.payment import Failed, Unknown
from billing_worker.domain.refund import Answered, Refund, RefundAnswer, RefundRequest, Refused
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.refund import refund as refunding
from billing_worker.usecases.settle.record import record_payment
from tests.builders import EVIDENCE
from tests.support.faults import FAULTS, Fault, Saboteur, Script, Step, survive
from tests.support.gateways import Around
from tests.support.sessions import Operator
from tests.support.world import World

PRICE = 9900
STEPS = (Step.COMMIT, Step.COMMIT, Step.CANCEL, Step.COMMIT)
"""Of a refund: the claim, the intent, the call, the result."""
Cancel = Callable[[Gateway, RefundRequest], RefundAnswer]


def paid(world: World, behaviour: str = "ok") -> Invoice:
    subscription = world.subscribe(behaviour)
    world.settle()
    invoice = world.invoice(subscription)
    assert invoice.status == "paid"
    return invoice


def ask(world: World, invoice: Invoice, amount: int | None = 3000, **more: Any) -> Refund:
    return refunding.request_refund(world.ports, invoice.id, amount, reason="the customer asked", **more)


def refunds(world: World, invoice: Invoice) -> list[Refund]:
    with world.ports.database.transaction() as uow:
        return list(uow.refunds.of_invoice(invoice.id))


def cancels(world: World, invoice: Invoice) -> list[dict[str, Any]]:
    """The bodies of all cancel calls about this invoice's payments, as the sandbox received them."""
    ids = {row["imp_uid"] for row in world.ledger(invoice)}
    calls = world.sandbox.requests("/payments/cancel")
    return [call["fields"] for call in calls if call["fields"].get("imp_uid") in ids]


def given_back(world: World, invoice: Invoice) -> list[int]:
    return [row["cancel_amount"] for row in world.ledger(invoice)]


def through(world: World, cancel: Cancel) -> World:
    return world.with_ports(gateway=Around(world.ports.gateway, on_cancel=cancel))


def loses_the_reply(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
    gateway.cancel(request)
    return Unknown("no answer: the connection was lost")


def never_arrives(_gateway: Gateway, _request: RefundRequest) -> RefundAnswer:
    return Unknown("no answer: the connection was lost")


def looks(world: World, **later: float) -> None:
    """Let every look, settle window and back-off pass that lies within a few minutes, and then this much time."""
    for wait in ({"seconds": 4}, {"seconds": 1}, {"seconds": 1}, {"minutes": 2}, {"seconds": 4}, {"seconds": 1}, later):
        world.clock.advance(**wait)
        world.refund()


def test_a_partial_refund_is_sent_once_with_amount_and_checksum_and_is_booked_from_the_answer(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    assert (asked.status, asked.money.amount, asked.balance) == ("pending", 3000, PRICE)
    assert cancels(world, invoice) == []
    world.settle()
    (sent,) = cancels(world, invoice)
    assert (sent["amount"], sent["checksum"], sent["reason"]) == (3000, PRICE, f"{asked.id} the customer asked")
    (done,) = refunds(world, invoice)
    assert (done.status, done.sends) == ("succeeded", 1)
    attempt = world.attempt(invoice)
    assert (attempt.status, attempt.refunded) == ("approved", 3000)
    assert world.rows("SELECT source FROM evidence WHERE id = :id", id=attempt.refund_evidence_id) == [
        {"source": "portone"}
    ]
    assert world.alerts() == []
    assert world.events()[-1] == "payment.refunded"
    world.assert_books_agree()


@pytest.mark.fm("L13")
def test_partial_refunds_add_up_to_the_payment_and_not_beyond(world: World) -> None:
    invoice = paid(world)
    for amount in (3000, 6000):
        ask(world, invoice, amount)
        world.settle()
    with pytest.raises(InvalidInput, match=r"amount: is more than what is left of this payment \(900 KRW\)"):
        ask(world, invoice, 901)
    ask(world, invoice, None, everything=True)
    world.settle()
    assert [call["amount"] for call in cancels(world, invoice)] == [3000, 6000, 900]
    assert [call["checksum"] for call in cancels(world, invoice)] == [9900, 6900, 900]
    assert world.attempt(invoice).refunded == PRICE
    with pytest.raises(Conflict, match="is given back already"):
        ask(world, invoice, None, everything=True)
    world.clock.advance_to(invoice.period.end)
    world.settle()
    assert len(world.ledger(invoice)) == 1


@pytest.mark.fm("L15")
def test_an_amount_that_is_not_a_part_of_the_payment_never_leaves(world: World) -> None:
    invoice = paid(world)
    wrong: tuple[Any, ...] = (0, -1, 9901, 10**13, True, 1.0, "9900")
    for amount in wrong:
        with pytest.raises(InvalidInput, match="amount"):
            ask(world, invoice, amount)
    world.settle()
    assert refunds(world, invoice) == []
    assert cancels(world, invoice) == []


@pytest.mark.fm("L15")
def test_everything_is_never_refunded_by_leaving_the_amount_out(world: World) -> None:
    invoice = paid(world)
    with pytest.raises(InvalidInput, match="say either how much, or everything that is left"):
        ask(world, invoice, None)
    with pytest.raises(InvalidInput, match="say either how much, or everything that is left"):
        ask(world, invoice, 100, everything=True)
    assert refunds(world, invoice) == []


def test_nothing_is_refunded_of_what_was_not_paid_or_does_not_exist(world: World) -> None:
    subscription = world.subscribe("decline-limit")
    world.settle()
    with pytest.raises(Conflict, match="has no payment that could be given back"):
        ask(world, world.invoice(subscription))
    with pytest.raises(NotFound):
        refunding.request_refund(world.ports, "inv_nothing", 100, reason="r")
    with pytest.raises(InvalidInput, match="attempt_id: is no payment of invoice"):
        ask(world, paid(world), attempt_id="att_other")


@pytest.mark.fm("L10")
def test_a_second_refund_waits_until_the_first_is_finished(world: World) -> None:
    invoice = paid(world)
    first = ask(world, invoice, idempotency_key="click-1")
    assert ask(world, invoice, idempotency_key="click-1").id == first.id
    with pytest.raises(Conflict, match="is not finished yet"):
        ask(world, invoice, idempotency_key="click-2")
    world.settle()
    assert ask(world, invoice, idempotency_key="click-1").id == first.id
    with pytest.raises(Conflict, match=f"click-1 stands for refund {first.id} over 3,000 KRW already"):
        ask(world, invoice, 1, idempotency_key="click-1")
    assert given_back(world, invoice) == [3000]


@pytest.mark.fm("L14")
def test_a_refund_whose_reply_is_lost_is_found_by_reading_and_not_sent_again(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    through(world, loses_the_reply).settle()
    assert refunds(world, invoice)[0].status == "unknown"
    looks(world)
    (done,) = refunds(world, invoice)
    assert (done.id, done.status, done.sends) == (asked.id, "succeeded", 1)
    assert len(cancels(world, invoice)) == 1
    assert given_back(world, invoice) == [3000]


@pytest.mark.fm("L14")
def test_a_refund_that_never_arrived_is_sent_again_only_after_two_reads_a_settle_window_apart(world: World) -> None:
    invoice = paid(world)
    ask(world, invoice)
    through(world, never_arrives).settle()
    looks(world)
    (done,) = refunds(world, invoice)
    assert (done.status, done.sends) == ("succeeded", 2)
    assert len(cancels(world, invoice)) == 1
    assert given_back(world, invoice) == [3000]


@pytest.mark.fm("L13")
def test_a_refund_sent_twice_by_mistake_is_stopped_by_the_checksum(world: World) -> None:
    """A zombie's request arrives after all: the second one names a balance that is not there any more."""
    invoice = paid(world)
    ask(world, invoice)
    held: list[RefundRequest] = []

    def holds(_gateway: Gateway, request: RefundRequest) -> RefundAnswer:
        held.append(request)
        return Unknown("no answer")

    through(world, holds).settle()
    looks(world)
    assert given_back(world, invoice) == [3000]
    world.ports.gateway.cancel(held[0])
    assert given_back(world, invoice) == [3000]
    world.settle()
    assert refunds(world, invoice)[0].status == "succeeded"


def test_of_two_looks_at_once_only_the_first_to_end_decides(world: World) -> None:
    """Found by `simulate`: the second one met a refund that the first had put back to be sent again."""
    invoice = paid(world)
    never_sent = through(world, lambda _gateway, _request: Unknown("no answer: the connection was lost"))
    asked = ask(never_sent, invoice)
    refunding.refund(never_sent.ports, asked.id)
    world.clock.advance(minutes=10)
    refunding.refund(world.ports, asked.id)
    world.clock.advance(minutes=10)
    looks: list[str] = []

    def is_overtaken(gateway: Gateway, imp_uid: str) -> Any:
        read = gateway.payment(imp_uid)
        if not looks:
            looks.append(imp_uid)
            refunding.refund(world.ports, asked.id)
        return read

    slow = world.with_ports(gateway=Around(world.ports.gateway, on_payment=is_overtaken))
    refunding.refund(slow.ports, asked.id)
    assert [each.status for each in refunds(world, invoice)] == ["pending"]
    world.resolve()
    assert given_back(world, invoice) == [3000]
    assert [each.status for each in refunds(world, invoice)] == ["succeeded"]


def test_a_refund_that_cannot_be_sent_is_tried_again_and_then_told(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    outage = through(world, lambda _gateway, _request: Failed("not sent: connection refused"))
    for _ in range(refunding.STUCK_AFTER):
        outage.refund()
        world.clock.advance(hours=1)
    assert [alert.kind for alert in world.alerts()] == ["refund_stuck"]
    assert cancels(world, invoice) == []
    looks(world)
    assert refunds(world, invoice)[0].status == "succeeded"
    assert refunds(world, invoice)[0].id == asked.id
    assert world.alerts() == []


def test_a_refund_that_the_gateway_refuses_is_failed_after_two_reads_and_an_alert_opens(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    (row,) = world.ledger(invoice)
    world.sandbox.control("/operator/cancel", imp_uid=row["imp_uid"], amount=5000)
    world.settle()
    assert refunds(world, invoice)[0].status == "unknown"
    looks(world)
    (failed,) = refunds(world, invoice)
    assert (failed.status, failed.sends) == ("failed", 1)
    assert {(alert.kind, alert.subject_id) for alert in world.alerts()} == {
        ("refund_failed", asked.id),
        ("cancelled_elsewhere", world.attempt(invoice).id),
    }
    assert given_back(world, invoice) == [5000]
    assert world.attempt(invoice).refunded == 5000
    ask(world, invoice)
    world.settle()
    assert given_back(world, invoice) == [8000]


@pytest.mark.fm("L18")
def test_a_refund_that_is_taken_and_not_shown_yet_is_read_for_and_never_sent_again(world: World) -> None:
    """paypal_v2 and Paymentwall answer at once and move the money later."""
    invoice = paid(world)
    ask(world, invoice)
    (row,) = world.ledger(invoice)

    def later(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
        return Answered(*gateway.payment(request.imp_uid).payments[0])

    through(world, later).settle()
    looks(world, hours=30)
    (waiting,) = refunds(world, invoice)
    assert (waiting.status, waiting.accepted, waiting.sends) == ("unknown", True, 1)
    assert [alert.kind for alert in world.alerts()] == ["refund_stuck"]
    reason = f"{waiting.id} the customer asked"
    world.sandbox.control("/operator/cancel", imp_uid=row["imp_uid"], amount=3000, reason=reason)
    looks(world, hours=1)
    assert refunds(world, invoice)[0].status == "succeeded"
    assert world.alerts() == []
    assert cancels(world, invoice) == []


@pytest.mark.fm("L13")
@pytest.mark.fm("L14")
@pytest.mark.parametrize(("step", "fault"), [(n, f) for n, kind in enumerate(STEPS, 1) for f in FAULTS[kind]])
def test_one_fault_at_any_step_of_a_refund_gives_the_money_back_exactly_once(
    world: World, step: int, fault: Fault
) -> None:
    invoice = paid(world)
    ask(world, invoice)
    script = Script({step: fault})
    with closing(Operator.of(world.database_url)) as operator:
        ports = Saboteur(world.sandbox, operator).wrap(world.ports, script)
        survive(lambda: [refunding.refund(ports, ident) for ident in refunding.due(ports, 10)])
    assert script.fired == {step: fault}, script.story
    looks(world)
    world.settle()
    (done,) = refunds(world, invoice)
    assert done.status == "succeeded", script.steps
    assert given_back(world, invoice) == [3000]
    assert world.attempt(invoice).refunded == 3000
    assert world.alerts() == []
    world.assert_books_agree()


@pytest.mark.fm("D3")
def test_a_worker_that_lost_its_lease_writes_nothing_but_what_it_learned(world: World) -> None:
    invoice = paid(world)
    ask(world, invoice)

    def overtaken(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
        answer = gateway.cancel(request)
        world.clock.advance(seconds=5)
        world.refund()
        assert refunds(world, invoice)[0].status == "succeeded"
        return Unknown(f"late, and wrong: {type(answer).__name__}")

    through(world, overtaken).refund()
    (done,) = refunds(world, invoice)
    assert (done.status, done.sends) == ("succeeded", 1)
    assert given_back(world, invoice) == [3000]


def test_a_message_delivered_twice_sends_one_refund(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    for _ in range(3):
        refunding.refund(world.ports, asked.id)
    assert len(cancels(world, invoice)) == 1


@pytest.mark.fm("E27")
def test_a_refund_made_in_the_console_is_booked_with_its_evidence_and_told(world: World) -> None:
    invoice = paid(world)
    (row,) = world.ledger(invoice)
    for amount, total in ((4000, 4000), (5900, 9900)):
        world.sandbox.control("/operator/cancel", imp_uid=row["imp_uid"], amount=amount)
        world.webhook(row["imp_uid"], row["merchant_uid"], f"cancelled{total}")
        world.settle()
        assert world.attempt(invoice).refunded == total
    assert world.events()[-2:] == ["payment.refunded"] * 2
    assert [alert.kind for alert in world.alerts()] == ["cancelled_elsewhere"]


@pytest.mark.fm("E5")
def test_an_older_read_never_shrinks_what_was_given_back(world: World) -> None:
    invoice = paid(world)
    (row,) = world.ledger(invoice)
    before = world.ports.gateway.payment(row["imp_uid"]).payments[0]
    ask(world, invoice)
    world.settle()
    with world.ports.database.transaction() as uow:
        record_payment(world.ports, uow, uow.lock_invoice(invoice.id), *before, moment=world.clock.moment())
        uow.commit()
    assert world.attempt(invoice).refunded == 3000
    assert world.events().count("payment.refunded") == 1


def test_a_surplus_refund_that_is_refused_leaves_the_alert_open(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.settle()
    world.cancel(subscription)
    invoice = world.invoice(subscription)
    late = world.sandbox.control("/operator/pay", merchant_uid=invoice.merchant_uid)
    world.webhook(late["imp_uid"], late["merchant_uid"])
    no = through(world, lambda _gateway, _request: Refused("code -1 (not today)", EVIDENCE))
    no.settle()
    looks(no)
    assert {alert.kind for alert in world.alerts()} == {"surplus_payment", "refund_failed"}
    assert len(refunds(world, invoice)) == 1
    world.sandbox.control("/operator/cancel", imp_uid=late["imp_uid"])
    world.webhook(late["imp_uid"], late["merchant_uid"], "cancelled")
    world.settle()
    assert "surplus_payment" not in {alert.kind for alert in world.alerts()}
