"""A subscription that PortOne's schedule collects: registered, charged, told by webhooks or by reads."""

from datetime import timedelta

import pytest

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.invoice import AttemptStatus, InvoiceStatus
from billing_worker.domain.schedule import AHEAD, Collection, ScheduleStatus
from billing_worker.domain.schedule_difference import DifferenceKind
from billing_worker.domain.subscription import SubscriptionStatus
from billing_worker.usecases.schedule.compare import compare_schedules
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant

pytestmark = pytest.mark.long

REGISTERED, REVOKED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED


def test_the_next_period_is_registered_when_the_one_before_has_begun(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    (shown,) = merchant.at_portone(subscription)
    now = merchant.world.subscription(subscription)
    assert (schedule.status, schedule.period_index) == (REGISTERED, 1)
    assert schedule.schedule_at == now.next_period_start
    assert shown["schedule_at"] == int(schedule.schedule_at.timestamp())
    assert (shown["amount"], shown["schedule_status"]) == (9900, "scheduled")
    assert len(merchant.world.money()) == 1


@pytest.mark.parametrize("told_by", ["webhook", "read"])
def test_portone_charges_the_period_and_the_next_one_is_registered(merchant: Merchant, told_by: str) -> None:
    subscription = merchant.subscribe()
    merchant.to(merchant.world.subscription(subscription).next_period_start)
    if told_by == "webhook":
        assert merchant.webhooks() == 1
        merchant.world.settle()
    else:
        merchant.world.resolve(minutes=5)
    _, second = merchant.world.invoices(subscription)
    attempt = merchant.world.attempt(second)
    assert second.status is InvoiceStatus.PAID
    assert (attempt.scheduled, attempt.status) == (True, AttemptStatus.APPROVED)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "schedule"]
    assert merchant.statuses(subscription) == [EXECUTED, REGISTERED]
    merchant.world.assert_books_agree()


