"""What a PG forbids is refused before anything is sent, at each entrance; a stored key of an unknown PG still works."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import InvalidInput
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.payment_options import PaymentOptions
from billing_worker.usecases.card.create import NewCardSession, create_session
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.key.change import change_key
from billing_worker.usecases.key.register import NewKey, register_key
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.support.world import World


def registered(world: World, pg: str, **buyer: str | None) -> BillingKey:
    return register_key(world.ports, NewKey(world.uid(), pg, **buyer))


def paid_by(world: World, pg: str, **buyer: str) -> Invoice:
    subscription = world.subscribe(key=world.key(pg=pg, **buyer))
    world.settle()
    invoice = world.invoice(subscription)
    assert invoice.status == "paid"
    return invoice


def as_stored_before(world: World, pg: str) -> None:
    """Every key is one of this PG, as an earlier release stored it."""
    with world.engine.begin() as connection:
        done = connection.exec_driver_sql("UPDATE billing_keys SET pg_provider = %(pg)s", {"pg": pg})
        assert done.rowcount > 0


def cancels(world: World, invoice: Invoice) -> int:
    ids = {row["imp_uid"] for row in world.ledger(invoice)}
    return sum(call["fields"].get("imp_uid") in ids for call in world.sandbox.requests("/payments/cancel"))


def ask(world: World, invoice: Invoice, amount: int | None) -> None:
    request_refund(world.ports, invoice.id, amount, everything=amount is None, reason="the customer asked")


@pytest.mark.parametrize(
    ("pg", "buyer", "field"),
    [
        ("nice_v3", {}, "pg_provider"),
        ("tosspay", {}, "pg_provider"),
        ("ksnet", {}, "buyer_name"),
        ("smartro_v2", {"buyer_name": "Kim", "buyer_email": "kim@example.com"}, "buyer_tel"),
        ("paymentwall", {"buyer_name": "Kim"}, "buyer_name"),
    ],
)
def test_a_key_that_could_never_be_charged_is_not_registered(
    world: World, pg: str, buyer: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        registered(world, pg, **buyer)
    assert refused.value.field == field
    assert world.rows("SELECT 1 FROM billing_keys") == []


def test_a_plan_in_a_currency_that_the_pg_does_not_charge_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"paypal_v2 .* charges no KRW") as refused:
        world.subscribe(key=registered(world, "paypal_v2"))
    assert refused.value.field == "plan_id"
    subscription = world.subscribe()
    with pytest.raises(InvalidInput, match=r"paypal_v2 .* charges no KRW") as refused:
        replace_key(world.ports, subscription.id, registered(world, "paypal_v2").id)
    assert refused.value.field == "billing_key_id"


def test_a_stored_key_of_an_unknown_pg_is_charged_and_given_back(world: World) -> None:
    """An earlier release registered any code."""
    subscription = world.subscribe()
    as_stored_before(world, "oldpg_v9")
    world.settle()
    invoice = world.invoice(subscription)
    assert invoice.status == "paid"
    assert world.rows("SELECT DISTINCT pg_provider FROM billing_keys") == [{"pg_provider": "oldpg_v9"}]
    ask(world, invoice, 100)
    world.refund()
    assert [row["cancel_amount"] for row in world.ledger(invoice)] == [100]


def test_a_stored_key_without_what_its_pg_needs_is_read_and_charged(world: World) -> None:
    """No command could add it: a new key would be needed for a charge that PortOne perhaps takes."""
    subscription = world.subscribe()
    as_stored_before(world, "welcome")
    world.settle()
    assert world.invoice(subscription).status == "paid"


def test_a_phone_payment_is_given_back_whole_and_within_its_month_or_not_at_all(world: World) -> None:
    invoice = paid_by(world, "danal")
    with pytest.raises(InvalidInput, match="no part of it") as refused:
        ask(world, invoice, 100)
    assert refused.value.field == "amount"
    world.clock.advance(days=32)
    with pytest.raises(InvalidInput, match="gives nothing back after the month of the payment"):
        ask(world, invoice, None)
    assert cancels(world, invoice) == 0


def test_a_phone_payment_is_given_back_within_its_month(world: World) -> None:
    invoice = paid_by(world, "danal")
    ask(world, invoice, None)
    world.refund()
    assert [row["cancel_amount"] for row in world.ledger(invoice)] == [invoice.money.amount]


def test_a_payment_at_ksnet_takes_nine_partial_refunds(world: World) -> None:
    invoice = paid_by(world, "nice_v2")
    as_stored_before(world, "ksnet")
    for _ in range(9):
        ask(world, invoice, 100)
        world.refund()
    with pytest.raises(InvalidInput, match="at most 9 partial refunds of a payment, and 9 were made"):
        ask(world, invoice, 100)
    assert cancels(world, invoice) == 9


def test_a_charge_at_ksnet_without_a_kind_of_product_is_not_sent(world: World) -> None:
    subscription = world.subscribe(key=world.key(pg="ksnet", buyer_name="홍길동"))
    world.settle()
    invoice = world.invoice(subscription)
    assert invoice.status == "open"
    assert world.again_calls(invoice) == 0
    reasons = [attempt.reason or "" for attempt in world.attempts(invoice)]
    assert all("product_type: ksnet (KSNET) needs it: set BILLING_PRODUCT_TYPE" in reason for reason in reasons)
    assert reasons


KIM = {"buyer_name": "Kim", "buyer_email": "kim@example.com", "buyer_tel": "010-1234-5678"}


def test_a_pending_key_gets_no_pg_that_does_not_take_what_waits_for_it(world: World) -> None:
    in_dollars = registered(world, "nice_v2", **KIM)
    world.subscribe(key=in_dollars, plan=world.plan(currency="USD"))
    with_vat = registered(world, "nice_v2", **KIM)
    world.subscribe(key=with_vat, plan=world.plan(options=PaymentOptions(vat_amount=900)))
    numbered = registered(world, "nice_v2", **KIM)
    world.pay(numbered, order_id=f"shop_{world.environment}")
    for key, pg in ((in_dollars, "toss_brandpay"), (with_vat, "kicc"), (numbered, "smartro_v2")):
        with pytest.raises(InvalidInput) as refused:
            change_key(world.ports, key.id, pg_provider=pg)
        assert refused.value.field == "pg_provider"
        assert world.key_now(key).pg_provider == "nice_v2"
        assert change_key(world.ports, key.id, pg_provider="welcome").pg_provider == "welcome"


def test_no_window_is_opened_for_a_card_that_could_not_take_the_plan(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(options=PaymentOptions(vat_amount=900)))
    with pytest.raises(InvalidInput) as refused:
        create_session(world.ports, NewCardSession("kicc", subscription_id=subscription.id))
    assert refused.value.field == "pg"
    create_session(world.ports, NewCardSession("html5_inicis", subscription_id=subscription.id))


@pytest.mark.parametrize(
    ("pg", "without"),
    [("ksnet", "buyer_name"), ("welcome", "buyer_name"), *(("html5_inicis", name) for name in KIM)],
)
def test_card_data_are_not_sent_without_what_their_pg_needs(world: World, pg: str, without: str) -> None:
    ports = replace(world.ports, card_entry=True)
    card = Card.entered("5409600012345677", "2031-04", birth=None, pwd_2digit=None, real_now=datetime.now(UTC))
    with pytest.raises(InvalidInput) as refused:
        pay_by_card(ports, NewCardPayment(pg, card, 9900, **{**KIM, without: None}))  # type: ignore[arg-type] # a buyer
    assert refused.value.field == without
    assert world.rows("SELECT 1 FROM invoices") == []
