"""An operator looked at an alert and dealt with it."""

from billing_worker.domain.action import Verb
from billing_worker.domain.alerts import AlertKind
from billing_worker.domain.errors import Conflict
from billing_worker.ports.bundle import Ports
from billing_worker.usecases.access.actions import note


def close_alert(ports: Ports, alert_id: int) -> None:
    """Close it. Raises NotFound, or Conflict when it is closed already.

    The same trouble opens a new one; only what comparing both books has told once is not told again.
    """
    with ports.database.transaction() as uow:
        moment = ports.clock.moment()
        if not uow.alerts.close_one(alert_id, moment.billing):
            raise Conflict(f"alert {alert_id} is closed already")
        note(ports, uow, Verb.ALERT_CLOSED, f"alert:{alert_id}", at=moment.real)
        uow.commit()


def report_crashed_job(ports: Ports, job: str, ident: str, error: str) -> None:
    """Open an alert about the id. Names the error's type only: its text may hold a customer's data."""
    with ports.database.transaction() as uow:
        uow.alerts.open(AlertKind.NOT_SERVED, ident, {"job": job, "error": error}, ports.clock.moment().billing)
        uow.commit()
