"""Store notifications and acknowledge them. None may be lost, and none may be slow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.notification import (
    ECHO_WAIT,
)
from billing_worker.domain.payment import PaymentStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.incoming import Arrival, Echo, InboxStatus
from billing_worker.ports.storage import UnitOfWork

PORTONE = "portone"


PAYMENTWALL_PINGBACK = "paymentwall"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The stored notification, and whether to ring at once."""

    id: int
    at_once: bool
    """False for the ordinary echo of our own charge, whose answer says the same; for a payment that was just read; and
    for a merchant_uid that was never ours, which anyone can invent: a scan reads some of those."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A webhook or pingback as received, parsed and well formed."""

    source: str
    dedupe_key: str
    """Equal for a repeated delivery."""
    payload: dict[str, str]


def receive(ports: Ports, source: str, dedupe_key: str, payload: dict[str, str]) -> Receipt:
    """Store one notification durably, as `receive_many` does."""
    (receipt,) = receive_many(ports, [Notification(source, dedupe_key, payload)])
    return receipt


def receive_many(ports: Ports, notifications: Sequence[Notification]) -> Sequence[Receipt]:
    """Store notifications durably, all or none. A repeated one is counted, and applied again.

    PortOne sends a webhook for every charge that we place. If its payment is already recorded, no work is left. While
    its attempt is in flight, the answer gets a few seconds to arrive first.
    """
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        echoes = _echoes(uow, notifications)
        stored = uow.inbox.add_arrivals(
            [_arrival(each, echo, real_now) for each, echo in zip(notifications, echoes, strict=True)], real_now
        )
        uow.commit()
    return [
        Receipt(one.id, at_once=echo is Echo.NONE and not one.is_foreign and one.next_try_at <= real_now)
        for one, echo in zip(stored, echoes, strict=True)
    ]


def _echoes(uow: UnitOfWork, notifications: Sequence[Notification]) -> Sequence[Echo]:
    paid = {
        number: (each.payload["imp_uid"], each.payload["merchant_uid"])
        for number, each in enumerate(notifications)
        if each.source == PORTONE and each.payload.get("status") == PaymentStatus.PAID
    }
    found = dict(zip(paid, uow.attempts.echoes_of(list(paid.values())), strict=True))
    return [found.get(number, Echo.NONE) for number in range(len(notifications))]


def _arrival(notification: Notification, echo: Echo, real_now: datetime) -> Arrival:
    return Arrival(
        notification.source,
        notification.dedupe_key,
        notification.payload,
        InboxStatus.APPLIED if echo is Echo.RECORDED else InboxStatus.RECEIVED,
        real_now + ECHO_WAIT if echo is Echo.IN_FLIGHT else real_now,
    )
