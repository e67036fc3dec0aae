"""Collect: what is due is charged once; each outcome leads where it must."""

from datetime import timedelta

import pytest

from billing_worker.domain.errors import NotFound
from billing_worker.domain.payment import Approved, Declined, Failed
from billing_worker.usecases.charge import collect
from billing_worker.usecases.subscription import cancel
from tests.support.gateways import Around, answers
from tests.support.world import World

DAY = timedelta(days=1)


def test_a_due_period_is_paid_with_one_payment(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(12_300))
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.attempts, invoice.declines) == ("paid", 1, 0)
    assert world.subscription(subscription).status == "active"
    (payment,) = world.ledger(invoice)
    assert (payment["status"], payment["amount"], payment["currency"]) == ("paid", 12_300, "KRW")
    attempt = world.attempt(invoice)
    assert (attempt.status, attempt.imp_uid) == ("approved", payment["imp_uid"])
    world.assert_books_agree()


@pytest.mark.fm("L19")
def test_cents_reach_the_gateway_as_major_units(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(1999, currency="USD"))
    world.settle()
    (payment,) = world.money(world.invoice(subscription))
    assert (payment["amount"], payment["currency"]) == (19.99, "USD")
    world.assert_books_agree()


@pytest.mark.parametrize("behaviour", ["amount-string", "new-fields"])
@pytest.mark.fm("L20")
def test_answers_of_an_unusual_shape_are_understood(world: World, behaviour: str) -> None:
    subscription = world.subscribe(behaviour)
    world.settle()
    assert world.invoice(subscription).status == "paid"
    assert world.attempt(world.invoice(subscription)).status == "approved"


def test_what_is_not_due_is_not_charged(world: World) -> None:
    subscription = world.subscribe(start=world.clock.now() + timedelta(hours=1))
    world.settle()
    assert world.invoices(subscription) == []
    world.clock.advance(hours=1)
    world.settle()
    assert world.invoice(subscription).status == "paid"


@pytest.mark.fm("B2")
@pytest.mark.fm("B3")
def test_the_same_id_delivered_again_does_nothing(world: World) -> None:
    subscription = world.subscribe()
    world.settle()
    invoice = world.invoice(subscription)
    for _ in range(3):
        assert world.charge(invoice) is None
    assert len(world.attempts(invoice)) == 1
    assert len(world.ledger(invoice)) == 1


@pytest.mark.fm("B13")
def test_an_id_that_does_not_exist_is_refused_and_nothing_is_written(world: World) -> None:
    with pytest.raises(NotFound):
        collect.collect(world.ports, ["inv_0000000000000000"])
    assert world.rows("SELECT * FROM payment_attempts") == []


@pytest.mark.fm("B15")
def test_a_retry_that_is_delivered_too_early_does_nothing(world: World) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.settle()
    invoice = world.invoice(subscription)
    assert world.charge(invoice) is None
    world.clock.advance(hours=23)
    assert world.charge(invoice) is None
    assert len(world.ledger(invoice)) == 1


@pytest.mark.fm("L1")
def test_a_message_for_a_canceled_subscription_charges_nothing(world: World) -> None:
    subscription = world.subscribe()
    world.renew()
    (ident,) = collect.due(world.ports, 10)
    cancel.cancel(world.ports, subscription.id)
    assert collect.collect(world.ports, [ident]) == 0
    assert world.ledger() == []


def test_a_soft_decline_is_tried_again_on_exactly_the_days_of_the_policy_and_then_given_up(world: World) -> None:
    start = world.clock.now()
    subscription = world.subscribe("decline-limit")
    tried_on = []
    world.settle()
    for _ in range(40):
        invoice = world.invoices(subscription)[0]
        tried_on += [(world.clock.now() - start).days] * (invoice.attempts - len(tried_on))
        world.clock.advance(days=1)
        world.settle()
    (invoice,) = world.invoices(subscription)
    assert tried_on == [0, 1, 4, 9, 16]
    assert (invoice.status, invoice.declines, invoice.closed_at) == ("uncollectible", 5, start + 16 * DAY)
    assert world.subscription(subscription).status == "unpaid"
    assert [row["status"] for row in world.ledger(invoice)] == ["failed"] * 5
    assert {row["merchant_uid"] for row in world.ledger(invoice)} == {invoice.merchant_uid}