def test_a_webhook_before_our_clock_shows_the_start_is_kept_in_mind(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.clock.show_there(schedule.schedule_at)
    assert merchant.webhooks() == 1
    merchant.world.settle()
    assert len(merchant.world.invoices(subscription)) == 1
    assert merchant.statuses(subscription) == [REGISTERED]
    merchant.to_next(subscription)
    assert merchant.statuses(subscription) == [EXECUTED, REGISTERED]
    assert [each.status for each in merchant.world.invoices(subscription)] == [InvoiceStatus.PAID] * 2
    assert len(merchant.world.money()) == 2


def test_a_year_with_month_ends_and_card_changes_is_charged_twelve_times(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    end = merchant.world.clock.now() + timedelta(days=366)
    for month in range(12):
        merchant.to_next(subscription)
        if month % 4 == 1:
            replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
            merchant.world.settle()
    merchant.to(end)
    invoices = merchant.world.invoices(subscription)
    assert [each.status for each in invoices] == [InvoiceStatus.PAID] * len(invoices)
    assert len(invoices) == len(merchant.world.money()) == 13
    starts = [each.period.start.day for each in invoices if each.period is not None]
    assert starts == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31]
    assert sum(row["origin"] == "schedule" for row in merchant.world.money()) == 12
    merchant.world.assert_books_agree()


def test_a_declined_schedule_goes_into_dunning_by_again_under_the_same_order(merchant: Merchant) -> None:
    subscription = merchant.subscribe("ok")
    merchant.world.sandbox.rule("decline-limit", merchant_uid=merchant.schedules(subscription)[0].merchant_uid)
    merchant.to_next(subscription)
    _, second = merchant.world.invoices(subscription)
    assert (second.status, second.declines) == (InvoiceStatus.OPEN, 1)
    assert merchant.world.subscription(subscription).status is SubscriptionStatus.PAST_DUE
    merchant.to(merchant.world.clock.now() + timedelta(days=1))
    attempts = merchant.world.attempts(merchant.world.invoices(subscription)[1])
    assert [(each.scheduled, each.status) for each in attempts] == [
        (True, AttemptStatus.DECLINED),
        (False, AttemptStatus.APPROVED),
    ]
    assert len({each.merchant_uid for each in attempts}) == 1
    assert [row["origin"] for row in merchant.world.ledger()] == ["again", "schedule", "again"]
    merchant.world.assert_books_agree()


def test_a_cancellation_revokes_what_is_registered(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    merchant.world.cancel(subscription)
    merchant.world.settle()
    assert merchant.statuses(subscription) == [REVOKED]
    assert merchant.at_portone(subscription)[0]["schedule_status"] == "revoked"
    merchant.to(merchant.world.clock.now() + timedelta(days=40))
    assert len(merchant.world.money()) == 1


def test_another_card_revokes_and_registers_anew(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    other = merchant.world.key()
    replace_key(merchant.world.ports, subscription.id, other.id)
    merchant.world.settle()
    assert merchant.statuses(subscription) == [REVOKED, REGISTERED]
    merchant.to_next(subscription)
    paid = merchant.world.money()[-1]
    assert (paid["origin"], paid["customer_uid"]) == ("schedule", other.customer_uid)
    assert len(merchant.world.money()) == 2
    merchant.world.assert_books_agree()


def test_a_switch_to_the_worker_and_back(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    merchant.use(subscription, Collection.WORKER)
    merchant.to_next(subscription)
    assert merchant.statuses(subscription) == [REVOKED]
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]
    merchant.use(subscription, Collection.PORTONE_SCHEDULE)
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again", "schedule"]
    merchant.world.assert_books_agree()


def test_a_period_that_ends_the_subscription_is_not_registered(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    merchant.world.cancel(subscription, at_period_end=True)
    merchant.to_next(subscription)
    assert merchant.statuses(subscription) == [REVOKED]
    assert merchant.world.subscription(subscription).status is SubscriptionStatus.CANCELED
    assert len(merchant.world.money()) == 1


def test_a_yearly_period_is_registered_when_it_is_near(merchant: Merchant) -> None:
    subscription = merchant.subscribe(plan=merchant.world.plan(interval="year"))
    assert merchant.schedules(subscription) == []
    start = merchant.world.subscription(subscription).next_period_start
    merchant.to(start - AHEAD)
    assert merchant.statuses(subscription) == [REGISTERED]
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "schedule"]


def test_a_refused_registration_leaves_the_period_to_a_worker(merchant: Merchant) -> None:
    subscription = merchant.subscribe(first_paid=False)
    merchant.world.renew_and_charge()
    key = merchant.world.rows("SELECT customer_uid FROM billing_keys")[0]["customer_uid"]
    merchant.world.sandbox.control("/keys", customer_uid=key, action="delete")
    merchant.world.settle()
    assert merchant.statuses(subscription) == [ScheduleStatus.REFUSED]
    assert [alert.kind for alert in merchant.world.alerts()] == [AlertKind.SCHEDULE_REFUSED]
    merchant.world.sandbox.register(key, "nice_v2")
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]


def test_the_comparison_names_what_differs(merchant: Merchant) -> None:
    kept, gone = merchant.subscribe(), merchant.subscribe()
    (lost,) = merchant.schedules(gone)
    assert compare_schedules(merchant.world.ports).agreeing == 2
    merchant.call("POST", "/subscribe/payments/unschedule", merchant_uid=[lost.merchant_uid])
    uid = merchant.world.rows("SELECT customer_uid FROM billing_keys ORDER BY created_at")[0]["customer_uid"]
    at = int((merchant.world.clock.now() + timedelta(days=3)).timestamp())
    old = {"merchant_uid": "shop-1", "schedule_at": at, "amount": 9900, "currency": "KRW", "name": "old"}
    merchant.call("POST", "/subscribe/payments/schedule", customer_uid=uid, schedules=[old])
    compared = compare_schedules(merchant.world.ports)
    assert compared.agreeing == 1
    assert {(each.kind, each.merchant_uid) for each in compared.differences} == {
        (DifferenceKind.MISSING, lost.merchant_uid),
        (DifferenceKind.UNKNOWN, "shop-1"),
    }
    assert merchant.statuses(kept) == [REGISTERED]
