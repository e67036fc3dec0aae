"""What a hostile reviewer tried at night: outages around the dates, a restored backup, and short periods."""

from datetime import timedelta

import pytest

from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.domain.schedule_difference import DifferenceKind
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.usecases.schedule.compare import compare_schedules
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant

pytestmark = pytest.mark.long

REGISTERED, REVOKED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED


@pytest.mark.parametrize("minutes", [0, 10, 20, 40, 50])
def test_a_revocation_follows_an_outage_before_the_date(merchant: Merchant, minutes: int) -> None:
    """PortOne is down for hours, and back half an hour before the date."""
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.to(schedule.schedule_at - timedelta(hours=6, minutes=minutes))
    with merchant.world.sandbox.outage("error503", "schedule"):
        merchant.world.cancel(subscription)
        merchant.world.resolve(hours=5, minutes=30 + minutes)
    merchant.world.resolve(minutes=28)
    assert merchant.statuses(subscription) == [REVOKED]


@pytest.mark.parametrize("interval", ["day", "week"])
def test_two_hours_without_portone_around_the_dates(merchant: Merchant, interval: str) -> None:
    subscription = merchant.subscribe(plan=merchant.world.plan(interval=interval))
    for _ in range(2):
        start = merchant.world.subscription(subscription).next_period_start
        merchant.to(start - timedelta(hours=1))
        with merchant.world.sandbox.outage("error503", "schedule", "find", "again"):
            merchant.world.resolve(hours=2)
        merchant.world.resolve(hours=3)
    invoices = merchant.world.invoices(subscription)
    assert [each.status for each in invoices] == [InvoiceStatus.PAID] * 3
    assert len(merchant.world.money()) == 3
    assert merchant.statuses(subscription)[-1] is REGISTERED
    merchant.world.assert_books_agree()


def forget(merchant: Merchant) -> None:
    """As after a restore: what was scheduled since the backup is not in the books."""
    with merchant.world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM schedules")
        connection.exec_driver_sql("UPDATE subscriptions SET scheduled_index = -1")


def test_a_restored_backup_finds_its_schedules_again(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    forget(merchant)
    merchant.world.resolve(minutes=10)
    assert merchant.statuses(subscription) == [REGISTERED]
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "schedule"]


def test_a_restored_backup_without_time_to_register_pays_once(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.to(schedule.schedule_at - timedelta(minutes=3))
    forget(merchant)
    merchant.to_next(subscription)
    assert len(merchant.world.money()) == 2
    assert [each.status for each in merchant.world.invoices(subscription)] == [InvoiceStatus.PAID] * 2


def test_the_comparison_names_our_number_on_a_forgotten_key(merchant: Merchant) -> None:
    uid, at = merchant.world.uid(), int((merchant.world.clock.now() + timedelta(days=3)).timestamp())
    merchant.world.sandbox.register(uid, "nice_v2")
    number = f"{merchant.world.environment}{'a' * 16}p00001g01"
    item = {"merchant_uid": number, "schedule_at": at, "amount": 9900, "currency": "KRW", "name": "lost"}
    merchant.call("POST", "/subscribe/payments/schedule", customer_uid=uid, schedules=[item])
    compared = compare_schedules(merchant.world.ports)
    assert [(each.kind, each.merchant_uid) for each in compared.differences] == [(DifferenceKind.UNKNOWN, number)]


def test_unpaid_and_back(merchant: Merchant) -> None:
    subscription = merchant.subscribe(plan=merchant.world.plan(dunning_days=(1,)))
    (schedule,) = merchant.schedules(subscription)
    merchant.world.sandbox.rule("decline-limit", merchant_uid=schedule.merchant_uid, times=2)
    merchant.to_next(subscription)
    merchant.to(merchant.world.clock.now() + timedelta(days=40))
    assert merchant.world.subscription(subscription).status is SubscriptionStatus.UNPAID
    assert merchant.statuses(subscription)[-1] is REVOKED
    replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
    merchant.world.resolve(minutes=10)
    assert merchant.world.subscription(subscription).status is SubscriptionStatus.ACTIVE
    assert merchant.statuses(subscription)[-1] is REGISTERED
    merchant.to_next(subscription)
    assert merchant.world.money()[-1]["origin"] == "schedule"
    merchant.world.assert_books_agree()


@pytest.mark.parametrize(("cron", "minutes"), [("* * * * *", 12), ("*/15 * * * *", 70)])
def test_short_periods_are_charged_once_each(merchant: Merchant, cron: str, minutes: int) -> None:
    plan = merchant.world.plan(cron=cron)
    subscription = merchant.subscribe(plan=plan)
    for _ in range(minutes):
        merchant.world.clock.advance(minutes=1)
        merchant.world.settle()
    merchant.world.resolve(seconds=50)
    invoices = merchant.world.invoices(subscription)
    assert {each.status for each in invoices} == {InvoiceStatus.PAID}
    assert len(merchant.world.money()) == len(invoices) >= 4
    assert any(row["origin"] == "schedule" for row in merchant.world.money()) == (minutes > 20)


def test_a_paymentwall_key_pays_its_first_period_once(merchant: Merchant) -> None:
    """The payment that issued the key, and a schedule, may both be for the first period."""
    _, key, issued = merchant.world.paymentwall_key(confirm_after=0)
    assert key is not None
    start = merchant.world.clock.now() + timedelta(days=2)
    merchant.world.subscribe(key=key, start=start, collection=Collection.PORTONE_SCHEDULE)
    merchant.world.settle()
    merchant.world.clock.advance(hours=2)
    merchant.world.webhook(issued["imp_uid"], issued["merchant_uid"])
    merchant.world.settle()
    merchant.world.resolve(hours=3)
    merchant.to(start)
    merchant.world.resolve(hours=3)
    rows = [row for row in merchant.world.sandbox.ledger(customer_uid=key.customer_uid) if row["status"] == "paid"]
    assert len(rows) == 1
