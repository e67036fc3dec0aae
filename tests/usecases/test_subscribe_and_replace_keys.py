"""Plans, keys, subscriptions, and another card: right ones are stored, wrong ones leave nothing behind."""

from datetime import datetime, timedelta

import pytest

from billing_worker.domain.errors import Conflict, InvalidInput, NotFound
from billing_worker.domain.payment import ChargeRequest, Outcome
from billing_worker.ports.outside import Gateway
from billing_worker.usecases.key import register
from billing_worker.usecases.key.register import NewKey
from billing_worker.usecases.subscription import create_plan, replace_key
from billing_worker.usecases.subscription import subscribe as subscribing
from billing_worker.usecases.subscription.subscribe import NewSubscription
from tests.support.gateways import Around, never_arrives
from tests.support.world import World

TABLES = ("plans", "billing_keys", "subscriptions", "outbox")


def rows_in_all(world: World) -> dict[str, int]:
    return {name: world.rows(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in TABLES}  # noqa: S608


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -100}, "amount"),
        ({"amount": 99.5}, "amount"),
        ({"amount": "9900"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 10**13}, "amount"),
        ({"currency": "KRX"}, "currency"),
        ({"currency": "krw"}, "currency"),
        ({"dunning_days": (0,)}, "dunning_days"),
        ({"dunning_days": (61,)}, "dunning_days"),
        ({"dunning_days": (1,) * 16}, "dunning_days"),
        ({"cron": "0 9 31 * *"}, "cron"),
        ({"cron": "not cron"}, "cron"),
        ({"cron": "0 9 * * *", "interval": "month"}, "cron"),
        ({"interval": "fortnight"}, "interval"),
        ({"interval": "month", "interval_count": 0}, "interval_count"),
        ({"interval": "month", "timezone": "Mars/Olympus"}, "timezone"),
    ],
)
def test_a_wrong_plan_is_refused_by_field_and_nothing_is_stored(world: World, wrong: dict, field: str) -> None:
    before = rows_in_all(world)
    with pytest.raises(InvalidInput) as refusal:
        world.plan(**wrong)
    assert refusal.value.field == field
    assert "\n" not in str(refusal.value)
    assert rows_in_all(world) == before


def test_a_plan_without_any_calendar_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="interval"):
        create_plan.calendar_from()
    assert rows_in_all(world)["plans"] == 0


@pytest.mark.parametrize("name", ["", "   ", "x" * 41])
def test_a_plan_needs_a_name_that_portone_takes(world: World, name: str) -> None:
    calendar = create_plan.calendar_from(interval="month")
    with pytest.raises(InvalidInput, match="name"):
        create_plan.create_plan(world.ports, name, 100, "KRW", calendar=calendar)


@pytest.mark.parametrize(
    "calendar",
    [
        {"interval": "day", "interval_count": 10},
        {"interval": "year", "timezone": "America/New_York"},
        {"cron": "0 9 L * *"},
    ],
)
def test_a_plan_comes_back_as_it_was_stored(world: World, calendar: dict) -> None:
    stored = world.plan(123, currency="USD", dunning_days=(2, 4), **calendar)
    with world.ports.database.transaction() as uow:
        assert uow.plans.get(stored.id) == stored


