"""Store what comes in, and acknowledge it: the way on which nothing may be lost and nothing may be slow."""

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
    """What was stored, and whether it is worth a ring."""

    id: int
    at_once: bool
    """False for the ordinary echo of a charge of our own, whose answer says the same; for what was looked into a moment
    ago; and for a merchant_uid that was never ours: anybody can make those up, and a scan reads some of them."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A webhook or pingback as it came, read and found well formed."""

    source: str
    dedupe_key: str
    """Equal for a repeated delivery."""
    payload: dict[str, str]


def receive(ports: Ports, source: str, dedupe_key: str, payload: dict[str, str]) -> Receipt:
    """Store one notification durably, as `receive_many` does."""
    (receipt,) = receive_many(ports, [Notification(source, dedupe_key, payload)])
    return receipt


def receive_many(ports: Ports, notifications: Sequence[Notification]) -> Sequence[Receipt]:
    """Store notifications durably, all or none; the same one again is counted, and applied again.

    PortOne sends a webhook for every charge that we place. Where its payment is recorded already nothing is left to
    do; while its attempt is in flight the answer gets a few seconds to come first.
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
