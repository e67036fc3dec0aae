"""Look after the inbox: tell an operator of what is stuck, let go of what was never ours, delete what is old.

Delete answers to requests that are kept no longer, too, and add up what changed in the totals of invoices.

And see to it that an operator is asked about late periods as long as somebody waits for his answer, and no longer.

Once a minute, by one bucket for all processes; and each time a bounded piece of work, so that no lock is held for long.
"""

from collections.abc import Sequence
from dataclasses import replace

from billing_worker.domain.alerts import AlertKind, Fact
from billing_worker.domain.notification import FOREIGN_FOR, UNANSWERED_FOR
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Work
from billing_worker.ports.incoming import InboxStatus, Sought
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.requests import KEPT_FOR
from billing_worker.usecases.subscription.catch_up import look_after_alerts

INBOX = "inbox"
"""The one thing that is tidied, and the subject of its alerts."""
A_MINUTE = 1.0
MOST_AT_ONCE = 5_000
"""Entries deleted or let go in one step: 7 million a day, in transactions of well below a second."""
FOLDED_AT_ONCE = 50_000
"""Differences of the totals that one step adds up: more than 800 statements a second leave, in half a second."""
LET_GO = "more foreign notifications came than are read; what this one may be about is found by comparing both books"


def due(ports: Ports, _limit: int) -> Sequence[str]:
    """The inbox, if it is time."""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        bucket = uow.catch_up.lock_bucket(Work.TIDYING, real_now)
        its_time = bucket.fill(A_MINUTE, real_now) > 0
        if its_time:
            bucket.take(1)
            uow.catch_up.save_bucket(bucket)
        uow.commit()
    return [INBOX] if its_time else []


def tidy(ports: Ports, _what: str) -> int:
    """One bounded step; returns how many entries were deleted."""
    real_now = ports.clock.real_now()
    with ports.database.transaction() as uow:
        uow.inbox.let_go_foreign(real_now - FOREIGN_FOR, real_now, LET_GO, MOST_AT_ONCE)
        deleted = uow.inbox.forget(real_now - ports.inbox.retention, MOST_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.kept_answers.forget(real_now - KEPT_FOR, MOST_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.books.fold(FOLDED_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        _alert_stuck(ports, uow)
        _alert_flood(ports, uow)
        uow.commit()
    look_after_alerts(ports)
    return deleted


def _alert_stuck(ports: Ports, uow: UnitOfWork) -> None:
    sought = Sought(stuck_at=ports.clock.real_now())
    count = uow.inbox.count(sought)
    if not count:
        uow.alerts.close(AlertKind.INBOX_STUCK, INBOX, ports.clock.now())
        return
    newest = uow.inbox.list(sought, 1)[0]
    facts: dict[str, Fact] = {"case": "unread", "count": count, "newest": newest.id}
    if newest.note:
        facts |= {"case": "read", "note": newest.note}
    uow.alerts.open(AlertKind.INBOX_STUCK, INBOX, facts, ports.clock.now())


def _alert_flood(ports: Ports, uow: UnitOfWork) -> None:
    foreign = Sought(status=InboxStatus.RECEIVED, foreign=True)
    late = replace(foreign, waits_since=ports.clock.real_now() - UNANSWERED_FOR)
    if not uow.inbox.count(late):
        uow.alerts.close(AlertKind.INBOX_FOREIGN, INBOX, ports.clock.now())
        return
    uow.alerts.open(AlertKind.INBOX_FOREIGN, INBOX, {"count": uow.inbox.count(foreign)}, ports.clock.now())
