"""Pause charging while the gateway itself fails, and end the pause.

The pause is a stop that ends by itself: nothing new begins, so that no attempt and no step of dunning is spent on a
gateway that is away. Whatever waited longer and longer during the outage is due again when it ends.
"""

from collections.abc import Sequence

from billing_worker.domain.action import Verb
from billing_worker.domain.gateway_watch import PROBE_EVERY, WAKE_AFTER, GatewayWatch, is_noted
from billing_worker.domain.moment import Moment
from billing_worker.domain.payment import Outcome
from billing_worker.domain.stop import ALL, StopCause
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.access.actions import note
from billing_worker.usecases.control.stop_charging import end_stop, open_stop


def watch_gateway(ports: Ports, uow: UnitOfWork, outcomes: Sequence[Outcome], moment: Moment) -> None:
    """Note the outcomes of our own calls, oldest first, within the caller's transaction; pause where they say so.

    Payments cost nothing here: whether one came between two failures is asked when the second is noted. Called last,
    since other transactions wait for the row from here to the commit.
    """
    if not any(is_noted(outcome) for outcome in outcomes):
        return
    watch = uow.gateway_watch.lock()
    if watch.noted_at is not None and uow.gateway_watch.answered_since(watch.noted_at):
        watch.break_off()
    if watch.note(outcomes, moment.billing) and not uow.stops.is_open(ALL, StopCause.GATEWAY):
        _pause(ports, uow, watch, moment)
    uow.gateway_watch.save(watch)


def _pause(ports: Ports, uow: UnitOfWork, watch: GatewayWatch, moment: Moment) -> None:
    watch.next_probe_at = moment.real + PROBE_EVERY
    stop = open_stop(uow, ALL, StopCause.GATEWAY, watch.reason, [], moment=moment)
    note(ports, uow, Verb.STOP_OPENED, f"stop:{stop.id}", f"{ALL}, {StopCause.GATEWAY}", at=moment.real)


def end_pause(ports: Ports) -> None:
    """The gateway answers: make due what waited because of it, then let charging go on.

    After a short pause nothing waits for long because of it. A gateway that answers reads and fails every charge is
    paused again and again: the waits of its charges must go on growing.

    A crash between both leaves the pause open, and the next probe does both again.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        opened = [stop.opened_at for stop in uow.stops.list_open() if stop.cause is StopCause.GATEWAY]
        if not opened or moment.billing - min(opened) >= WAKE_AFTER:
            uow.gateway_watch.wake(moment)
            uow.commit()
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        uow.gateway_watch.lock()
        uow.gateway_watch.save(GatewayWatch())
        for found in uow.stops.list_open():
            if found.cause is not StopCause.GATEWAY:
                continue
            stop = uow.stops.lock(found.id)
            if stop.is_open:  # an operator may have cleared it meanwhile
                end_stop(ports, uow, stop, "the gateway answers again", moment)
        uow.commit()
