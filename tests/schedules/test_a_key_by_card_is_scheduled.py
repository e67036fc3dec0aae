"""A card given by its data, and a subscription on its key that PortOne's schedule collects from the first day on."""

from datetime import timedelta
from typing import Any

import pytest

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import Conflict
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.schedule import ScheduleStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.entry.issue import NewCard, issue_key
from tests.schedules.merchant import Merchant

REGISTERED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.EXECUTED
DAYS_UNTIL_THE_FIRST = 10


def taking(merchant: Merchant) -> Merchant:
    """A merchant who takes cards, and of whom PortOne shows a payment of another customer."""
    merchant.world.subscribe()
    merchant.world.settle()
    return Merchant(merchant.world.with_ports(card_entry=True), merchant.clock)


def begun(merchant: Merchant, number: str = "5409600012345677", behaviour: str | None = None) -> Subscription:
    """A key from card data, and a subscription on it whose first period begins later."""
    world = merchant.world
    real_now = world.ports.clock.moment().real
    card = Card.entered(number, f"{real_now.year + 5}-04", birth="880301", pwd_2digit="37", real_now=real_now)
    uid = world.uid("user")
    if behaviour is not None:
        world.sandbox.rule(behaviour, endpoint="issue", customer_uid=uid)
    key = issue_key(world.ports, NewCard(uid, "nice_v2", card))
    start = world.clock.now() + timedelta(days=DAYS_UNTIL_THE_FIRST)
    return merchant.subscribe(first_paid=False, key=key, start=start)


def of(merchant: Merchant, subscription: Subscription) -> list[dict[str, Any]]:
    """What PortOne's books have for it."""
    with merchant.world.ports.database.transaction() as uow:
        return merchant.world.ledger(uow.keys.get(subscription.billing_key_id))


def test_the_card_is_given_today_and_portone_charges_from_the_first_day_on(merchant: Merchant) -> None:
    merchant = taking(merchant)
    subscription = begun(merchant)
    merchant.world.settle()
    (shown,) = merchant.at_portone(subscription)
    assert (shown["schedule_status"], of(merchant, subscription)) == ("scheduled", [])
    assert shown["schedule_at"] == int(subscription.next_period_start.timestamp())
    merchant.to_next(subscription)
    assert merchant.statuses(subscription) == [EXECUTED, REGISTERED]
    merchant.to_next(subscription)
    assert [each.status for each in merchant.world.invoices(subscription)] == [InvoiceStatus.PAID] * 2
    assert [(row["origin"], row["status"]) for row in of(merchant, subscription)] == [("schedule", "paid")] * 2
    merchant.world.assert_books_agree()


def test_nothing_is_registered_before_the_key_is_known(merchant: Merchant) -> None:
    merchant = taking(merchant)
    subscription = begun(merchant, behaviour="drop-after-charge")
    merchant.world.schedule()
    assert merchant.schedules(subscription) == []
    merchant.world.resolve(minutes=1)
    assert merchant.statuses(subscription) == [REGISTERED]
    merchant.to_next(subscription)
    assert [row["origin"] for row in of(merchant, subscription)] == ["schedule"]
    merchant.world.assert_books_agree()


def test_a_card_that_was_never_stored_is_neither_registered_nor_charged(merchant: Merchant) -> None:
    merchant = taking(merchant)
    subscription = begun(merchant, behaviour="drop-before-charge")
    merchant.to_next(subscription)
    assert (merchant.schedules(subscription), of(merchant, subscription)) == ([], [])
    with merchant.world.ports.database.transaction() as uow:
        assert uow.keys.get(subscription.billing_key_id).status is KeyStatus.INVALID
    invoice = merchant.world.invoice(subscription)
    assert (invoice.status, invoice.awaits_key) == (InvoiceStatus.OPEN, True)


def test_a_refused_card_begins_no_subscription(merchant: Merchant) -> None:
    with pytest.raises(Conflict, match="invalid"):
        begun(taking(merchant), number="4000000000000000")
