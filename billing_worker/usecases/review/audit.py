"""Check the invariants independently of the code that keeps them: in the database, and at the gateway.

A breach in our own books that may mean wrong money or a leaked secret stops all charging. A breach about a single
payment at the gateway stops at most its subscription: a clerk, or a lagging list, must not stop all customers. A
pattern of those does (`domain/runaway.py`). Any other breach opens an alert.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from billing_worker.domain.audit import CARD, STOPPING, Breach, Checked, Reach, exposes
from billing_worker.domain.runaway import MOST_CUSTOMERS_BY_HAND, WITHIN, is_runaway
from billing_worker.domain.stop import ALL, Stop, StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.ports.review import WRITTEN_IN, AuditWindow, Written
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.environment import stands_in_for_a_lost_one
from billing_worker.usecases.review.audit_acts import TWINS, act
from billing_worker.usecases.review.audit_gateway import at_the_gateway

GRACE = timedelta(minutes=10)
"""Real time: work due for longer while workers run counts as lost."""
SKEW = timedelta(seconds=5)
"""Real time: far more than the clocks of two hosts differ, since all follow the database server."""
ROWS_A_WINDOW = 2_000
"""Rows of a kind that one query looks at: some milliseconds, however many there are."""
WINDOWS_AT_ONCE = 50
"""Windows of the periodic audit that one ring looks at: then others have their turn, and it is rung again."""
LEASE = timedelta(minutes=5)
"""Real time after which an audit whose worker died is offered again; each window begins it again."""
OVERLAP = timedelta(minutes=10)
"""The overlap with the previous audit: rows written at its end may have been committed later."""

SAMPLE = 10
"""Approvals that the periodic audit reads back from the gateway: two reads a minute."""
RECENT_TEXTS = 2_000
"""Rows of each table that the periodic audit searches for secrets."""
ALL_TEXTS = 1_000_000
TEXTS_A_PAGE = 2_000
MOST_TOLD = 50
"""Breaches of one check that one audit tells."""

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
    """Claim the audit that is not finished, or the next one, if it is time for one."""
    interval = timedelta(seconds=ports.auditing.interval)
    with ports.database.transaction() as uow:
        claimed = uow.audits.claim(ports.clock.moment(), interval, LEASE)
        uow.commit()
    return [] if claimed is None else [claimed]


def audit_recent(ports: Ports, audit_id: int) -> Audit:
    """The periodic audit: what changed since the last one, a bounded number of windows at a time.

    What a window breaks is acted on before the window is noted as done. What is left is offered again at once; after a
    crash, when the lease ends.
    """
    with ports.database.transaction() as uow:
        place, before = uow.audits.place(audit_id), uow.audits.audited_until()
    since = place.reached
    if since is None and before is not None:
        since = before - OVERLAP * ports.auditing.rate
    found, stops = list[Checked](), list[Stop]()
    for window in islice(windows(ports, since, place.until), WINDOWS_AT_ONCE):
        checks = look_at(ports, window)
        if window.last:
            checks += look_at_the_end(ports, since, sample=SAMPLE, texts=RECENT_TEXTS)
        found = merged(found, checks)
        if window.last or any(check.breaches for check in checks):
            stops = act(ports, found, whole=since is None and window.last)
        _note(ports, audit_id, window, checks)
    if not window.last:
        with ports.database.transaction() as uow:
            uow.audits.release(audit_id, ports.clock.moment().real)
            uow.commit()
    return Audit(found, stops)


def audit(
    ports: Ports,
    *,
    since: datetime | None,
    sample: int,
    texts: int = ALL_TEXTS,
    tell: Callable[[datetime], object] = lambda _: None,
) -> Audit:
    """Check everything that changed since then (billing time; None: everything), and act on what is found.

    Up to `sample` of the newest approvals are read back from the gateway; 0 asks it nothing. `tell` hears how far it
    has come. What a window breaks is acted on before the next one is looked at.
    """
    found: list[Checked] = []
    for window in windows(ports, since, ports.clock.moment().billing):
        checks = look_at(ports, window)
        found = merged(found, checks)
        if window.until is not None:
            tell(window.until)
        if not window.last and any(check.breaches for check in checks):
            act(ports, found, whole=False)
    found = merged(found, look_at_the_end(ports, since, sample=sample, texts=texts))
    return Audit(found, act(ports, found, whole=since is None))


def windows(ports: Ports, since: datetime | None, until: datetime) -> Iterator[AuditWindow]:
    """One after the other, without a gap, up to `until` at least."""
    rate, begin = ports.auditing.rate, since
    while True:
        with ports.database.transaction() as uow:
            accepted = uow.stops.accepted(StopCause.BREACH)
            end = uow.audits.end_of(begin, ROWS_A_WINDOW)
        last = end is None or end >= until
        yield AuditWindow(begin, end, ports.clock.moment(), GRACE * rate, SKEW * rate, accepted, last)
        if last:
            return
        begin = end


def look_at(ports: Ports, window: AuditWindow) -> list[Checked]:
    """What the database alone says about one window; in the last one, also about what stands."""
    with ports.database.transaction() as uow:
        checks = [_of_database(check) for check in uow.audits.checks(window, standing=window.last)]
        checks.append(_twins(uow, window))
    return [_judged(check, window.accepted) for check in checks]


def look_at_the_end(ports: Ports, since: datetime | None, *, sample: int, texts: int) -> list[Checked]:
    """What is looked at once an audit: patterns of a day, texts, and approvals at the gateway."""
    wait = timedelta(seconds=ports.timing.settle_window)
    # What was too fresh to be read back by the audits before this one is read by this one.
    paid_since = since - wait * ports.auditing.rate if since is not None else None
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        accepted = uow.stops.accepted(StopCause.BREACH)
        checks = [_runaway(uow, moment.billing, lost=stands_in_for_a_lost_one(ports, uow))]
        paid = uow.audits.paid(paid_since, moment.real - wait, sample) if sample else []
    checks += _texts(ports, texts)
    if sample:
        checks += at_the_gateway(ports, paid)
    return [_judged(check, accepted) for check in checks]


def _note(ports: Ports, audit_id: int, window: AuditWindow, checks: Sequence[Checked]) -> None:
    """Note how far it has come. The lease begins again."""
    rows, breaches = sum(check.rows for check in checks), sum(len(check.breaches) for check in checks)
    real_now = ports.clock.moment().real
    with ports.database.transaction() as uow:
        if window.last or window.until is None:
            uow.audits.finish(audit_id, real_now, rows, breaches)
        else:
            uow.audits.reach(audit_id, window.until, real_now + LEASE, rows, breaches)
        uow.commit()


def merged(found: Sequence[Checked], more: Sequence[Checked]) -> list[Checked]:
    """The checks of several windows as those of one: rows add up, and of the breaches the first ones are told."""
    kept = {(check.invariant, check.what): check for check in found}
    for check in more:
        name = (check.invariant, check.what)
        kept[name] = _added(kept[name], check) if name in kept else check
    return list(kept.values())


def _added(before: Checked, check: Checked) -> Checked:
    told = [*before.breaches, *(breach for breach in check.breaches if breach not in before.breaches)]
    accepted = before.accepted + check.accepted
    return replace(check, rows=before.rows + check.rows, breaches=tuple(told[:MOST_TOLD]), accepted=accepted)


def _judged(check: Checked, accepted: Collection[str]) -> Checked:
    rest = tuple(breach for breach in check.breaches if check.name_of(breach) not in accepted)
    return replace(check, breaches=rest, accepted=len(check.breaches) - len(rest))


def _of_database(check: Checked) -> Checked:
    return replace(check, reach=Reach.ALL) if check.invariant in STOPPING else check


def _texts(ports: Ports, most: int) -> list[Checked]:
    """The newest texts of each table, a page and a transaction at a time."""
    rows, breaches = dict.fromkeys((True, False), 0), {True: list[Breach](), False: list[Breach]()}
    for table in WRITTEN_IN:
        for written in _written(ports, table, most):
            shown = exposes(written.text, ports.auditing.secrets)
            outside = table == INBOX or (table in QUOTING and shown == CARD)
            rows[table == INBOX] += 1
            if shown is not None:
                breaches[outside].append(Breach(f"{table}.{written.ident}", f"holds {shown}"))
    whole = most == ALL_TEXTS
    own, foreign = "texts for card numbers and secrets", f"{FROM_OUTSIDE} for card numbers and secrets"
    return [
        Checked("I13", own, rows[False], tuple(breaches[False]), reach=Reach.ALL),
        Checked("I13", foreign, rows[True], tuple(breaches[True]), standing=whole),
    ]


def _written(ports: Ports, table: str, most: int) -> Iterator[Written]:
    last: Written | None = None
    while most > 0:
        with ports.database.transaction() as uow:
            page = uow.audits.texts(table, min(most, TEXTS_A_PAGE), last)
        yield from page
        if len(page) < min(most, TEXTS_A_PAGE):
            return
        most, last = most - len(page), page[-1]


def _runaway(uow: UnitOfWork, now: datetime, *, lost: bool) -> Checked:
    """Check unasked payments under our orders for a pattern. Single ones are a clerk's, and have their alerts.

    What was booked before a restored database is claimed (`lost`: it is not yet) was asked for by the one before it.
    """
    cleared = uow.stops.cleared_at(ALL, StopCause.BREACH)
    claimed = uow.environment.claimed_again_at()
    since = max(moment for moment in (now - WITHIN, cleared, claimed) if moment is not None)
    found = uow.audits.unasked(since)
    breaches: tuple[Breach, ...] = ()
    if not lost and found.customers > MOST_CUSTOMERS_BY_HAND and is_runaway(found, of := uow.audits.paid_since(since)):
        detail = f"{found.customers} of {of.customers} customers paid within a day were charged under our orders, and "
        # Named by the last clearing: an operator accepted earlier ones, not this.
        breaches = (Breach(f"since {cleared or 'ever'}", detail + "this worker had not asked for it"),)
    return Checked("I17", "customers with unasked charges", found.customers, breaches, reach=Reach.ALL, told=True)


def _twins(uow: UnitOfWork, window: AuditWindow) -> Checked:
    found = tuple(uow.audits.twins(window.since, window.until, MOST_TWINS))
    rows = uow.audits.newcomers(window.since, window.until)
    return Checked(TWINS, "customers who have a plan twice", rows, found, told=True)
