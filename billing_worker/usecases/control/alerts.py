"""Close alerts, and report crashed jobs."""

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.errors import Conflict
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note


def close_alert(ports: Ports, alert_id: int) -> None:
    """Close an alert. Raises NotFound, or Conflict when it is already closed.

    If the trouble returns, a new alert opens, except for payments that the comparison of both books has found.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        if not uow.alerts.close_one(alert_id, moment):
            raise Conflict(f"alert {alert_id} is closed already")
        note(ports, uow, Verb.ALERT_CLOSED, f"alert:{alert_id}", at=moment.real)
        uow.commit()


def report_crashed_job(ports: Ports, job: str, ident: str, error: str) -> None:
    """Open an alert about the id. Names only the error's type: its text may contain customer data."""
    with ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.NOT_SERVED, ident, {"job": job, "error": error}, ports.clock.moment())
        uow.commit()
