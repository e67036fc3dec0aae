"""When a notification makes the worker read the gateway, and when it is dropped. All times are real time."""

from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.payment import GatewayPayment, PaymentStatus

READ_WINDOW = timedelta(seconds=5)
"""One notification causes at most one read of the gateway in this time, however often it is delivered. The window
bounds a fast replay, and is short enough for the last delivery to be read soon."""

MOST_READS_OF_ONE = 5
"""The most notifications about one merchant_uid of ours that are read within a minute. An invoice has a handful of
genuine ones; a forger who knows its merchant_uid can invent any number of payments for it."""
PUT_OFF = timedelta(minutes=10)
"""How long the others wait."""

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
ECHO_WAIT = timedelta(seconds=5)
"""An answer and its webhook leave PortOne together. Within this time both have arrived and are recorded."""

FEW_TRIES = 6
"""For payments that the gateway's books do not show, in about three minutes: anyone can invent them."""
FOREIGN_TRIES = 4
"""The same for a merchant_uid that was never ours, in about half a minute and within a small budget."""
MOST_TRIES = 34
"""With waits that double from 5 s to an hour, this takes a day: a merchant may register a key after the notification
that confirms it."""

UNANSWERED_FOR = timedelta(hours=1)
"""After this time without an answer from the gateway, a notification needs an operator."""
WAITING_FOR = timedelta(hours=25)
"""So does a notification that waits for longer than all its tries take."""
FOREIGN_FOR = timedelta(days=1)
"""A foreign notification that could not be read within this time is dropped. Its payment or key is still found: the
worker compares both books, and asks the gateway about pending keys."""


@dataclass(frozen=True, slots=True)
class InboxRules:
    """The merchant's settings for the inbox."""

    foreign_reads: int = 0
    """Reads a minute, by all processes, about notifications whose merchant_uid was never ours; 0: no limit."""
    retention: timedelta = timedelta(days=90)
    """How long an applied or ignored notification is kept."""


def wait_after(tries: int) -> timedelta:
    """The wait after this many tries (at least one). It doubles with each try."""
    doublings = min(tries - 1, 16)  # far beyond the longest wait, without overflow
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


_PROGRESS = {
    PaymentStatus.UNRECOGNISED: 0,
    PaymentStatus.READY: 0,
    PaymentStatus.FAILED: 1,
    PaymentStatus.PAID: 2,
    PaymentStatus.CANCELLED: 3,
}


_SOMETHING_ENDED = _PROGRESS[PaymentStatus.FAILED]


def books_lag(told: str | None, payment: GatewayPayment) -> bool:
    """Whether a notification says more than the gateway's books show: it is forged, or the books lag behind.

    An unknown status says nothing. A notification without a status still says that something ended.
    """
    if told is None:
        expected = _SOMETHING_ENDED
    else:
        expected = _PROGRESS.get(PaymentStatus(told), 0) if told in set(PaymentStatus) else 0
    shown = PaymentStatus.CANCELLED if payment.cancelled.amount > 0 else payment.status
    return _PROGRESS[shown] < expected
