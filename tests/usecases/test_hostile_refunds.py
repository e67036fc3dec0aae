"""Refunds beside foreign ones: the console, a webhook, another payment, a gateway that contradicts itself."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.payment import Cancellation, Evidence, GatewayPayment, Unknown
from billing_worker.domain.refund import Answered, Refund, RefundAnswer, RefundRequest, Refused
from billing_worker.ports.outside import Gateway, Listing
from billing_worker.usecases.refund import refund as refunding
from tests.builders import EVIDENCE
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

PRICE = 9900
Seen = tuple[GatewayPayment, Evidence]


def paid(world: World, **plan: Any) -> Invoice:
    subscription = world.subscribe(plan=world.plan(**plan))
    world.settle()
    return world.invoice(subscription)


def ask(world: World, invoice: Invoice, amount: int | None = 3000, **more: Any) -> Refund:
    return refunding.request_refund(world.ports, invoice.id, amount, reason="asked", **more)


def now(world: World, refund: Refund) -> Refund:
    with world.ports.database.transaction() as uow:
        return uow.refunds.get(refund.id)


def console(world: World, invoice: Invoice, amount: int, **more: Any) -> None:
    world.sandbox.control("/operator/cancel", imp_uid=world.attempt(invoice).imp_uid, amount=amount, **more)


def kinds(world: World) -> set[str]:
    return {alert.kind for alert in world.alerts()}


def sends(world: World, invoice: Invoice) -> int:
    imp_uids = {row["imp_uid"] for row in world.ledger(invoice)}
    return sum(call["fields"].get("imp_uid") in imp_uids for call in world.sandbox.requests("/payments/cancel"))


def answering(world: World, answer: RefundAnswer) -> World:
    return world.with_ports(gateway=Around(world.ports.gateway, on_cancel=lambda _gateway, _request: answer))


def reading(world: World, changed: Callable[[GatewayPayment], GatewayPayment]) -> World:
    """The same gateway, whose answers show payments changed like this."""

    def other(seen: Seen) -> Seen:
        return changed(seen[0]), seen[1]

    def read(gateway: Gateway, imp_uid: str) -> Listing:
        return Listing(tuple(other(seen) for seen in gateway.payment(imp_uid).payments))

    def cancel(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
        answer = gateway.cancel(request)
        return replace(answer, payment=changed(answer.payment)) if isinstance(answer, Answered) else answer

    return world.with_ports(gateway=Around(world.ports.gateway, on_payment=read, on_cancel=cancel))


def looks(world: World) -> None:
    for seconds in (4, 1, 1, 120, 4, 1, 1):
        world.clock.advance(seconds=seconds)
        world.refund()


LOST = Unknown("no answer: the connection was lost")


@pytest.mark.fm("L13")
def test_the_console_refunds_the_same_amount_between_intent_and_send_and_it_is_given_back_once(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    console(world, invoice, 3000)
    world.refund()
    looks(world)
    assert now(world, asked).status == "failed"
    assert world.attempt(invoice).refunded == 3000
    assert kinds(world) == {"refund_failed", "cancelled_elsewhere"}
    world.assert_books_agree()


@pytest.mark.fm("L13")
def test_where_the_gateway_keeps_no_reasons_a_refused_call_is_not_taken_for_the_consoles_refund(world: World) -> None:
    def nameless(payment: GatewayPayment) -> GatewayPayment:
        return replace(payment, cancellations=tuple(Cancellation(c.money, None) for c in payment.cancellations))

    invoice = paid(world)
    asked = ask(world, invoice)
    console(world, invoice, 3000)
    blind = reading(world, nameless)
    blind.refund()
    looks(blind)
    assert now(world, asked).status == "failed"
    assert kinds(world) == {"refund_failed", "cancelled_elsewhere"}


def test_where_the_gateway_keeps_no_reasons_our_own_refund_is_known_and_raises_no_alert(world: World) -> None:
    invoice = paid(world)
    blind = reading(world, lambda payment: replace(payment, cancellations=()))
    for total in (3000, 6000):
        asked = ask(world, invoice)
        blind.settle()
        assert now(world, asked).status == "succeeded"
        assert world.attempt(invoice).refunded == total
    assert world.alerts() == []


@pytest.mark.fm("E5")
def test_a_webhook_that_comes_before_our_answer_settles_the_refund_and_the_answer_changes_nothing(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    (row,) = world.ledger(invoice)

    def told_first(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
        gateway.cancel(request)
        world.webhook(row["imp_uid"], row["merchant_uid"], "cancelled")
        world.apply()
        assert now(world, asked).status == "succeeded"
        return LOST

    world.with_ports(gateway=Around(world.ports.gateway, on_cancel=told_first)).refund()
    assert (now(world, asked).status, now(world, asked).sends) == ("succeeded", 1)
    assert world.events().count("payment.refunded") == 1
    assert world.alerts() == []
    world.assert_books_agree()


def test_a_refund_that_was_given_up_succeeds_when_the_gateway_shows_it_after_all(world: World) -> None:
    """Code -1 is what PortOne says where it could not hear the PG: the money may move later."""
    invoice = paid(world)
    asked = ask(world, invoice)
    unsure = answering(world, Refused("code -1 (the PG did not answer)", EVIDENCE))
    unsure.refund()
    looks(unsure)
    assert now(world, asked).status == "failed"
    assert kinds(world) == {"refund_failed"}
    console(world, invoice, 3000, reason=f"{asked.id} asked")
    (row,) = world.ledger(invoice)
    world.webhook(row["imp_uid"], row["merchant_uid"], "cancelled")
    world.settle()
    done = now(world, asked)
    assert (done.status, world.attempt(invoice).refunded) == ("succeeded", 3000)
    assert done.evidence_id is not None
    assert world.alerts() == []


@pytest.mark.fm("L18")
def test_an_accepted_refund_is_not_given_up_because_the_console_refunds_too(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)

    def later(gateway: Gateway, request: RefundRequest) -> RefundAnswer:
        return Answered(*gateway.payment(request.imp_uid).payments[0])

    accepted = world.with_ports(gateway=Around(world.ports.gateway, on_cancel=later))
    accepted.refund()
    console(world, invoice, 4000)
    looks(accepted)
    assert (now(world, asked).status, now(world, asked).sends) == ("unknown", 1)
    with pytest.raises(Conflict, match="is not finished yet"):
        ask(world, invoice)
    console(world, invoice, 3000, reason=f"{asked.id} asked")
    looks(accepted)
    assert now(world, asked).status == "succeeded"
    assert world.attempt(invoice).refunded == 7000


@pytest.mark.fm("L18")
@pytest.mark.parametrize("pg", ["paypal_v2", "paymentwall"])
def test_an_unclear_answer_of_a_pg_that_moves_the_money_later_is_never_sent_again(world: World, pg: str) -> None:
    """It may have been taken although no read shows it; the balance is the old one still, and would let it pass."""
    invoice = paid(world)
    asked = ask(world, invoice)
    slow = reading(world, lambda payment: replace(payment, pg_provider=pg))
    lost = slow.with_ports(gateway=Around(slow.ports.gateway, on_cancel=lambda _gateway, _request: LOST))
    lost.refund()
    looks(lost)
    assert (now(world, asked).status, now(world, asked).sends) == ("unknown", 1)
    world.clock.advance(hours=25)
    slow.refund()
    assert kinds(world) == {"refund_stuck"}
    assert sends(world, invoice) == 0


@pytest.mark.parametrize(
    "changed",
    [
        lambda payment: replace(payment, imp_uid="imps_another"),
        lambda payment: replace(payment, merchant_uid="another0001"),
        lambda payment: replace(payment, money=replace(payment.money, amount=PRICE + 1)),
        lambda payment: replace(payment, money=replace(payment.money, currency="USD")),
        lambda payment: replace(payment, status="ready"),
        lambda payment: replace(payment, cancelled=replace(payment.cancelled, amount=0)),
        lambda payment: replace(payment, cancelled=replace(payment.cancelled, amount=2999)),
        lambda payment: replace(
            payment, cancellations=tuple(replace(c, money=replace(c.money, amount=1)) for c in payment.cancellations)
        ),
    ],
    ids=["imp_uid", "merchant_uid", "amount", "currency", "status", "nothing", "less", "one won of it"],
)
def test_a_payment_that_is_another_or_contradicts_itself_proves_no_refund(
    world: World, changed: Callable[[GatewayPayment], GatewayPayment]
) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    wrong = reading(world, changed)
    wrong.refund()
    looks(wrong)
    assert (now(world, asked).status, now(world, asked).sends) == ("unknown", 1)
    assert "mismatch" in kinds(world)
    looks(world)
    assert (now(world, asked).status, now(world, asked).sends) == ("succeeded", 1)
    assert world.attempt(invoice).refunded == 3000


def test_a_slow_read_from_before_a_send_says_nothing_about_that_send(world: World) -> None:
    """Two workers read; one decides and sends again while the other still waits for its answer."""
    invoice = paid(world)
    asked = ask(world, invoice)
    lost = answering(world, LOST)
    lost.refund()
    world.clock.advance(seconds=4)
    lost.refund()
    world.clock.advance(seconds=1)

    def overtaken(gateway: Gateway, imp_uid: str) -> Listing:
        listing = gateway.payment(imp_uid)
        refunding.refund(lost.ports, asked.id)
        assert now(world, asked).status == "pending"
        world.clock.advance(minutes=2)
        lost.refund()
        return listing

    slow = lost.with_ports(gateway=Around(lost.ports.gateway, on_payment=overtaken))
    refunding.refund(slow.ports, asked.id)
    again = now(world, asked)
    assert (again.status, again.sends, again.absent_since) == ("unknown", 2, None)
    looks(world)
    assert now(world, asked).status == "succeeded"
    assert sends(world, invoice) == 1


def test_two_reads_that_both_find_it_absent_send_it_again_once(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    lost = answering(world, LOST)
    lost.refund()
    world.clock.advance(seconds=4)
    lost.refund()
    world.clock.advance(seconds=1)

    def beside(gateway: Gateway, imp_uid: str) -> Listing:
        listing = gateway.payment(imp_uid)
        refunding.refund(lost.ports, asked.id)
        return listing

    refunding.refund(lost.with_ports(gateway=Around(lost.ports.gateway, on_payment=beside)).ports, asked.id)
    assert (now(world, asked).status, now(world, asked).sends) == ("pending", 1)


def test_a_refund_that_is_lost_again_and_again_is_told_although_each_time_is_young(world: World) -> None:
    invoice = paid(world)
    asked = ask(world, invoice)
    lost = answering(world, LOST)
    for _ in range(refunding.STUCK_AFTER):
        for seconds in (0, 4, 1):
            world.clock.advance(seconds=seconds)
            lost.refund()
        world.clock.advance(hours=1)
    assert [(alert.kind, alert.subject_id) for alert in world.alerts()] == [("refund_stuck", asked.id)]
    world.refund()
    assert now(world, asked).status == "succeeded"
    assert world.alerts() == []


def test_one_key_names_one_refund_of_an_invoice_whatever_else_is_said(world: World) -> None:
    invoice = paid(world)
    whole = ask(world, invoice, None, everything=True, idempotency_key="k")
    assert ask(world, invoice, PRICE, idempotency_key="k").id == whole.id
    assert ask(world, invoice, None, everything=True, attempt_id=whole.attempt_id, idempotency_key="k").id == whole.id
    for amount, more in ((3000, {}), (PRICE, {"attempt_id": "att_other"})):
        with pytest.raises(Conflict, match=f"k stands for refund {whole.id} over 9,900 KRW already"):
            ask(world, invoice, amount, idempotency_key="k", **more)
    world.settle()
    part = paid(world)
    first = ask(world, part, 3000, idempotency_key="k")
    with pytest.raises(Conflict, match=f"stands for refund {first.id}"):
        ask(world, part, None, everything=True, idempotency_key="k")


@pytest.mark.parametrize(
    ("currency", "price", "part"), [("USD", 1999, 1001), ("JPY", 500, 499), ("KWD", 12_345, 12_344)]
)
def test_decimals_of_every_kind_of_currency_are_given_back_exactly(
    world: World, currency: str, price: int, part: int
) -> None:
    invoice = paid(world, amount=price, currency=currency)
    ask(world, invoice, part)
    world.settle()
    assert world.attempt(invoice).refunded == part
    ask(world, invoice, None, everything=True)
    world.settle()
    (row,) = world.ledger(invoice)
    assert row["cancel_amount"] == row["amount"]
    assert world.attempt(invoice).refunded == price
    assert world.alerts() == []
    world.assert_books_agree()


def test_an_invoice_of_a_canceled_subscription_is_refunded_like_any_other(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    world.cancel(subscription)
    invoice = world.invoice(subscription)
    asked = ask(world, invoice, None, everything=True)
    world.settle()
    assert now(world, asked).status == "succeeded"
    world.clock.advance(days=40)
    world.settle()
    assert world.money() == []
    assert len(world.ledger(invoice)) == 1


@pytest.mark.fm("E18")
def test_a_surplus_payment_that_the_console_refunds_in_part_is_given_back_to_the_last_won(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.run_until(world.clock.now() + timedelta(days=1))
    first = world.ledger()[0]
    world.sandbox.control("/operator/pay", imp_uid=first["imp_uid"])
    world.webhook(first["imp_uid"], first["merchant_uid"])
    world.apply()
    world.sandbox.control("/operator/cancel", imp_uid=first["imp_uid"], amount=4000)
    world.refund()
    looks(world)
    looks(world)
    invoice = world.invoice(subscription)
    with world.ports.database.transaction() as uow:
        found = [(refund.money.amount, refund.status.value) for refund in uow.refunds.of_invoice(invoice.id)]
    assert found == [(PRICE, "failed"), (5900, "succeeded")]
    assert len(world.money(invoice)) == 1
    assert "surplus_payment" not in kinds(world)
    world.assert_books_agree()
