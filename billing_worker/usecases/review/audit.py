"""Check the invariants independently of the code that keeps them: in the database, and at the gateway.

A breach in our own books that may mean wrong money or a leaked secret stops all charging. A breach about a single
payment at the gateway stops at most its subscription: a clerk, or a lagging list, must not stop all customers. A
pattern of those does (`domain/runaway.py`). Any other breach opens an alert.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from billing_worker.domain.audit import CARD, STOPPING, Breach, Checked, Reach, exposes
from billing_worker.domain.runaway import MOST_CUSTOMERS_BY_HAND, WITHIN, is_runaway
from billing_worker.domain.stop import ALL, Stop, StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.ports.review import AuditWindow
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.review.audit_acts import TWINS, act
from billing_worker.usecases.review.audit_gateway import at_the_gateway

GRACE = timedelta(minutes=10)
"""Real time: work due for longer while workers run counts as lost."""
SKEW = timedelta(seconds=5)
"""Real time: far more than the clocks of two hosts differ, since all follow the database server."""
OVERLAP = timedelta(minutes=10)
"""The overlap with the previous audit: rows written at its end may have been committed later."""

SAMPLE = 10
"""Approvals that the periodic audit reads back from the gateway: two reads a minute."""
RECENT_TEXTS = 2_000
"""Rows of each table that the periodic audit searches for secrets."""
ALL_TEXTS = 1_000_000

INBOX, QUOTING = "inbox", frozenset({"alerts"})
FROM_OUTSIDE = "what came from outside"
"""Anyone may send a webhook with any number in it, and alerts quote the shop's order numbers. A number like a card
there must not stop the merchant's business. One of our secrets in an alert does."""

MOST_TWINS = 50
"""Pairs reported at a time. More mean that a file was imported twice, which these show."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit, and its stops."""

    checks: Sequence[Checked]
    stops: Sequence[Stop]
    """The widest first."""

    @property
    def stop(self) -> Stop | None:
        """The widest of them."""
        return next(iter(self.stops), None)

    @property
    def breaches(self) -> int:
        """The number of breaches that no operator accepted."""
        return sum(len(check.breaches) for check in self.checks)


def due(ports: Ports, _limit: int) -> Sequence[int]:
    """Claim the next audit, if it is due."""
    interval = timedelta(seconds=ports.auditing.interval)
    with ports.database.transaction() as uow:
        claimed = uow.audits.claim(ports.clock.moment(), interval)
        uow.commit()
    return [] if claimed is None else [claimed]


def audit_recent(ports: Ports, audit_id: int) -> Audit:
    """The periodic audit of all changes since the last one."""
    with ports.database.transaction() as uow:
        before = uow.audits.audited_until()
    since = before - OVERLAP * ports.auditing.rate if before is not None else None
    found = audit(ports, since=since, sample=SAMPLE, texts=RECENT_TEXTS)
    with ports.database.transaction() as uow:
        rows = sum(check.rows for check in found.checks)
        uow.audits.finish(audit_id, ports.clock.moment().real, rows, found.breaches)
        uow.commit()
    return found


def audit(ports: Ports, *, since: datetime | None, sample: int, texts: int = ALL_TEXTS) -> Audit:
    """Check all changes since then (billing time; None: everything), and act on the findings.

    Up to `sample` of the newest approvals are read back from the gateway; 0 reads none.
    """
    rate = ports.auditing.rate
    wait = timedelta(seconds=ports.timing.settle_window)
    # Include approvals that were too fresh for the previous audits.
    paid_since = since - wait * rate if since is not None else None
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        accepted = uow.stops.accepted(StopCause.BREACH)
        window = AuditWindow(since, moment, GRACE * rate, SKEW * rate, accepted)
        checks = [_of_database(check) for check in uow.audits.checks(window)]
        checks += [_runaway(uow, moment.billing), _twins(uow)]
        checks += _texts(uow, ports.auditing.secrets, texts)
        paid = uow.audits.paid(paid_since, moment.real - wait, sample) if sample else []
    if sample:
        checks += at_the_gateway(ports, paid)
    checks = [_judged(check, accepted) for check in checks]
    return Audit(checks, act(ports, checks, whole=since is None))


def _judged(check: Checked, accepted: Collection[str]) -> Checked:
    rest = tuple(breach for breach in check.breaches if check.name_of(breach) not in accepted)
    return replace(check, breaches=rest, accepted=len(check.breaches) - len(rest))


def _of_database(check: Checked) -> Checked:
    return replace(check, reach=Reach.ALL) if check.invariant in STOPPING else check


def _texts(uow: UnitOfWork, secrets: Collection[str], most: int) -> list[Checked]:
    rows, breaches = dict.fromkeys((True, False), 0), {True: list[Breach](), False: list[Breach]()}
    for table, ident, written in uow.audits.texts(most):
        shown = exposes(written, secrets)
        outside = table == INBOX or (table in QUOTING and shown == CARD)
        rows[table == INBOX] += 1
        if shown is not None:
            breaches[outside].append(Breach(f"{table}.{ident}", f"holds {shown}"))
    whole = most == ALL_TEXTS
    own, foreign = "texts for card numbers and secrets", f"{FROM_OUTSIDE} for card numbers and secrets"
    return [
        Checked("I13", own, rows[False], tuple(breaches[False]), reach=Reach.ALL),
        Checked("I13", foreign, rows[True], tuple(breaches[True]), standing=whole),
    ]


def _runaway(uow: UnitOfWork, now: datetime) -> Checked:
    """Check unasked payments under our orders for a pattern. Single ones are a clerk's, and have their alerts."""
    cleared = uow.stops.cleared_at(ALL, StopCause.BREACH)
    since = max(now - WITHIN, cleared) if cleared is not None else now - WITHIN
    found = uow.audits.unasked(since)
    breaches: tuple[Breach, ...] = ()
    if found.customers > MOST_CUSTOMERS_BY_HAND and is_runaway(found, of := uow.audits.paid_since(since)):
        detail = f"{found.customers} of {of.customers} customers paid within a day were charged under our orders, and "
        # Named by the last clearing: an operator accepted earlier ones, not this.
        breaches = (Breach(f"since {cleared or 'ever'}", detail + "this worker had not asked for it"),)
    return Checked("I17", "customers with unasked charges", found.customers, breaches, reach=Reach.ALL, told=True)


def _twins(uow: UnitOfWork) -> Checked:
    found = tuple(uow.audits.twins(MOST_TWINS))
    return Checked(TWINS, "customers who have a plan twice", uow.audits.live(), found, standing=True, told=True)
