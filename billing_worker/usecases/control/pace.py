"""Claims at a pace: work due now goes first, and late work starts at a bounded rate.

The rate is a bucket in the database. Each scan takes its late work from it, so all scans of all processes share it. If
a claimed item is never started, claiming it again costs another token. The backlog then drains slower, never faster.

Late is what waited through an interruption of service, not what waits because there is much: the first of a month is
charged as fast as this machine and the gateway can.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from billing_worker.domain.catch_up import NEVER
from billing_worker.domain.moment import Moment
from billing_worker.domain.stop import ALL
from billing_worker.ports.bundle import Ports
from billing_worker.ports.control import DueBetween, Work
from billing_worker.ports.storage import UnitOfWork

Claim = Callable[[DueBetween, int, int], Sequence[str]]
"""Claims due work in a span: this many in the queue altogether, and at most this many of it."""


def claim_renewals(ports: Ports, uow: UnitOfWork, moment: Moment, limit: int) -> Sequence[str]:
    """Ids of subscriptions whose period is due, until `limit` are claimed and not started, leased to the caller."""
    lease_until = moment.real + timedelta(seconds=ports.timing.claim)

    def claim(due: DueBetween, queue: int, most: int) -> Sequence[str]:
        return uow.subscriptions.claim_renewals(due, moment.real, lease_until, queue, most)

    return _paced(ports, uow, Work.RENEWALS, claim, limit, moment=moment)


def claim_invoices(
    ports: Ports, uow: UnitOfWork, moment: Moment, limit: int, key_id: str | None = None
) -> Sequence[str]:
    """Ids of invoices that may be charged now, until `limit` are claimed but not started, leased to the caller.

    Only invoices of one key if it is given, with the same limit and pace.
    """
    lease_until = moment.real + timedelta(seconds=ports.timing.claim)

    def claim(due: DueBetween, queue: int, most: int) -> Sequence[str]:
        return uow.invoices.claim_due(due, moment.real, lease_until, queue, most, key_id=key_id)

    return _paced(ports, uow, Work.INVOICES, claim, limit, moment=moment)


def claim_foreign(ports: Ports, uow: UnitOfWork, real_now: datetime, limit: int) -> Sequence[int]:
    """Ids of foreign notifications, as many as the budget of reads allows now, leased to the caller."""
    rate, lease_until = ports.inbox.foreign_reads, real_now + timedelta(seconds=ports.timing.claim)
    if limit < 1 or not uow.inbox.foreign_waits(real_now):
        return []
    if not rate:
        return uow.inbox.claim_due(real_now, lease_until, limit, foreign=True)
    bucket = uow.catch_up.lock_bucket(Work.FOREIGN_READS, real_now, full=True)
    ids = uow.inbox.claim_due(real_now, lease_until, min(limit, bucket.fill(rate, real_now)), foreign=True)
    bucket.take(len(ids))
    uow.catch_up.save_bucket(bucket)
    return ids


def _paced(ports: Ports, uow: UnitOfWork, work: Work, claim: Claim, limit: int, *, moment: Moment) -> Sequence[str]:
    now, rate = moment.billing, ports.catch_up_rate
    if not rate:
        return claim(DueBetween(NEVER, now), limit, limit)
    old = uow.catch_up.service().late_until(now)
    if work is Work.INVOICES and _nothing_waits(uow, moment):
        note_service(ports, uow, now)
    fresh = claim(DueBetween(old, now, failed=False), limit, limit)
    if len(fresh) == limit or not uow.catch_up.waits(work, old, moment):
        return fresh
    other = Work.INVOICES if work is Work.RENEWALS else Work.RENEWALS
    bucket = uow.catch_up.lock_bucket(work, moment.real)
    may_start = bucket.fill(rate / 2 if uow.catch_up.waits(other, old, moment) else rate, moment.real)
    # Half of the queue is reserved for work due now, even if late work waits there.
    queue = max(1, limit // 2)
    most = min(may_start, queue, limit - len(fresh))
    late = list(claim(DueBetween(NEVER, old), queue, most))
    if work is Work.INVOICES:
        late += claim(DueBetween(old, now, failed=True), queue, most - len(late))
    bucket.take(len(late))
    uow.catch_up.save_bucket(bucket)
    return [*fresh, *late]


def note_service(ports: Ports, uow: UnitOfWork, now: datetime) -> None:
    """Note that charges begin now, or that none is due, once a minute, within the caller's transaction."""
    if not ports.catch_up_rate or uow.catch_up.service().is_noted(now):
        return
    span = uow.catch_up.lock_service()
    span.note(now)
    uow.catch_up.save_service(span)


def _nothing_waits(uow: UnitOfWork, moment: Moment) -> bool:
    """Whether no charge is due that could begin: a scan then proves as much as a charge does."""
    now = moment.billing
    if uow.catch_up.service().is_noted(now) or any(stop.scope == ALL for stop in uow.stops.list_open()):
        return False
    return not any(uow.catch_up.waits(work, now, moment) for work in (Work.INVOICES, Work.RENEWALS))
