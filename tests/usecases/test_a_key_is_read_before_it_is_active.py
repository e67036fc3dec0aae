"""A key is active only when PortOne showed it, at its PG and by the payment that is said to have issued it."""

from datetime import timedelta
from typing import Any

import pytest

from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.card import CardFacts, CardKind, last_digits
from billing_worker.domain.errors import Conflict, InvalidInput, Unavailable
from billing_worker.ports.outside import KeyReading, StoredKey
from billing_worker.usecases.key.change import change_key, set_pg
from billing_worker.usecases.key.register import NewKey, pg_of_payment, register_and_confirm, register_key
from billing_worker.usecases.reading.why import why
from tests.support.gateways import Around
from tests.support.world import World


def kinds(world: World) -> list[str]:
    return [f"{alert.kind}:{alert.facts['case']}" for alert in world.alerts()]


def issued(world: World, uid: str, *, action: str = "card", amount: int = 0, pg: str = "kakaopay") -> str:
    """A visit to the payment window; its imp_uid."""
    request = {"customer_uid": uid, "merchant_uid": f"{world.environment}{uid[-6:]}", "amount": amount, "pg": pg}
    said = world.sandbox.http.post("/v1/window", json={"request": request, "action": action}).json()
    return str(said["imp_uid"])


def registered(world: World, uid: str, pg: str = "nice_v2", **more: Any) -> BillingKey:
    return register_and_confirm(world.ports, NewKey(uid, pg, **more))


def test_a_key_that_portone_shows_is_active_with_its_card(world: World) -> None:
    key = world.key()
    assert (key.status, key.waits_for, key.next_look_at) == ("active", None, None)
    assert (key.card.issuer, key.card.kind) == ("BC카드", CardKind.CREDIT)
    assert world.events() == [], "who registered it was answered already"


def test_a_key_of_the_api_is_pending_until_the_job_has_read_it(world: World) -> None:
    uid = world.uid()
    world.sandbox.register(uid, "nice_v2")
    key = register_key(world.ports, NewKey(uid, "nice_v2"))
    subscription = world.subscribe(key=key)
    world.renew_and_charge()
    assert (world.key_now(key).status, world.ledger(key)) == ("pending", [])
    world.settle()
    assert world.key_now(key).status == "active"
    assert world.invoice(subscription).status == "paid"
    assert "billing_key.activated" in world.events()


def test_a_text_that_is_no_key_stays_pending_and_is_told(world: World) -> None:
    key = registered(world, "never-issued-1")
    subscription = world.subscribe(key=key)
    world.settle()
    assert (world.key_now(key).status, world.key_now(key).waits_for) == ("pending", "not_stored")
    assert "no key with its customer_uid" in why(world.ports, key.id).answer
    assert kinds(world) == []
    world.run_until(world.clock.now() + timedelta(hours=2), timedelta(minutes=20))
    assert kinds(world) == ["key_pending:not_stored"]
    assert world.ledger(key) == []
    world.sandbox.register("never-issued-1", "nice_v2")
    world.run_until(world.clock.now() + timedelta(hours=2), timedelta(minutes=30))
    assert (world.key_now(key).status, kinds(world), world.invoice(subscription).status) == ("active", [], "paid")


def test_while_portone_cannot_be_read_a_key_waits(world: World) -> None:
    uid = world.uid()
    world.sandbox.register(uid, "nice_v2")
    with world.sandbox.outage("error503", "customers"):
        key = registered(world, uid)
    assert (key.status, key.waits_for) == ("pending", "unreadable")
    world.clock.advance(minutes=2)
    world.settle()
    assert world.key_now(key).status == "active"


def test_a_pg_with_other_rules_is_a_case_for_an_operator_who_corrects_it(world: World) -> None:
    uid = world.uid()
    world.sandbox.register(uid, "kakaopay")
    key = registered(world, uid, "paypal_v2")
    assert (key.status, key.waits_for, kinds(world)) == ("pending", "other_pg", ["key_pending:other_pg"])
    corrected = set_pg(world.ports, key.id, "kakaopay")
    assert (corrected.status, corrected.pg_provider, kinds(world)) == ("active", "kakaopay", [])
    with pytest.raises(Conflict, match="only a pending one"):
        change_key(world.ports, key.id, pg_provider="nice_v2")


def test_a_key_of_paymentwall_registered_elsewhere_is_never_charged(world: World) -> None:
    """Its rules are other ones: the issuing payment decides whether it may be charged."""
    uid = world.uid()
    told = Around(world.ports.gateway, on_read_key=lambda *_: KeyReading(StoredKey(CardFacts(), "paymentwall")))
    key = register_and_confirm(world.with_ports(gateway=told).ports, NewKey(uid, "nice_v2"))
    assert (key.status, key.waits_for) == ("pending", "other_pg")


def test_another_code_of_a_pg_with_the_same_rules_is_no_reason_to_wait(world: World) -> None:
    uid = world.uid()
    told = Around(world.ports.gateway, on_read_key=lambda *_: KeyReading(StoredKey(CardFacts(), "kcp")))
    key = register_and_confirm(world.with_ports(gateway=told).ports, NewKey(uid, "kcp_billing"))
    assert key.status == "active"


@pytest.mark.parametrize(
    ("action", "amount", "status", "waits"),
    [("card", 0, "active", None), ("card", 1000, "active", None), ("decline", 1000, "pending", "not_paid")],
)
def test_the_result_of_the_window_is_read(
    world: World, action: str, amount: int, status: str, waits: str | None
) -> None:
    uid = f"w-{world.uid()}"
    imp_uid = issued(world, uid, action=action, amount=amount)
    world.sandbox.register(uid, "kakaopay")
    key = registered(world, uid, "kakaopay", imp_uid=imp_uid)
    assert (key.status, key.waits_for, key.imp_uid) == (status, waits, imp_uid)


def test_the_payment_of_another_key_proves_nothing(world: World) -> None:
    mine, theirs = f"w-{world.uid()}", f"w-{world.uid()}"
    issued(world, mine)
    imp_uid = issued(world, theirs)
    key = registered(world, mine, "kakaopay", imp_uid=imp_uid)
    assert (key.status, key.waits_for, kinds(world)) == ("pending", "other_payment", ["key_pending:other_payment"])


def test_the_pg_is_taken_from_the_payment_that_issued_the_key(world: World) -> None:
    uid = f"w-{world.uid()}"
    imp_uid = issued(world, uid)
    assert pg_of_payment(world.ports, uid, imp_uid) == "kakaopay"
    with pytest.raises(InvalidInput, match="no payment of this key"):
        pg_of_payment(world.ports, "another", imp_uid)
    with pytest.raises(InvalidInput, match="is needed"):
        pg_of_payment(world.ports, uid, None)
    with world.sandbox.outage("error503"), pytest.raises(Unavailable, match="could not be read"):
        pg_of_payment(world.ports, uid, imp_uid)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("424242******4242", "4242"),
        ("5409-****-****-12", "12"),
        ("4242424242424242", "4242"),
        ("942012**********1*", None),
        ("", None),
    ],
)
def test_no_more_than_four_digits_of_a_card_are_kept(number: str, shown: str | None) -> None:
    assert last_digits(number) == shown
