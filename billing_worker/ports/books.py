"""The books as a whole: what reports sum up, and how things stand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing_worker.domain.dunning.recovered import CardAnswer, DeclinedInvoice
from billing_worker.domain.moment import Moment
from billing_worker.ports.hourly import Hourly


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums of the invoices of one month in one currency. Money in minor units."""

    month: str
    """The month of the period's start in the given time zone: 2026-01. Exact in every zone, at any moment."""
    currency: str
    invoices: int
    paid: int
    paid_amount: int
    open: int
    uncollectible: int
    void: int
    recovered: int
    """Paid after at least one decline."""
    refunded_amount: int
    """The refunded part of the paid sum. A duplicate payment and its refund are not counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the database at this moment."""

    periods_due: int
    """Subscriptions whose next period has begun and has no invoice yet."""
    oldest_period_due: datetime | None
    """Billing time at which the oldest of these periods began."""
    due: int
    """Invoices due now and not started yet."""
    in_flight: int
    """Attempts without an answer yet, also where something else has closed the invoice meanwhile."""
    unknown: int
    """Attempts whose outcome is unclear, likewise."""
    oldest_unknown: datetime | None
    """Billing time at which the oldest of them started."""
    unplaced: int
    """Invoices whose last charge could not be placed: no token, or a refused connection. They are tried again."""
    oldest_unplaced: datetime | None
    """Billing time since which the oldest of them cannot be placed."""
    waiting_for_key: int
    in_dunning: int
    oldest_due: datetime | None
    """Billing time at which the oldest of the due invoices became due."""
    late: int
    """Subscriptions and invoices due for more than an hour, and charges that could not be placed. Both are paced."""
    on_hold: int
    """Subscriptions whose late periods wait for an operator's decision."""
    expiring_cards: int
    """Active keys whose card expires within 30 days, also where its next charge comes before that."""
    open_alerts: int
    open_stops: int
    """Scopes in which charging is stopped until the stop is cleared."""
    undelivered_events: int
    """0 where no receiver is named: then no event waits."""
    abandoned_events: int
    """Events given up after three days and not replayed."""
    unapplied_notifications: int
    stuck_notifications: int
    """Of these, those that got no answer from the gateway for an hour, or have waited for a day."""
    foreign_notifications: int
    """Of these, webhooks whose merchant_uid was never ours."""
    oldest_notification: datetime | None
    """Real time since which the oldest of them waits."""
    compared_until: datetime | None
    """Billing time up to which both books were compared without a gap; None before the first comparison."""

    @property
    def oldest(self) -> datetime | None:
        """Billing time since which anything is due without an outcome, whatever holds it."""
        ages = (self.oldest_due, self.oldest_period_due, self.oldest_unplaced, self.oldest_unknown)
        return min((each for each in ages if each is not None), default=None)


@dataclass(frozen=True, slots=True)
class SettledPayment:
    """One approved attempt, to compare with the gateway's books."""

    merchant_uid: str
    imp_uid: str
    amount: int
    currency: str
    period_start: datetime
    surplus: bool


class Books(Protocol):
    """What the database says as a whole. Read only."""

    @property
    def hourly(self) -> Hourly:
        """Hourly totals of outcomes and of times."""

    def answers(self, since: datetime, until: datetime) -> Iterator[CardAnswer]:
        """What cards said to the tries of declined invoices made in this span: by invoice, in order."""

    def declined(self, since: datetime, until: datetime, timezone: str) -> Iterator[DeclinedInvoice]:
        """Invoices made in this span whose charge was declined; their months are those of `timezone`."""

    def tallies(self, timezone: str) -> Sequence[Tally]:
        """One line a month and currency, oldest first."""

    def standing(self, moment: Moment, late_until: datetime, *, receiver: bool) -> Standing:
        """The present state; work due up to `late_until` is late. Reads what waits, never what is done.

        Without a `receiver` no event waits for one.
        """

    def compared_until(self) -> datetime | None:
        """Billing time up to which both books were compared, without a gap; None before the first comparison."""

    def fold(self, most: int) -> int:
        """Add up at most so many of the differences that statements left; returns to how many slots.

        No figure changes by it: the totals are exact before and after.
        """

    def payments(self) -> Sequence[SettledPayment]:
        """Every approved attempt, by period."""
