"""The caps of card networks on a card that declines, over all subscriptions, payments and requests by hand together."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from billing_worker.domain.dunning.caps import free_from
from billing_worker.ports.charging import DueInvoice
from billing_worker.ports.storage import UnitOfWork

OUTCOME_WAIT = timedelta(minutes=5)
"""How long a try waits for the outcomes of those under way, which could fill a cap."""


def is_watched(due: DueInvoice) -> bool:
    """Whether its card may decline: it did lately, or the invoice was declined before on any card.

    The first try of an invoice on any other card is free.
    """
    return bool(due.key.declined_at) or due.was_declined


class CardCaps:
    """How often the watched cards of one transaction may be tried. The rows of their keys are locked.

    An open attempt counts as a decline until its outcome is known, so that two workers do not exceed a cap together.
    """

    def __init__(self, uow: UnitOfWork, dues: Iterable[DueInvoice], now: datetime) -> None:
        self._now = now
        watched = {due.key.id for due in dues if is_watched(due)}
        self._open = dict(uow.attempts.open_on(sorted(watched))) if watched else {}

    def are_full(self, due: DueInvoice) -> bool:
        """Whether one more try could exceed a cap, if all that are under way were declined."""
        under_way: Sequence[datetime] = [self._now] * self._open.get(due.key.id, 0)
        return free_from((*due.key.declined_at, *under_way), self._now) > self._now

    def note(self, due: DueInvoice) -> None:
        """Count a try that begins now."""
        self._open[due.key.id] = self._open.get(due.key.id, 0) + 1
