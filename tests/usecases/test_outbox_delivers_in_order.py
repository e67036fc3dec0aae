"""Events for the merchant: none lost, none out of order, each until it was taken."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from billing_worker.domain.errors import NotFound
from billing_worker.ports import OutboxMessage
from billing_worker.usecases import outbox
from tests.support.world import World


@dataclass
class Merchant:
    """The merchant's end: takes events, or says what is wrong."""

    trouble: str | None = None
    got: list[tuple[str, str]] = field(default_factory=list)

    def send(self, message: OutboxMessage) -> str | None:
        if self.trouble is None:
            self.got.append((message.event.subject_id, message.event.type))
        return self.trouble


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


def test_every_event_is_delivered_once_and_those_of_a_subject_in_order(world: World, merchant: Merchant) -> None:
    subscription = world.subscribe("decline-limit-1x")
    world.run_until(world.clock.now() + timedelta(days=1))
    told = world.with_ports(notifier=merchant)
    told.settle()
    invoice = world.invoice(subscription)
    assert [kind for subject, kind in merchant.got if subject == invoice.id] == [
        "invoice.payment_failed",
        "invoice.paid",
    ]
    assert [kind for subject, kind in merchant.got if subject == subscription.id] == [
        "subscription.created",
        "subscription.past_due",
        "subscription.activated",
    ]
    told.settle()
    assert len(merchant.got) == len(world.events()) == 5


@pytest.mark.fm("D5")
def test_a_receiver_in_trouble_is_tried_again_with_growing_waits_and_blocks_no_money(
    world: World, merchant: Merchant
) -> None:
    merchant.trouble = "HTTP 500"
    told = world.with_ports(notifier=merchant)
    subscription = world.subscribe()
    told.settle()
    assert world.invoice(subscription).status == "paid"
    waits = []
    for _ in range(14):
        (row,) = world.rows("SELECT id, next_try_at, note FROM outbox ORDER BY sequence LIMIT 1")
        waits.append((row["next_try_at"] - world.clock.now()).total_seconds())
        world.clock.advance_to(row["next_try_at"])
        outbox.deliver(told.ports, row["id"])
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] == 6 * 3600
    assert row["note"] == "HTTP 500"
    merchant.trouble = None
    told.resolve(hours=7)
    assert world.rows("SELECT * FROM outbox WHERE delivered_at IS NULL") == []


def test_an_event_waits_for_the_earlier_one_of_its_subject(world: World, merchant: Merchant) -> None:
    world.subscribe()
    world.settle()
    told = world.with_ports(notifier=merchant)
    first = outbox.due(told.ports, 100)
    assert len(first) == 2  # the oldest of the subscription and the oldest of the invoice
    for ident in first:
        outbox.deliver(told.ports, ident)
    assert {kind for _, kind in merchant.got} == {"subscription.created", "invoice.paid"}


def test_an_event_that_was_delivered_is_not_sent_again(world: World, merchant: Merchant) -> None:
    world.subscribe(start=world.clock.now() + timedelta(days=9))
    told = world.with_ports(notifier=merchant)
    (ident,) = outbox.due(told.ports, 10)
    outbox.deliver(told.ports, ident)
    outbox.deliver(told.ports, ident)
    assert len(merchant.got) == 1


def test_without_a_receiver_events_are_kept(world: World, merchant: Merchant) -> None:
    world.subscribe()
    world.settle()
    assert outbox.due(world.ports, 10) == ()
    assert len(world.rows("SELECT * FROM outbox WHERE delivered_at IS NULL")) == 3
    world.with_ports(notifier=merchant).settle()
    assert len(merchant.got) == 3


def test_a_delivery_of_nothing_is_refused(world: World, merchant: Merchant) -> None:
    with pytest.raises(NotFound):
        outbox.deliver(world.with_ports(notifier=merchant).ports, "evt_x")


@pytest.mark.fm("D4")
def test_events_stand_or_fall_with_the_state_that_they_tell_of(world: World) -> None:
    subscription = world.subscribe()
    with world.ports.database.transaction() as uow:
        locked = uow.subscriptions.lock(subscription.id)
        locked.cancel(world.clock.now())
        uow.subscriptions.save(locked)
        uow.tell([], world.clock.now(), world.clock.now())
    assert world.subscription(subscription).status == "pending"
    assert world.events() == ["subscription.created"]
