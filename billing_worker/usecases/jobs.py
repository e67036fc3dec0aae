"""The table of jobs: all work that beat rings and workers serve, on one page.

A job has a unit, which serves the ids of one message and returns the rings that follow, and mostly a scan, which claims
the ids that are due. Celery's tasks, their routes, beat's schedule and the simulation are made of this table.

All scans are rung at one interval (`BILLING_SCAN_INTERVAL`). Work that is due less often has its dates in the database,
which hold for any number of beats.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from billing_worker.domain.queues import Queue
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.card import advance
from billing_worker.usecases.charge import collect, probe, reconcile, win_back
from billing_worker.usecases.entry import calls
from billing_worker.usecases.incoming import apply, tidy
from billing_worker.usecases.key import confirm, expiry
from billing_worker.usecases.notice import deliver as notices
from billing_worker.usecases.outgoing import alert, deliver
from billing_worker.usecases.refund import refund
from billing_worker.usecases.review import audit, compare
from billing_worker.usecases.schedule import register, step
from billing_worker.usecases.shadow import compare as compare_shadow
from billing_worker.usecases.subscription import renew


class JobName(StrEnum):
    """The name of each job, in messages, in Flower and here."""

    RENEW = "renew"
    COLLECT = "collect"
    RECONCILE = "reconcile"
    REFUND = "refund"
    APPLY = "apply"
    CONFIRM = "confirm"
    CARDS = "cards"
    CARD_EXPIRY = "card_expiry"
    KEY_CALL = "key_call"
    SCHEDULE_STEP = "schedule_step"
    SHADOW_DAY = "shadow_day"
    UNLOCKED = "unlocked"
    DELIVER = "deliver"
    NOTICE = "notice"
    ALERT = "alert"
    COMPARE = "compare"
    AUDIT = "audit"
    TIDY = "tidy"
    PROBE = "probe"
    WIN_BACK = "win_back"


class Ring(NamedTuple):
    """Asks for one job on some ids, or without ids for its scan.

    A ring that is lost costs time only: the scan of that job finds the ids.
    """

    job: JobName
    idents: Sequence[str] = ()


CHUNK = 50
"""Charges in one message, which are begun in one transaction: more of them would save little (docs/decisions/0029)."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work."""

    name: JobName
    serve: Callable[[Ports, Sequence[str]], Sequence[Ring]]
    """Serves the ids of one message, and returns what is to be rung then."""
    queue: Queue
    due: Callable[[Ports, int], Iterable[object]] | None = None
    """Claims at most this many due ids; None if only rings ask for this job."""
    chunk: int = 1
    """The most ids in one message."""
    fills: float | None = None
    """The share of `scan_limit` up to which its scan fills the queue; None if the database bounds its claims."""
    event: str | None = None
    """A Celery event about each served id, for any listener."""

    def work(self, ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
        """Serve the ids of one message. After a full chunk more may be due than one scan claims: its scan is rung."""
        rings = self.serve(ports, idents)
        is_full = self.due is not None and self.chunk > 1 and len(idents) == self.chunk
        return [*rings, Ring(self.name)] if is_full else rings

    @property
    def scan(self) -> str:
        """The name of the scan's task."""
        return f"{self.name}_due"

    def claim(self, ports: Ports, limit: int) -> Iterable[object]:
        """At most this many due ids, claimed; none if only rings ask for this job."""
        return self.due(ports, limit) if self.due is not None else ()


def _applied(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
    rings = []
    for ident in idents:
        applied = apply.apply(ports, int(ident))
        rings += [Ring(JobName.UNLOCKED, [key_id]) for key_id in applied.unlocked]
        rings += [Ring(JobName.CONFIRM, [key_id]) for key_id in applied.to_confirm]
        rings += [Ring(JobName.CARDS, [session_id]) for session_id in applied.to_advance]
    return rings


def _confirmed(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
    return [Ring(JobName.UNLOCKED, [key_id]) for key_id in idents if confirm.confirm(ports, key_id)]


def _advanced(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
    done = [advance.advance(ports, session_id) for session_id in idents]
    return [Ring(JobName.UNLOCKED, [each.unlocked]) for each in done if each.unlocked is not None]


def _called(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
    return [Ring(JobName.UNLOCKED, [key_id]) for ident in idents if (key_id := calls.step(ports, ident)) is not None]


def _unlocked(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
    found = [collect.waiting(ports, key_id, ports.scan_limit) for key_id in idents]
    return [Ring(JobName.COLLECT, part) for ids in found for part in chunks(ids, CHUNK)]


def chunks(idents: Iterable[object], most: int) -> Iterable[Sequence[str]]:
    """These ids as the texts of messages, at most so many in each."""
    left = [str(ident) for ident in idents]
    return [left[start : start + most] for start in range(0, len(left), most)]


def _many(serve: Callable[[Ports, Sequence[str]], object]) -> Callable[[Ports, Sequence[str]], Sequence[Ring]]:
    """A unit that serves all ids together, and after which nothing is rung."""

    def served(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
        serve(ports, idents)
        return ()

    return served


def _each(serve: Callable[[Ports, str], object]) -> Callable[[Ports, Sequence[str]], Sequence[Ring]]:
    """A unit that serves one id after the other, and after which nothing is rung."""

    def served(ports: Ports, idents: Sequence[str]) -> Sequence[Ring]:
        for ident in idents:
            serve(ports, ident)
        return ()

    return served


def _numbered(serve: Callable[[Ports, int], object]) -> Callable[[Ports, Sequence[str]], Sequence[Ring]]:
    """The same, for numeric ids."""
    return _each(lambda ports, ident: serve(ports, int(ident)))


JOBS = (
    Job(JobName.RENEW, _many(collect.renew), Queue.CHARGES, renew.due, CHUNK),
    Job(JobName.COLLECT, _many(collect.collect), Queue.CHARGES, collect.due, CHUNK),
    Job(JobName.RECONCILE, _each(reconcile.reconcile), Queue.LOOKUPS, reconcile.due, fills=0.5),
    Job(JobName.REFUND, _each(refund.refund), Queue.LOOKUPS, refund.due, fills=1.0),
    Job(JobName.APPLY, _applied, Queue.NOTICES, apply.due, fills=1.0),
    Job(JobName.CONFIRM, _confirmed, Queue.LOOKUPS, confirm.due, fills=1.0),
    Job(JobName.CARDS, _advanced, Queue.LOOKUPS, advance.due, fills=1.0),
    Job(JobName.CARD_EXPIRY, _each(expiry.look), Queue.NOTICES, expiry.due, fills=1.0),
    Job(JobName.KEY_CALL, _called, Queue.LOOKUPS, calls.due, fills=1.0),
    Job(JobName.SCHEDULE_STEP, _each(step.step), Queue.LOOKUPS, register.due, fills=0.5),
    Job(JobName.SHADOW_DAY, _each(compare_shadow.compare), Queue.LOOKUPS, compare_shadow.due),
    Job(JobName.UNLOCKED, _unlocked, Queue.NOTICES, event="billing-key-activated"),
    Job(JobName.DELIVER, _each(deliver.deliver), Queue.NOTICES, deliver.due),
    Job(JobName.NOTICE, _each(notices.send), Queue.NOTICES, notices.due),
    Job(JobName.ALERT, _each(alert.alert), Queue.NOTICES, alert.due),
    Job(JobName.COMPARE, _numbered(compare.compare), Queue.LOOKUPS, compare.due, fills=1.0),
    Job(JobName.AUDIT, _numbered(audit.audit_recent), Queue.SCANS, audit.due),
    Job(JobName.TIDY, _each(tidy.tidy), Queue.SCANS, tidy.due),
    Job(JobName.PROBE, _each(probe.probe), Queue.LOOKUPS, probe.due),
    Job(JobName.WIN_BACK, _each(win_back.win_back), Queue.LOOKUPS, win_back.due),
)

BY_NAME = {job.name: job for job in JOBS}

ROUND = sum(job.due is not None for job in JOBS)
"""The scans that beat rings together."""
