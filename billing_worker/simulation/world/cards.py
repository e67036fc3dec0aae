"""The customers' cards, and their keys."""

from datetime import UTC, datetime, timedelta
from functools import partial

from billing_worker.domain.billing_key import PAYMENTWALL
from billing_worker.domain.card_entry import Card as CardData
from billing_worker.ports.bundle import Ports
from billing_worker.simulation.fleet.fleet import Fleet
from billing_worker.simulation.fleet.gateway import BUYER_EMAIL
from billing_worker.simulation.fleet.ledger import Card, Row
from billing_worker.simulation.world.paymentwall import Paymentwall
from billing_worker.usecases.entry import issue
from billing_worker.usecases.key import register

YEAR = timedelta(days=365.25)
HARD_REASONS = ("유효기간만료 카드", "분실 카드", "lost card", "해지 카드")
LAST = datetime(2999, 12, 1, tzinfo=UTC)
"""The last month that a card may have."""
USUAL = 0.9
"""The fractions of customers who pay the plan's price for their key, and whose e-mail is registered correctly."""


class Cards:
    """Draws the behaviour of each card, and registers its key as the merchant does."""

    def __init__(self, fleet: Fleet) -> None:
        self.paymentwall = Paymentwall(fleet)
        self._options = fleet.options
        self._world = fleet.world
        self._chaos = fleet.world.chaos
        self._scheduler = fleet.world.scheduler
        self._cards = 0

    def new_key(self, ports: Ports, plan_id: str) -> str:
        """The id of a key for a new card."""
        self._cards += 1
        uid = f"card-{self._cards}"
        options, roll, now = self._options, self._chaos.roll(), self._scheduler.now
        pg = "nice_v2"
        if roll < options.paymentwall:
            pg = PAYMENTWALL
        elif roll < options.paymentwall + options.naverpay:
            pg = "naverpay"
        reviewed = self._chaos.between(60, 3 * 86400) if pg == PAYMENTWALL else timedelta(0)
        dies = now + YEAR * options.card_years * self._chaos.random.expovariate(1)
        reason = HARD_REASONS[int(self._chaos.roll() * len(HARD_REASONS))]
        if pg == "nice_v2" and self._chaos.roll() < options.by_card_data:
            return self._issue_by_data(ports, uid, dies, reason)
        card = self._world.ledger.cards[uid] = Card(uid, pg, options.soft_rate, dies, reason, now + reviewed, now)
        buyer = self._issue(card, plan_id) if pg == PAYMENTWALL else {}
        name, email = buyer.get("buyer_name"), buyer.get("buyer_email")
        wanted = register.NewKey(uid, pg, buyer_name=name, buyer_email=email, card_expires=self._month(dies))
        return register.register_key(ports, wanted).id

    def _month(self, dies: datetime) -> str | None:
        """The month that the merchant tells, if it does: the card's last one, or an earlier one by mistake."""
        share = self._options.fallbacks
        if not share or self._chaos.roll() >= share:
            return None
        told = min(dies - self._chaos.between(3600, 90 * 86400), LAST)
        return f"{told:%Y-%m}"

    def _issue_by_data(self, ports: Ports, uid: str, dies: datetime, reason: str) -> str:
        """Issue a key from card data, as a merchant with a telephone desk does."""
        number, now = f"54096000{self._cards % 10**8:08d}", self._scheduler.now
        data = CardData.entered(number, "2199-12", birth=None, pwd_2digit=None, real_now=now)
        key = issue.issue_key(ports, issue.NewCard(uid, "nice_v2", data))
        stored = self._world.ledger.cards.get(uid)
        if stored is not None:
            stored.soft_rate, stored.dies_at, stored.hard_reason = self._options.soft_rate, dies, reason
        return key.id

    def _issue(self, card: Card, plan_id: str) -> dict[str, str]:
        """Issue a key at Paymentwall, which usually charges the plan's price.

        Returns the buyer as the merchant registers them.
        """
        price = self._world.store.plans.rows[plan_id].money
        amount = price.amount if self._chaos.roll() < USUAL else price.amount - 1
        row = self._world.ledger.issue(card, (amount, price.currency), self._scheduler.now)
        self._scheduler.at(card.known_from, partial(self._settle_issue, row))
        self.paymentwall.issued(card, row)
        email = BUYER_EMAIL if self._chaos.roll() < USUAL else "hong@example.com"
        return {"buyer_name": "Gildong Hong", "buyer_email": email}

    def _settle_issue(self, row: Row) -> None:
        if row.status == "ready":
            self._world.ledger.pay(row, self._scheduler.now)
