"""Customers whom PortOne's schedules charge today move in: none pays twice, and none is forgotten."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from billing_worker.domain.card_entry import Card
from billing_worker.domain.errors import Conflict, InvalidInput, Unavailable
from billing_worker.domain.invoice import InvoiceStatus
from billing_worker.domain.plan import Plan
from billing_worker.domain.schedule import Collection, ScheduleStatus
from billing_worker.domain.subscription import Subscription
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.moving.at_portone import scheduled_at_portone
from billing_worker.usecases.moving.move_in import AlreadyHere, Arrangement, Mover, arrange, move_in
from tests.schedules.merchant import Merchant

pytestmark = pytest.mark.long

REGISTERED, REVOKED, EXECUTED = ScheduleStatus.REGISTERED, ScheduleStatus.REVOKED, ScheduleStatus.EXECUTED


class OldShop:
    """A shop in the way of PortOne's guide: one schedule after the other, under its own order numbers."""

    def __init__(self, merchant: Merchant, customer_uid: str, *, amount: int = 9900) -> None:
        self.merchant, self.customer_uid, self.amount = merchant, customer_uid, amount
        merchant.world.sandbox.register(customer_uid, "nice_v2")

    def schedule(self, at: datetime, order: str) -> None:
        """Register one date."""
        item = {"merchant_uid": order, "schedule_at": int(at.timestamp()), "amount": self.amount}
        item |= {"currency": "KRW", "name": "old shop"}
        body = {"customer_uid": self.customer_uid, "schedules": [item]}
        answer = self.merchant.call("POST", "/subscribe/payments/schedule", **body)
        assert answer["code"] == 0, answer

    def paid(self) -> int:
        """How often this customer's card was charged, and the money kept."""
        rows = self.merchant.world.sandbox.ledger(customer_uid=self.customer_uid)
        return sum(row["status"] == "paid" for row in rows)


@pytest.fixture
def shop(merchant: Merchant) -> OldShop:
    """A shop with one customer."""
    return OldShop(merchant, merchant.world.uid())


@pytest.fixture
def plan(merchant: Merchant) -> Plan:
    """The plan that the customer moves to."""
    return merchant.world.plan()


def moved(shop: OldShop, plan: Plan, collection: Collection = Collection.WORKER, **more: object) -> Arrangement:
    """Move the customer in, and let the worker serve what follows."""
    ports = shop.merchant.world.ports
    found = arranged(shop, plan, collection, **more)
    move_in(ports, found)
    shop.merchant.world.settle()
    return found


def arranged(shop: OldShop, plan: Plan, collection: Collection = Collection.WORKER, **more: object) -> Arrangement:
    ports = shop.merchant.world.ports
    mover = Mover(shop.customer_uid, "kim", plan.id, **more)  # type: ignore[arg-type] # whatever the test names
    return arrange(ports, mover, plan, scheduled_at_portone(ports), collection)


def subscription_of(found: Arrangement) -> Subscription:
    return found.enrolment.subscription


@pytest.mark.parametrize("order", ["shop-1", "shop.2026:03"])
def test_a_scheduled_customer_moves_to_the_workers(merchant: Merchant, shop: OldShop, plan: Plan, order: str) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, order)
    found = moved(shop, plan)
    assert found.next_at == start
    assert merchant.statuses(subscription_of(found)) == [REVOKED]
    merchant.to(start + timedelta(days=40))
    invoices = merchant.world.invoices(subscription_of(found))
    assert [each.status for each in invoices] == [InvoiceStatus.PAID] * 2
    assert shop.paid() == 2
    assert {row["origin"] for row in merchant.world.sandbox.ledger(customer_uid=shop.customer_uid)} == {"again"}


@pytest.mark.parametrize("order", ["shop-1", "shop.2026:03"])
def test_a_scheduled_customer_stays_with_portone(merchant: Merchant, shop: OldShop, plan: Plan, order: str) -> None:
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, order)
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE)
    assert merchant.statuses(subscription_of(found)) == [REGISTERED]
    merchant.to(start)
    merchant.world.resolve(minutes=5)
    merchant.to(start + timedelta(days=40))
    assert merchant.statuses(subscription_of(found)) == [EXECUTED, EXECUTED, REGISTERED]
    assert shop.paid() == 2
    assert {row["origin"] for row in merchant.world.sandbox.ledger(customer_uid=shop.customer_uid)} == {"schedule"}


@pytest.mark.parametrize("order", ["shop-1", "shop.2026:03"])
def test_an_old_schedule_that_fires_before_it_is_revoked_pays_the_period(
    merchant: Merchant, shop: OldShop, plan: Plan, order: str
) -> None:
    start = merchant.world.clock.now() + timedelta(days=2)
    shop.schedule(start, order)
    with merchant.world.sandbox.outage("error503", "schedule"):
        found = arranged_before(shop, plan)
        move_in(merchant.world.ports, found)
        merchant.to(start)
        merchant.world.settle()
    merchant.world.resolve(minutes=30)
    (invoice,) = merchant.world.invoices(subscription_of(found))
    assert invoice.status is InvoiceStatus.PAID
    assert shop.paid() == 1


def arranged_before(shop: OldShop, plan: Plan) -> Arrangement:
    """Arranged from what was read before PortOne's schedules could not be read any more."""
    shop.merchant.world.sandbox.http.delete("/_sandbox/outage")
    found = arranged(shop, plan)
    shop.merchant.world.sandbox.control("/outage", behaviour="error503", endpoints=["schedule"])
    return found


