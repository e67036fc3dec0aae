"""What a hostile reviewer tried on moving in."""

from datetime import datetime, timedelta

import pytest

from billing_worker.domain.billing_key import KeyWait
from billing_worker.domain.errors import Conflict, InvalidInput
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.usecases.key.change import set_pg
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.moving.at_portone import scheduled_at_portone
from billing_worker.usecases.moving.move_in import AlreadyHere, Mover, arrange
from billing_worker.usecases.payment.create import NewPayment, create_payment
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant
from tests.schedules.test_moving_in import OldShop, arranged, moved, plan, shop, subscription_of

pytestmark = pytest.mark.long

__all__ = ["plan", "shop"]

REGISTERED, REVOKED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED


def months(merchant: Merchant, shop: OldShop, plan: Plan, count: int = 3) -> list[datetime]:
    """Schedules of the old shop for some months; their dates."""
    first = merchant.world.clock.now() + timedelta(days=9)
    starts = [first]
    for index in range(1, count):
        starts.append(plan.calendar.start_after(first, index, starts[-1]))
    for index, at in enumerate(starts):
        shop.schedule(at, f"shop-{index}")
    return starts


def pay_in_the_old_shop(shop: OldShop, order: str = "old-1", amount: int = 9900) -> None:
    answer = shop.merchant.call(
        "POST",
        "/subscribe/payments/again",
        customer_uid=shop.customer_uid,
        merchant_uid=order,
        amount=amount,
        name="x",
    )
    assert answer["response"]["status"] == "paid"


