"""Paymentwall charges when it issues a key: PortOne's schedule charges nothing that this payment may have paid."""

from datetime import timedelta

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.usecases.key import decide
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant
from tests.support.sandbox import Row


def issued_key(merchant: Merchant) -> tuple[BillingKey, Row]:
    """A key whose issuing payment, over the price of the plan, is confirmed."""
    uid, key, issued = merchant.world.paymentwall_key()
    assert key is not None
    merchant.world.sandbox.control("/paymentwall/confirm", customer_uid=uid)
    merchant.world.webhook(issued["imp_uid"], issued["merchant_uid"])
    merchant.world.settle()
    assert merchant.world.key_now(key).issue_claim == "open"
    return key, issued


def test_another_card_of_paymentwall_is_registered_after_the_decision(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    merchant.world.clock.advance(minutes=1)
    key, issued = issued_key(merchant)
    replace_key(merchant.world.ports, subscription.id, key.id)
    merchant.world.settle()
    assert merchant.statuses(subscription) == [ScheduleStatus.REVOKED]
    merchant.to_next(subscription)
    assert [row for row in merchant.world.ledger(key) if row["origin"] != "issue"] == []
    decide.decide(merchant.world.ports, key.id, subscription.id)
    merchant.to(merchant.world.clock.now() + timedelta(hours=1))
    _, second = merchant.world.invoices(subscription)
    assert second.status is InvoiceStatus.PAID
    assert merchant.world.attempt(second).imp_uid == issued["imp_uid"]
    assert merchant.statuses(subscription)[-1] is ScheduleStatus.REGISTERED
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.ledger(key)] == ["issue", "schedule"]
    merchant.world.assert_books_agree()


def test_a_new_customer_of_paymentwall_waits_for_the_decision_too(merchant: Merchant) -> None:
    key, issued = issued_key(merchant)
    start = merchant.world.clock.now() + timedelta(days=2)
    subscription = merchant.world.subscribe(key=key, start=start, collection=Collection.PORTONE_SCHEDULE)
    merchant.world.settle()
    assert merchant.schedules(subscription) == []
    merchant.to_next(subscription)
    (first,) = merchant.world.invoices(subscription)
    assert merchant.world.attempt(first).imp_uid == issued["imp_uid"]
    assert merchant.statuses(subscription) == [ScheduleStatus.REGISTERED]
    assert [row["origin"] for row in merchant.world.ledger(key)] == ["issue"]