def test_the_next_date_after_a_soft_decline_counts_from_that_decline(world: World) -> None:
    subscription = world.subscribe("decline-balance", plan=world.plan(dunning_days=(2, 30)))
    world.settle()
    assert world.invoice(subscription).next_attempt_at == world.clock.now() + 2 * DAY
    assert world.subscription(subscription).status == "past_due"
    world.clock.advance(days=2, hours=5)
    world.settle()
    assert world.invoices(subscription)[0].next_attempt_at == world.clock.now() + 30 * DAY


def test_while_a_customer_is_past_due_further_periods_are_opened_and_after_unpaid_no_more(world: World) -> None:
    plan = world.plan(interval="week")
    subscription = world.subscribe("decline-limit", plan=plan)
    world.run_until(world.clock.now() + 60 * DAY)
    invoices = world.invoices(subscription)
    assert world.subscription(subscription).status == "unpaid"
    # Weeks 0, 1 and 2 began before the sixteenth day, when the first invoice was given up.
    assert [invoice.period.index for invoice in invoices] == [0, 1, 2]
    assert {invoice.status for invoice in invoices} == {"uncollectible"}


def test_a_retry_that_is_approved_settles_and_reactivates(world: World) -> None:
    subscription = world.subscribe("decline-limit-2x")
    world.run_until(world.clock.now() + 4 * DAY)
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.attempts, invoice.declines) == ("paid", 3, 2)
    assert world.subscription(subscription).status == "active"
    assert [row["status"] for row in world.ledger(invoice)] == ["failed", "failed", "paid"]
    assert world.events()[-2:] == ["invoice.paid", "subscription.activated"]
    world.assert_books_agree()


@pytest.mark.parametrize("behaviour", ["decline-stolen", "decline-expired", "decline-number", "decline-key-gone"])
@pytest.mark.fm("L6")
def test_after_a_hard_decline_nothing_more_is_charged_on_the_key(world: World, behaviour: str) -> None:
    key = world.key(behaviour)
    subscription = world.subscribe(key=key)
    world.settle()
    assert world.key_now(key).status == "invalid"
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.next_attempt_at) == ("open", world.clock.now() + 16 * DAY)
    world.run_until(world.clock.now() + 16 * DAY)
    assert len(world.ledger(key)) == 1
    assert world.invoices(subscription)[0].status == "uncollectible"
    assert world.subscription(subscription).status == "unpaid"
    assert "billing_key.invalid" in world.events()


def test_a_key_that_the_gateway_does_not_know_is_invalid_at_once(world: World) -> None:
    key = world.key("refuse-buyer")
    subscription = world.subscribe(key=key)
    world.settle()
    assert world.key_now(key).status == "invalid"
    attempt = world.attempt(world.invoice(subscription))
    assert (attempt.status, attempt.decline_kind, attempt.imp_uid) == ("declined", "hard", None)
    assert world.ledger() == []


def test_an_invoice_first_due_on_a_dead_key_waits_for_another_card_like_any_other(world: World) -> None:
    """The customer whose card died has one subscription a day older: both must be saved by one new card."""
    key = world.key("decline-stolen")
    older = world.subscribe(key=key)
    younger = world.subscribe(key=key, start=world.clock.now() + DAY)
    world.run_until(world.clock.now() + 2 * DAY)
    assert world.invoice(older).status == "open"
    assert world.invoice(younger).status == "open"
    assert world.subscription(younger).status != "unpaid"
    assert len(world.ledger(key)) == 1


