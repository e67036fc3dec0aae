"""Review the schedules at PortOne: compare them with ours, revoke what came back to life, alert to the rest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from billing_worker.domain.alert_rules import RULES
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.comparing import Finding, FindingKind
from billing_worker.domain.comparison import Span
from billing_worker.domain.schedule_difference import Difference, DifferenceKind
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.schedule.compare import MOST_READ, Compared, compare_schedules, nothing
from billing_worker.usecases.schedule.differs import alert_difference, subject_of
from billing_worker.usecases.schedule.leftover import take_back_money
from billing_worker.usecases.schedule.take_back import take_back


def review_schedules(ports: Ports, span: Span | None = None, before_call: Callable[[], None] = nothing) -> Compared:
    """Compare the schedules whose dates lie in this span, or all that can be registered, and act on each difference.

    An alert is closed only by the comparison of all: one of a span does not see what was moved out of it. An
    installation in shadow serves no schedule, and only compares. Raises ListUnread.
    """
    began = ports.clock.moment().billing
    found = compare_schedules(ports, span, before_call)
    if ports.shadow:
        return found
    found.differences = [_acted_on(ports, each, before_call) for each in found.differences]
    _take_back_money(ports, found, before_call)
    if span is None:
        _close_others(ports, found, began)
    return found


def findings(found: Compared) -> list[Finding]:
    """The differences as findings of the comparison of both books."""
    cases = RULES[AlertKind.SCHEDULE_DIFFERS].cases
    return [
        Finding(
            FindingKind.SCHEDULE, "", each.merchant_uid, None, f"{each.kind}: {each.done}", cases[each.case].actions
        )
        for each in found.differences
    ]


def _acted_on(ports: Ports, difference: Difference, before_call: Callable[[], None]) -> Difference:
    """Revoke what came back, and open the alert; returns the difference with what was done."""
    done = replace(difference, done="alert opened")
    if difference.kind is DifferenceKind.REVIVED and difference.schedule_id is not None:
        before_call()
        trouble = take_back(ports, difference.schedule_id)
        told = "revoked again" if trouble is None else f"not revoked: {trouble}"
        done = replace(difference, done=f"{told}; alert opened", taken_back=trouble is None)
    with ports.database.transaction() as uow:
        alert_difference(uow, done, ports.clock.moment())
        uow.commit()
    return done


def _take_back_money(ports: Ports, found: Compared, before_call: Callable[[], None]) -> None:
    """Give back what ran before its period, and was not waited for."""
    with ports.database.transaction() as uow:
        ids = uow.schedules.ran_unopened(found.start, found.end, MOST_READ)
    for ident in ids:
        before_call()
        take_back_money(ports, ident)


def _close_others(ports: Ports, found: Compared, began: datetime) -> None:
    """Close the alerts whose difference is gone."""
    stay = {subject_of(each) for each in found.differences}
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        for alert in uow.alerts.of_kind(AlertKind.SCHEDULE_DIFFERS):
            order = alert.facts["order"] if alert.facts is not None else None
            if alert.subject_id not in stay and order not in found.unread and alert.opened_at <= began:
                uow.alerts.close(AlertKind.SCHEDULE_DIFFERS, alert.subject_id, moment)
        uow.commit()