def test_a_repeat_brings_no_canceled_customer_back(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    pay_in_the_old_shop(shop)
    merchant.to(merchant.world.clock.now() + timedelta(days=5))
    found = moved(shop, plan)
    merchant.world.cancel(subscription_of(found))
    with pytest.raises((AlreadyHere, Conflict)):
        moved(shop, plan)
    merchant.to(merchant.world.clock.now() + timedelta(days=60))
    assert shop.paid() == 1


def test_many_schedules_are_kept_and_go_on(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    months(merchant, shop, plan)
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE)
    assert merchant.statuses(subscription_of(found)) == [REGISTERED] * 3


def test_many_schedules_follow_a_cancellation_at_once(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    months(merchant, shop, plan)
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE)
    merchant.world.cancel(subscription_of(found))
    merchant.world.settle()
    assert merchant.statuses(subscription_of(found)) == [REVOKED] * 3


def test_many_revoked_schedules_and_a_way_back(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    starts = months(merchant, shop, plan)
    found = moved(shop, plan)
    assert merchant.statuses(subscription_of(found)) == [REVOKED] * 3
    merchant.use(subscription_of(found), Collection.PORTONE_SCHEDULE)
    merchant.world.settle()
    assert REGISTERED in merchant.statuses(subscription_of(found))
    merchant.to(starts[2] + timedelta(days=1))
    merchant.world.resolve(minutes=10)
    assert shop.paid() == 3


def test_a_single_payment_cannot_take_the_number_of_a_schedule(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, "shop-1")
    found = moved(shop, plan)
    with pytest.raises(Conflict):
        create_payment(merchant.world.ports, NewPayment(merchant.world.key().id, 5000, order_id="shop-1"))
    merchant.to(start)
    (invoice,) = merchant.world.invoices(subscription_of(found))
    assert (invoice.status, invoice.merchant_uid) == (InvoiceStatus.PAID, "shop-1")


def test_a_number_that_a_single_payment_has_is_not_adopted(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    create_payment(merchant.world.ports, NewPayment(merchant.world.key().id, 5000, order_id="shop-1"))
    shop.schedule(merchant.world.clock.now() + timedelta(days=9), "shop-1")
    with pytest.raises(Conflict, match="here already"):
        arranged(shop, plan)


def test_a_repeat_leaves_a_wanted_duplicate_alone(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    pay_in_the_old_shop(shop)
    merchant.to(merchant.world.clock.now() + timedelta(days=5))
    moved(shop, plan, allow_duplicate=True)
    with pytest.raises(AlreadyHere):
        arranged(shop, plan, allow_duplicate=True)


def test_another_card_moves_all_schedules_of_the_old_shop(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    starts = months(merchant, shop, plan)
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE)
    replace_key(merchant.world.ports, subscription_of(found).id, merchant.world.key().id)
    merchant.world.settle()
    assert sorted(merchant.statuses(subscription_of(found))) == [REGISTERED, REVOKED, REVOKED, REVOKED]
    merchant.to(starts[2] + timedelta(days=1))
    merchant.world.resolve(minutes=10)
    assert shop.paid() == 0
    assert [each.status for each in merchant.world.invoices(subscription_of(found))] == [InvoiceStatus.PAID] * 3
    assert {row["origin"] for row in merchant.world.money()} == {"schedule"}


@pytest.mark.parametrize("told_by", ["webhook", "read"])
def test_an_old_schedule_that_a_clerk_brings_back_pays_nothing_twice(
    merchant: Merchant, shop: OldShop, plan: Plan, told_by: str
) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, "shop-1")
    moved(shop, plan)
    at = int((start + timedelta(hours=6)).timestamp())
    merchant.call("POST", "/subscribe/payments/schedule/shop-1/reschedule", schedule_at=at)
    merchant.to(start + timedelta(days=1))
    if told_by == "webhook":
        merchant.webhooks()
    merchant.world.resolve(minutes=10)
    assert shop.paid() == 1


def test_our_own_schedule_is_not_adopted_by_another_plan(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    shop.schedule(merchant.world.clock.now() + timedelta(days=9), "shop-1")
    moved(shop, plan, Collection.PORTONE_SCHEDULE)
    with pytest.raises((Conflict, InvalidInput)):
        moved(shop, merchant.world.plan(), Collection.PORTONE_SCHEDULE)


def test_another_price_of_the_last_payment_is_refused(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    pay_in_the_old_shop(shop)
    merchant.to(merchant.world.clock.now() + timedelta(days=20))
    pay_in_the_old_shop(shop, "mug", 15000)
    merchant.to(merchant.world.clock.now() + timedelta(days=2))
    with pytest.raises((InvalidInput, Conflict)):
        arranged(shop, plan)


def test_who_paid_an_hour_ago_is_charged_in_a_month(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    pay_in_the_old_shop(shop)
    merchant.world.clock.advance(hours=1)
    assert arranged(shop, plan).next_at > merchant.world.clock.now() + timedelta(days=27)


def test_the_dry_run_refuses_who_is_here_with_another_card(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    merchant.world.subscribe(plan=plan, customer="kim")
    shop.schedule(merchant.world.clock.now() + timedelta(days=9), "shop-1")
    with pytest.raises(Conflict):
        arranged(shop, plan)


@pytest.mark.parametrize("collection", Collection)
def test_a_file_with_another_plan_makes_no_second_subscription(
    merchant: Merchant, shop: OldShop, plan: Plan, collection: Collection
) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, "shop-1")
    found = moved(shop, plan, collection, start=start)
    with pytest.raises(Conflict, match=subscription_of(found).id):
        moved(shop, merchant.world.plan(), start=start)
    merchant.to(start + timedelta(days=1))
    merchant.world.resolve(minutes=10)
    assert shop.paid() == 1


def test_a_second_plan_on_the_same_key_is_said_by_name(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, "shop-1")
    moved(shop, plan, start=start)
    other = moved(shop, merchant.world.plan(), start=start, allow_duplicate=True)
    merchant.to(start + timedelta(days=1))
    assert merchant.world.invoice(subscription_of(other)).status is InvoiceStatus.PAID
    assert shop.paid() == 2


def test_a_key_is_not_moved_to_another_customer(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    moved(shop, plan, start=start)
    mover = Mover(shop.customer_uid, "lee", plan.id, start=start, allow_duplicate=True)
    with pytest.raises(Conflict, match="kim"):
        arrange(merchant.world.ports, mover, plan, scheduled_at_portone(merchant.world.ports), Collection.WORKER)


def test_a_key_that_is_registered_at_another_pg_is_not_taken_from_portone(
    merchant: Merchant, shop: OldShop, plan: Plan
) -> None:
    world, start = merchant.world, merchant.world.clock.now() + timedelta(days=9)
    key = register_and_confirm(world.ports, NewKey(shop.customer_uid, "kakaopay"))
    assert key.waits_for is KeyWait.OTHER_PG
    shop.schedule(start, "shop-1")
    with pytest.raises(Conflict, match="correct the PG of key"):
        moved(shop, plan, start=start)
    set_pg(world.ports, key.id, "nice_v2")
    found = moved(shop, plan, start=start)
    merchant.to(start)
    assert world.invoice(subscription_of(found)).status is InvoiceStatus.PAID
    assert shop.paid() == 1
