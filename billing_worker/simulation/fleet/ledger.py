"""The gateway's own books: the judge. It uses nothing of the worker, not even its types."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

DUPLICATE = "the order was paid or cancelled before"
NO_SUCH_KEY = "there is no such key"

NEVER_REUSES = frozenset({"naverpay"})

AGAIN, LATE, REVIEW, OPERATOR, ISSUE, SCHEDULE = "again", "late", "review", "operator", "issue", "schedule"
RECOVERY = "recovery"
"""The origin of a payment: a charge answered in time; a charge that the gateway finished long after its client had hung
up; a failure that a risk review turned into a payment; a clerk at the console; the customer, when the key was
issued; the gateway itself, at a time that it was told; the gateway's Recovery, which tries again what failed."""

ONCE = "once "
"""Before the name of a card that the gateway does not keep: no read shows such a name."""


@dataclass(slots=True)
class Card:
    """A card under its customer_uid, and how it behaves."""

    customer_uid: str
    pg: str
    soft_rate: float
    dies_at: datetime
    hard_reason: str
    known_from: datetime
    """Paymentwall: the gateway has the key only after the confirmation of its issuing payment."""
    empty_until: datetime
    """The card has no money until then."""


@dataclass(slots=True)
class Row:
    """One payment."""

    imp_uid: str
    merchant_uid: str
    customer_uid: str
    pg: str
    amount: int
    currency: str
    status: str
    started_at: datetime
    cause: str
    cancelled: int = 0
    cancellations: list[tuple[int, str]] = field(default_factory=list)
    """Minor units and the given reason, oldest first."""
    reason: str | None = None
    paid_at: datetime | None = None

    @property
    def holds(self) -> int:
        """Minor units that the merchant holds now."""
        return self.amount - self.cancelled if self.status in ("paid", "cancelled") else 0


@dataclass(slots=True)
class Planned:
    """A charge that the gateway makes by itself."""

    merchant_uid: str
    customer_uid: str
    at: datetime
    amount: int
    currency: str
    name: str
    status: str = "scheduled"
    imp_uid: str | None = None
    reason: str | None = None
    revived: bool = False
    """Whether a clerk has brought it back: what it charges is the clerk's doing."""


Watcher = Callable[[Row], None]


class Ledger:
    """Every payment ever tried, by imp_uid and by order."""

    def __init__(self, roll: Callable[[], float]) -> None:
        self.rows: dict[str, Row] = {}
        self.orders: defaultdict[str, list[Row]] = defaultdict(list)
        self.of_card: defaultdict[str, list[Row]] = defaultdict(list)
        self.cards: dict[str, Card] = {}
        self.schedules: dict[str, Planned] = {}
        """By order: the gateway takes one once."""
        self.refused: defaultdict[str, int] = defaultdict(int)
        """Charges of a missing key, by order: they make no payment, but they have an answer."""
        self.on_paid: Watcher = _nobody
        self.on_declined: Watcher = _nobody
        self.on_cancelled: Watcher = _nobody
        self._roll = roll

    def takes(self, merchant_uid: str, pg: str) -> bool:
        """Whether this order may still be charged: not after a payment or a cancellation."""
        rows = self.orders[merchant_uid]
        if pg in NEVER_REUSES:
            return not rows
        return all(row.status in ("failed", "ready") for row in rows)

    def charge(
        self, merchant_uid: str, customer_uid: str, money: tuple[int, str], now: datetime, *, cause: str = AGAIN
    ) -> Row | str:
        """Charge a card minor units of a currency. Returns the payment, paid or failed, or the text of a refusal."""
        card = self.cards.get(customer_uid)
        if card is None or card.known_from > now:
            self.refused[merchant_uid] += 1
            return NO_SUCH_KEY
        if not self.takes(merchant_uid, card.pg):
            return DUPLICATE
        row = self._row(merchant_uid, card, money, now, cause)
        row.reason = self._refusal(card, now)
        if row.reason is None:
            self.pay(row, now)
        else:
            row.status = "failed"
            self.on_declined(row)
        return row

    def issue(self, card: Card, money: tuple[int, str], now: datetime) -> Row:
        """Issue a key: the customer enters a card and is charged. The payment settles when the key is known."""
        return self._row(f"shop-{card.customer_uid}", card, money, now, ISSUE)

    def pay(self, row: Row, now: datetime, cause: str | None = None) -> None:
        """The money moves."""
        row.status, row.paid_at, row.reason = "paid", now, None
        row.cause = cause or row.cause
        self.on_paid(row)

    def cancel(self, row: Row, amount: int, reason: str) -> None:
        """Money moves back."""
        row.status, row.cancelled = "cancelled", row.cancelled + amount
        row.cancellations.append((amount, reason))
        self.on_cancelled(row)

    def refund(self, imp_uid: str, amount: int, balance: int, reason: str) -> Row | str:
        """Give money back, if the caller's balance is right. Returns the payment, or a refusal."""
        row = self.rows.get(imp_uid)
        if row is None or not row.holds:
            return "there is nothing to give back"
        if row.holds != balance or not 0 < amount <= row.holds:
            return "the balance is another one"
        self.cancel(row, amount, reason)
        return row

    def pay_at_the_console(self, failed: Row, now: datetime) -> Row:
        """Charge a failed order again, as a clerk at the console."""
        card = self.cards[failed.customer_uid]
        row = self._row(failed.merchant_uid, card, (failed.amount, failed.currency), now, OPERATOR)
        self.pay(row, now)
        return row

    def _row(self, merchant_uid: str, card: Card, money: tuple[int, str], now: datetime, cause: str) -> Row:
        imp_uid = f"imp_{len(self.rows) + 1:012d}"
        row = Row(imp_uid, merchant_uid, card.customer_uid, card.pg, *money, "ready", now, cause)
        self.rows[imp_uid] = row
        self.orders[merchant_uid].append(row)
        self.of_card[card.customer_uid].append(row)
        return row

    def _refusal(self, card: Card, now: datetime) -> str | None:
        if now >= card.dies_at:
            return card.hard_reason
        if now < card.empty_until or self._roll() < card.soft_rate:
            return "한도초과"
        return None


def _nobody(_row: Row) -> None:
    """The default observer of the books: it does nothing."""
