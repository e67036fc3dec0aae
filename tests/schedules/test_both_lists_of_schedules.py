"""The comparison of both books covers what PortOne is going to charge: each difference is told, and gone when it is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.comparing import Finding, FindingKind
from billing_worker.domain.comparison import LAST_LOOK
from billing_worker.domain.payment import Unknown
from billing_worker.domain.schedule import Collection, ScheduleReading, ScheduleStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.alerts import Alert
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.review import compare as comparing
from billing_worker.usecases.review.schedules import review_schedules
from billing_worker.usecases.schedule import compare as lists
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.schedules.merchant import Merchant
from tests.support.gateways import Around
from tests.support.world import World

pytestmark = pytest.mark.long

REGISTERED, REVOKED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED
KIND = AlertKind.SCHEDULE_DIFFERS


def reviewed(merchant: Merchant) -> list[tuple[str, str]]:
    """The differences that the whole comparison finds: kind and order number."""
    found = review_schedules(merchant.world.ports)
    return [(each.kind.value, each.merchant_uid) for each in found.differences]


def compared(world: World) -> list[Finding]:
    """The findings of the job about schedules, of all spans that are due."""
    found: list[Finding] = []
    while ids := comparing.due(world.ports, 10):
        for ident in ids:
            result = comparing.compare(world.ports, ident)
            assert result is not None
            assert result.trouble is None
            found += [each for each in result.findings if each.kind is FindingKind.SCHEDULE]
    return found


def told(merchant: Merchant) -> Sequence[Alert]:
    """The open alerts about it."""
    return [alert for alert in merchant.world.alerts() if alert.kind == KIND]


def only_facts(merchant: Merchant) -> dict[str, Any]:
    (alert,) = told(merchant)
    assert alert.facts is not None
    return dict(alert.facts)


def revoke_at_the_console(merchant: Merchant, order: str) -> None:
    merchant.call("POST", "/subscribe/payments/unschedule", merchant_uid=[order])


def schedule_elsewhere(merchant: Merchant, customer_uid: str, order: str, at: datetime) -> None:
    item = {"merchant_uid": order, "schedule_at": int(at.timestamp()), "amount": 9900, "currency": "KRW", "name": "old"}
    answer = merchant.call("POST", "/subscribe/payments/schedule", customer_uid=customer_uid, schedules=[item])
    assert answer["code"] == 0


def uid_of(merchant: Merchant, subscription: Subscription) -> str:
    with merchant.world.ports.database.transaction() as uow:
        return uow.keys.get(subscription.billing_key_id).customer_uid


def calls(merchant: Merchant, path: str = "/subscribe/payments/schedule") -> int:
    return len(merchant.world.sandbox.http.get("/_sandbox/requests", params={"path": path}).json())


def test_lists_that_agree_open_nothing(merchant: Merchant) -> None:
    merchant.subscribe()
    assert reviewed(merchant) == []
    assert merchant.world.alerts() == []


def test_one_that_a_clerk_revoked_is_told_until_a_worker_has_charged_the_period(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    revoke_at_the_console(merchant, ours.merchant_uid)
    for _ in range(2):
        assert reviewed(merchant) == [("missing", ours.merchant_uid)]
        facts = only_facts(merchant)
        assert (facts["case"], facts["order"], facts["subscription"]) == (
            "missing",
            ours.merchant_uid,
            subscription.id,
        )
    assert any("a worker charges the period" in line for line in why(merchant.world.ports, subscription.id).alerts)
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.money()] == ["again", "again"]
    assert reviewed(merchant) == []
    assert told(merchant) == []


def test_one_that_portone_does_not_have_is_told(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    with merchant.world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE schedules SET merchant_uid = 'neverthere1'")
    assert ("missing", "neverthere1") in reviewed(merchant)
    assert ("unknown", ours.merchant_uid) in reviewed(merchant)


@pytest.mark.parametrize("by", [timedelta(days=1), timedelta(days=90), -timedelta(days=2)], ids=str)
def test_one_that_a_clerk_moved_is_told_also_out_of_the_list_and_closes_when_moved_back(
    merchant: Merchant, by: timedelta
) -> None:
    (ours,) = merchant.schedules(merchant.subscribe())
    merchant.move(ours.merchant_uid, ours.schedule_at + by)
    assert reviewed(merchant) == [("content", ours.merchant_uid)]
    assert f"{ours.schedule_at + by:%F}" in only_facts(merchant)["there"]
    merchant.move(ours.merchant_uid, ours.schedule_at)
    assert reviewed(merchant) == []
    assert told(merchant) == []


def test_one_of_another_sum_is_told(merchant: Merchant) -> None:
    (ours,) = merchant.schedules(merchant.subscribe())
    garble(merchant, ours.merchant_uid, amount=9800)
    assert reviewed(merchant) == [("content", ours.merchant_uid)]
    assert "9,800 KRW" in only_facts(merchant)["there"]


def garble(merchant: Merchant, order: str, **fields: object) -> None:
    merchant.world.sandbox.control("/operator/garble", merchant_uid=order, fields=fields)


def test_one_on_our_key_that_is_not_ours_is_told_with_the_way_out_until_it_is_revoked(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    at = merchant.world.clock.now() + timedelta(days=20)
    for order in ("shop-1", "shop/1 2"):
        schedule_elsewhere(merchant, uid_of(merchant, subscription), order, at)
    assert sorted(reviewed(merchant)) == [("unknown", "shop-1"), ("unknown", "shop/1 2")]
    revoke_at_the_console(merchant, "shop/1 2")
    assert reviewed(merchant) == [("unknown", "shop-1")]
    facts = only_facts(merchant)
    assert (facts["order"], facts["key"]) == ("shop-1", subscription.billing_key_id)
    assert "9,900 KRW for 'old'" in facts["there"]
    revoke_at_the_console(merchant, "shop-1")
    assert reviewed(merchant) == []
    assert told(merchant) == []


def test_what_concerns_no_key_of_ours_or_one_in_shadow_is_told_to_nobody(merchant: Merchant) -> None:
    at = merchant.world.clock.now() + timedelta(days=20)
    shadowed = merchant.world.subscribe(collection=Collection.SHADOW)
    stranger = merchant.world.uid()
    merchant.world.sandbox.register(stranger, "nice_v2")
    schedule_elsewhere(merchant, uid_of(merchant, shadowed), "old-1", at)
    schedule_elsewhere(merchant, stranger, "shop-1", at)
    garble(merchant, "shop-1", amount="nine")
    found = review_schedules(merchant.world.ports)
    assert (found.differences, found.foreign) == ([], 2)


def test_a_revoked_one_that_a_clerk_revives_early_is_revoked_again(merchant: Merchant) -> None:
    """A cancellation comes after it. Nothing else would look at it before its date."""
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.world.cancel(subscription)
    merchant.world.settle()
    assert merchant.statuses(subscription) == [REVOKED]
    merchant.revive(ours.merchant_uid, ours.schedule_at)
    assert reviewed(merchant) == [("revived", ours.merchant_uid)]
    assert only_facts(merchant)["case"] == "taken_back"
    assert [row["schedule_status"] for row in merchant.at_portone(subscription)] == ["revoked"]
    (ours,) = merchant.schedules(subscription)
    assert "revoked again" in str(ours.note)
    assert reviewed(merchant) == []
    assert told(merchant) == []
    merchant.to(ours.schedule_at + timedelta(days=2))
    assert len(merchant.world.ledger()) == 1


def test_a_revived_one_beside_its_successor_is_revoked_and_the_successor_pays(merchant: Merchant) -> None:
    """Both are of one period, of which one schedule may live: so the revived one keeps its status here."""
    subscription = merchant.subscribe()
    (first,) = merchant.schedules(subscription)
    replace_key(merchant.world.ports, subscription.id, merchant.world.key().id)
    merchant.world.settle()
    merchant.revive(first.merchant_uid, first.schedule_at)
    assert reviewed(merchant) == [("revived", first.merchant_uid)]
    assert merchant.statuses(subscription) == [REVOKED, REGISTERED]
    merchant.to_next(subscription)
    assert [row["origin"] for row in merchant.world.ledger()] == ["again", "schedule"]


def test_a_revived_one_that_cannot_be_revoked_is_told_and_tried_again(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.world.cancel(subscription)
    merchant.world.settle()
    merchant.revive(ours.merchant_uid, ours.schedule_at)
    deaf = Around(merchant.world.ports.gateway, on_revoke=lambda *_: Unknown("no answer"))
    found = review_schedules(merchant.with_gateway(deaf).world.ports)
    assert [each.done for each in found.differences] == ["not revoked: no answer; alert opened"]
    assert only_facts(merchant)["case"] == "revived"
    assert reviewed(merchant) == [("revived", ours.merchant_uid)]
    assert only_facts(merchant)["case"] == "taken_back"


def test_one_that_ran_and_is_alive_again_is_told_and_left_to_the_operator(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.world.sandbox.rule("decline-limit", merchant_uid=ours.merchant_uid)
    merchant.to_next(subscription)
    assert merchant.statuses(subscription)[0] is EXECUTED
    merchant.revive(ours.merchant_uid, merchant.world.clock.now() + timedelta(days=9))
    assert reviewed(merchant) == [("revived", ours.merchant_uid)]
    assert only_facts(merchant)["case"] == "revived"


@pytest.mark.parametrize("fields", [{"amount": "nine"}, {"amount": "nine", "customer_uid": None}], ids=str)
def test_a_garbled_row_of_ours_is_told_and_not_taken_for_missing(merchant: Merchant, fields: dict[str, Any]) -> None:
    (ours,) = merchant.schedules(merchant.subscribe())
    garble(merchant, ours.merchant_uid, **fields)
    assert reviewed(merchant) == [("unreadable", ours.merchant_uid)]
    garble(merchant, ours.merchant_uid)
    assert reviewed(merchant) == []
    assert told(merchant) == []


def test_a_garbled_row_that_does_not_show_its_key_is_told(merchant: Merchant) -> None:
    uid = merchant.world.uid()
    merchant.world.sandbox.register(uid, "nice_v2")
    schedule_elsewhere(merchant, uid, "shop-1", merchant.world.clock.now() + timedelta(days=3))
    garble(merchant, "shop-1", customer_uid=7)
    assert reviewed(merchant) == [("unreadable", "shop-1")]
    garble(merchant, "shop-1", customer_uid=7, merchant_uid=None)
    assert reviewed(merchant) == [("unreadable", "")]
    assert only_facts(merchant)["order"] is None


def test_the_job_compares_all_once_a_day_and_each_date_two_hours_before(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    compared(merchant.world)
    revoke_at_the_console(merchant, ours.merchant_uid)
    merchant.world.clock.advance(hours=1)
    assert compared(merchant.world) == []
    merchant.world.clock.advance(days=1)
    (found,) = compared(merchant.world)
    assert (found.merchant_uid, found.done) == (ours.merchant_uid, "missing: alert opened")
    assert found.actions
    merchant.world.clock.advance(minutes=10)
    assert compared(merchant.world) == [], "its date is far away"
    assert len(told(merchant)) == 1


def test_what_changes_in_the_last_day_is_found_two_hours_before_its_date(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    at = ours.schedule_at.replace(hour=12, minute=0, second=0, microsecond=0)
    merchant.world.clock.advance_to(at - timedelta(hours=6))
    compared(merchant.world)
    schedule_elsewhere(merchant, uid_of(merchant, subscription), "shop-1", at)
    merchant.world.clock.advance_to(at - LAST_LOOK - timedelta(minutes=1))
    assert compared(merchant.world) == []
    merchant.world.clock.advance_to(at - LAST_LOOK + timedelta(minutes=6))
    assert [each.merchant_uid for each in compared(merchant.world)] == ["shop-1"]


def test_a_list_that_cannot_be_read_leaves_the_span_open(merchant: Merchant) -> None:
    merchant.subscribe()
    ident = comparing.plan(merchant.world.ports)[-1]
    with merchant.world.sandbox.outage("error503", "schedule"):
        result = comparing.compare(merchant.world.ports, ident)
    assert result is not None
    assert "PortOne's schedules could not be read" in str(result.trouble)
    again = comparing.compare(merchant.world.ports, ident)
    assert again is not None
    assert again.trouble is None


def test_the_reads_are_bounded_and_the_nearest_dates_come_first(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_READ", 2)
    orders = []
    for _ in range(4):
        (ours,) = merchant.schedules(merchant.subscribe())
        orders.append(ours.merchant_uid)
        merchant.world.clock.advance(hours=1)
    for order in orders:
        revoke_at_the_console(merchant, order)
    merchant.world.sandbox.http.delete("/_sandbox/requests")
    found = review_schedules(merchant.world.ports)
    assert [each.merchant_uid for each in found.differences] == orders[:2]
    assert found.unread == orders[2:]
    assert calls(merchant) == 6 + 2
    assert len(told(merchant)) == 2


def test_an_alert_whose_difference_was_not_read_this_time_stays(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ours,) = merchant.schedules(merchant.subscribe())
    revoke_at_the_console(merchant, ours.merchant_uid)
    reviewed(merchant)
    monkeypatch.setattr(lists, "MOST_READ", 0)
    assert reviewed(merchant) == []
    assert len(told(merchant)) == 1


def test_a_list_that_lags_behind_is_no_difference(merchant: Merchant) -> None:
    """What the list does not show, a single read does; and what is revoked meanwhile is compared as it is then."""
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    garble(merchant, ours.merchant_uid, schedule_status="revoked")

    def current(gateway: Gateway, order: str) -> ScheduleReading:
        garble(merchant, order)
        merchant.world.cancel(subscription)
        merchant.world.settle()
        return gateway.read_schedule(order)

    late = merchant.with_gateway(Around(merchant.world.ports.gateway, on_read_schedule=current))
    assert reviewed(late) == []


def test_an_installation_in_shadow_compares_and_touches_nothing(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.world.cancel(subscription)
    merchant.world.settle()
    merchant.revive(ours.merchant_uid, ours.schedule_at)
    shadow = merchant.world.with_ports(shadow=True)
    assert [each.done for each in review_schedules(shadow.ports).differences] == [""]
    assert [row["schedule_status"] for row in merchant.at_portone(subscription)] == ["scheduled"]
    assert merchant.world.alerts() == []


def test_a_copy_of_the_database_revokes_nothing(merchant: Merchant) -> None:
    subscription = merchant.subscribe()
    (ours,) = merchant.schedules(subscription)
    merchant.world.cancel(subscription)
    merchant.world.settle()
    merchant.revive(ours.merchant_uid, ours.schedule_at)
    merchant.claim_elsewhere()
    found = review_schedules(merchant.world.ports)
    assert [each.done for each in found.differences] == [
        "not revoked: this database is not the claimed one; alert opened"
    ]
    assert [row["schedule_status"] for row in merchant.at_portone(subscription)] == ["scheduled"]
