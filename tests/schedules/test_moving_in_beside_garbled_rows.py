"""One row of PortOne's list that cannot be read refuses its own customer, and no other one."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from billing_worker.cli.import_file import Row
from billing_worker.cli.import_portone import MOST_UNREAD, Movers
from billing_worker.cli.import_rows import Became, Outcome
from billing_worker.domain.errors import Conflict, Unavailable
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.ports.outside import Gateway, KeyReading
from billing_worker.usecases.moving.at_portone import CustomerUnread, scheduled_at_portone
from billing_worker.usecases.moving.move_in import Mover, arrange
from tests.schedules.merchant import Merchant
from tests.schedules.test_moving_in import OldShop, arranged, moved, plan, subscription_of
from tests.support.gateways import Around

pytestmark = pytest.mark.long

__all__ = ["plan"]

NO_SUM, NOBODY, ANOTHER = {"amount": "nine"}, {"customer_uid": None}, {"schedule_status": "halted"}
DAYS = 9


@pytest.fixture
def shops(merchant: Merchant) -> list[OldShop]:
    """Three customers, each scheduled once."""
    found = [OldShop(merchant, merchant.world.uid()) for _ in range(3)]
    for number, shop in enumerate(found):
        shop.schedule(merchant.world.clock.now() + timedelta(days=DAYS), f"shop-{number}")
    return found


def garble(merchant: Merchant, order: str, **fields: object) -> None:
    merchant.world.sandbox.control("/operator/garble", merchant_uid=order, fields=fields)


def took(merchant: Merchant, plan: Plan, shops: list[OldShop]) -> list[Outcome]:
    """The result of each customer's row, as `import portone --apply` has it."""
    cells = [{"customer_uid": shop.customer_uid, "customer": f"kim-{number}"} for number, shop in enumerate(shops)]
    rows = [Row(number, list(each.values()), {**each}, None) for number, each in enumerate(cells, 2)]
    movers = Movers(merchant.world.ports, plan.id, Collection.WORKER, apply=True)
    return list(movers.take(rows))


def paid(shops: list[OldShop], until_days: int) -> list[int]:
    merchant = shops[0].merchant
    merchant.to(merchant.world.clock.now() + timedelta(days=until_days))
    merchant.world.resolve(minutes=10)
    return [shop.paid() for shop in shops]


@pytest.mark.parametrize("fields", [NO_SUM, ANOTHER, NO_SUM | NOBODY, NOBODY | {"schedule_at": "x"}], ids=str)
def test_its_customer_is_refused_by_name_and_the_others_move(
    merchant: Merchant, shops: list[OldShop], plan: Plan, fields: dict[str, object]
) -> None:
    garble(merchant, "shop-1", **fields)
    outcomes = took(merchant, plan, shops)
    assert [each.became for each in outcomes] == [Became.IMPORTED, Became.REJECTED, Became.IMPORTED]
    assert "'shop-1'" in outcomes[1].detail
    assert len(merchant.world.rows("SELECT FROM subscriptions")) == 2
    assert paid(shops, DAYS + 1) == [1, 1, 1]
    rows = merchant.world.sandbox.ledger(customer_uid=shops[1].customer_uid)
    assert [row["merchant_uid"] for row in rows] == ["shop-1"], "the old schedule goes on"


def test_a_row_without_its_key_is_its_customers_all_the_same(
    merchant: Merchant, shops: list[OldShop], plan: Plan
) -> None:
    """Such a row is readable. It was nobody's, and its customer would have moved beside it."""
    garble(merchant, "shop-1", **NOBODY)
    found = moved(shops[1], plan)
    assert [each.merchant_uid for each in found.adopted] == ["shop-1"]
    assert merchant.statuses(subscription_of(found)) == [ScheduleStatus.REVOKED]


