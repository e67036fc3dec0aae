"""Detect a wrong account: many keys are suddenly unknown at the gateway, more than customers delete cards."""

from datetime import timedelta

from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Declined, Outcome
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.stop_charging import open_stop

WITHIN = timedelta(hours=1)
MOST_LOST_KEYS = 5
"""Customers delete single cards."""
LARGEST_SHARE = 5
"""One key in five of those charged recently. In a big portfolio, five lost keys an hour are normal."""


def stop_when_keys_vanish(uow: UnitOfWork, outcome: Outcome, moment: Moment) -> None:
    """Stop all charging if more than five keys, and more than a fifth of all, were unknown within an hour."""
    if not isinstance(outcome, Declined) or outcome.imp_uid is not None:
        return
    cleared = uow.stops.cleared_at(ALL, StopCause.BREACH)
    since = max(moment.billing - WITHIN, cleared) if cleared is not None else moment.billing - WITHIN
    lost, charged = uow.spending.lost_keys(since)
    if lost > MOST_LOST_KEYS and lost * LARGEST_SHARE > charged:
        reason = (
            f"the gateway does not know {lost} of {charged} keys charged within an hour: is this the right account? "
            "If it is not, correct it, and reactivate the keys"
        )
        open_stop(uow, ALL, StopCause.BREACH, reason, [], moment=moment)