@pytest.mark.parametrize(
    ("customer_uid", "pg", "buyer", "field"),
    [
        ("", "nice_v2", {}, "customer_uid"),
        ("x" * 81, "nice_v2", {}, "customer_uid"),
        ("with space", "nice_v2", {}, "customer_uid"),
        ("고객", "nice_v2", {}, "customer_uid"),
        ("4242-4242-4242-4242", "nice_v2", {}, "customer_uid"),
        ("uid-1", "NICE", {}, "pg_provider"),
        ("uid-1", "nice_v2", {"buyer_name": "x" * 17}, "buyer_name"),
        ("uid-1", "nice_v2", {"buyer_email": "nobody"}, "buyer_email"),
        ("uid-1", "nice_v2", {"buyer_tel": ""}, "buyer_tel"),
        ("uid-1", "paymentwall", {"buyer_email": "a@b.kr", "buyer_name": "Hong"}, "buyer_name"),
    ],
)
def test_a_wrong_key_is_refused_by_field_and_nothing_is_stored(
    world: World, customer_uid: str, pg: str, buyer: dict, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        register.register_key(world.ports, NewKey(customer_uid, pg, **buyer))
    assert refusal.value.field == field
    assert rows_in_all(world)["billing_keys"] == 0


def test_a_customer_uid_of_exactly_eighty_characters_is_taken(world: World) -> None:
    world.sandbox.register("u" * 80, "nice_v2")
    assert register.register_and_confirm(world.ports, NewKey("u" * 80, "nice_v2")).status == "active"


@pytest.mark.fm("L5")
def test_a_customer_uid_is_registered_once(world: World) -> None:
    key = world.key()
    with pytest.raises(Conflict, match="already exists") as refusal:
        register.register_key(world.ports, NewKey(key.customer_uid, "kcp_billing"))
    assert refusal.value.field == "customer_uid"
    assert rows_in_all(world)["billing_keys"] == 1


def test_a_subscription_to_an_unknown_plan_or_key_is_refused_by_field(world: World) -> None:
    plan, key = world.plan(), world.key()
    for plan_id, key_id, field in [("plan_x", key.id, "plan_id"), (plan.id, "key_x", "billing_key_id")]:
        with pytest.raises(InvalidInput) as refusal:
            subscribing.subscribe(world.ports, NewSubscription(plan_id, key_id, "kim"))
        assert refusal.value.field == field
    assert rows_in_all(world)["subscriptions"] == rows_in_all(world)["outbox"] == 0


def test_a_subscription_on_a_dead_key_is_refused(world: World) -> None:
    key = world.key("decline-stolen")
    world.subscribe(key=key)
    world.settle()
    with pytest.raises(Conflict, match="register a new one"):
        world.subscribe(key=key)


def test_a_start_without_a_zone_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="needs a time zone"):
        world.subscribe(start=datetime(2026, 3, 1))  # noqa: DTZ001 - what the test is about


@pytest.mark.parametrize("customer", ["", " ", "x" * 121])
def test_a_subscription_needs_a_customer(world: World, customer: str) -> None:
    plan, key = world.plan(), world.key()
    with pytest.raises(InvalidInput, match="customer"):
        subscribing.subscribe(world.ports, NewSubscription(plan.id, key.id, customer))


def test_a_new_subscription_is_pending_until_it_is_paid(world: World) -> None:
    subscription = world.subscribe(start=world.clock.now() + timedelta(days=1))
    assert world.subscription(subscription).status == "pending"
    assert world.subscription(subscription).next_period_start == world.clock.now() + timedelta(days=1)
    world.run_until(world.clock.now() + timedelta(days=1))
    assert world.subscription(subscription).status == "active"


# -- another card


def replace(world: World, subscription, key) -> None:
    replace_key.replace_key(world.ports, subscription.id, key.id)


@pytest.mark.fm("L4")
def test_a_new_card_saves_an_invoice_whose_key_died(world: World) -> None:
    subscription = world.subscribe("decline-stolen")
    world.settle()
    world.run_until(world.clock.now() + timedelta(days=5))
    new = world.key()
    replace(world, subscription, new)
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.attempts) == ("paid", 2)
    assert world.subscription(subscription).status == "active"
    assert len(world.money(new)) == 1
    world.assert_books_agree()


@pytest.mark.fm("L4")
def test_a_new_card_is_charged_at_once_in_dunning_and_the_old_one_never_again(world: World) -> None:
    old = world.key("decline-limit")
    subscription = world.subscribe(key=old)
    world.settle()
    new = world.key()
    replace(world, subscription, new)
    world.settle()
    assert world.invoice(subscription).status == "paid"
    world.run_until(world.clock.now() + timedelta(days=40))
    assert (len(world.ledger(old)), len(world.money(new))) == (1, 2)


