"""Single payments: any amount on a stored key, now or at a time, with the safety of a recurring charge."""

from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from sqlalchemy import text

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.budget import Budgets
from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.money import Money
from billing_worker.domain.payment import Approved, ChargeRequest
from billing_worker.domain.payment_options import PaymentOptions
from billing_worker.domain.stop import StopCause
from billing_worker.usecases.charge import collect
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.control.stop_charging import clear_stop, stop_charging
from billing_worker.usecases.key.reactivate import reactivate
from billing_worker.usecases.payment.cancel import cancel_payment
from billing_worker.usecases.payment.create import NewPayment, create_payment
from billing_worker.usecases.reading.customer import customer_with
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.refund.refund import request_refund
from tests.support.deliveries import Crash
from tests.support.gateways import Around, loses_the_reply, never_arrives
from tests.support.world import World, open_period

HOUR = timedelta(hours=1)


def test_a_payment_is_charged_once_and_its_events_belong_to_no_subscription(world: World) -> None:
    payment = world.pay(amount=15_000, customer="hong", name="추가 사용료")
    world.settle()
    world.settle()
    assert world.now_of(payment).status == "paid"
    (money,) = world.money(payment)
    assert (money["amount"], money["merchant_uid"]) == (15_000, payment.merchant_uid)
    (event,) = world.rows("SELECT * FROM outbox WHERE type = 'invoice.paid'")
    assert event["stream_id"] == payment.id
    said = {name: event["data"][name] for name in ("subscription_id", "customer", "period_start", "amount")}
    assert said == {"subscription_id": None, "customer": "hong", "period_start": None, "amount": 15_000}
    world.assert_books_agree()


def test_it_is_charged_at_its_time_and_not_before(world: World) -> None:
    payment = world.pay(at=world.clock.now() + 5 * HOUR)
    world.settle()
    assert world.money(payment) == []
    assert "Not due yet" in str(why(world.ports, payment.id))
    world.clock.advance(hours=5)
    world.settle()
    assert len(world.money(payment)) == 1
    world.assert_books_agree()


def test_the_merchants_own_order_number_is_the_merchant_uid_and_its_repeat_is_refused(world: World) -> None:
    key, order = world.key(), f"shop-{uuid4().hex[:12]}"
    first = world.pay(key, order_id=order)
    with pytest.raises(Conflict) as refused:
        world.pay(key, 500, order_id=order)
    assert refused.value.existing_id == first.id
    world.settle()
    with pytest.raises(Conflict):
        world.pay(world.key(), order_id=order)
    (money,) = world.money(first)
    assert (money["merchant_uid"], money["amount"]) == (order, 9900)
    world.assert_books_agree()


