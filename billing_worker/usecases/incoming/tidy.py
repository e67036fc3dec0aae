"""Upkeep of the inbox: alert an operator to stuck entries, drop foreign ones, delete old ones.

It also deletes expired answers to requests and old alerts, empties old evidence, and adds up the changes of the totals
of invoices and of outcomes.

And it keeps the alert about late periods open exactly while a subscription waits for the operator's decision, and looks
at the share of declines.

It runs once a minute, by one bucket for all processes. Each run is bounded, so that no lock is held for long.
"""

from collections.abc import Sequence
from dataclasses import replace

from billing_worker.domain.alerts import AlertKind, Fact
from billing_worker.domain.moment import Moment
from billing_worker.domain.notification import FOREIGN_FOR, UNANSWERED_FOR
from billing_worker.domain.outcome_counts import KEPT_FOR, hour_of
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import Work
from billing_worker.ports.incoming import InboxStatus, Sought
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.declines import watch_declines
from billing_worker.usecases.subscription.catch_up import look_after_alerts

INBOX = "inbox"
"""The id of the work, and the subject of its alerts."""
A_MINUTE = 1.0
MOST_AT_ONCE = 5_000
"""Entries deleted or dropped in one step: 7 million a day, in transactions far below a second."""
FOLDED_AT_ONCE = 50_000
"""Differences of the totals that one step adds up: those of 800 statements a second, in half a second."""
LET_GO = "more foreign notifications came than are read; what this one may be about is found by comparing both books"


def due(ports: Ports, _limit: int) -> Sequence[str]:
    """The inbox, if its upkeep is due."""
    with ports.database.transaction() as uow:
        real_now = ports.clock.moment().real
        bucket = uow.catch_up.lock_bucket(Work.TIDYING, real_now)
        its_time = bucket.fill(A_MINUTE, real_now) > 0
        if its_time:
            bucket.take(1)
            uow.catch_up.save_bucket(bucket)
        uow.commit()
    return [INBOX] if its_time else []


def tidy(ports: Ports, _what: str) -> int:
    """One bounded step; returns how many entries were deleted."""
    moment = ports.clock.moment()
    real_now = moment.real
    with ports.database.transaction() as uow:
        uow.inbox.let_go_foreign(real_now - FOREIGN_FOR, real_now, LET_GO, MOST_AT_ONCE)
        deleted = uow.inbox.forget(real_now - ports.inbox.retention, MOST_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.kept_answers.forget(real_now - ports.retention.answers, MOST_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.forgetting.evidence(real_now - ports.retention.evidence, MOST_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.forgetting.alerts(moment.billing - ports.retention.alerts, MOST_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.books.fold(FOLDED_AT_ONCE)
        uow.commit()
    with ports.database.transaction() as uow:
        uow.books.hourly.fold(FOLDED_AT_ONCE)
        uow.books.hourly.forget(hour_of(moment.billing) - KEPT_FOR)
        uow.commit()
    with ports.database.transaction() as uow:
        _alert_stuck(uow, moment)
        _alert_flood(uow, moment)
        uow.commit()
    look_after_alerts(ports)
    watch_declines(ports)
    return deleted


def _alert_stuck(uow: UnitOfWork, moment: Moment) -> None:
    sought = Sought(stuck_at=moment.real)
    count = uow.inbox.count(sought)
    if not count:
        uow.alerts.close(AlertKind.INBOX_STUCK, INBOX, moment)
        return
    newest = uow.inbox.list(sought, 1)[0]
    facts: dict[str, Fact] = {"case": "unread", "count": count, "newest": newest.id}
    if newest.note:
        facts |= {"case": "read", "note": newest.note}
    uow.alerts.open(AlertKind.INBOX_STUCK, INBOX, facts, moment)


def _alert_flood(uow: UnitOfWork, moment: Moment) -> None:
    foreign = Sought(status=InboxStatus.RECEIVED, foreign=True)
    late = replace(foreign, waits_since=moment.real - UNANSWERED_FOR)
    if not uow.inbox.count(late):
        uow.alerts.close(AlertKind.INBOX_FOREIGN, INBOX, moment)
        return
    uow.alerts.open(AlertKind.INBOX_FOREIGN, INBOX, {"count": uow.inbox.count(foreign)}, moment)
