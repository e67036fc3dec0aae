"""What is wrong with the operation of an installation: silent processes, queues that none takes, work that waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.moment import Moment
from billing_worker.domain.presence import Observed, Presence, Role, Watching
from billing_worker.domain.queues import Queue

FEWEST_PAID = 3
"""Paid charges without a notification that are worth a word: PortOne sends each once, and one or two may be lost."""

CHARGES = "charges"
"""The subject of the alert about work that waits."""

OBSTACLES = (AlertKind.NOT_RUNG, AlertKind.NO_WORKER, AlertKind.QUEUE_UNSERVED, AlertKind.WORK_WAITS)
"""Kinds of which each may say that no charge begins."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that an operator must know now: an alert that is open as long as it is so."""

    kind: AlertKind
    subject: str
    facts: Facts

    @property
    def stops_charging(self) -> bool:
        """Whether no charge begins because of it."""
        if self.kind is AlertKind.QUEUE_UNSERVED:
            return self.subject in (Queue.SCANS, Queue.CHARGES)
        return self.kind in OBSTACLES


def troubles(observed: Observed, moment: Moment, watching: Watching) -> Sequence[Trouble]:
    """Everything that is wrong, in the order in which an operator looks at it."""
    now = moment.real
    silent = [each for each in observed.processes if each.is_silent(now, watching)]
    found = [*_rings(observed, now, watching), *_workers(observed, now, watching)]
    told = {each.subject for each in found}
    for each in silent:
        if each.role not in told:
            facts: Facts = {"role": each.role.value, "since": said(each.seen_at)}
            found.append(Trouble(AlertKind.PROCESS_SILENT, each.name, facts))
    waiting = observed.unstarted
    if waiting.count:
        facts = {"count": waiting.count, "since": said(waiting.since)}
        found.append(Trouble(AlertKind.WORK_WAITS, CHARGES, facts))
    return [*found, *_sources(observed)]


def said(at: datetime | None) -> str | None:
    """A time as both languages write it."""
    return None if at is None else f"{at:%F %T} UTC"


def _rings(observed: Observed, now: datetime, watching: Watching) -> Sequence[Trouble]:
    """Whether beat rings. A beat without a database gives no sign: what workers hear tells of it."""
    last = observed.last_ring()
    if last is not None and now - last <= watching.silent_after:
        return []
    beats = observed.of(Role.BEAT)
    alive = [each for each in beats if not each.is_silent(now, watching)]
    facts: dict[str, str | None] = {"case": "missing", "since": said(last)}
    if beats:
        facts |= {"case": "lost" if alive else "silent", "beats": _names(alive or beats)}
    elif not any(not each.is_silent(now, watching) for each in observed.of(Role.WORKER)):
        return []  # no worker could hear a ring: that there is none is told already
    return [Trouble(AlertKind.NOT_RUNG, Role.BEAT.value, facts)]


def _workers(observed: Observed, now: datetime, watching: Watching) -> Sequence[Trouble]:
    workers = observed.of(Role.WORKER)
    alive = [each for each in workers if not each.is_silent(now, watching)]
    if not alive:
        last = max((each.seen_at for each in workers), default=None)
        facts: dict[str, str | None] = {"case": "silent" if workers else "missing", "since": said(last)}
        facts |= {"workers": _names(workers)} if workers else {}
        return [Trouble(AlertKind.NO_WORKER, Role.WORKER.value, facts)]
    takers = observed.takers(now, watching)
    named = {"workers": _names(alive)}
    return [Trouble(AlertKind.QUEUE_UNSERVED, queue.value, named) for queue, count in takers.items() if not count]


def _sources(observed: Observed) -> Sequence[Trouble]:
    found = []
    for each in observed.sources:
        if each.came or each.paid < FEWEST_PAID:
            continue
        facts: Facts = {"case": "none", "paid": each.paid}
        if each.refused:
            facts = {"case": "refused", "paid": each.paid, "refused": each.refused, "reason": each.reason}
        found.append(Trouble(AlertKind.NO_NOTIFICATIONS, each.name, facts))
    return found


MOST_NAMES = 5


def _names(processes: Sequence[Presence]) -> str:
    names = sorted(each.name for each in processes)
    return ", ".join(names[:MOST_NAMES] + (["…"] if len(names) > MOST_NAMES else []))
