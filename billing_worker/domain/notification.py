"""When a notification makes us read the gateway, and when it is let go. Real time throughout."""

from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.payment import GatewayPayment, PaymentStatus

READ_WINDOW = timedelta(seconds=5)
"""About one notification the gateway is read once in this time at most, however often it is delivered. Long enough to
bound a replay at speed, short enough that nobody waits for what the last delivery was about."""

MOST_OF_ONE = 5
"""Notifications that name one merchant_uid of ours and are read within the same minute. Genuine ones are a handful in
an invoice's life; whoever knows one merchant_uid could make up any number of payments for it."""
PUT_OFF = timedelta(minutes=10)
"""How long those that go beyond that wait."""

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
ECHO_WAIT = timedelta(seconds=5)
"""An answer and its webhook leave PortOne together; longer than both need to arrive and to be recorded."""

FEW_TRIES = 6
"""For what the gateway's books do not show, in about three minutes: anybody can make it up."""
FOREIGN_TRIES = 4
"""The same where the merchant_uid was never ours, in about half a minute and out of a small budget."""
MOST_TRIES = 34
"""With doubling waits from 5 s to an hour this is a day: for a merchant who registers the key that a notification
confirms only later."""

UNANSWERED_FOR = timedelta(hours=1)
"""A notification that waits for this long, and about which the gateway said nothing, is a matter for an operator."""
WAITING_FOR = timedelta(hours=25)
"""So is any that waits for longer than all its tries take together."""
FOREIGN_FOR = timedelta(days=1)
"""A foreign notification that could not be read within this time is let go: comparing both books, and asking about
pending keys, finds what it may have been about."""


@dataclass(frozen=True, slots=True)
class InboxRules:
    """What the merchant sets."""

    foreign_reads: int = 0
    """Reads a minute about notifications whose merchant_uid was never ours, of all processes; 0: no limit."""
    retention: timedelta = timedelta(days=90)
    """How long an applied or ignored notification is kept."""


def wait_after(tries: int) -> timedelta:
    """The wait after so many tries (at least one): it doubles."""
    doublings = min(tries - 1, 16)  # far beyond the longest wait, and no overflow
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
    """Whether a notification tells of more than the gateway's books show: it is forged, or they lag behind it.

    An unknown word promises nothing. A notification without a status still says that something ended.
    """
    if told is None:
        expected = _SOMETHING_ENDED
    else:
        expected = _PROGRESS.get(PaymentStatus(told), 0) if told in set(PaymentStatus) else 0
    shown = PaymentStatus.CANCELLED if payment.cancelled.amount > 0 else payment.status
    return _PROGRESS[shown] < expected
