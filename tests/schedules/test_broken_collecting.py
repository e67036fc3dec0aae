"""What a hostile reviewer tried on schedules that PortOne runs: at odd moments, and behind our back."""

from datetime import timedelta
from typing import Any

import pytest

from billing_worker.domain.schedule import RegisterAnswer, ScheduleRequest, ScheduleStatus
from billing_worker.ports.outside import Listing
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant

pytestmark = pytest.mark.long


class Gateway:
    """The gateway of the world, with some calls replaced."""

    def __init__(self, real: Any, **other: Any) -> None:
        self.real = real
        self.__dict__.update(other)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def soon(merchant: Merchant, **by: float) -> int:
    return int((merchant.world.clock.now() + timedelta(**by)).timestamp())


@pytest.mark.parametrize("told_by", ["webhook", "read"])
def test_a_number_that_its_invoice_never_had_is_refunded(merchant: Merchant, told_by: str) -> None:
    """The second schedule of a period is revoked too near its date to follow, and brought back by a clerk."""
    subscription = merchant.subscribe()
    replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
    merchant.world.settle()
    _, second = merchant.schedules(subscription)
    merchant.to(second.schedule_at - timedelta(minutes=5))
    replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
    merchant.world.settle()
    assert merchant.statuses(subscription) == [ScheduleStatus.REVOKED] * 2
    merchant.to_next(subscription)
    assert len(merchant.world.money()) == 2
    at = soon(merchant, hours=6)
    merchant.call("POST", f"/subscribe/payments/schedule/{second.merchant_uid}/reschedule", schedule_at=at)
    merchant.to(merchant.world.clock.now() + timedelta(days=1))
    if told_by == "webhook":
        merchant.webhooks()
        merchant.world.resolve(minutes=10)
        assert len(merchant.world.money()) == 2
        merchant.world.assert_books_agree()


@pytest.mark.parametrize("late", ["moved", "down"])
def test_who_cancels_while_portone_is_late_is_not_charged(merchant: Merchant, late: str) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    at = int((schedule.schedule_at + timedelta(days=2 if late == "moved" else 0, minutes=40)).timestamp())
    merchant.call("PUT", f"/subscribe/payments/schedule/{schedule.merchant_uid}", schedule_at=at)
    merchant.to(schedule.schedule_at)
    merchant.world.resolve(minutes=10)
    merchant.world.cancel(subscription)
    merchant.world.settle()
    merchant.world.resolve(minutes=20)
    merchant.to(schedule.schedule_at + timedelta(days=4))
    merchant.world.resolve(minutes=20)
    assert len(merchant.world.money()) == 1
    merchant.world.assert_books_agree()


def test_an_early_charge_is_given_back_when_its_period_never_begins(merchant: Merchant) -> None:
    """A clerk runs a schedule at once in PortOne's console, and the customer cancels before the period begins."""
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.call("PUT", f"/subscribe/payments/schedule/{schedule.merchant_uid}", schedule_at=soon(merchant, hours=1))
    merchant.to(merchant.world.clock.now() + timedelta(days=1))
    assert merchant.webhooks() == 1
    merchant.world.settle()
    merchant.world.cancel(subscription)
    merchant.to(merchant.world.clock.now() + timedelta(days=40))
    merchant.world.resolve(minutes=10)
    assert len(merchant.world.money()) == 1


def test_a_cancellation_during_the_registration_is_seen_at_once(merchant: Merchant) -> None:
    subscription = merchant.subscribe(first_paid=False)
    real = merchant.world.ports.gateway

    def register(request: ScheduleRequest) -> RegisterAnswer:
        answer = real.register_schedule(request)
        merchant.world.cancel(subscription)
        return answer

    merchant.world.renew_and_charge()
    other = merchant.with_gateway(Gateway(real, register_schedule=register))  # type: ignore[arg-type]
    other.world.settle()
    merchant.world.settle()
    assert merchant.statuses(subscription) == [ScheduleStatus.REVOKED]


def test_a_payment_that_shows_late_is_given_back(merchant: Merchant) -> None:
    """The schedule ran in spite of a cancellation, and PortOne's list of payments lags behind."""
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.to(schedule.schedule_at - timedelta(minutes=1))
    with merchant.world.sandbox.outage("error503", "schedule"):
        merchant.world.cancel(subscription)
        merchant.world.settle()
        merchant.world.clock.advance(minutes=2)
        merchant.world.settle()
    real, lags = merchant.world.ports.gateway, [Listing(()), Listing(())]

    def payments_of(merchant_uid: str) -> Listing:
        return lags.pop() if lags else real.payments_of(merchant_uid)

    other = merchant.with_gateway(Gateway(real, payments_of=payments_of))  # type: ignore[arg-type]
    other.world.resolve(minutes=30)
    merchant.to(merchant.world.clock.now() + timedelta(days=2))
    assert len(merchant.world.money()) == 1


def test_no_alert_is_left_open_when_a_webhook_tells_the_end(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (schedule,) = merchant.schedules(subscription)
    merchant.to(schedule.schedule_at - timedelta(minutes=50))
    with merchant.world.sandbox.outage("error503", "schedule"):
        merchant.world.cancel(subscription)
        merchant.world.resolve(minutes=40)
        assert [each.kind for each in merchant.world.alerts()] == ["schedule_unclear"]
        merchant.world.clock.advance(minutes=11)
        merchant.webhooks()
        merchant.world.apply()
    merchant.world.resolve(minutes=60)
    assert len(merchant.world.money()) == 1
    assert [each.kind for each in merchant.world.alerts()] == []


def test_a_schedule_of_ours_on_another_key_is_revoked(merchant: Merchant) -> None:
    """After a restore of yesterday's backup, PortOne has the order number on a key that is forgotten here."""
    other = merchant.world.key()
    subscription = merchant.subscribe(first_paid=False)
    merchant.world.renew_and_charge()
    now = merchant.world.subscription(subscription)
    uid = merchant.world.invoices(subscription)[0].merchant_uid.replace("p00000g01", "p00001g01")
    at = int(now.next_period_start.timestamp())
    item = {"merchant_uid": uid, "schedule_at": at, "amount": 9900, "currency": "KRW", "name": "restored"}
    answer = merchant.call("POST", "/subscribe/payments/schedule", customer_uid=other.customer_uid, schedules=[item])
    assert answer["code"] == 0
    merchant.world.settle()
    merchant.world.resolve(minutes=30)
    merchant.to_next(subscription)
    merchant.world.resolve(minutes=30)
    assert merchant.world.money(other) == []
    assert len(merchant.world.money()) == 2
