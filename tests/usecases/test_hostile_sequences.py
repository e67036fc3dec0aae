"""Sequences that a hostile reviewer found: each once lost money, a period or a word to the operator."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text

from billing_worker.cli.import_file import Row
from billing_worker.cli.import_rows import Became, Importer
from billing_worker.domain.billing_key import BillingKey, KeyStatus
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.payment import PaymentStatus
from billing_worker.ports.calls import Answered
from billing_worker.ports.outside import Listing
from billing_worker.usecases.charge.begin import begin_invoices
from billing_worker.usecases.charge.retry import retry_now
from billing_worker.usecases.control.alerts import report_crashed_job
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.key import confirm
from billing_worker.usecases.key.reactivate import reactivate
from billing_worker.usecases.key.register import NewKey, register_and_confirm, register_key
from billing_worker.usecases.settle.record import record_answers
from billing_worker.usecases.subscription.create_plan import calendar_from, create_plan
from tests.support.gateways import Around, loses_the_reply, never_arrives
from tests.support.locks import until_it_waits_or_ends
from tests.support.world import World

pytestmark = pytest.mark.long


def kinds(world: World) -> set[str]:
    return {alert.kind for alert in world.alerts()}


@pytest.mark.fm("D3")
def test_money_that_a_zombie_worker_took_after_all_was_closed_is_recorded_and_told(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    invoice = world.invoice(subscription)
    (intent,) = begin_invoices(world.ports, [invoice.id]).intents
    world.cancel(subscription)
    for _ in range(60):
        world.clock.advance(seconds=5)
        world.reconcile()
    assert world.attempt(world.invoice(subscription)).status == "failed"
    record_answers(world.ports, [Answered(intent.attempt_id, intent.fence, world.ports.gateway.charge(intent.request))])
    assert world.attempt(world.invoice(subscription)).status == "approved"
    assert world.attempt(world.invoice(subscription)).surplus
    assert "surplus_payment" in kinds(world)


@pytest.mark.fm("C23")
@pytest.mark.fm("D3")
def test_an_answer_that_comes_after_its_money_was_given_back_pays_nothing(world: World) -> None:
    """A frozen worker goes on with an approval in hand that the PG took back meanwhile, as the resolver has read."""
    subscription = world.subscribe()
    world.renew()
    invoice = world.invoice(subscription)
    (intent,) = begin_invoices(world.ports, [invoice.id]).intents
    answer = world.ports.gateway.charge(intent.request)
    world.sandbox.control("/operator/cancel", imp_uid=answer.payment.imp_uid)
    for _ in range(60):
        world.clock.advance(seconds=5)
        world.reconcile()
    assert world.attempt(world.invoice(subscription)).status == "failed"
    record_answers(world.ports, [Answered(intent.attempt_id, intent.fence, answer)])
    assert world.attempt(world.invoice(subscription)).status == "failed"
    assert world.invoice(subscription).status == "open"
    world.run_until(world.clock.now() + timedelta(days=2))
    assert world.invoice(subscription).status == "paid"
    assert len(world.money(world.invoice(subscription))) == 1


@pytest.mark.fm("C28")
@pytest.mark.fm("L13")
def test_two_payments_in_one_listing_are_both_recorded_and_the_second_is_given_back(world: World) -> None:
    def twice(gateway, request):
        gateway.charge(request)
        world.sandbox.control(
            "/operator/pay", merchant_uid=request.merchant_uid, customer_uid=request.customer_uid, amount=9900
        )
        return loses_the_reply(gateway, request)

    subscription = world.subscribe()
    world.renew()
    invoice = world.invoice(subscription)
    world.with_ports(gateway=Around(world.ports.gateway, on_charge=twice)).charge(invoice)
    world.resolve(minutes=60)
    found = world.attempts(invoice)
    assert {attempt.imp_uid for attempt in found} == {row["imp_uid"] for row in world.ledger(invoice)}
    assert sorted((attempt.surplus, attempt.refunded) for attempt in found) == [(False, 0), (True, 9900)]
    assert len(world.money(invoice)) == 1
    assert kinds(world) == set()


def test_a_paymentwall_key_whose_webhook_was_lost_is_found_by_asking(world: World) -> None:
    uid, key, _ = world.paymentwall_key()
    subscription = world.subscribe(key=key)
    world.settle()
    assert world.invoice(subscription).status == "open"
    world.clock.advance(minutes=1)
    (asked,) = confirm.due(world.ports, 10)
    assert not confirm.confirm(world.ports, asked), "Paymentwall has not confirmed it yet"
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.clock.advance(minutes=2)
    assert [confirm.confirm(world.ports, each) for each in confirm.due(world.ports, 10)] == [True]
    world.settle()
    assert world.invoice(subscription).status == "paid"
    assert confirm.due(world.ports, 10) == []


@pytest.mark.fm("E1")
def test_a_webhook_that_outran_the_gateways_books_is_tried_again(world: World) -> None:
    def stale(gateway, imp_uid):
        listing = gateway.payment(imp_uid)
        return Listing(tuple((replace(p, status=PaymentStatus.READY), e) for p, e in listing.payments))

    uid, key, issued = world.paymentwall_key()
    world.webhook(issued["imp_uid"], issued["merchant_uid"], "paid")
    world.with_ports(gateway=Around(world.ports.gateway, on_payment=stale)).apply()
    world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    world.clock.advance(minutes=1)
    world.apply()
    assert world.key_now(key).status == "active"


def test_a_payment_under_an_older_id_is_recorded_while_a_newer_attempt_is_open(world: World) -> None:
    key = world.key("ok", pg="naverpay")
    subscription = world.subscribe(key=key, plan=world.plan(dunning_days=(1, 1, 1)))
    world.renew()
    invoice = world.invoice(subscription)
    world.sandbox.rule("decline-limit", customer_uid=key.customer_uid, times=1)
    world.charge(invoice)
    old = world.attempts(invoice)[0].merchant_uid
    paid = world.sandbox.control("/operator/pay", merchant_uid=old, customer_uid=key.customer_uid, amount=9900)
    world.clock.advance(days=1, minutes=1)
    world.with_ports(gateway=Around(world.ports.gateway, on_charge=never_arrives)).charge(world.invoice(subscription))
    message = world.webhook(paid["imp_uid"], old)
    assert apply.apply(world.ports, message).status == "applied"
    assert world.invoice(subscription).status == "paid"
    world.resolve(minutes=60)
    assert len(world.money(invoice)) == 1
    world.assert_books_agree()


@pytest.mark.fm("C21")
def test_an_id_that_is_refused_as_used_but_shows_nothing_is_never_replaced(world: World) -> None:
    world.subscribe()
    world.settle()
    subscription = world.subscribe()
    world.renew()
    invoice = world.invoice(subscription)
    blind = Around(world.ports.gateway, on_charge=loses_the_reply, on_payments_of=lambda _gateway, _uid: Listing(()))
    other = world.with_ports(gateway=blind)
    other.charge(invoice)
    blind.on_charge = None
    for _ in range(120):
        world.clock.advance(seconds=30)
        other.reconcile()
        other.collect()
    assert len(world.money(invoice)) == 1
    assert world.invoice(subscription).generation == 1
    assert world.attempts(invoice)[-1].status == "unknown"
    assert "mismatch" in kinds(world)
    world.resolve(minutes=120)
    assert world.invoice(subscription).status == "paid"


@pytest.mark.fm("C24")
def test_a_payment_of_another_amount_on_a_closed_attempt_is_told(world: World) -> None:
    key = world.key()
    subscription = world.subscribe(key=key)
    world.renew()
    invoice = world.invoice(subscription)
    world.with_ports(gateway=Around(world.ports.gateway, on_charge=never_arrives)).charge(invoice)
    world.cancel(subscription)
    world.resolve(minutes=10)
    paid = world.sandbox.control(
        "/operator/pay", merchant_uid=invoice.merchant_uid, customer_uid=key.customer_uid, amount=990
    )
    world.webhook(paid["imp_uid"], invoice.merchant_uid)
    world.settle()
    assert "mismatch" in kinds(world)
    assert world.invoice(subscription).status == "void"


def gone_after_registration(world: World, customer_uid: str) -> BillingKey:
    """PortOne showed the key when it was registered, and then knows it no more."""
    world.sandbox.register(customer_uid, "nice_v2")
    key = register_and_confirm(world.ports, NewKey(customer_uid, "nice_v2"))
    world.sandbox.control("/keys", customer_uid=customer_uid, action="delete")
    return key


def test_a_key_that_the_wrong_account_refused_can_be_charged_again(world: World) -> None:
    key = gone_after_registration(world, "user-42-card-1")
    subscription = world.subscribe(key=key)
    world.settle()
    assert world.key_now(key).status == "invalid"
    world.sandbox.register("user-42-card-1", "nice_v2")
    reactivate(world.ports, key.id)
    world.settle()
    assert world.invoice(subscription).status == "paid"
    with pytest.raises(Conflict, match="only an invalid one"):
        reactivate(world.ports, key.id)


def test_an_invoice_that_is_tried_again_waits_again_when_the_key_dies_once_more(world: World) -> None:
    """It was given up at once: it still counted as one that had waited for another key."""
    key = gone_after_registration(world, "user-44-card-1")
    both = [world.subscribe(key=key) for _ in range(2)]
    world.run_until(world.clock.now() + timedelta(days=25))
    assert [world.invoice(each).status for each in both] == ["uncollectible"] * 2
    reactivate(world.ports, key.id)
    for each in both:
        retry_now(world.ports, world.invoice(each).id)
    world.settle()
    assert world.key_now(key).status == "invalid"
    assert [world.invoice(each).status for each in both] == ["open"] * 2


def test_a_second_reactivation_at_the_same_moment_reads_that_it_is_active(world: World) -> None:
    key = gone_after_registration(world, "user-43-card-1")
    world.subscribe(key=key)
    world.settle()
    assert world.key_now(key).status == "invalid"
    with ThreadPoolExecutor(1) as pool, world.ports.database.transaction() as uow:
        mine = uow.keys.lock(key.id)
        other = pool.submit(reactivate, world.ports, key.id)
        until_it_waits_or_ends(world, other)
        mine.move_to(KeyStatus.ACTIVE)
        mine.invalid_reason = None
        uow.keys.save(mine)
        uow.commit()
        with pytest.raises(Conflict, match="is active: only an invalid one"):
            other.result(10)


def test_the_same_file_imported_twice_at_once_subscribes_once(world: World) -> None:
    plan = world.plan()
    values = {"customer_uid": "ok-imported", "pg_provider": "nice_v2", "plan_id": plan.id, "customer": "u"}
    first, second = Importer(world.ports, dry_run=False), Importer(world.ports, dry_run=False)
    row = Row(line=2, cells=[], values=values, problem=None)
    (done,), (seen,) = first.take([row]), second.take([row])
    assert (done.became, seen.became) == (Became.IMPORTED, Became.IN_ALREADY)
    assert seen.detail == f"subscription {done.subscription_id}"


@pytest.mark.fm("A12")
def test_an_unexpected_error_about_one_row_is_told_and_the_others_are_served(world: World) -> None:
    poisoned, plan = world.subscribe(), world.plan()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE plans SET timezone = 'Mars/Base' WHERE id = :id"), {"id": poisoned.plan_id})
    healthy = world.subscribe(plan=plan)
    with pytest.raises(InvalidInput, match="Mars/Base"):
        world.renew()
    report_crashed_job(world.ports, "billing.renew", poisoned.id, "InvalidInput")
    report_crashed_job(world.ports, "billing.renew", poisoned.id, "InvalidInput")
    (alert,) = world.alerts()
    assert (alert.kind, alert.subject_id) == ("not_served", poisoned.id)
    assert world.subscription(healthy).id == healthy.id


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("a\x00b", r"NUL \(U\+0000\) at place 2"),
        ("a\ud800b", r"half of a surrogate pair \(U\+D800\) at place 2"),
        ("a\nb", r"LINE FEED \(U\+000A\) at place 2"),
        ("\x1b[31m", r"ESCAPE \(U\+001B\) at place 1"),
    ],
)
def test_text_that_no_database_keeps_is_refused_by_its_field(world: World, bad: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=f"name: has {named}; take it out"):
        create_plan(world.ports, bad, 100, "KRW", calendar=calendar_from(interval="month"))
    with pytest.raises(InvalidInput, match=f"buyer_name: has {named}; take it out"):
        register_key(world.ports, NewKey("ok-x", "nice_v2", buyer_name=bad))


def test_the_next_period_begins_where_the_one_before_ended_even_after_a_long_outage(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    world.clock.advance(days=95)
    for _ in range(5):
        world.settle()
    periods = [invoice.period for invoice in world.invoices(subscription)]
    assert all(one.end == other.start for one, other in pairwise(periods))
    assert [invoice.status for invoice in world.invoices(subscription)] == ["paid"] * len(periods)
    assert world.clock.now() - periods[-1].start < timedelta(days=31)
