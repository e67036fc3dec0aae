"""The effects of an audit: alerts that open and close, and stops."""

from collections.abc import Sequence
from datetime import datetime

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.domain.audit import Breach, Checked, Reach
from billing_worker.domain.moment import Moment
from billing_worker.domain.runaway import WITHIN, Reached, is_runaway
from billing_worker.domain.stop import ALL, INVOICE, SUBSCRIPTION, Stop, StopCause, scope_of
from billing_worker.ports.bundle import Ports
from billing_worker.ports.storage import UnitOfWork
from billing_worker.usecases.control.stop_charging import alert_of, stop_charging

TWINS = "I25"

MOST_NAMED = 5


def act(ports: Ports, checks: Sequence[Checked], *, whole: bool) -> list[Stop]:
    """Open and close alerts, and open stops. Returns the stops, the widest first."""
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        for stop in uow.stops.list_open():
            alert_of(uow, stop, moment)
        _alert(uow, [check for check in checks if not check.stopping and not check.told], moment, whole=whole)
        _alert_of_twins(
            uow, [breach for check in checks if check.invariant == TWINS for breach in check.breaches], moment
        )
        single = [(check, breach) for check in checks if check.reach is Reach.ONE for breach in check.breaches]
        everybody = [(check, breach) for check in checks if check.reach is Reach.ALL for breach in check.breaches]
        if _is_pattern(uow, single, max((check.rows for check, _ in single), default=0), moment.billing):
            everybody, single = everybody + single, []
        uow.commit()
    stops = [_stop(ports, ALL, everybody)] if everybody else []
    owners = sorted({breach.owner for _, breach in single if breach.owner})
    for owner in owners:
        own = [(check, breach) for check, breach in single if breach.owner == owner]
        stops.append(_stop(ports, scope_of(owner), own))
    return stops


def _is_pattern(uow: UnitOfWork, single: Sequence[tuple[Checked, Breach]], read: int, now: datetime) -> bool:
    """Whether the findings about single customers, now and within the last day, form a pattern."""
    found = {scope_of(breach.owner) for _, breach in single if breach.owner}
    if not found:
        return False
    for stop in uow.stops.list_open():
        lately = stop.cause is StopCause.BREACH and stop.opened_at > now - WITHIN
        if lately and stop.scope.startswith((SUBSCRIPTION, INVOICE)):
            found.add(stop.scope)
    return is_runaway(Reached(len(found)), Reached(read))


def _stop(ports: Ports, scope: str, grave: Sequence[tuple[Checked, Breach]]) -> Stop:
    names = [check.name_of(breach) for check, breach in grave]
    told = "; ".join(f"{check.name_of(breach)} {breach.detail}" for check, breach in grave[:MOST_NAMED])
    more = f"; and {len(grave) - MOST_NAMED} more" if len(grave) > MOST_NAMED else ""
    return stop_charging(ports, scope, StopCause.BREACH, told + more, names).stop


def _alert(uow: UnitOfWork, checks: Sequence[Checked], moment: Moment, *, whole: bool) -> None:
    """Open one alert per invariant. It closes when a full audit finds no breach."""
    for invariant in sorted({check.invariant for check in checks}):
        own = [check for check in checks if check.invariant == invariant]
        wrong = [check for check in own if check.breaches]
        if wrong:
            uow.alerts.open(AlertKind.INVARIANT, invariant, _facts(wrong), moment)
        elif whole or all(check.standing for check in own):
            uow.alerts.close(AlertKind.INVARIANT, invariant, moment)


def _facts(wrong: Sequence[Checked]) -> Facts:
    return {
        "promises": [check.what for check in wrong],
        "count": sum(len(check.breaches) for check in wrong),
        "found": [f"{breach.subject} {breach.detail}" for check in wrong for breach in check.breaches[:MOST_NAMED]],
    }


def _alert_of_twins(uow: UnitOfWork, found: Sequence[Breach], moment: Moment) -> None:
    uow.alerts.close_parted_twins(moment)
    for breach in found:
        uow.alerts.open(AlertKind.TWIN_SUBSCRIPTION, breach.subject, breach.facts or {}, moment)
