"""Every way in which a card and a first payment come in, each with everything that may happen to its call.

The sandbox's ledger is the judge: at most one payment under each order, our books say what it says, and a key is active
only if PortOne has it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from billing_worker.domain.billing_key import KeyStatus
from billing_worker.domain.card_entry import Card
from billing_worker.usecases.card.create import NewCardSession, create_session
from billing_worker.usecases.card.visit import begin, report
from billing_worker.usecases.charge.card_payment import NewCardPayment, pay_by_card
from billing_worker.usecases.entry.issue import NewCard, issue_key
from billing_worker.usecases.key.register import NewKey, register_and_confirm
from tests.support.sandbox import Row
from tests.support.world import World

PG = "nice_v2"
FAULTS = (
    "ok",
    "drop-before-charge",
    "drop-after-charge",
    "error502-html",
    "error502-html-charged",
    "truncated",
    "slow-nothing",
    "decline-limit",
    "decline-stolen",
    "late-approval",
    "webhook-twice",
)
CHARGES = ("again", "onetime")


@pytest.fixture
def known(world: World) -> World:
    """A world in which one payment of another customer exists, for control reads."""
    world.subscribe()
    world.settle()
    return world


def a_card() -> Card:
    return Card.entered("5409600012345677", "2031-04", birth="880301", pwd_2digit="37", real_now=datetime.now(UTC))


def registered(world: World) -> str | None:
    """The key was issued elsewhere, and is registered and charged for a subscription."""
    uid = world.uid("user")
    world.sandbox.register(uid)
    key = register_and_confirm(world.ports, NewKey(uid, PG))
    world.subscribe(key=key)
    return key.id


def issued(world: World) -> str | None:
    """The key is issued from card data, and charged for a subscription."""
    key = issue_key(world.ports, NewCard(world.uid("user"), PG, a_card()))
    if key.status is not KeyStatus.INVALID:
        world.subscribe(key=key)
    return key.id


def by_window(world: World) -> str | None:
    """The key comes from the card page, and is charged for a subscription."""
    session = create_session(world.ports, NewCardSession("kakaopay", customer="user-1"))
    begin(world.ports, session.id)
    names = {"customer_uid": session.customer_uid, "merchant_uid": session.merchant_uid}
    body = {"request": names | {"pg": "kakaopay", "amount": 0}, "action": "card", "card_number": "4242-4242-4242-4242"}
    said = world.sandbox.http.post("/v1/window", json=body).json()
    report(world.ports, session.id, said["imp_uid"])
    with world.ports.database.transaction() as uow:
        key = uow.keys.with_customer_uid(session.customer_uid)
    assert key is not None
    world.subscribe(key=key)
    return key.id


def first_payment(world: World) -> str | None:
    """The first payment by card data leaves a key."""
    return pay_by_card(world.ports, NewCardPayment(PG, a_card(), 9900, customer_uid=world.uid("user"))).billing_key_id


def kept_until_later(world: World) -> str | None:
    """The card is kept as a key, and its first payment is charged a day later."""
    at = world.clock.now() + timedelta(days=1)
    asked = NewCardPayment(PG, a_card(), 9900, customer_uid=world.uid("user"), at=at, retry_days=(1,))
    return pay_by_card(world.ports, asked).billing_key_id


def one_time(world: World) -> str | None:
    """A card is charged by its data, and not kept."""
    pay_by_card(world.ports, NewCardPayment(PG, a_card(), 9900))
    return None


def single(world: World) -> str | None:
    """A stored key is charged once, without a subscription."""
    key = world.key("user")
    world.pay(key, retry_days=(1,))
    return key.id


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [registered, issued, by_window, first_payment, kept_until_later, one_time, single])
def test_one_payment_at_most_and_no_key_that_was_never_confirmed(
    known: World, way: Callable[[World], str | None], fault: str
) -> None:
    world = known.with_ports(card_entry=True)
    before = {row["imp_uid"] for row in world.ledger()}
    for endpoint in (*CHARGES, *(("issue",) if not fault.startswith(("decline", "late", "webhook")) else ())):
        world.sandbox.rule(fault, endpoint=endpoint, times=1, **({"late_after": 3600} if "late" in fault else {}))
    try:
        key_id = way(world)
        world.run_until(world.clock.now() + timedelta(days=4), timedelta(hours=6))
        _tell_late_payments(world)
        world.run_until(world.clock.now() + timedelta(days=2), timedelta(hours=6))
    finally:
        world.sandbox.forget_rules()
    ours = [row for row in world.ledger() if row["imp_uid"] not in before and row["origin"] != "window"]
    paid = [row for row in ours if row["status"] == "paid"]
    assert len({row["merchant_uid"] for row in paid}) == len(paid)
    open_attempts = world.rows("SELECT id, status, reason FROM payment_attempts WHERE closed_at IS NULL")
    assert open_attempts == []
    _judge_key(world, key_id, paid)
    world.assert_books_agree()


def _tell_late_payments(world: World) -> None:
    """PortOne's webhooks, each of them twice: nothing here receives them by itself."""
    for row in world.ledger():
        if row["status"] == "paid":
            for _ in range(2):
                world.webhook(row["imp_uid"], row["merchant_uid"])


def _judge_key(world: World, key_id: str | None, paid: list[Row]) -> None:
    if key_id is None:
        return
    with world.ports.database.transaction() as uow:
        key = uow.keys.get(key_id)
    assert key.status is not KeyStatus.PENDING
    if key.status is KeyStatus.ACTIVE:
        assert world.ports.gateway.read_key(key.customer_uid).known
    elif not paid:
        assert key.invalid_reason
