"""Watch the processes, and alert an operator to one that is silent, and to work that no worker begins.

Each process gives its own signs, and looks at the others by its own clock, in a thread of its own: no look waits for a
queue, or for the broker. One of them looks at a time.
"""

from collections.abc import Sequence

from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.moment import Moment
from billing_worker.domain.operation import Trouble, troubles
from billing_worker.domain.operation_rules import OPERATION_RULES
from billing_worker.domain.presence import FORGOTTEN_AFTER, Sign
from billing_worker.ports.alerts import AlertRecords
from billing_worker.ports.bundle import Ports
from billing_worker.ports.presence import Refusals
from billing_worker.usecases.control.call_times import times_to_write


def attend(ports: Ports, sign: Sign) -> None:
    """Give a sign, and look at all processes if a look is due. Raises Unavailable.

    The times of this process's calls are written with it.
    """
    with times_to_write(ports) as timed, ports.database.transaction() as uow:
        uow.processes.give_sign(sign.at(ports.clock.moment().real))
        uow.books.hourly.add_calls(timed)
        uow.commit()
    watch(ports)


def leave(ports: Ports, name: str) -> None:
    """Forget a process that ends as it should. Raises Unavailable."""
    with times_to_write(ports) as timed, ports.database.transaction() as uow:
        uow.processes.leave(name)
        uow.books.hourly.add_calls(timed)
        uow.commit()


def count_refused(ports: Ports, refused: Refusals) -> None:
    """Add to the counts of refused notifications. Raises Unavailable."""
    if refused:
        with ports.database.transaction() as uow:
            uow.processes.add_refused(ports.clock.moment().real, refused)
            uow.commit()


def watch(ports: Ports) -> None:
    """Look, unless a look was made a moment ago. The first looks after a pause say nothing of silence.

    While the database was away, no process could give a sign.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        looks = uow.processes.lock_watch(moment.real)
        if looks is None or not looks.is_due(moment.real, ports.watching):
            return
        looks.note(moment.real, ports.watching)
        uow.processes.save_watch(looks)
        uow.processes.forget(moment.real - FORGOTTEN_AFTER)
        if looks.knows(moment.real, ports.watching):
            observed = uow.processes.observe(moment, ports.watching.unstarted_after(ports.timing.claim))
            _alert(uow, troubles(observed, moment, ports.watching), moment)
        uow.commit()


def _alert(uow: AlertRecords, found: Sequence[Trouble], moment: Moment) -> None:
    """Keep exactly the alerts open whose trouble there is now."""
    known = {(each.kind, each.subject_id): each.facts for kind in OPERATION_RULES for each in uow.alerts.of_kind(kind)}
    for trouble in found:
        if known.pop((trouble.kind, trouble.subject), None) != trouble.facts:
            uow.alerts.open(trouble.kind, trouble.subject, trouble.facts, moment)
    for kind, subject in known:
        uow.alerts.close(AlertKind(kind), subject, moment)
