"""A subscription's life on each gateway: the same use cases, the same database, another wire."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from billing_worker.adapters.calls import Begins, CallsUnderWay
from billing_worker.adapters.portone import PortOneGateway
from billing_worker.domain.billing_key import BillingKey
from billing_worker.domain.invoice import Invoice
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from billing_worker.usecases.refund.refund import request_refund
from billing_worker.usecases.subscription.replace_key import replace_key
from tests.contracts.sides import Conduct, Side
from tests.support.invariants import Books, violations
from tests.support.sandbox import Row, Sandbox
from tests.support.world import World

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(240)]
PRICE = 9900


@pytest.fixture
def life(database_url: str, shared_sandbox: Sandbox, side: Side) -> Iterator[World]:
    """A merchant's worker that charges through this side. Afterwards both books must agree."""
    with World.built(database_url, shared_sandbox) as built:
        world = built.with_ports(gateway=side.gateway)
        yield world
        found = violations(Books(world.engine, side.ledger(), world.clock.now()))
        assert not found, "\n".join(found)


def key(world: World, side: Side, conduct: Conduct = Conduct.PAYS) -> BillingKey:
    return register_and_confirm(world.ports, NewKey(side.key(conduct), "nice_v2"))


def subscribed(world: World, side: Side, conduct: Conduct = Conduct.PAYS) -> Subscription:
    return world.subscribe(key=key(world, side, conduct))


def rows(side: Side, invoice: Invoice) -> list[Row]:
    return side.ledger(invoice.merchant_uid)


def test_each_period_is_charged_once(life: World, side: Side) -> None:
    subscription = subscribed(life, side)
    life.run_until(life.clock.now() + timedelta(days=62))
    invoices = life.invoices(subscription)
    assert [invoice.status for invoice in invoices] == ["paid"] * 3
    assert [[row["status"] for row in rows(side, invoice)] for invoice in invoices] == [["paid"]] * 3
    assert {row["amount"] for row in side.ledger()} == {PRICE}


def test_a_soft_decline_is_tried_again_on_the_days_of_dunning_under_one_order(life: World, side: Side) -> None:
    subscription = subscribed(life, side, Conduct.IS_EMPTY_TWICE)
    life.settle()
    assert life.subscription(subscription).status == "past_due"
    start = life.clock.now()
    life.run_until(start + timedelta(days=3))
    assert life.invoice(subscription).status == "open"
    life.run_until(start + timedelta(days=4))
    invoice = life.invoice(subscription)
    assert (invoice.status, invoice.attempts, invoice.declines, invoice.generation) == ("paid", 3, 2, 1)
    assert [row["status"] for row in rows(side, invoice)] == ["failed", "failed", "paid"]
    assert life.subscription(subscription).status == "active"


@pytest.mark.parametrize("how", ["stolen", "deleted"])
def test_a_dead_key_is_charged_once_and_another_key_pays(life: World, side: Side, how: str) -> None:
    dead = key(life, side, Conduct.IS_STOLEN if how == "stolen" else Conduct.PAYS)
    if how == "deleted":
        side.delete_key(dead.customer_uid)
    subscription = life.subscribe(key=dead)
    life.run_until(life.clock.now() + timedelta(days=2))
    assert life.key_now(dead).status == "invalid"
    assert (life.invoice(subscription).status, life.invoice(subscription).attempts) == ("open", 1)
    replace_key(life.ports, subscription.id, key(life, side).id)
    life.settle()
    invoice = life.invoice(subscription)
    assert (invoice.status, invoice.attempts) == ("paid", 2)


@pytest.mark.parametrize("conduct", [Conduct.LOSES_AN_ANSWER, Conduct.LOSES_A_REQUEST], ids=str)
def test_a_lost_answer_is_resolved_by_reading_and_ends_with_one_payment(
    life: World, side: Side, conduct: Conduct
) -> None:
    subscribed(life, side)
    life.settle()  # another customer's payment: what a control read shows
    subscription = subscribed(life, side, conduct)
    life.settle()
    assert life.attempt(life.invoice(subscription)).status == "unknown"
    life.resolve()
    invoice = life.invoice(subscription)
    assert (invoice.status, invoice.declines) == ("paid", 0)
    assert len([row for row in side.ledger() if row["customer_uid"] == key_of(life, invoice)]) == 1


def key_of(world: World, invoice: Invoice) -> str:
    (row,) = world.rows("SELECT customer_uid FROM billing_keys WHERE id = :id", id=invoice.billing_key_id)
    return row["customer_uid"]


def test_a_webhook_about_a_lost_answer_is_a_hint_that_is_read(life: World, side: Side) -> None:
    subscription = subscribed(life, side, Conduct.LOSES_AN_ANSWER)
    life.settle()
    invoice = life.invoice(subscription)
    assert invoice.status == "open"
    (row,) = rows(side, invoice)
    life.webhook(row["imp_uid"], row["merchant_uid"])
    life.apply()
    assert life.invoice(subscription).status == "paid"


def test_money_is_given_back_in_parts_and_both_books_say_so(life: World, side: Side) -> None:
    subscription = subscribed(life, side)
    life.settle()
    invoice = life.invoice(subscription)
    for amount in (3000, 6900):
        request_refund(life.ports, invoice.id, amount, reason="the customer asked")
        life.settle()
    assert [row["cancel_amount"] for row in rows(side, invoice)] == [PRICE]
    statuses = life.rows("SELECT status FROM refunds ORDER BY created_at")
    assert [row["status"] for row in statuses] == ["succeeded"] * 2


def test_many_charges_are_placed_at_a_time(life: World, side: Side) -> None:
    assert isinstance(side.gateway, Begins)
    calls = CallsUnderWay(side.gateway)
    busy = life.with_ports(calls=calls)
    plan = life.plan()
    subscriptions = [life.subscribe(plan=plan, key=key(life, side)) for _ in range(12)]
    busy.renew_and_charge()
    assert calls.drain(20) == 0
    assert {life.invoice(each).status for each in subscriptions} == {"paid"}
    assert len(side.ledger()) == 12


def test_only_the_chosen_gateway_is_asked(life: World, side: Side, shared_sandbox: Sandbox) -> None:
    asked = len(shared_sandbox.requests())
    subscribed(life, side)
    life.settle()
    is_portone = isinstance(side.gateway, PortOneGateway)
    assert (len(shared_sandbox.requests()) > asked) is is_portone
    assert len(side.ledger()) == 1
