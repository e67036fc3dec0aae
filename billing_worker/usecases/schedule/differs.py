"""Alert an operator to a difference between our schedules and PortOne's."""

from billing_worker.domain.alerts import CASE, AlertKind
from billing_worker.domain.moment import Moment
from billing_worker.domain.schedule_difference import Difference, DifferenceKind
from billing_worker.ports.storage import UnitOfWork

NAMELESS = "?"
"""The subject of a row that shows no order number."""


def alert_difference(uow: UnitOfWork, difference: Difference, moment: Moment) -> None:
    """Open the alert of this difference, or renew its facts."""
    facts: dict[str, str | None] = {CASE: difference.case, "there": difference.at_portone}
    facts["order"] = difference.merchant_uid or None
    if difference.kind is DifferenceKind.UNKNOWN:
        facts["key"] = difference.subject_id
    else:
        facts["here"] = difference.here
    if difference.kind is DifferenceKind.MISSING:
        facts["subscription"] = difference.subscription_id
    uow.alerts.open(AlertKind.SCHEDULE_DIFFERS, subject_of(difference), facts, moment)


def subject_of(difference: Difference) -> str:
    """The subject of its alert: our schedule, or else the order number."""
    return difference.schedule_id or difference.merchant_uid or NAMELESS
