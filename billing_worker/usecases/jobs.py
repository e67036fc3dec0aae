"""The table of jobs: all work that beat rings and workers serve, on one page.

A job has a unit, which serves one id and returns the rings that follow from it, and usually a scan, which claims the
ids that are due. Celery's tasks, their routes, beat's schedule and the simulation follow from this table.

All scans are rung at one interval (`BILLING_SCAN_INTERVAL`). Work that is due less often has its dates in the database,
which hold for any number of beats.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from billing_worker.ports.bundle import Ports
from billing_worker.usecases.charge import collect, reconcile
from billing_worker.usecases.incoming import apply, tidy
from billing_worker.usecases.key import confirm
from billing_worker.usecases.outgoing import deliver
from billing_worker.usecases.refund import refund
from billing_worker.usecases.review import audit, compare
from billing_worker.usecases.subscription import renew


class Queue(StrEnum):
    """Separate queues, so that a thousand renewals never delay the webhook that unlocks a key."""

    SCANS = "scans"
    CHARGES = "charges"
    LOOKUPS = "lookups"
    NOTICES = "notices"


class JobName(StrEnum):
    """The name of each job, in messages, in Flower and here."""

    RENEW = "renew"
    COLLECT = "collect"
    RECONCILE = "reconcile"
    REFUND = "refund"
    APPLY = "apply"
    CONFIRM = "confirm"
    UNLOCKED = "unlocked"
    DELIVER = "deliver"
    COMPARE = "compare"
    AUDIT = "audit"
    TIDY = "tidy"


class Ring(NamedTuple):
    """Asks for one job on one id. A lost ring only costs time: the scan of that job finds the id."""

    job: JobName
    ident: str


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work."""

    name: JobName
    serve: Callable[[Ports, str], Sequence[Ring]]
    """Serves one id, and returns the rings that follow."""
    queue: Queue
    due: Callable[[Ports, int], Iterable[object]] | None = None
    """Claims at most this many due ids; None if only rings ask for this job."""
    event: str | None = None
    """A Celery event about each served id, for any listener."""

    @property
    def scan(self) -> str:
        """The name of the scan's task."""
        return f"{self.name}_due"

    def claim(self, ports: Ports, limit: int) -> Iterable[object]:
        """At most this many due ids, claimed; none if only rings ask for this job."""
        return self.due(ports, limit) if self.due is not None else ()


def _renewed(ports: Ports, ident: str) -> Sequence[Ring]:
    """Open the invoice of one period, and ring for its charge: it is due now."""
    invoice_id = renew.renew(ports, ident)
    if invoice_id is not None:
        collect.collect(ports, invoice_id)
    return ()


def _applied(ports: Ports, ident: str) -> Sequence[Ring]:
    applied = apply.apply(ports, int(ident))
    unlocked = [Ring(JobName.UNLOCKED, key_id) for key_id in applied.unlocked]
    return [*unlocked, *(Ring(JobName.CONFIRM, key_id) for key_id in applied.to_confirm)]


def _confirmed(ports: Ports, ident: str) -> Sequence[Ring]:
    return [Ring(JobName.UNLOCKED, ident)] if confirm.confirm(ports, ident) else ()


def _unlocked(ports: Ports, ident: str) -> Sequence[Ring]:
    return [Ring(JobName.COLLECT, invoice_id) for invoice_id in collect.waiting(ports, ident, ports.scan_limit)]


def _only(serve: Callable[[Ports, str], object]) -> Callable[[Ports, str], Sequence[Ring]]:
    """A unit without further rings."""

    def served(ports: Ports, ident: str) -> Sequence[Ring]:
        serve(ports, ident)
        return ()

    return served


def _numbered(serve: Callable[[Ports, int], object]) -> Callable[[Ports, str], Sequence[Ring]]:
    """The same, for numeric ids."""
    return _only(lambda ports, ident: serve(ports, int(ident)))


JOBS = (
    Job(JobName.RENEW, _renewed, Queue.CHARGES, renew.due),
    Job(JobName.COLLECT, _only(collect.collect), Queue.CHARGES, collect.due),
    Job(JobName.RECONCILE, _only(reconcile.reconcile), Queue.LOOKUPS, reconcile.due),
    Job(JobName.REFUND, _only(refund.refund), Queue.LOOKUPS, refund.due),
    Job(JobName.APPLY, _applied, Queue.NOTICES, apply.due),
    Job(JobName.CONFIRM, _confirmed, Queue.LOOKUPS, confirm.due),
    Job(JobName.UNLOCKED, _unlocked, Queue.NOTICES, event="billing-key-activated"),
    Job(JobName.DELIVER, _only(deliver.deliver), Queue.NOTICES, deliver.due),
    Job(JobName.COMPARE, _numbered(compare.compare), Queue.LOOKUPS, compare.due),
    Job(JobName.AUDIT, _numbered(audit.audit_recent), Queue.SCANS, audit.due),
    Job(JobName.TIDY, _only(tidy.tidy), Queue.SCANS, tidy.due),
)

BY_NAME = {job.name: job for job in JOBS}