def test_a_declined_old_schedule_goes_into_dunning_here(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    start = merchant.world.clock.now() + timedelta(days=2)
    shop.schedule(start, "shop:1")
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE)
    merchant.world.sandbox.rule("decline-limit", merchant_uid="shop:1")
    merchant.to(start)
    merchant.world.resolve(minutes=5)
    merchant.to(start + timedelta(days=2))
    (invoice,) = merchant.world.invoices(subscription_of(found))
    assert (invoice.status, invoice.generation) == (InvoiceStatus.PAID, 1)
    assert shop.paid() == 1


def test_a_customer_without_a_schedule_goes_on_after_the_last_payment(
    merchant: Merchant, shop: OldShop, plan: Plan
) -> None:
    paid = merchant.call(
        "POST", "/subscribe/payments/again", customer_uid=shop.customer_uid, merchant_uid="old-1", amount=9900, name="x"
    )["response"]
    merchant.to(merchant.world.clock.now() + timedelta(days=5))
    found = moved(shop, plan)
    at = datetime.fromtimestamp(paid["paid_at"], tz=merchant.world.clock.now().tzinfo)
    assert found.next_at == plan.calendar.start_after(at, 1, at)
    merchant.to(found.next_at)
    assert shop.paid() == 2


def test_who_is_charged_within_a_day_is_refused(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    shop.schedule(merchant.world.clock.now() + timedelta(hours=23), "shop-1")
    with pytest.raises(Conflict, match="within 24 hours"):
        arranged(shop, plan)


def test_another_price_and_another_date_are_refused_by_name(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    now = merchant.world.clock.now()
    shop.schedule(now + timedelta(days=3), "shop-1")
    with pytest.raises(Conflict, match=r"9,900 KRW on .*, and the plan 8,800 KRW"):
        arranged(shop, merchant.world.plan(8800))
    shop.schedule(now + timedelta(days=17), "shop-2")
    with pytest.raises(Conflict, match="the plan's period begins at"):
        arranged(shop, plan)
    assert merchant.world.rows("SELECT FROM subscriptions") == []


def test_a_number_that_cannot_be_read_singly_is_refused(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    shop.schedule(merchant.world.clock.now() + timedelta(days=3), "shop/2026")
    with pytest.raises(Conflict, match="'shop/2026', a number that cannot be read singly"):
        arranged(shop, plan)


def test_an_unknown_key_and_an_unread_portone_are_refused(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    ports = merchant.world.ports
    with pytest.raises(InvalidInput, match="PortOne has no key"):
        arrange(ports, Mover("nobody", "kim", plan.id), plan, scheduled_at_portone(ports), Collection.WORKER)
    with pytest.raises(InvalidInput, match="neither a schedule nor a payment"):
        arranged(shop, plan)
    with merchant.world.sandbox.outage("error503", "schedule"), pytest.raises(Unavailable):
        scheduled_at_portone(ports)


def test_a_repeat_moves_nobody_again(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    shop.schedule(merchant.world.clock.now() + timedelta(days=3), "shop-1")
    moved(shop, plan)
    with pytest.raises(AlreadyHere):
        arranged(shop, plan)
    assert len(merchant.world.rows("SELECT FROM subscriptions")) == 1


def test_the_flow_of_portones_guide_runs_and_is_taken_over(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    """Schedule, webhook, read, next schedule: twice by the old program; then this worker goes on with the chain."""
    first = merchant.world.clock.now() + timedelta(days=2)
    for number in (0, 1):
        at = plan.calendar.start_after(first, number, first)
        shop.schedule(at, f"guide-{number}")
        merchant.to(at)
        (told,) = merchant.world.sandbox.ledger(merchant_uid=f"guide-{number}")
        read = merchant.call("GET", f"/payments/{told['imp_uid']}")["response"]
        assert (read["status"], read["customer_uid_usage"]) == ("paid", "payment.scheduled")
    third = plan.calendar.start_after(first, 2, first)
    shop.schedule(third, "guide-2")
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE, start=first)
    assert found.next_at == third
    merchant.to(third)
    merchant.world.resolve(minutes=5)
    merchant.to(third + timedelta(days=40))
    assert shop.paid() == 4
    assert [each.status for each in merchant.world.invoices(subscription_of(found))] == [InvoiceStatus.PAID] * 2
    assert merchant.statuses(subscription_of(found)) == [EXECUTED, EXECUTED, REGISTERED]


def test_no_single_payment_takes_the_number_of_a_schedule(merchant: Merchant, shop: OldShop, plan: Plan) -> None:
    """By a key or by a card, now or later: the invoice of the period will need it, and nothing is charged instead."""
    start = merchant.world.clock.now() + timedelta(days=9)
    shop.schedule(start, "shop-1")
    found = moved(shop, plan, Collection.PORTONE_SCHEDULE)
    ports = merchant.world.with_ports(card_entry=True).ports
    real_now = ports.clock.moment().real
    card = Card.entered("5409600012345677", f"{real_now.year + 5}-04", birth=None, pwd_2digit=None, real_now=real_now)
    by_card = NewCardPayment("nice_v2", card, 100, order_id="shop-1")
    kept = replace(by_card, customer_uid=merchant.world.uid("user"), at=start)
    asked = (
        lambda: merchant.world.pay(amount=100, order_id="shop-1"),
        lambda: pay_by_card(ports, by_card),
        lambda: pay_by_card(ports, kept),
    )
    for ask in asked:
        with pytest.raises(Conflict) as refused:
            ask()
        assert refused.value.existing_id == merchant.schedules(subscription_of(found))[0].id
    merchant.to(start)
    merchant.world.resolve(minutes=5)
    assert [row["merchant_uid"] for row in merchant.world.money()] == ["shop-1"]