def test_a_row_that_shows_nothing_refuses_with_what_is_known(
    merchant: Merchant, shops: list[OldShop], plan: Plan
) -> None:
    garble(merchant, "shop-1", customer_uid=7, merchant_uid=None)
    with pytest.raises(Conflict, match="an order number that it does not show, that cannot be read"):
        arranged(shops[1], plan)
    assert arranged(shops[0], plan).adopted
    assert arranged(shops[2], plan).adopted


def test_a_garbled_row_that_is_over_refuses_nobody(merchant: Merchant, shops: list[OldShop], plan: Plan) -> None:
    """Otherwise what a refusal asks for, to revoke it in PortOne's console, would not end the refusal."""
    garble(merchant, "shop-1", **NO_SUM)
    merchant.call("POST", "/subscribe/payments/unschedule", merchant_uid=["shop-1"])
    shops[1].schedule(merchant.world.clock.now() + timedelta(days=DAYS), "shop-3")
    assert [each.merchant_uid for each in arranged(shops[1], plan).adopted] == ["shop-3"]


def test_a_second_schedule_that_is_garbled_refuses_its_customer(
    merchant: Merchant, shops: list[OldShop], plan: Plan
) -> None:
    at = plan.calendar.start_after(merchant.world.clock.now(), 1, merchant.world.clock.now())
    shops[0].schedule(at + timedelta(days=DAYS), "shop-3")
    garble(merchant, "shop-3", **NO_SUM, **NOBODY)
    with pytest.raises(Conflict, match="'shop-3', that cannot be read"):
        arranged(shops[0], plan)


def test_own_lists_are_read_only_where_a_row_does_not_tell_whose_it_is(
    merchant: Merchant, shops: list[OldShop], plan: Plan
) -> None:
    def own_lists() -> int:
        asked = merchant.world.sandbox.http.get("/_sandbox/requests", params={"path": "/subscribe/customers/"}).json()
        return sum(each["path"].endswith("/schedules") for each in asked)

    garble(merchant, "shop-1", **NO_SUM)
    arranged(shops[0], plan)
    assert own_lists() == 0
    garble(merchant, "shop-1", **NO_SUM, **NOBODY)
    arranged(shops[0], plan)
    assert own_lists() > 0


def test_a_customer_whose_own_list_fails_is_not_moved(merchant: Merchant, shops: list[OldShop], plan: Plan) -> None:
    garble(merchant, "shop-1", **NO_SUM, **NOBODY)
    ports = merchant.world.ports
    there, mover = scheduled_at_portone(ports), Mover(shops[0].customer_uid, "kim", plan.id)
    with merchant.world.sandbox.outage("error503", "schedule"), pytest.raises(CustomerUnread):
        arrange(ports, mover, plan, there, Collection.WORKER)


def deaf_to(*customer_uids: str) -> Callable[[Gateway, str], KeyReading]:
    """PortOne's answers about these keys cannot be read."""

    def read(gateway: Gateway, customer_uid: str) -> KeyReading:
        return KeyReading(trouble="not JSON") if customer_uid in customer_uids else gateway.read_key(customer_uid)

    return read


def test_a_customer_about_whom_portone_cannot_be_read_is_refused_alone(
    merchant: Merchant, shops: list[OldShop], plan: Plan
) -> None:
    deaf = deaf_to(shops[0].customer_uid, shops[2].customer_uid)
    outcomes = took(merchant.with_gateway(Around(merchant.world.ports.gateway, on_read_key=deaf)), plan, shops)
    assert [each.became for each in outcomes] == [Became.REJECTED, Became.IMPORTED, Became.REJECTED]
    assert "PortOne could not be read about this key" in outcomes[0].detail


def test_an_outage_ends_the_run(merchant: Merchant, shops: list[OldShop], plan: Plan) -> None:
    assert len(shops) == MOST_UNREAD
    deaf = deaf_to(*(shop.customer_uid for shop in shops))
    with pytest.raises(Unavailable):
        took(merchant.with_gateway(Around(merchant.world.ports.gateway, on_read_key=deaf)), plan, shops)
    assert merchant.world.rows("SELECT FROM subscriptions") == []
