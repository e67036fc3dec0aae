"""A known month of expiry: another card is preferred after it, the merchant is told ahead, and a new card renews it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.card import CardFacts
from billing_worker.domain.card_expiry import ends_at
from billing_worker.domain.errors import Conflict, InvalidInput, Unavailable
from billing_worker.domain.subscription import Subscription
from billing_worker.ports.lists import Kind
from billing_worker.ports.outside import KeyReading, StoredKey
from billing_worker.usecases.key import expiry, reactivate, register
from billing_worker.usecases.key.change import change_key
from billing_worker.usecases.key.register import NewKey
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.why import why
from billing_worker.usecases.subscription import replace_key
from tests.faults.test_two_workers_race import at_once
from tests.support.gateways import Around
from tests.support.world import World
from tests.usecases.test_fallback_keys import back, backed, charged_on, told

DAY = timedelta(days=1)
FACTS = CardFacts("신한카드", "366", "9512")


def month_of(world: World, months: int) -> str:
    """The month so many months from now in Seoul."""
    today = world.clock.now().astimezone(ZoneInfo("Asia/Seoul"))
    count = today.year * 12 + today.month - 1 + months
    return f"{count // 12}-{count % 12 + 1:02d}"


def expires(world: World, key: BillingKey, months: int) -> str:
    month = month_of(world, months)
    expiry.set_expiry(world.ports, key.id, month)
    return month


def listed(world: World) -> list[str]:
    with world.ports.database.transaction() as uow:
        wanted = {"expiring_at": world.clock.now()}
        return [each.id for each in uow.lists.part(Kind.BILLING_KEYS, wanted, 50, None).items]


def warned(world: World, key: BillingKey) -> bool:
    with world.ports.database.transaction() as uow:
        return expiry.warns(uow, uow.keys.get(key.id), world.clock.now())


def test_a_card_past_its_month_is_not_the_first_choice_where_there_is_another(world: World) -> None:
    subscription, (main, first) = backed(world, "ok", "ok")
    expires(world, main, -1)
    world.settle()
    assert charged_on(world, subscription) == [first.id]
    assert world.subscription(subscription).billing_key_id == main.id  # its issuer may have renewed it
    world.assert_books_agree()


def test_without_another_one_it_is_still_tried(world: World) -> None:
    subscription, (main,) = backed(world, "ok")
    expires(world, main, -1)
    world.settle()
    assert charged_on(world, subscription) == [main.id]
    assert world.invoice(subscription).status == "paid"


def test_it_is_the_last_one_to_be_tried_before_dunning_gives_up(world: World) -> None:
    subscription, (main, first) = backed(world, "ok", "decline-stolen")
    expires(world, main, -1)
    world.settle()
    assert charged_on(world, subscription) == [first.id, main.id]
    assert world.invoice(subscription).status == "paid"
    world.assert_books_agree()


def test_a_fallback_past_its_month_comes_after_the_others(world: World) -> None:
    subscription, (main, first, second) = backed(world, "decline-stolen", "ok", "ok")
    expires(world, first, -1)
    world.settle()
    assert charged_on(world, subscription) == [main.id, second.id]


def test_the_merchant_is_told_once_ahead_of_the_charge_that_the_card_will_not_reach(world: World) -> None:
    subscription = world.subscribe(plan=world.plan(interval="week"))
    world.settle()
    with world.ports.database.transaction() as uow:
        key = uow.keys.get(subscription.billing_key_id)
    month = expires(world, key, 1)
    end = ends_at(month)
    world.run_until(end - 8 * DAY, 7 * DAY)
    assert not told(world, "billing_key.expiring")
    assert (listed(world), warned(world, key)) == ([], False)
    world.run_until(end - timedelta(hours=1))
    (event,) = told(world, "billing_key.expiring")
    assert (event["billing_key_id"], event["card_expires"]) == (key.id, month)
    assert (event["subscription_id"], event["customer"]) == (subscription.id, subscription.customer)
    assert event["next_charge_at"] == world.subscription(subscription).next_period_start.isoformat()
    assert event["next_charge_at"] >= end.isoformat()
    assert (listed(world), warned(world, key)) == ([key.id], True)
    with world.ports.database.transaction():
        assert report(world.ports, "UTC").standing.expiring_cards == 1
    assert f"good to the end of {month}" in why(world.ports, key.id).answer
    expiry.set_expiry(world.ports, key.id, month)
    world.run_until(end + DAY)
    assert len(told(world, "billing_key.expiring")) == 1
    assert (listed(world), warned(world, key)) == ([], False)
    world.assert_books_agree()


def test_another_month_is_warned_of_again(world: World) -> None:
    key = world.key()
    world.subscribe(key=key, plan=world.plan(interval="year"))
    world.settle()
    expires(world, key, 0)
    world.settle()
    expires(world, key, 1)
    world.run_until(world.clock.now() + 31 * DAY, 4 * DAY)
    assert [each["card_expires"] for each in told(world, "billing_key.expiring")] == sorted(
        {each["card_expires"] for each in told(world, "billing_key.expiring")}
    )
    assert len(told(world, "billing_key.expiring")) == 2


def test_two_workers_that_look_at_once_warn_once(world: World, another_process) -> None:
    other, key = another_process(), world.key()
    world.subscribe(key=key, plan=world.plan(interval="year"))
    world.settle()
    expires(world, key, 0)
    (ident,) = expiry.due(world.ports, 10)
    assert expiry.due(other.ports, 10) == []
    at_once(lambda: expiry.look(world.ports, ident), lambda: expiry.look(other.ports, ident))
    assert len(told(world, "billing_key.expiring")) == 1


@pytest.mark.parametrize("end", ["canceled", "ends", "dead", "unused"])
def test_a_card_that_is_not_charged_any_more_is_not_warned_of(world: World, end: str) -> None:
    key = world.key("decline-stolen" if end == "dead" else "ok")
    if end != "unused":
        subscription = world.subscribe(key=key, plan=world.plan(interval="year"))
        world.settle()
        if end != "dead":
            world.cancel(subscription, at_period_end=end == "ends")
    expires(world, key, 0)
    world.settle()
    assert (told(world, "billing_key.expiring"), listed(world), warned(world, key)) == ([], [], False)


def test_a_fallback_is_warned_of_too(world: World) -> None:
    subscription, (_, first) = backed(world, "ok", "ok")
    world.settle()
    expires(world, first, 0)
    world.clock.advance_to(max(world.clock.now(), ends_at(month_of(world, 0)) - 2 * DAY))
    world.settle()
    assert [each["subscription_id"] for each in told(world, "billing_key.expiring")] == [subscription.id]
    assert listed(world) == [first.id]


def test_the_month_is_told_by_the_merchant_at_the_entrances(world: World) -> None:
    uid = world.uid()
    world.sandbox.register(uid, "nice_v2")
    key = register.register_and_confirm(world.ports, NewKey(uid, "nice_v2", card_expires="2099-04"))
    assert world.key_now(key).card_expires == "2099-04"
    change_key(world.ports, key.id, card_expires="2099-05")
    assert world.key_now(key).card_expires == "2099-05"
    expiry.set_expiry(world.ports, key.id, None)
    assert (world.key_now(key).card_expires, world.key_now(key).expiry_look_at) == (None, None)
    with pytest.raises(InvalidInput, match="YYYY-MM"):
        expiry.set_expiry(world.ports, key.id, "04/99")


def shows(world: World, card: CardFacts) -> World:
    """PortOne shows this card under every customer_uid."""
    reading = KeyReading(StoredKey(card, "nice_v2"))
    return world.with_ports(gateway=Around(world.ports.gateway, on_read_key=lambda *_: reading))


def test_a_customer_uid_that_was_issued_again_is_another_card_without_a_known_month(world: World) -> None:
    key = world.key()
    expiry.refresh_card(shows(world, FACTS).ports, key.id)
    month = expires(world, key, 5)
    expiry.refresh_card(shows(world, FACTS).ports, key.id)
    assert (world.key_now(key).card_expires, world.key_now(key).card) == (month, FACTS)
    other = CardFacts("국민카드", "381", "1111")
    expiry.refresh_card(shows(world, other).ports, key.id)
    assert (world.key_now(key).card_expires, world.key_now(key).card) == (None, other)


def test_a_reactivated_key_is_the_card_that_portone_shows_now(world: World) -> None:
    key = world.key("decline-stolen")
    expiry.refresh_card(shows(world, FACTS).ports, key.id)
    expires(world, key, 5)
    world.subscribe(key=key)
    world.settle()
    other = CardFacts("국민카드", "381", "1111")
    reactivate.reactivate(shows(world, other).ports, key.id)
    assert (world.key_now(key).card_expires, world.key_now(key).card) == (None, other)


def test_a_read_that_proves_nothing_changes_nothing(world: World) -> None:
    key = world.key()
    month = expires(world, key, 5)
    for reading, error in ((KeyReading(trouble="HTTP 500"), Unavailable), (KeyReading(), Conflict)):
        away = world.with_ports(gateway=Around(world.ports.gateway, on_read_key=lambda *_, r=reading: r))
        with pytest.raises(error):
            expiry.refresh_card(away.ports, key.id)
    assert world.key_now(key).card_expires == month


def test_the_new_card_of_a_customer_ends_the_warning(world: World) -> None:
    subscription: Subscription = world.subscribe(plan=world.plan(interval="year"))
    world.settle()
    with world.ports.database.transaction() as uow:
        old = uow.keys.get(subscription.billing_key_id)
    expires(world, old, 0)
    replace_key.replace_key(world.ports, subscription.id, world.key().id)
    world.settle()
    assert (listed(world), told(world, "billing_key.expiring")) == ([], [])
    back(world, subscription, old)
    assert warned(world, old)