@pytest.mark.fm("C3")
@pytest.mark.fm("C16")
@pytest.mark.parametrize("behaviour", ["error401", "rate-limit", "rate-limit-odd"])
def test_a_charge_that_was_provably_not_placed_uses_up_no_dunning(world: World, behaviour: str) -> None:
    key = world.key()
    world.sandbox.rule(behaviour, customer_uid=key.customer_uid, times=2)
    subscription = world.subscribe(key=key)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.declines, invoice.failures) == ("open", 0, 1)
    assert invoice.next_attempt_at == world.clock.now() + timedelta(minutes=1)
    world.run_until(world.clock.now() + timedelta(minutes=10), timedelta(minutes=1))
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.declines) == ("paid", 0)
    assert len(world.money(invoice)) == 1
    world.assert_books_agree()


def test_the_wait_after_charges_that_cannot_be_placed_doubles_up_to_an_hour_and_an_alert_opens(world: World) -> None:
    broken = world.with_ports(gateway=Around(world.ports.gateway, answers(Failed("connection refused"))))
    subscription = world.subscribe()
    waits = []
    for _ in range(9):
        broken.settle()
        due = world.invoice(subscription).next_attempt_at
        waits.append((due - world.clock.now()).total_seconds() / 60)
        world.clock.advance_to(due)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [alert.kind for alert in world.alerts()] == ["not_placed"]
    world.settle()
    assert world.invoice(subscription).status == "paid"


def test_each_outcome_is_returned_to_the_caller(world: World) -> None:
    for behaviour, outcome in [("ok", Approved), ("decline-limit", Declined), ("rate-limit", Failed)]:
        subscription = world.subscribe(behaviour)
        world.renew()
        assert isinstance(world.charge(world.invoice(subscription)), outcome)


def test_the_gateway_is_asked_for_the_invoices_snapshot_and_not_for_the_plan_of_today(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(5000))
    world.renew()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE plans SET amount = 9999")
    world.settle()
    (payment,) = world.money(world.invoice(subscription))
    assert payment["amount"] == 5000


@pytest.mark.fm("L9")
def test_two_subscriptions_on_one_card_in_the_same_minute_are_both_charged_once(world: World) -> None:
    key, plan = world.key(), world.plan()
    both = [world.subscribe(key=key, plan=plan, allow_duplicate=True) for _ in range(2)]
    world.settle()
    assert [world.invoice(one).status for one in both] == ["paid", "paid"]
    assert len(world.money(key)) == 2
    world.assert_books_agree()


def test_a_naverpay_key_takes_a_new_merchant_uid_after_each_decline(world: World) -> None:
    key = world.key("naver-decline-limit-2x", pg="naverpay")
    subscription = world.subscribe(key=key)
    world.run_until(world.clock.now() + 4 * DAY)
    invoice = world.invoice(subscription)
    rows = world.ledger(key)
    assert invoice.status == "paid"
    assert [row["merchant_uid"][-3:] for row in rows] == ["g01", "g02", "g03"]
    assert [row["status"] for row in rows] == ["failed", "failed", "paid"]
    world.assert_books_agree()


def test_a_naverpay_payment_that_is_approved_late_under_an_older_merchant_uid_is_found(world: World) -> None:
    key = world.key("naver-decline-limit-1x", pg="naverpay")
    subscription = world.subscribe(key=key)
    world.settle()
    (declined,) = world.ledger(key)
    world.sandbox.control("/operator/pay", imp_uid=declined["imp_uid"])
    world.webhook(declined["imp_uid"], declined["merchant_uid"])
    world.settle()
    assert world.invoice(subscription).status == "paid"
    world.run_until(world.clock.now() + 3 * DAY)
    assert len(world.money(key)) == 1


def test_every_approval_cites_the_stored_words_of_the_gateway(world: World) -> None:
    world.subscribe()
    world.subscribe("drop-after-charge-1x")
    world.settle()
    world.resolve()
    cited = world.rows("""
        SELECT a.imp_uid, e.source, e.http_status, e.body FROM payment_attempts a
        LEFT JOIN evidence e ON e.id = a.evidence_id WHERE a.status = 'approved'""")
    assert len(cited) == 2
    for row in cited:
        assert (row["source"], row["http_status"]) == ("portone", 200)
        assert row["imp_uid"] in row["body"]
