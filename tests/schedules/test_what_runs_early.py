"""A clerk lets schedules run before their period begins: it is paid once, and what is too much goes back."""

from datetime import datetime, timedelta

import pytest

from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.schedule import Collection, Schedule, ScheduleStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.review.schedules import review_schedules
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant

pytestmark = pytest.mark.long

REVOKED, EXECUTED = ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED


def two_cards(merchant: Merchant) -> tuple[Subscription, Schedule, Schedule]:
    """A subscription whose coming period has a revoked schedule of the old card, and one of the new card."""
    subscription = merchant.subscribe()
    replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
    merchant.world.settle()
    first, second = merchant.schedules(subscription)
    return subscription, first, second


def soon(merchant: Merchant) -> datetime:
    return merchant.world.clock.now() + timedelta(hours=1)


def test_one_that_paid_early_revokes_the_other_one_of_its_period(merchant: Merchant) -> None:
    subscription, first, _ = two_cards(merchant)
    merchant.revive(first.merchant_uid, soon(merchant))
    merchant.world.clock.advance(hours=2)
    merchant.webhooks()
    merchant.world.settle()
    assert merchant.statuses(subscription) == [EXECUTED, REVOKED]
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.ledger()] == ["again", "schedule"]
    assert [each.status for each in merchant.world.invoices(subscription)] == [InvoiceStatus.PAID] * 2


def test_two_that_paid_early_are_one_refund(merchant: Merchant) -> None:
    """When the second one's webhook comes, no invoice has its number; when its period begins, nobody tells of it."""
    subscription, first, second = two_cards(merchant)
    at = soon(merchant)
    merchant.revive(first.merchant_uid, at)
    merchant.move(second.merchant_uid, at)
    merchant.world.clock.advance(hours=2)
    merchant.webhooks()
    merchant.world.settle()
    merchant.to_next(subscription)
    merchant.world.resolve(minutes=30)
    assert len(merchant.world.ledger()) == 3
    assert len(merchant.world.money()) == 2
    assert [each.status for each in merchant.world.invoices(subscription)] == [InvoiceStatus.PAID] * 2
    assert merchant.statuses(subscription)[:2] == [EXECUTED, EXECUTED]


def test_one_that_was_declined_early_leaves_the_period_to_a_worker(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.use(subscription, Collection.WORKER)
    merchant.world.settle()
    merchant.world.sandbox.rule("decline-limit", merchant_uid=ours.merchant_uid)
    merchant.revive(ours.merchant_uid, soon(merchant))
    merchant.world.clock.advance(hours=2)
    merchant.webhooks()
    merchant.to_next(subscription)
    merchant.to(merchant.world.clock.now() + timedelta(days=2))
    assert [(row["origin"], row["status"]) for row in merchant.world.ledger()] == [
        ("again", "paid"),
        ("schedule", "failed"),
        ("again", "paid"),
    ]


@pytest.mark.parametrize("at_once", [True, False])
def test_money_that_came_early_goes_back_where_the_period_is_not_waited_for(
    merchant: Merchant, *, at_once: bool
) -> None:
    """It had been revoked before: so its schedule is closed when it ran, and a cancellation wakes only live ones."""
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.use(subscription, Collection.WORKER)
    merchant.world.settle()
    assert merchant.statuses(subscription) == [REVOKED]
    merchant.revive(ours.merchant_uid, soon(merchant))
    merchant.world.clock.advance(hours=2)
    merchant.webhooks()
    merchant.world.settle()
    assert len(merchant.world.money()) == 2
    review_schedules(merchant.world.ports)
    assert len(merchant.world.money()) == 2, "it pays the coming period"
    merchant.world.cancel(subscription, at_period_end=not at_once)
    review_schedules(merchant.world.ports)
    merchant.world.settle()
    assert len(merchant.world.money()) == 1
    review_schedules(merchant.world.ports)
    merchant.to(ours.schedule_at + timedelta(days=1))
    assert len(merchant.world.ledger()) == 2
