"""Shadow mode: nothing is charged, each day is compared with what the old biller did, and customers leave it singly."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing_worker.cli.import_file import Row
from billing_worker.cli.import_portone import Movers
from billing_worker.cli.import_rows import Became
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.errors import Conflict
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.domain.shadow import ShadowResult
from billing_worker.usecases.moving.move_in import AlreadyHere
from tests.schedules.merchant import Merchant
from tests.schedules.test_moving_in import OldShop, arranged, moved, plan, shop, subscription_of

pytestmark = pytest.mark.long

__all__ = ["plan", "shop"]


def results(merchant: Merchant) -> list[str | None]:
    """The results of all charges in shadow mode, oldest first."""
    return [row["result"] for row in merchant.world.rows("SELECT result FROM shadow_charges ORDER BY at, id")]


def test_a_subscription_in_shadow_is_decided_on_and_never_charged(
    merchant: Merchant, shop: OldShop, plan: Plan
) -> None:
    start = merchant.world.clock.now() + timedelta(days=3)
    shop.schedule(start, "shop-1")
    found = moved(shop, plan, Collection.SHADOW)
    merchant.to(start + timedelta(days=3))
    assert merchant.world.invoices(subscription_of(found)) == []
    assert results(merchant) == [ShadowResult.AGREES]
    assert shop.paid() == 1
    assert merchant.world.alerts() == []


def test_each_difference_of_a_day_is_named_in_one_alert(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=3)
    missing, other = OldShop(merchant, merchant.world.uid()), OldShop(merchant, merchant.world.uid(), amount=8800)
    declined = OldShop(merchant, merchant.world.uid("decline-limit"))
    shop.schedule(start + timedelta(hours=5), "shop-1")
    other.schedule(start, "shop-2")
    declined.schedule(start, "shop-3")
    for each in (shop, missing, other, declined):
        merchant.world.subscribe(
            plan=plan, key=merchant.world.known_key(each.customer_uid), start=start, collection=Collection.SHADOW
        )
    shop.schedule(start + timedelta(hours=6), "shop-4")
    for hours in (5, 6, 96):
        merchant.to(start + timedelta(hours=hours))
    assert sorted(filter(None, results(merchant))) == ["agrees", "declined", "differs", "missing", "unexpected"]
    (alert,) = merchant.world.alerts()
    assert (alert.kind, alert.subject_id) == (AlertKind.SHADOW_DIFFERS, start.date().isoformat())
    assert alert.facts == {
        "decided": 4,
        "agrees": 1,
        "declined": 1,
        "differs": 1,
        "missing": 1,
        "unexpected": 1,
    }
    assert merchant.world.ledger() == []


def test_a_day_that_could_not_be_read_is_read_again(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=1)
    shop.schedule(start + timedelta(minutes=1), "shop-1")
    moved(shop, plan, Collection.SHADOW)
    with merchant.world.sandbox.outage("error503", "read"):
        merchant.to(start + timedelta(days=3))
        assert results(merchant) == [None]
    merchant.world.clock.advance(minutes=5)
    merchant.world.settle()
    assert results(merchant) == [ShadowResult.AGREES]


def test_an_installation_in_shadow_charges_nothing_at_all(merchant: Merchant) -> None:
    world = merchant.world.with_ports(shadow=True)
    subscription = world.subscribe()
    by_portone = world.subscribe(collection=Collection.PORTONE_SCHEDULE)
    world.pay()
    for _ in range(40):
        world.clock.advance(days=1)
        world.settle()
    assert world.ledger() == []
    assert (world.invoices(subscription), merchant.schedules(by_portone)) == ([], [])
    assert results(merchant)[:2] == [ShadowResult.MISSING] * 2


def test_an_installation_in_shadow_leaves_what_is_at_portone(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    world = merchant.world.with_ports(shadow=True)
    world.cancel(subscription)
    world.settle()
    assert merchant.statuses(subscription) == [ScheduleStatus.REGISTERED]
    assert [each["schedule_status"] for each in merchant.at_portone(subscription)] == ["scheduled"]


def test_moving_in_to_an_installation_in_shadow_revokes_nothing(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, "shop-1")
    ports = replace(merchant.world.ports, shadow=True)
    row = Row(2, [], {"customer_uid": shop.customer_uid, "customer": "kim"}, None)
    (outcome,) = Movers(ports, plan.id, Collection.WORKER, apply=True).take([row])
    assert outcome.became is Became.IMPORTED
    assert merchant.call("GET", "/subscribe/payments/schedule/shop-1")["response"]["schedule_status"] == "scheduled"
    merchant.world.clock.advance(minutes=6)
    merchant.world.settle()  # out of the shadow
    merchant.to(start)
    assert shop.paid() == 1


@pytest.mark.parametrize("collection", [Collection.WORKER, Collection.PORTONE_SCHEDULE])
def test_a_customer_leaves_the_shadow_and_pays_once_a_period(
    merchant: Merchant, shop: OldShop, plan: Plan, collection: Collection
) -> None:
    start = merchant.world.clock.now() + timedelta(days=3)
    shop.schedule(start, "shop-1")
    first = moved(shop, plan, Collection.SHADOW)
    with pytest.raises(AlreadyHere):
        arranged(shop, plan, Collection.SHADOW)
    merchant.to(start + timedelta(days=1))
    second = merchant.world.subscription(subscription_of(first)).next_period_start
    shop.schedule(second, "shop-2")
    left = moved(shop, plan, collection)
    assert subscription_of(left).id == subscription_of(first).id
    assert merchant.statuses(subscription_of(first)) == [
        ScheduleStatus.REVOKED if collection is Collection.WORKER else ScheduleStatus.REGISTERED
    ]
    merchant.to(second)
    merchant.world.resolve(minutes=5)
    assert shop.paid() == 2
    assert len(merchant.world.invoices(subscription_of(first))) == 1


def test_nobody_leaves_the_shadow_within_a_day_of_a_charge(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    shop.schedule(merchant.world.clock.now() + timedelta(hours=20), "shop-1")
    found = moved(shop, plan, Collection.SHADOW)
    with pytest.raises(Conflict, match="within 24 hours"):
        merchant.use(subscription_of(found), Collection.WORKER)
    with pytest.raises(Conflict, match="within 24 hours"):
        arranged(shop, plan)
