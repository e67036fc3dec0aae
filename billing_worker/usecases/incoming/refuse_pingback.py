"""Alert an operator, once, to a genuine pingback that is refused: Paymentwall repeats it every half hour."""

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.ports.bundle import Ports

MOST_SUBJECTS = 10
"""At most this many open alerts, one per parameter; everything beyond shares one more. A forger can invent parameter
names without breaking the signature, and must not be able to flood the list."""
LATEST = 200
"""The open alerts that are searched for these."""


def refuse_pingback(ports: Ports, field: str, facts: Facts) -> None:
    """Open the alert about this field. An open one stays as it is, so a flood writes nothing."""
    subject, kind = f"paymentwall {field}", AlertKind.PINGBACK_REFUSED
    with ports.database.transaction() as uow:
        if any(alert.kind == kind for alert in uow.alerts.of_subject(subject)):
            return
        known = {alert.subject_id for alert in uow.alerts.list_open(LATEST) if alert.kind == kind}
        if len(known) >= MOST_SUBJECTS:
            subject = "paymentwall others"
        uow.alerts.open(AlertKind.PINGBACK_REFUSED, subject, facts, ports.clock.moment())
        uow.commit()
