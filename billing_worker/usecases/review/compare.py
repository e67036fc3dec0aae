"""Compare both books, span by span: the gateway's list of payments with our attempts, and our attempts with the list.

With each span, what the gateway is going to charge by schedules is compared too (`schedule_dates`).

A span is done only after it was read as a whole. The gateway's timestamps follow billing time (real time, unless a time
machine is set, which its sandbox shares), so spans are billing time; leases and waits are real time.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.comparing import Booked, Finding, Match
from billing_worker.domain.comparison import OVERLAP, Comparison, ComparisonStatus, next_span, spans
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import GatewayPayment, PaymentStatus
from billing_worker.ports.bundle import Ports
from billing_worker.ports.outside import Sheet
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.review.difference import NotRead, alert_unreadable, look_for, look_into, match
from billing_worker.usecases.review.schedules import findings, review_schedules
from billing_worker.usecases.schedule.compare import ListUnread

PAGE = 1000
"""Attempts per query."""

MOST_DOUBTED = 100
"""Payments in doubt that are read with one span, oldest read first."""

QUIET_TRIES = 5
"""A span that fails this many times in a row, within minutes, needs an operator."""

BY_HAND = timedelta(minutes=5)
"""Spans that an operator requested wait this long for the command to read them, before a worker does."""

LEASES = 2
"""A comparison is leased for this many leases of a charge: longer than any single call, renewed with every page."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of one span."""

    comparison: Comparison
    findings: Sequence[Finding]
    trouble: str | None
    """Set if it could not be read as a whole; it is read again."""


class _Overtaken(Exception):
    """Another worker has taken over this span."""


@dataclass(slots=True)
class _Run:
    """One worker reading one span."""

    ports: Ports
    comparison: Comparison
    began_at: datetime
    """Real time."""
    seen: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    others: int = 0
    control: str | None = None
    """One of our payments in the list: a single read must also show it."""


def due(ports: Ports, limit: int) -> Sequence[int]:
    """Plan the next span, if it is due, and claim spans to read."""
    with ports.database.transaction() as uow:
        plans = uow.comparisons.plan_alone()
        last = uow.comparisons.lock_last() if plans else None
        moment = ports.clock.moment()
        if plans:
            _plan_next(ports, uow, last, moment)
        lease = moment.real + timedelta(seconds=ports.timing.claim)
        ids = uow.comparisons.claim_due(moment.real, lease, limit)
        uow.commit()
    return ids


def _plan_next(ports: Ports, uow: UnitOfWork, last: Comparison | None, moment: Moment) -> None:
    """Widen the last span if no worker has begun to read it, or add the next one."""
    if last is not None and last.status is ComparisonStatus.OPEN:
        last.widen(moment.billing)
        uow.comparisons.save(last)
    span = next_span(last, moment, timedelta(seconds=ports.timing.compare_interval))
    if span is not None:
        uow.comparisons.add(span, moment.real, next_try_at=moment.real)


def plan(ports: Ports, since: datetime | None = None) -> Sequence[int]:
    """Plan everything from `since` to now, for an operator who reads it at once; returns the ids, oldest first.

    Without `since`, it begins an overlap earlier than the next span. A later `since` leaves no gap: it begins at the
    end of the last comparison or, if none is done, at the end of the last planned one.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        now, until = moment.billing, uow.books.compared_until()
        if until is None:
            first = next_span(None, moment, timedelta(0))
            usual = first[0] if first else now
            # The next span begins at the end of the furthest one: time before a later start would never be read.
            planned = uow.comparisons.lock_last()
            until = planned.ends_at if planned else None
        else:
            usual = min(until, now) - 2 * OVERLAP
        wanted = usual if since is None else since
        start = min(wanted, until - OVERLAP) if until else wanted
        ids = [uow.comparisons.add(span, moment.real, moment.real + BY_HAND) for span in spans(start, now)]
        uow.commit()
    return ids


def compare(ports: Ports, comparison_id: int) -> Compared | None:
    """Read one span and settle the differences; None if it is done, or another worker reads it."""
    with ports.database.transaction() as uow:
        comparison = uow.comparisons.lock(comparison_id)
        real_now = ports.clock.moment().real
        if not comparison.take(real_now, _lease(ports)):
            return None
        uow.comparisons.save(comparison)
        uow.commit()
    run = _Run(ports, comparison, real_now)
    try:
        for sheet in ports.gateway.payments_between(comparison.starts_at, comparison.ends_at):
            if sheet.trouble is not None:
                return _end(run, sheet.trouble)
            _look_at(run, sheet)
        _look_back(run)
        _look_again(run)
        _look_ahead(run)
    except (NotRead, ListUnread) as trouble:
        return _end(run, str(trouble))
    except _Overtaken:
        return None
    return _end(run, None)


def _look_at(run: _Run, sheet: Sheet) -> None:
    """Compare one page of the gateway's list with our books."""
    ports = run.ports
    _hold(run)
    new = [payment for payment in sheet.payments if payment.imp_uid not in run.seen]
    with ports.database.transaction() as uow:
        known = uow.comparisons.known(new)
        uow.alerts.close_shown(
            [payment.imp_uid for payment in new],
            [payment.imp_uid for payment in new if _is_given_back(payment)],
            ports.clock.moment(),
        )
        uow.commit()
    for payment in new:
        run.seen.add(payment.imp_uid)
        found = match(known, payment, ports.environment)
        if found is Match.OTHER:
            run.others += 1
        elif found is Match.AGREES:
            run.control = payment.imp_uid if payment.imp_uid in known.booked else run.control
        else:
            _hold(run)
            _note(run, look_into(ports, payment))
    for row in sheet.unreadable:
        if row.imp_uid not in run.seen:
            run.seen.add(row.imp_uid)
            run.others += 1
            _note(run, alert_unreadable(ports, row))