def test_two_requests_with_one_order_number_at_the_same_time_make_one_payment(world: World) -> None:
    key, order, both = world.key(), f"race-{uuid4().hex[:12]}", Barrier(2)
    twin, made, refused = world.twin(), [], []

    def request(one: World) -> None:
        both.wait()
        try:
            made.append(create_payment(one.ports, NewPayment(key.id, 700, order_id=order)).id)
        except Conflict as error:
            refused.append(error.existing_id)

    threads = [Thread(target=request, args=(each,)) for each in (world, twin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    twin.close()
    assert len(made) == 1
    assert refused == made


def test_an_order_number_that_the_shop_charged_itself_is_read_and_never_charged_again(world: World) -> None:
    """PortOne refuses it as used. Here the shop took the same sum from the same card: that is this payment."""
    key, order = world.key(), f"used-{uuid4().hex[:12]}"
    elsewhere = ChargeRequest(order, key.customer_uid, Money(9900, "KRW"), "shop", key.pg_provider)
    assert isinstance(world.ports.gateway.charge(elsewhere), Approved)
    payment = world.pay(key, order_id=order)
    world.settle()
    world.resolve()
    assert len(world.ledger(payment)) == 1
    assert world.now_of(payment).status == "paid"
    assert "unasked_payment" not in [alert.kind for alert in world.alerts()]


@pytest.mark.parametrize(
    ("days", "tries", "status"),
    [((), 1, "uncollectible"), ((1, 2), 3, "uncollectible")],
)
def test_after_a_decline_it_is_tried_again_only_as_it_was_asked_for(
    world: World, days: tuple[int, ...], tries: int, status: str
) -> None:
    payment = world.pay(world.key("decline-limit"), retry_days=days)
    world.run_until(world.clock.now() + timedelta(days=6))
    now = world.now_of(payment)
    assert (now.status, now.attempts) == (status, tries)
    assert world.money(payment) == []
    world.assert_books_agree()


def test_a_stolen_card_ends_it_at_once_and_no_other_card_is_awaited(world: World) -> None:
    key = world.key("decline-stolen")
    payment = world.pay(key)
    world.settle()
    assert world.now_of(payment).status == "uncollectible"
    assert world.key_now(key).status is KeyStatus.INVALID
    with pytest.raises(Conflict, match="another payment"):
        retry_now(world.ports, payment.id)
    world.assert_books_agree()


def test_an_operator_may_try_a_declined_one_again(world: World) -> None:
    payment = world.pay(world.key("decline-limit-1x"))
    world.settle()
    assert world.now_of(payment).status == "uncollectible"
    retry_now(world.ports, payment.id)
    world.settle()
    assert world.now_of(payment).status == "paid"
    assert len(world.money(payment)) == 1
    world.assert_books_agree()


@pytest.mark.parametrize("trouble", [loses_the_reply, never_arrives])
@pytest.mark.parametrize("order", [None, "own"])
def test_an_unclear_answer_is_resolved_by_reading_and_one_payment_is_made(known: World, trouble, order) -> None:
    world = known
    payment = world.pay(order_id=order and f"{order}-{uuid4().hex[:12]}")
    shaky = world.with_ports(gateway=Around(world.ports.gateway, trouble))
    collect.collect(shaky.ports, [payment.id])
    world.run_until(world.clock.now() + timedelta(days=1), HOUR)
    assert world.now_of(payment).status == "paid"
    assert len(world.money(payment)) == 1
    world.assert_books_agree()


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_dies_around_the_call_leaves_one_payment(known: World, *, after: bool) -> None:
    world = known

    def dies(gateway, request):
        if after:
            gateway.charge(request)
        raise Crash

    payment = world.pay()
    shaky = world.with_ports(gateway=Around(world.ports.gateway, dies))
    with pytest.raises(Crash):
        collect.collect(shaky.ports, [payment.id])
    world.clock.advance(seconds=world.ports.timing.lease + 1)
    world.run_until(world.clock.now() + timedelta(days=1), HOUR)
    assert world.now_of(payment).status == "paid"
    assert len(world.money(payment)) == 1
    world.assert_books_agree()


def test_two_workers_charge_it_once(world: World) -> None:
    payment, twin, both = world.pay(), world.twin(), Barrier(2)

    def charge(one: World) -> None:
        both.wait()
        collect.collect(one.ports, [payment.id])

    threads = [Thread(target=charge, args=(each,)) for each in (world, twin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    twin.close()
    world.settle()
    assert len(world.money(payment)) == 1
    world.assert_books_agree()


def test_one_chunk_may_hold_periods_and_single_payments(world: World) -> None:
    plan = world.plan()
    subscriptions = [world.subscribe(plan=plan, start=world.clock.now()) for _ in range(3)]
    payments = [world.pay(amount=1000 + number) for number in range(3)]
    for each in subscriptions:
        open_period(world.ports, each.id)
    ids = [world.invoice(each).id for each in subscriptions] + [each.id for each in payments]
    assert collect.collect(world.ports, ids) == 6
    assert [world.now_of(each).status for each in payments] == ["paid"] * 3
    assert [world.invoice(each).status for each in subscriptions] == ["paid"] * 3
    world.assert_books_agree()


def test_it_is_given_back_in_parts_with_its_parts_by_tax(world: World) -> None:
    options = PaymentOptions(tax_free=1000, vat_amount=818)
    payment = world.pay(amount=9999, options=options)
    world.settle()
    for amount in (3333, 3333, 3333):
        request_refund(world.ports, payment.id, amount, reason="returned")
        world.settle()
    calls = world.sandbox.requests("/payments/cancel")
    own = [call["fields"] for call in calls if call["fields"]["imp_uid"] == world.ledger(payment)[0]["imp_uid"]]
    assert [call["tax_free"] for call in own] == [333, 333, 334]
    assert sum(call["vat_amount"] for call in own) == 818
    assert world.money(payment) == []
    world.assert_books_agree()


def test_the_options_reach_portone_as_they_were_given(world: World) -> None:
    options = PaymentOptions(
        tax_free=50_000, card_quota=3, custom_data='{"basket": 42}', notice_url="https://shop.example/portone"
    )
    payment = world.pay(amount=60_000, options=options)
    world.settle()
    (call,) = [
        each["fields"]
        for each in world.sandbox.requests("/subscribe/payments/again")
        if payment.merchant_uid in str(each)
    ]
    sent = {name: call[name] for name in ("tax_free", "card_quota", "custom_data", "notice_url")}
    assert sent == {
        "tax_free": 50_000,
        "card_quota": 3,
        "custom_data": '{"basket": 42}',
        "notice_url": "https://shop.example/portone",
    }
    (event,) = world.rows("SELECT data FROM outbox WHERE type = 'invoice.paid'")
    assert event["data"]["custom_data"] == '{"basket": 42}'


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"options": PaymentOptions(tax_free=9901)}, "tax_free"),
        ({"options": PaymentOptions(tax_free=9000, vat_amount=901)}, "vat_amount"),
        ({"options": PaymentOptions(card_quota=3)}, "card_quota"),
        ({"options": PaymentOptions(card_quota=1), "amount": 90_000}, "card_quota"),
        ({"options": PaymentOptions(notice_url="http://shop.example/x")}, "notice_url"),
        ({"options": PaymentOptions(notice_url="https://user@shop.example/x")}, "notice_url"),
        ({"order_id": "has space"}, "order_id"),
        ({"order_id": "x" * 41}, "order_id"),
        ({"order_id": "tabc" + "0" * 16 + "p00000g01"}, "order_id"),
        ({"retry_days": (0,)}, "retry_days"),
        ({"name": "x" * 41}, "name"),
        ({"customer": ""}, "customer"),
        ({"currency": "WON"}, "currency"),
    ],
)
def test_what_portone_or_the_pg_would_refuse_is_refused_here_by_field(world: World, wanted: dict, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.pay(**wanted)
    assert refused.value.field == field
    assert world.rows("SELECT FROM invoices") == []


def test_a_time_far_ahead_or_long_ago_is_a_mistake_and_yesterday_means_now(world: World) -> None:
    now = world.clock.now()
    for wrong in (now - timedelta(days=2), now + timedelta(days=800)):
        with pytest.raises(InvalidInput) as refused:
            world.pay(at=wrong)
        assert refused.value.field == "at"
    assert world.pay(at=now - HOUR).next_attempt_at == now


def test_vat_is_named_only_where_the_pg_takes_it(world: World) -> None:
    options = PaymentOptions(vat_amount=900)
    with pytest.raises(InvalidInput, match="kcp") as refused:
        world.pay(world.key(pg="kcp"), options=options)
    assert refused.value.field == "vat_amount"
    with pytest.raises(InvalidInput, match="tenth"):
        world.pay(world.key(pg="welcome", buyer_name="홍길동"), options=PaymentOptions(vat_amount=1000))
    assert world.pay(world.key(pg="nice"), options=options).options == options


def test_the_customer_is_that_of_the_keys_subscriptions(world: World) -> None:
    key = world.key()
    assert world.pay(key).of_single.customer == key.id
    world.subscribe(key=key, customer="hong")
    assert world.pay(key).of_single.customer == "hong"
    with pytest.raises(Conflict, match="the card of another customer"):
        world.subscribe(key=key, customer="kim")
    second = world.subscribe(key=key, customer="hong")  # as an older release could store it
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE subscriptions SET customer = 'kim' WHERE id = :id"), {"id": second.id})
    with pytest.raises(InvalidInput) as refused:
        world.pay(key)
    assert refused.value.field == "customer"
    assert world.pay(key, customer="lee").of_single.customer == "lee"


def test_a_canceled_payment_is_never_charged_and_a_taken_one_is_not_canceled(world: World) -> None:
    later, now = world.pay(at=world.clock.now() + HOUR), world.pay()
    cancel_payment(world.ports, later.id)
    world.clock.advance(hours=2)
    world.settle()
    assert (world.now_of(later).status, world.money(later)) == ("void", [])
    assert world.now_of(now).status == "paid"
    for payment, why_not in ((later, "canceled already"), (now, "refund")):
        with pytest.raises(Conflict, match=why_not):
            cancel_payment(world.ports, payment.id)
    with pytest.raises(NotFound):
        cancel_payment(world.ports, "inv_0000000000000000")
    world.assert_books_agree()


def test_a_payment_under_way_is_not_canceled(world: World) -> None:
    def cancels(gateway, request):
        with pytest.raises(Conflict, match="being charged"):
            cancel_payment(world.ports, payment.id)
        return gateway.charge(request)

    payment = world.pay()
    collect.collect(world.with_ports(gateway=Around(world.ports.gateway, cancels)).ports, [payment.id])
    assert world.now_of(payment).status == "paid"
    world.assert_books_agree()


@pytest.mark.parametrize("scope", ["all", "pg:nice_v2", "invoice"])
def test_a_stop_holds_it_and_why_says_so(world: World, scope: str) -> None:
    payment = world.pay()
    scope = f"invoice:{payment.id}" if scope == "invoice" else scope
    stop = stop_charging(world.ports, scope, StopCause.PERSON, "looks wrong").stop
    world.settle()
    assert world.money(payment) == []
    assert "looks wrong" in str(why(world.ports, payment.id))
    clear_stop(world.ports, stop.id, "checked")
    world.settle()
    assert len(world.money(payment)) == 1
    world.assert_books_agree()


def test_it_counts_against_the_budget_of_its_customer(world: World) -> None:
    guarded = world.with_ports(budgets=Budgets(customer_day={"KRW": 20_000}))
    first, second = (guarded.pay(amount=15_000, customer="hong") for _ in range(2))
    guarded.settle()
    paid = [each for each in (first, second) if guarded.now_of(each).status == "paid"]
    assert len(paid) == 1
    (stop,) = guarded.rows("SELECT scope FROM stops WHERE closed_at IS NULL")
    assert stop["scope"].startswith("invoice:inv_")


def test_a_pending_key_is_not_charged(world: World) -> None:
    _, key, _ = world.paymentwall_key()
    payment = world.pay(key)
    world.settle()
    assert world.ledger(payment) == []
    assert "confirm" in str(why(world.ports, payment.id))


def test_plans_have_options_too_and_each_period_carries_them(world: World) -> None:
    options = PaymentOptions(tax_free=9900)
    plan = world.plan(9900, options=options)
    subscription = world.subscribe(plan=plan)
    world.settle()
    invoice = world.invoice(subscription)
    assert invoice.options == options
    (call,) = [
        each["fields"]
        for each in world.sandbox.requests("/subscribe/payments/again")
        if invoice.merchant_uid in str(each)
    ]
    assert call["tax_free"] == 9900


def test_a_paymentwall_key_is_charged_although_its_issuing_payment_is_undecided(world: World) -> None:
    """The merchant named this sum: the payment that issued the key stands for no single payment."""
    uid, key, issued = world.paymentwall_key(amount=9900)
    assert key is not None
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.clock.advance(hours=1)
    world.settle()
    payment = world.pay(key, 9900)
    world.settle()
    (money,) = world.money(payment)
    assert money["imp_uid"] != issued["imp_uid"]
    assert world.key_now(key).issue_claim == "open"


def test_one_that_was_given_back_at_the_gateway_is_not_charged_again_by_itself(world: World) -> None:
    shaky = world.with_ports(gateway=Around(world.ports.gateway, on_charge=loses_the_reply))
    payment = shaky.pay(retry_days=(1, 3))
    shaky.settle()
    (money,) = world.money(payment)
    world.sandbox.control("/operator/cancel", imp_uid=money["imp_uid"])
    world.run_until(world.clock.now() + timedelta(days=5), HOUR)
    assert len(world.ledger(payment)) == 1
    assert world.now_of(payment).awaits_decision
    assert "given back at the gateway once" in str(why(world.ports, payment.id))
    (alert,) = [each for each in world.alerts() if each.kind == "taken_back"]
    assert alert.facts["case"] == "single_waits"
    retry_now(world.ports, payment.id)
    world.settle()
    assert [row["status"] for row in world.ledger(payment)] == ["cancelled", "paid"]
    world.assert_books_agree()


def test_a_key_that_works_after_all_is_charged_at_once_with_what_waited_for_another(world: World) -> None:
    key = world.key("decline-stolen-1x")
    payment = world.pay(key, retry_days=(1, 3))
    world.settle()
    assert world.now_of(payment).awaits_key
    reactivate(world.ports, key.id)
    world.settle()
    assert world.now_of(payment).status == "paid"
    world.assert_books_agree()


def test_the_parts_of_all_refunds_stay_within_each_and_add_up(world: World) -> None:
    payment = world.pay(world.key(), 3, options=PaymentOptions(tax_free=1, vat_amount=2))
    world.settle()
    for _ in range(3):
        request_refund(world.ports, payment.id, 1, reason="in parts")
        world.settle()
    (money,) = world.ledger(payment)
    asked = (call["fields"] for call in world.sandbox.requests("/payments/cancel"))
    sent = [fields for fields in asked if fields["imp_uid"] == money["imp_uid"]]
    parts = [(each.get("tax_free", 0), each.get("vat_amount", 0)) for each in sent]
    assert [sum(part) <= each["amount"] for part, each in zip(parts, sent, strict=True)] == [True] * 3
    assert (sum(free for free, _ in parts), sum(vat for _, vat in parts)) == (1, 2)


def test_a_customer_with_single_payments_only_is_shown(world: World) -> None:
    payment = world.pay(customer="hong")
    world.settle()
    shown = customer_with(world.ports, "hong")
    assert [each.invoice_id for each in shown.last_payments] == [payment.id]
    assert [each.id for each in shown.billing_keys] == [payment.billing_key_id]
    with pytest.raises(NotFound):
        customer_with(world.ports, "nobody")
    assert payment.id in why(world.ports, "hong").subject
    second = world.pay(customer="hong", at=world.clock.now() + HOUR)
    told = why(world.ports, "hong")
    assert "2 single payments" in told.subject
    assert f"why {second.id}" in told.answer
    assert f"why {payment.id}" in told.answer
    assert "Paid on" in str(told.history)


def test_what_one_key_charges_is_locked_in_the_order_of_its_ids(world: World) -> None:
    key = world.key()
    payments = [world.pay(key, at=world.clock.now() + HOUR).id for _ in range(4)]
    subscriptions = [world.subscribe(key=key).id for _ in range(4)]
    with world.ports.database.transaction() as uow:
        assert [each.id for each in uow.invoices.singles_of_key(key.id)] == sorted(payments)
        assert [each.id for each in uow.subscriptions.of_key(key.id)] == sorted(subscriptions)
