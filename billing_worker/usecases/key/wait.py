"""A key that waits for its confirmation: when it is read again, and when an operator is told."""

from datetime import timedelta

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.billing_key import BillingKey, KeyWait
from billing_worker.domain.moment import Moment
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork

FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(hours=1)

NEEDS_A_PERSON = frozenset({KeyWait.OTHER_PG, KeyWait.OTHER_PAYMENT})
"""Another read will hardly show anything else, so an operator is told at once."""


Missing = tuple[KeyWait, Facts]
"""What a pending key lacks, with the facts of its alert; equal from look to look until the answer changes."""


def wait(ports: Ports, uow: UnitOfWork, key: BillingKey, missing: Missing, moment: Moment) -> None:
    """Read the locked, pending key again later. The alert opens in time."""
    cause, facts = missing
    now = moment.billing
    overdue = key.created_at + timedelta(seconds=ports.timing.key_pending_alert)
    pause = min(FIRST_LOOK * 2 ** min(key.looks, 20), LONGEST_LOOK)
    # The look that alerts an operator comes on time.
    key.next_look_at = moment.real + (min(pause, overdue - now) if now < overdue else pause)
    key.looks += 1
    key.waits_for = cause
    uow.keys.save(key)
    if now >= overdue or cause in NEEDS_A_PERSON:
        since = {"case": cause.value, "since": f"{key.created_at:%Y-%m-%d %H:%M} UTC"}
        uow.alerts.open(AlertKind.KEY_PENDING, key.id, {**facts, **since}, moment)