def _is_given_back(payment: GatewayPayment) -> bool:
    return payment.status is PaymentStatus.CANCELLED and not payment.holds_money


def _look_back(run: _Run) -> None:
    """Check our attempts approved in this span: the list has shown each payment, or a single read does."""
    ports, comparison = run.ports, run.comparison
    last: Booked | None = None
    while True:
        with ports.database.transaction() as uow:
            page = uow.comparisons.approved_between(comparison.starts_at, comparison.ends_at, last, PAGE)
        for booked in page:
            if booked.imp_uid is not None and booked.imp_uid not in run.seen:
                _hold(run)
                _note(run, look_for(ports, booked, run.control).finding)
        if len(page) < PAGE:
            return
        last = page[-1]


def _look_again(run: _Run) -> None:
    """Read payments in doubt, at any age, until each is shown again."""
    with run.ports.database.transaction() as uow:
        doubted = uow.comparisons.doubted(run.began_at, MOST_DOUBTED)
    for booked in doubted:
        _hold(run)
        # A payment that cannot be read is tried with the next span; this span still counts as read.
        with suppress(NotRead):
            _note(run, look_for(run.ports, booked, _control_beside(run, booked)).finding)


def _look_ahead(run: _Run) -> None:
    """Compare what PortOne is going to charge by schedules. An installation in shadow serves none."""
    if run.ports.shadow:
        return
    dates = run.comparison.schedule_dates(run.ports.clock.moment().billing)
    run.findings += findings(review_schedules(run.ports, dates, partial(_hold, run)))


def _control_beside(run: _Run, booked: Booked) -> str | None:
    return run.control if run.control != booked.imp_uid else None


def _note(run: _Run, finding: Finding | None) -> None:
    if finding is not None:
        run.findings.append(finding)


def _lease(ports: Ports) -> timedelta:
    return timedelta(seconds=LEASES * ports.timing.lease)


def _hold(run: _Run) -> None:
    """Renew the lease when half of it is over. Raises _Overtaken if the span has another reader."""
    real_now, lease = run.ports.clock.moment().real, _lease(run.ports)
    if run.comparison.next_try_at - real_now > lease / 2:
        return
    with run.ports.database.transaction() as uow:
        current = uow.comparisons.lock(run.comparison.id)
        if current.tries != run.comparison.tries or current.status is not ComparisonStatus.RUNNING:
            raise _Overtaken
        current.next_try_at = run.comparison.next_try_at = real_now + lease
        uow.comparisons.save(current)
        uow.commit()


def _end(run: _Run, trouble: str | None) -> Compared | None:
    """Record the result of the span; None if another worker has taken it over."""
    ports = run.ports
    with ports.database.transaction() as uow:
        current = uow.comparisons.lock(run.comparison.id)
        moment = ports.clock.moment()
        if current.tries != run.comparison.tries or current.status is not ComparisonStatus.RUNNING:
            return None
        current.payments, current.others = len(run.seen), run.others
        current.booked = sum(finding.booked for finding in run.findings)
        current.alerted = sum(bool(finding.actions) for finding in run.findings)
        subject = str(current.id)
        if trouble is None:
            current.finish(moment.real)
            uow.alerts.close(AlertKind.NOT_COMPARED, subject, moment)
            uow.alerts.close_settled(moment)
        else:
            current.fail(trouble, moment.real)
            if current.tries >= QUIET_TRIES:
                facts: Facts = {"since": f"{current.starts_at:%F %T} UTC", "trouble": trouble}
                uow.alerts.open(AlertKind.NOT_COMPARED, subject, facts, moment)
        uow.comparisons.save(current)
        uow.commit()
    return Compared(current, run.findings, trouble)
