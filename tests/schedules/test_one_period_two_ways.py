"""One period is paid once, whichever way was faster: the order number is the lock, and what is too much goes back."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.schedule import Collection, ScheduleStatus
from tests.schedules.merchant import Merchant

pytestmark = pytest.mark.long

REVOKED, EXECUTED = ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED


def test_a_schedule_that_a_clerk_revoked_is_charged_by_a_worker(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.call("POST", "/subscribe/payments/unschedule", merchant_uid=[schedule.merchant_uid])
    merchant.to_next(subscription, minutes=10)
    _, second = merchant.world.invoices(subscription)
    assert second.status is InvoiceStatus.PAID
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]
    assert merchant.statuses(subscription)[0] is REVOKED
    merchant.world.assert_books_agree()


def test_a_schedule_that_ran_without_a_payment_says_why(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.call("POST", "/subscribe/payments/unschedule", merchant_uid=[schedule.merchant_uid])
    shown = {"schedule_status": "executed", "fail_reason": "등록되지 않은 구매자입니다."}
    merchant.world.sandbox.control("/operator/garble", merchant_uid=schedule.merchant_uid, fields=shown)
    merchant.to_next(subscription, minutes=10)
    _, second = merchant.world.invoices(subscription)
    first, _ = merchant.world.attempts(second)
    assert str(first.reason).endswith("its schedule says: 등록되지 않은 구매자입니다.")
    assert second.status is InvoiceStatus.PAID


def test_a_schedule_that_portone_runs_late_is_waited_for_and_then_revoked(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    # Moved in PortOne's console: it will not run at its date.
    late = int((schedule.schedule_at + timedelta(days=2)).timestamp())
    merchant.call("PUT", f"/subscribe/payments/schedule/{schedule.merchant_uid}", schedule_at=late)
    merchant.to(schedule.schedule_at)
    merchant.world.resolve(minutes=50)
    assert merchant.world.invoices(subscription)[1].status is InvoiceStatus.OPEN
    assert len(merchant.world.money()) == 1
    merchant.world.resolve(hours=2)
    assert merchant.world.invoices(subscription)[1].status is InvoiceStatus.PAID
    assert merchant.statuses(subscription)[0] is REVOKED
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]
    merchant.to(schedule.schedule_at + timedelta(days=4))
    assert len(merchant.world.money()) == 2
    merchant.world.assert_books_agree()


@pytest.mark.parametrize("anchor_index", [0, 5], ids=["dates as they were", "dates counted anew"])
def test_a_late_revocation_is_one_refund_and_one_alert(merchant: Merchant, anchor_index: int) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.to(schedule.schedule_at - timedelta(minutes=1))
    with merchant.world.engine.begin() as connection:  # as after a new key, or a payment after dunning, moved them
        connection.execute(text("UPDATE subscriptions SET anchor_index = :index"), {"index": anchor_index})
    with merchant.world.sandbox.outage("error503", "schedule"):
        merchant.world.cancel(subscription)
        merchant.world.settle()
        merchant.world.clock.advance(minutes=2)
        merchant.world.settle()
    assert len(merchant.world.ledger()) == 2
    merchant.world.resolve(minutes=20)
    assert len(merchant.world.money()) == 1
    assert merchant.statuses(subscription) == [EXECUTED]
    told = merchant.world.rows("SELECT kind FROM alerts WHERE kind <> 'schedule_unclear'")
    assert [row["kind"] for row in told] == [AlertKind.SURPLUS_PAYMENT]
    assert merchant.world.alerts() == []
    refunds = merchant.world.rows("SELECT status FROM refunds")
    assert [row["status"] for row in refunds] == ["succeeded"]
    merchant.world.assert_books_agree()


@pytest.mark.parametrize("told_by", ["webhook", "read"])
def test_a_schedule_left_over_at_portone_pays_nothing_twice(merchant: Merchant, told_by: str) -> None:
    """The revoked schedule is brought back in PortOne's console, while a worker collects."""
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.use(subscription, Collection.WORKER)
    merchant.world.settle()
    soon = int((schedule.schedule_at + timedelta(hours=6)).timestamp())
    merchant.call("POST", f"/subscribe/payments/schedule/{schedule.merchant_uid}/reschedule", schedule_at=soon)
    merchant.to(schedule.schedule_at + timedelta(days=1))
    if told_by == "webhook":
        merchant.webhooks()
    merchant.world.resolve(minutes=20)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]
    assert len(merchant.world.invoices(subscription)) == 2
    merchant.world.assert_books_agree()


def test_portones_recovery_pays_an_invoice_that_is_in_dunning_here(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.world.sandbox.rule("decline-limit", merchant_uid=schedule.merchant_uid)
    merchant.to_next(subscription)
    assert merchant.world.invoices(subscription)[1].declines == 1
    retried = merchant.call("POST", f"/subscribe/payments/schedule/{schedule.merchant_uid}/retry")
    assert retried["response"]["status"] == "paid"
    merchant.world.webhook(retried["response"]["imp_uid"], schedule.merchant_uid)
    merchant.world.settle()
    assert merchant.world.invoices(subscription)[1].status is InvoiceStatus.PAID
    merchant.to(merchant.world.clock.now() + timedelta(days=3))
    assert len(merchant.world.money()) == 2
    merchant.world.assert_books_agree()


def test_a_switch_in_mid_dunning_leaves_the_invoice_to_the_worker(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.world.sandbox.rule("decline-limit", merchant_uid=schedule.merchant_uid, times=2)
    merchant.to_next(subscription)
    merchant.use(subscription, Collection.WORKER)
    merchant.to(merchant.world.clock.now() + timedelta(days=5))
    attempts = merchant.world.attempts(merchant.world.invoices(subscription)[1])
    assert [each.status for each in attempts] == [
        AttemptStatus.DECLINED,
        AttemptStatus.DECLINED,
        AttemptStatus.APPROVED,
    ]
    merchant.to_next(subscription)
    assert len(merchant.world.money()) == 3
    merchant.world.assert_books_agree()
