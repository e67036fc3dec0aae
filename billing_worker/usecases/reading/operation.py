"""The operation of this installation: its processes, what is wrong with them, and whether charges can begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.moment import Moment
from billing_worker.domain.operation import OBSTACLES, Trouble, troubles
from billing_worker.domain.presence import Observed
from billing_worker.domain.stop import ALL, Stop
from billing_worker.ports.bundle import Ports

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation at one moment."""

    moment: Moment
    observed: Observed
    troubles: Sequence[Trouble]
    refused: Sequence[tuple[str, str, int]]
    """Refused notifications of a day: source, reason, count."""


@dataclass(frozen=True, slots=True)
class Obstacles:
    """Why no charge begins; nothing of both where charges go on."""

    troubles: Sequence[Trouble]
    stops: Sequence[Stop]
    """Open stops of all charging."""


def operation(ports: Ports) -> Operation:
    """The processes as they are now, in one read. Raises Unavailable."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        observed = uow.processes.observe(moment, ports.watching.unstarted_after(ports.timing.claim))
        return Operation(
            moment=moment,
            observed=observed,
            troubles=troubles(observed, moment, ports.watching),
            refused=uow.processes.refused_since(moment.real - A_DAY),
        )


def obstacles(ports: Ports) -> Obstacles:
    """What the latest look at the processes found, and the stops: cheap enough for an open address."""
    with ports.database.transaction() as uow:
        open_ones = [alert for kind in OBSTACLES for alert in uow.alerts.of_kind(kind)]
        found = [Trouble(AlertKind(alert.kind), alert.subject_id, alert.facts or {}) for alert in open_ones]
        return Obstacles(
            troubles=[each for each in found if each.stops_charging],
            stops=[stop for stop in uow.stops.list_open() if stop.scope == ALL],
        )
