"""A genuine pingback that is refused comes back every half hour: somebody has to be told, once."""

from billing_worker.domain.alerts import AlertKind, Facts
from billing_worker.ports.bundle import Ports

MOST_SUBJECTS = 10
"""At most this many open alerts, one per parameter; everything beyond shares one more. A forger can invent parameter
names without breaking the signature, and must not be able to flood the list."""
LATEST = 200
"""Open alerts that are looked through for them."""


def refuse_pingback(ports: Ports, field: str, facts: Facts) -> None:
    """Open the alert about this field, or leave the one that is open as it is: a flood writes nothing."""
    subject, kind = f"paymentwall {field}", AlertKind.PINGBACK_REFUSED
    with ports.database.transaction() as uow:
        if any(alert.kind == kind for alert in uow.alerts.of_subject(subject)):
            return
        known = {alert.subject_id for alert in uow.alerts.list_open(LATEST) if alert.kind == kind}
        if len(known) >= MOST_SUBJECTS:
            subject = "paymentwall others"
        uow.alerts.open(AlertKind.PINGBACK_REFUSED, subject, facts, ports.clock.moment().billing)
        uow.commit()
