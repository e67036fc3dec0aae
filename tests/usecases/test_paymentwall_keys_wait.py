"""A Paymentwall key may be charged only after its confirmation: until then due invoices wait, visibly."""

import pytest

from billing_worker.domain.billing_key import BillingKey
from billing_worker.usecases.charge import collect
from billing_worker.usecases.incoming import apply
from billing_worker.usecases.key import confirm as confirming
from billing_worker.usecases.key import register
from billing_worker.usecases.key.register import NewKey
from billing_worker.usecases.reading.report import report
from billing_worker.usecases.reading.why import why
from tests.support.sandbox import Row
from tests.support.world import LIMIT, World


@pytest.fixture
def waiting(world: World):
    """A subscription that is due on a key whose confirmation has not come."""
    _, key, issued = world.paymentwall_key()
    assert key is not None
    subscription = world.subscribe(key=key)
    world.settle()
    return world, subscription, key, issued


def confirm(world: World, key: BillingKey, issued: Row) -> Row:
    world.sandbox.control("/paymentwall/confirm", customer_uid=key.customer_uid)
    return issued


def test_a_due_invoice_waits_for_the_key_and_says_so(waiting) -> None:
    world, subscription, key, _ = waiting
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.attempts) == ("open", 0)
    assert world.collect() == 0
    assert world.charge(invoice) is None
    assert world.ledger(key) == [row for row in world.ledger(key) if row["origin"] == "issue"]
    assert "not confirmed" in why(world.ports, invoice.id).answer
    assert key.id in why(world.ports, invoice.id).next
    assert "not confirmed" in why(world.ports, subscription.id).answer
    assert "may not be charged yet" in why(world.ports, key.id).answer
    assert report(world.ports, "Asia/Seoul").standing.waiting_for_key == 1


def test_after_portones_webhook_the_waiting_invoice_is_collected_in_the_next_round(waiting) -> None:
    world, subscription, key, issued = waiting
    confirm(world, key, issued)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    assert world.apply() == 1
    assert world.key_now(key).status == "active"
    world.tick()
    invoice = world.invoice(subscription)
    assert (invoice.status, invoice.period.start) == ("paid", world.clock.now())
    assert "billing_key.activated" in world.events()
    world.assert_books_agree()


@pytest.mark.parametrize("kind", ["0", "1", "201"])
def test_after_paymentwalls_pingback_the_waiting_invoice_is_collected_in_the_next_round(waiting, kind: str) -> None:
    world, subscription, key, issued = waiting
    confirm(world, key, issued)
    world.pingback(key.customer_uid, kind)
    world.settle()
    assert world.key_now(key).status == "active"
    assert world.invoice(subscription).status == "paid"


def test_the_unlock_names_the_key_and_the_invoices_that_waited(waiting) -> None:
    world, subscription, key, issued = waiting
    confirm(world, key, issued)
    message = world.pingback(key.customer_uid)
    assert apply.apply(world.ports, message).to_confirm == [key.id]
    assert confirming.confirm(world.ports, key.id)
    assert list(collect.waiting(world.ports, key.id, LIMIT)) == [world.invoice(subscription).id]


def test_both_notifications_unlock_once(waiting) -> None:
    world, _, key, issued = waiting
    confirm(world, key, issued)
    first = world.webhook(issued["imp_uid"], issued["merchant_uid"])
    second = world.pingback(key.customer_uid)
    assert apply.apply(world.ports, first).unlocked == [key.id]
    applied = apply.apply(world.ports, second)
    assert (applied.unlocked, applied.status) == ([], "applied")
    assert world.events().count("billing_key.activated") == 1


@pytest.mark.fm("E7")
def test_a_webhook_before_the_confirmation_unlocks_nothing(waiting) -> None:
    world, subscription, key, issued = waiting
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.settle()
    assert world.key_now(key).status == "pending"
    assert world.invoice(subscription).status == "open"


def test_a_pingback_while_the_gateway_cannot_be_asked_waits(waiting) -> None:
    world, subscription, key, issued = waiting
    confirm(world, key, issued)
    world.pingback(key.customer_uid)
    with world.sandbox.outage("error503", "customers"):
        world.apply()
        assert world.key_now(key).status == "pending"
    world.clock.advance(seconds=10)
    world.settle()
    assert world.invoice(subscription).status == "paid"


def test_a_genuine_pingback_whose_key_the_gateway_does_not_have_unlocks_nothing(world: World) -> None:
    buyer = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    key = register.register_key(world.ports, NewKey(world.uid("pw-ok"), "paymentwall", **buyer))
    world.pingback(key.customer_uid)
    world.settle()
    assert world.key_now(key).status == "pending"


@pytest.mark.parametrize("by", ["webhook", "pingback"])
def test_a_key_that_is_registered_after_its_confirmation_arrived_is_unlocked_all_the_same(
    world: World, by: str
) -> None:
    customer_uid, _, issued = world.paymentwall_key(registered=False)
    world.sandbox.control("/paymentwall/confirm", customer_uid=customer_uid)
    if by == "webhook":
        world.webhook(issued["imp_uid"], issued["merchant_uid"])
    else:
        world.pingback(customer_uid)
    world.settle()
    buyer = {"buyer_name": "Gildong Hong", "buyer_email": "gildong@example.com"}
    key = register.register_key(world.ports, NewKey(customer_uid, "paymentwall", **buyer))
    subscription = world.subscribe(key=key)
    world.clock.advance(seconds=10)
    world.settle()
    assert world.key_now(key).status == "active"
    assert world.invoice(subscription).status == "paid"


def test_waiting_uses_up_no_dunning_however_long_it_lasts(waiting) -> None:
    world, subscription, key, issued = waiting
    for _ in range(20):
        world.clock.advance(days=1)
        world.settle()
    invoice = world.invoices(subscription)[0]
    assert (invoice.status, invoice.attempts, invoice.declines) == ("open", 0, 0)
    confirm(world, key, issued)
    world.pingback(key.customer_uid)
    world.settle()
    assert world.invoices(subscription)[0].status == "paid"


def test_a_webhook_that_came_too_early_does_not_silence_the_confirmation(waiting) -> None:
    world, subscription, key, issued = waiting
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.settle()
    confirm(world, key, issued)
    world.webhook(issued["imp_uid"], issued["merchant_uid"])
    world.clock.advance(seconds=10)  # the early one was put off, and the genuine one is the same message
    world.settle()
    assert world.key_now(key).status == "active"
    assert world.invoice(subscription).status == "paid"