@pytest.mark.fm("L4")
def test_an_attempt_on_its_way_keeps_the_old_card_and_the_next_one_takes_the_new(world: World) -> None:
    old, new = world.key("decline-limit"), world.key()

    def replaced_meanwhile(gateway: Gateway, request: ChargeRequest) -> Outcome:
        if request.customer_uid == old.customer_uid:
            replace(world, subscription, new)
        return gateway.charge(request)

    subscription = world.subscribe(key=old)
    world.with_ports(gateway=Around(world.ports.gateway, replaced_meanwhile)).settle()
    invoice = world.invoice(subscription)
    assert [attempt.billing_key_id for attempt in world.attempts(invoice)] == [old.id, new.id]
    assert invoice.status == "paid"
    world.assert_books_agree()


@pytest.mark.fm("L4")
def test_an_attempt_whose_outcome_is_unknown_is_resolved_on_the_old_card(world: World) -> None:
    old, new = world.key("drop-after-charge-1x"), world.key()
    subscription = world.subscribe(key=old)
    world.settle()
    replace(world, subscription, new)
    world.resolve()
    invoice = world.invoice(subscription)
    assert (invoice.status, len(world.money(old)), len(world.money(new))) == ("paid", 1, 0)
    world.assert_books_agree()


@pytest.mark.fm("L4")
def test_after_an_unknown_attempt_that_was_never_placed_the_new_card_is_charged(world: World) -> None:
    world.subscribe()
    world.settle()
    old, new = world.key(), world.key()
    subscription = world.subscribe(key=old)
    world.with_ports(gateway=Around(world.ports.gateway, never_arrives)).settle()
    replace(world, subscription, new)
    world.resolve()
    invoice = world.invoice(subscription)
    assert (invoice.status, len(world.ledger(old)), len(world.money(new))) == ("paid", 0, 1)
    world.assert_books_agree()


def test_a_new_card_that_is_not_confirmed_yet_makes_the_invoice_wait(world: World) -> None:
    subscription = world.subscribe("decline-stolen")
    world.settle()
    customer_uid, key, _ = world.paymentwall_key()
    replace(world, subscription, key)
    world.run_until(world.clock.now() + timedelta(days=20))
    assert world.invoice(subscription).status == "open"
    world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
    world.pingback(customer_uid)
    world.settle()
    assert world.invoice(subscription).status == "paid"


def test_a_replacement_by_an_unknown_or_dead_key_or_for_a_canceled_subscription_is_refused(world: World) -> None:
    dead = world.key("decline-stolen")
    world.subscribe(key=dead)
    world.settle()
    subscription = world.subscribe()
    with pytest.raises(InvalidInput, match="billing_key_id"):
        replace_key.replace_key(world.ports, subscription.id, "key_x")
    with pytest.raises(Conflict, match="register a new one"):
        replace(world, subscription, dead)
    with pytest.raises(NotFound):
        replace_key.replace_key(world.ports, "sub_x", dead.id)
    world.cancel(subscription)
    with pytest.raises(Conflict, match="is canceled"):
        replace(world, subscription, world.key())
    assert world.subscription(subscription).billing_key_id == subscription.billing_key_id


def test_an_invoice_that_was_given_up_is_charged_at_once_on_the_new_card(world: World) -> None:
    subscription = world.subscribe("decline-stolen", plan=world.plan(dunning_days=(1,)))
    world.run_until(world.clock.now() + timedelta(days=3))
    assert world.invoice(subscription).status == "uncollectible"
    new = world.key()
    replace(world, subscription, new)
    assert world.events()[-1] == "invoice.reopened"
    world.settle()
    assert world.invoice(subscription).status == "paid"
    assert world.subscription(subscription).status == "active"
    assert len(world.money(new)) == 1


def test_a_new_card_that_is_declined_leaves_the_policys_date_as_it_was(world: World) -> None:
    subscription = world.subscribe("decline-limit", plan=world.plan(dunning_days=(5, 5)))
    world.settle()
    replace(world, subscription, world.key("decline-limit-1x"))
    world.settle()
    invoice = world.invoice(subscription)
    assert (invoice.declines, invoice.next_attempt_at) == (1, world.clock.now() + timedelta(days=5))
    world.run_until(world.clock.now() + timedelta(days=6))
    assert world.invoice(subscription).status == "paid"
