"""Paymentwall's pingbacks about the payments that issue keys: in any order, late and repeated."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import partial

from billing_worker.domain.pingback import mark_of
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.fleet.ledger import Card, Row
from billing_worker.usecases.incoming import receive
from billing_worker.usecases.incoming.apply_pingback import dedupe_key

NEVER = datetime.max.replace(tzinfo=UTC)

PAID, REVERSED, UNDER_REVIEW, ACCEPTED, DECLINED, VOIDED, PARTLY_REVERSED = "0", "2", "200", "201", "202", "203", "220"
CHARGEBACK = "1"

STORIES = ("paid", "accepted", "declined", "voided", "charged_back", "given_back", "partly_given_back")
WEIGHTS = (50, 15, 8, 4, 10, 5, 8)
"""The results of a hundred issuing payments."""

LATER = (86_400.0, 300 * 86_400.0)


class Paymentwall:
    """Draws the result of each issuing payment, and sends its pingbacks until the receiver takes them."""

    def __init__(self, fleet: Fleet) -> None:
        self.sent: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        """Ref and mark of each past or future pingback, by customer_uid."""
        self._fleet = fleet
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler

    def issued(self, card: Card, row: Row) -> None:
        """Plan the pingbacks of an issuing payment, which settles when its key is known."""
        if self._chaos.roll() >= self._fleet.options.pingbacks:
            return  # the project is PortOne's, so only PortOne gets the pingback
        story = self._chaos.random.choices(STORIES, WEIGHTS)[0]
        begun, decided = self._scheduler.now, card.known_from
        later = decided + self._chaos.between(*LATER)
        if story in ("accepted", "declined", "voided"):
            self._send(row, begun, UNDER_REVIEW)
        match story:
            case "accepted":
                self._send(row, decided, ACCEPTED)
            case "declined" | "voided":
                card.known_from = NEVER
                self._scheduler.at(decided, partial(_refuse, row))
                self._send(row, decided, DECLINED if story == "declined" else VOIDED)
            case _:
                self._send(row, decided, PAID)
        match story:
            case "charged_back":
                self._send(row, later, REVERSED, reason=CHARGEBACK)
            case "given_back":
                self._send(row, later, REVERSED)
            case "partly_given_back":
                self._send(row, later, PARTLY_REVERSED, refund_amount="1.00")

    def _send(self, row: Row, when: datetime, kind: str, **more: str) -> None:
        payload = {"uid": row.customer_uid, "type": kind, "ref": f"b{row.imp_uid}"} | more
        self.sent[row.customer_uid].append((payload["ref"], mark_of(payload)))
        pingback = receive.Notification(receive.PAYMENTWALL_PINGBACK, dedupe_key(payload), payload)
        delay = self._chaos.between(0.3, 60)
        match self._chaos.strikes("webhook"):
            case "webhook.early":
                delay = timedelta(0)
            case "webhook.late":
                delay = self._chaos.between(10, 10 * 86400)
            case "webhook.doubled":
                twice = partial(self._fleet.receive, pingback, again=False)
                self._scheduler.at(when + self._chaos.between(0.3, 86400), twice)
        self._scheduler.at(when + delay, partial(self._fleet.receive, pingback, again=True))


def _refuse(row: Row) -> None:
    if row.status == "ready":
        row.status, row.reason = "failed", "declined by risk review"
