"""Payments by card data: one payment at most, and no key that was never confirmed."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.budget import Budgets
from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import Conflict, InvalidInput, SettingsInvalid
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.payment import Approved, ChargeRequest, Failed, Outcome, Unknown
from billing_worker.domain.pg_limits import PgLimits, Quiet
from billing_worker.domain.stop import StopCause
from billing_worker.ports.outside import Gateway, KeyReading
from billing_worker.usecases.charge.card_payment import (
    NewCardPayment,
    finish_card_payment,
    pay_by_card,
    request_card_payment,
)
from billing_worker.usecases.control.stop_charging import stop_charging
from billing_worker.usecases.entry.calls import delete_key
from billing_worker.usecases.key.reactivate import reactivate
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.refund.refund import request_refund
from tests.support.deliveries import Crash
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

NUMBER = "5409600012345677"
HOUR = timedelta(hours=1)


@pytest.fixture
def taking(known: World) -> World:
    """A world that takes card data, in which the gateway shows a payment of another customer."""
    return known.with_ports(card_entry=True)


def a_card(number: str = NUMBER) -> Card:
    return Card.entered(number, "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


def once(amount: int = 9900, number: str = NUMBER, **more: Any) -> NewCardPayment:
    return NewCardPayment("nice_v2", a_card(number), amount, **more)


def kept(world: World, **more: Any) -> NewCardPayment:
    return once(customer_uid=world.uid("user"), **more)


def key_of(world: World, payment: Invoice) -> BillingKey:
    with world.ports.database.transaction() as uow:
        return uow.keys.get(payment.billing_key_id)


def paid_for(world: World, payment: Invoice) -> list[dict[str, Any]]:
    return world.money(world.now_of(payment))


def heal(world: World) -> None:
    world.run_until(world.clock.now() + timedelta(days=1), HOUR)


def test_a_one_time_payment_is_taken_and_its_card_is_never_charged_again(taking: World) -> None:
    payment = pay_by_card(taking.ports, once(15_000, order_id=f"till-{uuid4().hex[:10]}", customer="hong"))
    assert payment.status == "paid"
    (money,) = paid_for(taking, payment)
    assert (money["amount"], money["customer_uid"]) == (15_000, None)
    assert key_of(taking, payment).status is KeyStatus.DELETED
    with pytest.raises(Conflict, match="deleted"):
        taking.pay(key_of(taking, payment))
    heal(taking)
    assert len(paid_for(taking, payment)) == 1
    assert "None" not in str(why(taking.ports, payment.billing_key_id).answer)
    assert NUMBER not in str(taking.rows("SELECT * FROM evidence")) + str(taking.rows("SELECT * FROM invoices"))


def test_a_first_payment_leaves_an_active_key_that_pays_the_next_periods(taking: World) -> None:
    payment = pay_by_card(taking.ports, kept(taking))
    key = key_of(taking, payment)
    assert (payment.status, key.status, key.card.last_digits) == ("paid", KeyStatus.ACTIVE, NUMBER[-4:])
    subscription = taking.subscribe(key=key)
    taking.settle()
    assert taking.invoice(subscription).status == "paid"
    assert len(paid_for(taking, payment)) == 1
    taking.assert_books_agree()


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("behaviour", ["decline-limit", "decline-stolen", "error502-html"])
def test_a_declined_payment_leaves_no_key_that_would_be_charged(taking: World, behaviour: str, *, keeps: bool) -> None:
    wanted = kept(taking, order_id=f"till-{uuid4().hex[:10]}") if keeps else once(order_id=f"till-{uuid4().hex[:10]}")
    taking.sandbox.rule(behaviour, endpoint="onetime", merchant_uid=wanted.order_id)
    payment = pay_by_card(taking.ports, wanted)
    heal(taking)
    taking.sandbox.forget_rules()
    payment, key = taking.now_of(payment), key_of(taking, payment)
    assert payment.status == "uncollectible"
    assert key.status is (KeyStatus.INVALID if keeps else KeyStatus.DELETED)
    assert paid_for(taking, payment) == []
    if keeps:
        assert key.invalid_reason
        with pytest.raises(Conflict, match="invalid"):
            taking.subscribe(key=key)
    taking.assert_books_agree()


def loses(gateway: Gateway, request: ChargeRequest, card: Card) -> Outcome:
    gateway.charge_card(request, card)
    return Unknown("no answer: the connection was lost")


def never_arrives(_gateway: Gateway, _request: ChargeRequest, _card: Card) -> Outcome:
    return Unknown("no answer: the connection was lost")


def dies_after(gateway: Gateway, request: ChargeRequest, card: Card) -> Outcome:
    gateway.charge_card(request, card)
    raise Crash


def dies_before(_gateway: Gateway, _request: ChargeRequest, _card: Card) -> Outcome:
    raise Crash


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize(
    ("trouble", "taken"), [(loses, True), (dies_after, True), (never_arrives, False), (dies_before, False)]
)
def test_an_unclear_answer_is_read_and_the_card_is_never_sent_again(
    taking: World, trouble: Callable[..., Outcome], *, taken: bool, keeps: bool
) -> None:
    shaky = taking.with_ports(gateway=Around(taking.ports.gateway, on_charge_card=trouble))
    paying = request_card_payment(shaky.ports, kept(taking) if keeps else once())
    with suppress(Crash):
        finish_card_payment(shaky.ports, paying)
    payment = taking.now_of_id(paying.invoice_id)
    assert payment.status == "open"
    if keeps:
        assert key_of(taking, payment).status is KeyStatus.PENDING
        assert "payment that issues it" in str(why(taking.ports, payment.billing_key_id))
    heal(taking)
    payment = taking.now_of(payment)
    assert payment.status == ("paid" if taken else "uncollectible")
    assert len(paid_for(taking, payment)) == int(taken)
    if keeps:
        assert key_of(taking, payment).status is (KeyStatus.ACTIVE if taken else KeyStatus.INVALID)
    sent = [
        call for call in taking.sandbox.requests("/subscribe/payments/onetime") if payment.merchant_uid in str(call)
    ]
    assert len(sent) == int(taken)
    taking.assert_books_agree()


def test_a_worker_that_dies_before_the_call_sends_nothing(taking: World) -> None:
    paying = request_card_payment(taking.ports, kept(taking))
    heal(taking)
    payment = taking.now_of_id(paying.invoice_id)
    assert (payment.status, key_of(taking, payment).status) == ("uncollectible", KeyStatus.INVALID)
    assert paid_for(taking, payment) == []


def test_a_worker_that_wakes_up_late_sends_nothing_any_more(taking: World) -> None:
    paying = request_card_payment(taking.ports, once())
    taking.clock.advance(seconds=taking.ports.timing.lease)
    finish_card_payment(taking.ports, paying)
    assert paid_for(taking, taking.now_of_id(paying.invoice_id)) == []


@pytest.mark.parametrize("stored", [True, None])
def test_no_card_is_sent_over_a_key_that_portone_has_or_may_have(taking: World, *, stored: bool | None) -> None:
    wanted = kept(taking)
    if stored:
        taking.sandbox.register(wanted.customer_uid or "")
    else:
        unread = Around(taking.ports.gateway, on_read_key=lambda *_: KeyReading(trouble="HTTP 503"))
        taking = taking.with_ports(gateway=unread)
    payment = pay_by_card(taking.ports, wanted)
    heal(taking)
    assert taking.now_of(payment).status == "uncollectible"
    assert key_of(taking, payment).status is KeyStatus.INVALID
    assert paid_for(taking, payment) == []


def test_a_repeat_of_an_order_number_or_of_a_name_is_refused_and_stores_nothing(taking: World) -> None:
    order, wanted = f"till-{uuid4().hex[:10]}", kept(taking)
    first = pay_by_card(taking.ports, once(order_id=order))
    with pytest.raises(Conflict) as refused:
        pay_by_card(taking.ports, once(500, order_id=order))
    assert refused.value.existing_id == first.id
    pay_by_card(taking.ports, wanted)
    before = taking.rows("SELECT count(*) AS n FROM invoices")
    with pytest.raises(Conflict, match="customer_uid"):
        pay_by_card(taking.ports, NewCardPayment("nice_v2", a_card(), 9900, customer_uid=wanted.customer_uid))
    assert taking.rows("SELECT count(*) AS n FROM invoices") == before
    assert len(paid_for(taking, first)) == 1


def test_it_is_given_back_like_any_payment(taking: World) -> None:
    payment = pay_by_card(taking.ports, once())
    request_refund(taking.ports, payment.id, None, everything=True, reason="returned")
    taking.settle()
    assert paid_for(taking, payment) == []
    taking.assert_books_agree()


def test_what_holds_charges_holds_this_one_and_nothing_is_stored(taking: World) -> None:
    with pytest.raises(SettingsInvalid, match="BILLING_CARD_ENTRY"):
        pay_by_card(taking.with_ports(card_entry=False).ports, once())
    with pytest.raises(Conflict, match="would bring"):
        pay_by_card(taking.with_ports(budgets=Budgets(run={"KRW": 100})).ports, once())
    all_day = PgLimits(quiet={"nice_v2": Quiet(time(0, 0), time(23, 59))})
    with pytest.raises(Conflict, match="takes no charge before"):
        pay_by_card(taking.with_ports(pg_limits=all_day).ports, once())
    stop_charging(taking.ports, "all", StopCause.PERSON, "looks wrong")
    with pytest.raises(Conflict, match="stopped"):
        pay_by_card(taking.ports, once())
    assert taking.rows("SELECT FROM invoices WHERE subscription_id IS NULL") == []
    assert len(taking.rows("SELECT FROM billing_keys")) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"pg_provider": "paymentwall"}, "pg_provider"),
        ({"pg_provider": "kakaopay"}, "pg_provider"),
        ({"pg_provider": "no_such"}, "pg_provider"),
        ({"pg_provider": "welcome"}, "buyer_name"),
        ({"customer_uid": NUMBER}, "customer_uid"),
        ({"order_id": "a b"}, "order_id"),
    ],
)
def test_bad_input_names_its_field_and_never_the_card(taking: World, change: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {"pg_provider": "nice_v2", "card": a_card(), "amount": 9900} | change
    with pytest.raises(InvalidInput) as refused:
        pay_by_card(taking.ports, NewCardPayment(**given))
    assert refused.value.field == field
    assert NUMBER not in str(refused.value)
    assert taking.rows("SELECT FROM invoices WHERE subscription_id IS NULL") == []


def test_a_key_of_another_system_is_never_activated_charged_or_deleted(taking: World) -> None:
    wanted = kept(taking)
    taking.sandbox.register(wanted.customer_uid or "")
    payment = pay_by_card(taking.ports, wanted)
    with pytest.raises(Conflict, match="never worked"):
        reactivate(taking.ports, payment.billing_key_id)
    heal(taking)
    assert paid_for(taking, payment) == []
    assert delete_key(taking.ports, payment.billing_key_id, "tidy up").status is KeyStatus.DELETED
    assert taking.ports.gateway.read_key(wanted.customer_uid or "").known


def test_the_first_payment_of_a_new_database_claims_it_as_the_first_scan_does(world: World) -> None:
    assert pay_by_card(world.with_ports(card_entry=True).ports, once()).status == "paid"
    subscription = world.subscribe()
    world.settle()
    assert world.rows("SELECT FROM stops") == []
    assert world.invoice(subscription).status == "paid"


def test_a_key_whose_first_payment_was_taken_late_may_be_activated(taking: World) -> None:
    shaky = taking.with_ports(gateway=Around(taking.ports.gateway, on_charge_card=never_arrives))
    payment = pay_by_card(shaky.ports, kept(taking))
    heal(taking)
    late = taking.ports.gateway.charge_card(
        ChargeRequest(payment.merchant_uid, key_of(taking, payment).customer_uid, payment.money, "late", "nice_v2"),
        a_card(),
    )
    assert isinstance(late, Approved)
    taking.webhook(late.payment.imp_uid, payment.merchant_uid)
    taking.settle()
    assert taking.now_of(payment).status == "paid"
    assert reactivate(taking.ports, payment.billing_key_id).status is KeyStatus.ACTIVE


@pytest.mark.parametrize("keeps", [False, True])
def test_one_of_which_nothing_was_sent_is_over_at_once(taking: World, *, keeps: bool) -> None:
    wanted = kept(taking) if keeps else once(order_id=f"till-{uuid4().hex[:10]}")
    never_sent = Failed("nothing was sent", None)
    away = taking.with_ports(gateway=Around(taking.ports.gateway, on_charge_card=lambda *_: never_sent))
    payment = pay_by_card(away.ports, wanted)
    assert (payment.status, payment.last_reason) == ("uncollectible", "nothing was sent")
    assert key_of(taking, payment).status is (KeyStatus.INVALID if keeps else KeyStatus.DELETED)
    heal(taking)
    assert paid_for(taking, payment) == []
    taking.assert_books_agree()
